//! What the reputation service says, as evidence.

use tamis_checks::reputation::{
    LANES_MIN, MALWARE_REPORTERS_MIN, TEXT_ALONE_MAX, is_matched, judge, left_out,
};
use tamis_domain::digest::{Signature, SignatureKind};
use tamis_domain::evidence::Mark;
use tamis_domain::policy::Thresholds;
use tamis_domain::reputation::{Answered, Class, Listing};
use tamis_domain::status::Status;
use tamis_domain::weigh::{Weighed, weigh};

fn answered(kind: SignatureKind, part: u16, class: Class, similarity: u8) -> Answered {
    Answered {
        signature: Signature { kind, value: [0; 16] },
        part: Some(part),
        listing: Some(Listing { class, weight: 100, reporters: 5, age_hours: 1, similarity }),
    }
}

fn weight(answers: &[Answered], name: &str) -> Option<f32> {
    judge(answers).iter().find(|found| found.name == name).map(|found| found.weight)
}

#[test]
fn a_near_match_weighs_less_the_less_alike_it_is() {
    let mut last = f32::INFINITY;
    for (lanes, expect) in [
        (32, Some(10.0)),
        (31, Some(9.0)),
        (28, Some(9.0)),
        (27, Some(7.0)),
        (20, Some(5.0)),
        (LANES_MIN, Some(3.0)),
        (LANES_MIN - 1, None),
        (0, None),
    ] {
        // A forged sender bears the words out and has a name of its own.
        let text = answered(SignatureKind::Text, 0, Class::Spam, lanes);
        let answers = [text, sender(Class::Spam)];
        let found = weight(&answers, "reputation_spam");
        assert_eq!(found, expect, "{lanes}");
        assert_eq!(is_matched(&answers), expect.is_some(), "{lanes}");
        assert!(found.unwrap_or(0.0) <= last);
        last = found.unwrap_or(0.0);
    }
}

#[test]
fn each_class_and_kind_has_its_own_name() {
    use SignatureKind::{Link, Sender, Text};
    for (kind, class, name, matched) in [
        (Text, Class::Suspected, "reputation_suspected", false),
        (Text, Class::Spam, "reputation_spam", true),
        (Text, Class::Phishing, "reputation_phishing", true),
        (Text, Class::Malware, "reputation_malware", true),
        (Text, Class::Bulk, "reputation_bulk", false),
        (Text, Class::Allowed, "reputation_allowed", false),
        (Link, Class::Spam, "reputation_spam_link", true),
        (Link, Class::Phishing, "reputation_phishing_link", true),
        (Link, Class::Malware, "reputation_malware_link", true),
        (Sender, Class::Spam, "reputation_spam_sender", false),
        (Sender, Class::Phishing, "reputation_phishing_sender", false),
        (Sender, Class::Malware, "reputation_malware_sender", false),
        (Sender, Class::Allowed, "reputation_allowed_sender", false),
    ] {
        let answers = [answered(kind, 2, class, 32)];
        let found = judge(&answers);
        assert_eq!(found.len(), 1);
        assert!(tamis_checks::names::is_known(&found[0].name));
        assert_eq!((found[0].name.as_ref(), found[0].part), (name, Some(2)));
        assert_eq!(is_matched(&answers), matched, "{name}");
    }
}

#[test]
fn an_allowed_part_silences_other_listings_of_the_same_part_but_not_malware() {
    let allowed = answered(SignatureKind::Part, 1, Class::Allowed, 32);
    let near = answered(SignatureKind::Text, 1, Class::Spam, 30);
    let other = answered(SignatureKind::Text, 2, Class::Spam, 30);
    let malware = answered(SignatureKind::Part, 1, Class::Malware, 32);
    assert_eq!(weight(&[allowed, near], "reputation_spam"), None);
    assert!(!is_matched(&[allowed, near]));
    assert!(
        weight(&[allowed, other], "reputation_spam").is_some(),
        "a spammer may add a good part"
    );
    assert!(is_matched(&[allowed, malware]));
    let nearly = answered(SignatureKind::Text, 1, Class::Allowed, 31);
    assert!(is_matched(&[nearly, near]), "only an exact signature allows");
}

#[test]
fn malware_is_known_only_by_the_same_bytes_and_enough_reporters() {
    let mut answer = answered(SignatureKind::Part, 0, Class::Malware, 32);
    for (reporters, similarity, mark) in [
        (MALWARE_REPORTERS_MIN, 32, Some(Mark::Infected)),
        (MALWARE_REPORTERS_MIN - 1, 32, Some(Mark::Suspicious)),
        (MALWARE_REPORTERS_MIN, 31, Some(Mark::Suspicious)),
        (MALWARE_REPORTERS_MIN, LANES_MIN - 1, None),
    ] {
        let listing = answer.listing.as_mut();
        if let Some(listing) = listing {
            (listing.reporters, listing.similarity) = (reporters, similarity);
        }
        assert_eq!(judge(&[answer]).first().and_then(|found| found.mark), mark);
    }
}

#[test]
fn strength_scales_and_the_unknown_weighs_nothing() {
    let mut answer = answered(SignatureKind::Text, 0, Class::Spam, 32);
    answer.listing = answer.listing.map(|listing| Listing { weight: 50, ..listing });
    assert_eq!(weight(&[answer], "reputation_spam"), Some(5.0));
    answer.listing = None;
    assert_eq!(judge(&[answer]), vec![]);
    assert_eq!(judge(&[]), vec![]);
}

#[test]
fn what_templates_share_weighs_little_alone_and_never_makes_a_match() {
    use SignatureKind::{Attachment, Html, Image, Text};
    for (kind, lanes, expect, matched) in [
        (Text, 32, TEXT_ALONE_MAX, true),
        (Html, 32, 2.0, false),
        (Html, 20, 1.0, false),
        (Image, 32, 5.0, true),
        (Image, 28, 2.7, false),
        (Attachment, 32, 10.0, true),
        (Attachment, 28, 5.4, true),
        (Attachment, 20, 3.0, true),
        (Attachment, 17, 1.8, false),
    ] {
        let answers = [answered(kind, 0, Class::Spam, lanes)];
        let found = weight(&answers, "reputation_spam").unwrap();
        assert!((found - expect).abs() < 0.001, "{kind:?} {lanes}: {found}");
        assert_eq!(is_matched(&answers), matched, "{kind:?} {lanes}");
    }
}

#[test]
fn all_names_of_one_part_count_once_and_of_two_parts_twice() {
    use SignatureKind::{Html, Link, Part, Text};
    let sum = |answers: &[Answered]| judge(answers).iter().map(|found| found.weight).sum::<f32>();
    let one = [
        answered(Html, 0, Class::Spam, 32),
        answered(Part, 0, Class::Spam, 32),
        answered(Text, 0, Class::Spam, 32),
    ];
    assert_eq!((judge(&one).len(), sum(&one)), (3, 10.0));
    let two = [answered(Part, 0, Class::Spam, 32), answered(Text, 1, Class::Spam, 32)];
    assert_eq!(sum(&two), 20.0);
    let link = [answered(Part, 0, Class::Spam, 32), answered(Link, 0, Class::Spam, 32)];
    assert_eq!(sum(&link), 15.0, "a link is another observation");
}

#[test]
fn allowed_words_silence_words_but_not_the_links_and_bytes_behind_them() {
    use SignatureKind::{Html, Link, Part, Text};
    let allowed = answered(Text, 0, Class::Allowed, 32);
    for (kind, silenced) in [(Text, true), (Html, true), (Link, false), (Part, false)] {
        let answers = [allowed, answered(kind, 0, Class::Spam, 32)];
        assert_eq!(is_matched(&answers), !silenced && kind != Html, "{kind:?}");
    }
    let bytes = answered(Part, 0, Class::Allowed, 32);
    assert!(!is_matched(&[bytes, answered(Link, 0, Class::Spam, 32)]));
}

#[test]
fn malware_by_likeness_is_suspected_and_a_picture_is_no_virus() {
    for (kind, lanes, mark) in [
        (SignatureKind::Text, 32, None),
        (SignatureKind::Attachment, 32, Some(Mark::Infected)),
        (SignatureKind::Attachment, 31, Some(Mark::Suspicious)),
        (SignatureKind::Html, 32, None),
        (SignatureKind::Image, 32, None),
    ] {
        let answers = [answered(kind, 0, Class::Malware, lanes)];
        assert_eq!(judge(&answers)[0].mark, mark, "{kind:?}");
    }
    let link = answered(SignatureKind::Link, 1, Class::Spam, 32);
    let text = answered(SignatureKind::Text, 0, Class::Malware, 32);
    assert_eq!(judge(&[text, link])[0].mark, Some(Mark::Suspicious), "words borne out by a link");
}

fn score(answers: &[Answered]) -> Weighed {
    weigh(&judge(answers), &Thresholds::default())
}

/// A copy of an honest notice with a link of its own was reported: the original has all names of its words and build,
/// in both of its alternatives.
#[test]
fn words_alone_never_make_a_verdict_since_the_honest_original_of_a_copy_has_them_too() {
    use SignatureKind::{Html, Text};
    for class in [Class::Spam, Class::Phishing, Class::Malware] {
        for lanes in [28, 31, 32] {
            for other in [Class::Spam, Class::Phishing, Class::Malware] {
                let original = [
                    answered(Text, 1, class, lanes),
                    answered(Text, 2, other, 32),
                    answered(Html, 2, other, 32),
                    answered(Html, 3, class, 32),
                    answered(SignatureKind::Link, 2, Class::Suspected, 32),
                    answered(SignatureKind::Part, 2, Class::Bulk, 32),
                ];
                let found = score(&original[..4]);
                assert_eq!(found.score, TEXT_ALONE_MAX, "{class:?} {lanes} {other:?}");
                assert_eq!(found.status, Status::ProbableSpam);
                let marks = judge(&original).iter().filter(|found| found.mark.is_some()).count();
                assert_eq!(marks, 0, "no suspicion of malware either");
            }
        }
    }
    let weak = [answered(Text, 1, Class::Spam, 20)];
    assert_eq!(score(&weak).score, 5.0, "what weighs less is not raised");
}

#[test]
fn words_weigh_in_full_where_a_link_another_part_or_the_sender_is_accused_too() {
    use SignatureKind::{Attachment, Image, Link, Part, Text};
    let text = answered(Text, 1, Class::Spam, 32);
    let others = [Link, Part, Attachment, Image].map(|kind| answered(kind, 2, Class::Spam, 32));
    for other in others.into_iter().chain([sender(Class::Phishing)]) {
        let both = [text, other];
        assert_eq!(judge(&both)[0].weight, 10.0, "{:?}", other.signature.kind);
        assert_eq!(score(&both).status, Status::Spam);
        let faint = Answered {
            listing: other.listing.map(|it| Listing { similarity: LANES_MIN - 1, ..it }),
            ..other
        };
        assert_eq!(judge(&[text, faint])[0].weight, TEXT_ALONE_MAX, "too faint to accuse");
    }
    let allowed = answered(Part, 2, Class::Allowed, 32);
    let silenced = [text, allowed, answered(Link, 2, Class::Spam, 32)];
    assert_eq!(judge(&silenced)[0].weight, TEXT_ALONE_MAX, "what is silenced accuses nobody");
}

#[test]
fn what_was_left_out_is_said_and_weighs_nothing() {
    assert_eq!(left_out(0, 0), None);
    for (names, pictures) in [(1, 0), (0, 1), (7, 3)] {
        let found = left_out(names, pictures).unwrap();
        assert!(tamis_checks::names::is_known(&found.name));
        assert_eq!((found.weight, found.mark), (0.0, None));
    }
}

fn sender(class: Class) -> Answered {
    Answered { part: None, ..answered(SignatureKind::Sender, 0, class, 32) }
}

#[test]
fn bad_senders_weigh_little_because_anybody_can_forge_them() {
    let sum = |answers: &[Answered]| judge(answers).iter().map(|found| found.weight).sum::<f32>();
    for (class, expect) in [(Class::Spam, 2.0), (Class::Phishing, 2.4), (Class::Malware, 2.4)] {
        let found = sum(&[sender(class)]);
        assert!((found - expect).abs() < 0.001, "{class:?}: {found}");
        let two = [sender(class), sender(class)];
        assert!(sum(&two) < 5.0, "two forged domains alone are no probable spam");
        assert!(!is_matched(&two));
        assert!(judge(&two).iter().all(|found| found.mark.is_none()));
    }
}

#[test]
fn an_allowed_sender_silences_bulk_and_nothing_else() {
    use SignatureKind::{Link, Part, Text};
    let allowed = sender(Class::Allowed);
    assert_eq!(weight(&[allowed], "reputation_allowed_sender"), Some(0.0));
    for kind in [Text, Part, Link] {
        let bulk = answered(kind, 1, Class::Bulk, 32);
        assert_eq!(weight(&[bulk, allowed], "reputation_bulk"), None, "{kind:?}");
        for class in [Class::Suspected, Class::Spam, Class::Phishing, Class::Malware] {
            let bad = answered(kind, 1, class, 32);
            let alone = judge(&[bad]);
            assert_eq!(judge(&[bad, allowed])[..1], alone[..], "{kind:?} {class:?}");
            assert_eq!(is_matched(&[bad, allowed]), is_matched(&[bad]));
        }
    }
    let bulk = answered(Text, 1, Class::Bulk, 32);
    assert!(weight(&[bulk, sender(Class::Suspected)], "reputation_bulk").is_some());
}

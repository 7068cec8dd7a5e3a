use super::*;
use tamis_message::digesting::dissect;

fn letters(count: u64) -> Vec<Letter> {
    (0..count).map(made::invented).collect()
}

fn mails() -> Mails {
    Mails {
        unique: 40.0,
        copies: 25.0,
        personalised: 15.0,
        newsletters: 10.0,
        forwarded: 10.0,
        campaigns: 12,
        attachment_bytes: 5_000,
        ..Mails::default()
    }
}

#[test]
fn kinds_come_as_often_as_the_scenario_says() {
    let model = Model::new(mails(), 1, letters(200));
    let mut counts = [0_f64; 5];
    (0..50_000).for_each(|number| counts[model.kind(number) as usize] += 1.0 / 500.0);
    for ((kind, weight), count) in model.mails.weights().zip(counts) {
        assert!((weight - count).abs() < 1.0, "{}: {count} % for {weight}", kind.word());
    }
}

#[test]
fn the_same_number_is_the_same_mail_and_its_parts_are_what_a_reader_finds() {
    let (one, two) = (Model::new(mails(), 1, letters(200)), Model::new(mails(), 1, letters(200)));
    for number in 0..200 {
        let mail = one.mail(number);
        let whole = mail.whole();
        assert_eq!(whole, two.mail(number).whole());
        assert_eq!(whole.len() as u64, mail.bytes());
        assert!(whole.windows(2).all(|pair| pair[1] != b'\n' || pair[0] == b'\r'));
        let read = dissect(&whole);
        let leaves: Vec<u64> = read
            .outline
            .parts
            .iter()
            .filter(|part| part.kind.is_leaf() && part.kind != PartKind::HeaderBlock)
            .map(|part| part.size)
            .collect();
        assert_eq!(leaves.len(), mail.parts.len(), "{:?}", mail.kind);
        let sizes = mail.parts.iter().map(|(_, bytes)| *bytes);
        for (found, meant) in leaves.iter().zip(sizes) {
            // The line end before a boundary is the boundary's.
            assert!(meant.abs_diff(*found) <= 2, "{:?}: {found} for {meant}", mail.kind);
        }
    }
    assert_ne!(Model::new(mails(), 2, letters(200)).mail(0).whole(), one.mail(0).whole());
}

/// The digests tell the same as the names: what is called shared is shared to the byte, and nothing else is.
#[test]
fn names_of_parts_are_the_same_exactly_where_their_bytes_are() {
    let model = Model::new(mails(), 1, letters(1_500));
    let (mut by_name, mut by_digest) =
        (std::collections::HashMap::new(), std::collections::HashMap::new());
    for mail in (0..1_000).map(|number| model.mail(number)) {
        let read = dissect(&mail.whole());
        let leaves = read
            .outline
            .parts
            .iter()
            .filter(|part| part.kind.is_leaf() && part.kind != PartKind::HeaderBlock);
        for (leaf, (name, _)) in leaves.zip(&mail.parts) {
            let digest = leaf.digest.unwrap();
            assert_eq!(*by_name.entry(*name).or_insert(digest), digest, "{:?}", mail.kind);
            assert_eq!(*by_digest.entry(digest).or_insert(*name), *name, "{:?}", mail.kind);
        }
    }
}

#[test]
fn of_unique_mail_nothing_was_seen_before_and_of_copies_nearly_all() {
    let only = |change: fn(&mut Mails)| {
        let mut mails = Mails { unique: 0.0, campaigns: 50, ..Mails::default() };
        change(&mut mails);
        Model::new(mails, 3, letters(1_500)).seen_before(1_000)
    };
    let unique = only(|it| it.unique = 1.0);
    assert!(unique < 1e-9, "{unique}");
    let copies = only(|it| it.copies = 1.0);
    assert!((0.90..0.96).contains(&copies), "{copies}: 50 of 1,000 are first ones");
    let personalised = only(|it| it.personalised = 1.0);
    assert!(personalised < 1e-9, "{personalised}: each has its own name and link");
    let newsletters = only(|it| it.newsletters = 1.0);
    assert!(
        (0.80..0.99).contains(&newsletters),
        "{newsletters}: pictures are shared, pages are not"
    );
    let forwarded = only(|it| it.forwarded = 1.0);
    assert!((0.90..0.99).contains(&forwarded), "{forwarded}: 20 attachments, texts are their own");
}

#[test]
fn copies_of_the_first_campaign_are_the_most() {
    let mails = Mails { unique: 0.0, copies: 1.0, campaigns: 50, ..Mails::default() };
    let model = Model::new(mails, 3, letters(200));
    let mut counts = [0; 50];
    (0..20_000).for_each(|number| counts[model.mail(number).parts[0].0 as usize] += 1);
    // 1 / H(50) = 0.2223.
    assert!((4_200..4_700).contains(&counts[0]), "{}", counts[0]);
    assert!(counts[0] > 8 * counts[9] && counts.iter().all(|count| *count > 20));
}

#[test]
fn a_found_letter_is_made_fit_for_smtp() {
    let letter = Letter::of(b"From a@b Mon Mar  2\nSubject: x\nContent-Type: text/plain;\n\tcharset=utf-8\n\n.one\r\ntwo\rx\0\n");
    assert_eq!(
        &letter.header[..],
        b"Subject: x\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n"
    );
    assert_eq!(&letter.body[..], b".one\r\ntwox\r\n");
    assert_eq!(letter.mime_fields(), b"Content-Type: text/plain;\r\n\tcharset=utf-8\r\n");
    let headless = Letter::of(b"Subject: x\n");
    assert_eq!((&headless.header[..], headless.body.len()), (&b"Subject: x\r\n"[..], 0));
}

use super::*;
use tamis_domain::digest::{MailId, Signature};
use tamis_domain::envelope::Envelope;
use tamis_message::digesting::dissect;

fn name(kind: SignatureKind, number: u8) -> PartName {
    let material = (kind != SignatureKind::Attachment).then_some(PartDigest([number; 32]));
    PartName { kind, material, sketch: Some(Sketch([u16::from(number); 32])) }
}

fn offer(parts: usize) -> Offer {
    let mut outline = dissect(b"\n").outline;
    let mut part = outline.parts.remove(0);
    (part.size, part.kind) = (1000, PartKind::Other);
    outline.parts = vec![part; parts];
    for (number, part) in (0_u8..).zip(&mut outline.parts) {
        part.digest = Some(PartDigest([number; 32]));
    }
    Offer {
        id: MailId([0; 16]),
        envelope: Envelope::default(),
        outline,
        inline: Vec::new(),
        remaining: std::time::Duration::from_secs(1),
    }
}

#[test]
fn each_name_of_a_part_is_asked_beside_its_bytes() {
    let all =
        [SignatureKind::Text, SignatureKind::Html, SignatureKind::Attachment, SignatureKind::Image];
    let names = all.map(|kind| name(kind, 9)).to_vec();
    let facts = [Some(Arc::new(PartFacts { names, ..PartFacts::default() }))];
    let asked = questions(&offer(1), &facts);
    let kinds: Vec<SignatureKind> = asked.iter().map(|asked| asked.item.signature.kind).collect();
    assert_eq!(kinds[0], SignatureKind::Part);
    assert_eq!(kinds[1..], all);
    assert!(asked[1..].iter().all(|asked| asked.item.sketch.is_some()));
    assert_eq!(asked[3].item.signature, naming::attachment(&PartDigest([0; 32])));
}

#[test]
fn a_part_that_was_not_read_is_asked_by_its_bytes_and_a_tiny_one_not_at_all() {
    let asked = questions(&offer(1), &[None]);
    let exact: Vec<Signature> = asked.iter().map(|asked| asked.item.signature).collect();
    assert_eq!(exact, [naming::part(&PartDigest([0; 32]))]);
    for (size, count) in [(NAMED_BYTES_MIN, 1), (NAMED_BYTES_MIN - 1, 0)] {
        let mut tiny = offer(1);
        tiny.outline.parts[0].size = size;
        assert_eq!(questions(&tiny, &[None]).len(), count);
    }
}

#[test]
fn sketches_and_links_are_asked_up_to_n_texts_first() {
    for pictures in [SKETCHED_ASKED_MAX - 1, SKETCHED_ASKED_MAX] {
        let mut facts: Vec<Option<Arc<PartFacts>>> = Vec::new();
        for number in 0..=pictures as u8 {
            let kind = if usize::from(number) == pictures {
                SignatureKind::Text
            } else {
                SignatureKind::Image
            };
            let links = vec![format!("a{number}.test/x"); 3];
            facts.push(Some(Arc::new(PartFacts {
                names: vec![name(kind, number)],
                links,
                ..PartFacts::default()
            })));
        }
        let asked = questions(&offer(pictures + 1), &facts);
        let of = |kind| asked.iter().filter(move |asked| asked.item.signature.kind == kind);
        assert!(of(SignatureKind::Text).all(|asked| asked.item.sketch.is_some()));
        let sketched = of(SignatureKind::Image).filter(|asked| asked.item.sketch.is_some()).count();
        assert_eq!(sketched, SKETCHED_ASKED_MAX - 1);
        assert_eq!(of(SignatureKind::Link).count(), LINKS_ASKED_MAX);
    }
}

#[test]
fn the_domains_of_envelope_and_author_are_asked_each_once_and_no_provider_of_mailboxes() {
    let envelope = |sender: &str| Envelope { sender: sender.into(), ..Envelope::default() };
    let asked = |sender: &str, from: &str| -> Vec<Signature> {
        let header = tamis_message::header::read(format!("From: {from}\r\n").as_bytes());
        let asked = senders(&envelope(sender), &header);
        assert!(asked.iter().all(|it| it.part.is_none() && it.item.sketch.is_none()));
        asked.iter().map(|asked| asked.item.signature).collect()
    };
    let (one, two) = (naming::sender("news.example"), naming::sender("shop.example"));
    assert_eq!(asked("b@news.example", "Shop <a@SHOP.example>"), [one, two], "n");
    assert_eq!(asked("b@news.example", "a@shop.example, c@third.example"), [one, two], "n + 1");
    assert_eq!(asked("b@shop.example.", "a@Shop.Example"), [two]);
    assert_eq!(asked("", "a@shop.example"), [two], "the null sender has no domain");
    assert_eq!(asked("postmaster", "nobody"), []);
    assert_eq!(asked("b@gmail.com", "a@shop.example"), [two], "anybody may have it");
}

use super::*;
use tamis_domain::digest::{MailId, Signature, Sketch};
use tamis_domain::envelope::Envelope;
use tamis_message::digesting::dissect;

pub(super) fn name(kind: SignatureKind, number: u8) -> PartName {
    let material = (kind != SignatureKind::Attachment).then_some(PartDigest([number; 32]));
    PartName { kind, material, sketch: Some(Sketch([u16::from(number); 32])) }
}

pub(super) fn offer(parts: usize) -> Offer {
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
    let asked = questions(&offer(1), &facts).asked;
    let kinds: Vec<SignatureKind> = asked.iter().map(|asked| asked.item.signature.kind).collect();
    assert_eq!(kinds[0], SignatureKind::Part);
    assert_eq!(kinds[1..], all);
    assert!(asked[1..].iter().all(|asked| asked.item.sketch.is_some()));
    assert_eq!(asked[3].item.signature, naming::attachment(&PartDigest([0; 32])));
}

#[test]
fn a_part_that_was_not_read_is_asked_by_its_bytes_and_a_tiny_one_not_at_all() {
    let asked = questions(&offer(1), &[None]).asked;
    let exact: Vec<Signature> = asked.iter().map(|asked| asked.item.signature).collect();
    assert_eq!(exact, [naming::part(&PartDigest([0; 32]))]);
    for (size, count) in [(NAMED_BYTES_MIN, 1), (NAMED_BYTES_MIN - 1, 0)] {
        let mut tiny = offer(1);
        tiny.outline.parts[0].size = size;
        assert_eq!(questions(&tiny, &[None]).asked.len(), count);
    }
}

fn with_links(links: Vec<String>) -> Option<Arc<PartFacts>> {
    Some(Arc::new(PartFacts { links, ..PartFacts::default() }))
}

#[test]
fn the_largest_part_comes_first_and_the_first_text_second() {
    let mut mail = offer(5);
    for (part, size) in mail.outline.parts.iter_mut().zip([500, 400, 2000, 3000, 1000]) {
        (part.size, part.kind) = (size, PartKind::Text);
    }
    mail.outline.parts[3].kind = PartKind::Other;
    let order = |mail: &Offer| -> Vec<Option<u16>> {
        let named = |number: u8| Some(name(SignatureKind::Text, number));
        let facts: Vec<_> = (0..5)
            .map(|number| {
                let names = named(number).into_iter().collect();
                Some(Arc::new(PartFacts { names, ..PartFacts::default() }))
            })
            .collect();
        let asked = questions(mail, &facts).asked;
        let texts = asked.iter().filter(|it| it.item.signature.kind == SignatureKind::Text);
        texts.map(|it| it.part).collect()
    };
    assert_eq!(order(&mail), [3, 0, 2, 4, 1].map(Some));
    mail.outline.parts[0].size = 9999;
    assert_eq!(order(&mail), [0, 3, 2, 4, 1].map(Some));
    let exact = questions(&mail, &[]).asked;
    assert_eq!(exact[1].part, Some(3), "a file takes turns with texts, whatever their number");
}

#[test]
fn links_take_turns_by_part_and_each_host_comes_before_any_second_link_of_one() {
    let many: Vec<String> = (0..9).map(|number| format!("junk.test/{number}")).collect();
    let one = vec!["junk.test/0".to_owned(), "offer.test/buy".to_owned()];
    let asked = questions(&offer(2), &[with_links(many), with_links(one)]).asked;
    let links: Vec<Signature> = asked
        .iter()
        .map(|it| it.item.signature)
        .filter(|it| it.kind == SignatureKind::Link)
        .collect();
    assert_eq!(links.len(), 11);
    assert_eq!(links[..2], ["junk.test/0", "offer.test/buy"].map(naming::link));
}

#[test]
fn links_are_named_up_to_n_and_the_rest_is_counted() {
    for (count, unnamed) in [(LINKS_NAMED_MAX, 0), (LINKS_NAMED_MAX + 1, 1)] {
        let links = (0..count).map(|number| format!("a.test/{number}")).collect();
        let names = questions(&offer(1), &[with_links(links)]);
        let named = names.asked.iter().filter(|it| it.item.signature.kind == SignatureKind::Link);
        assert_eq!((named.count(), names.unnamed), (LINKS_NAMED_MAX, unnamed));
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

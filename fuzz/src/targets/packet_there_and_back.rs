//! Reputation datagrams, both directions.

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::packet::{
    Answer, Challenge, DATAGRAM_BYTES_MAX, Hello, Item, Question, Reply, SEALED_HEADER_BYTES,
    SealedHead, TAG_BYTES, Trace,
};

use crate::pick::Pick;

/// Bytes -> datagram -> the same bytes; values picked from the bytes -> datagram -> the same values. No answer, fresh
/// cookie included, is longer than its question.
pub fn packet_there_and_back(data: &[u8]) {
    if let Ok(question) = Question::decode(data) {
        assert!(question.fits() && data.len() <= DATAGRAM_BYTES_MAX);
        assert_eq!(question.wire_bytes(), data.len());
        assert_eq!(question.encode(), data, "a question has one form");
    }
    match Reply::decode(data) {
        Ok(Reply::Answer(answer)) => assert_eq!(answer.encode(), data, "an answer has one form"),
        Ok(Reply::Challenge(challenge)) => assert_eq!(challenge.encode(), data),
        Ok(Reply::Session(session)) => assert_eq!(session.encode(), data),
        Err(_) => {}
    }
    if let Ok(hello) = Hello::decode(data) {
        assert_eq!(hello.encode(), data, "a hello has one form");
    }
    sealed(data);
    let mut pick = Pick::new(data);
    let question = question(&mut pick);
    let wire = question.encode();
    assert_eq!(wire.len(), question.wire_bytes());
    match Question::decode(&wire) {
        Ok(again) => assert_eq!(again, question),
        Err(why) => assert!(!question.fits(), "{question:?}: {why}"),
    }
    let longest = answer(&question, &mut pick).encode();
    assert!(longest.len() <= wire.len(), "the answer is longer than the question");
    assert_strict(&longest, &mut pick);
    let challenge = Challenge { id: pick.u64(), cookie: pick.u64() | 1 };
    assert!(challenge.encode().len() <= wire.len());
    assert_eq!(Reply::decode(&challenge.encode()), Ok(Reply::Challenge(challenge)));
}

/// Heads are read without a key; behind them the bytes are taken as if they had been opened.
fn sealed(data: &[u8]) {
    if let Ok((head, body)) = SealedHead::question(data) {
        assert!(head.answer_bytes() <= data.len(), "the answer is longer than the question");
        let opened = &body[..body.len() - TAG_BYTES];
        let mut question = nothing();
        if question.decode_opened(&head, opened).is_ok() {
            assert!(question.fits_sealed());
            let again = question.encode_for_seal(head.session, head.counter);
            assert_eq!(again, data[..data.len() - TAG_BYTES], "a sealed question has one form");
        }
    }
    if let Ok((head, body)) = SealedHead::answer(data) {
        assert_eq!(head.answer_bytes(), data.len());
        let opened = &body[..body.len() - TAG_BYTES];
        assert_eq!(data.len(), SEALED_HEADER_BYTES + opened.len() + TAG_BYTES);
        if let Ok(answer) = Answer::decode_opened(&head, opened) {
            let again = answer.encode_for_seal(head.session, head.counter);
            assert_eq!(again, data[..data.len() - TAG_BYTES], "a sealed answer has one form");
        }
    }
}

fn nothing() -> Question {
    Question { id: 0, cookie: 0, trace: None, is_sighting: false, items: Vec::new() }
}

/// A question of at least one item; it need not fit.
pub(super) fn question(pick: &mut Pick<'_>) -> Question {
    let (id, cookie) = (pick.u64(), pick.u64());
    let trace = pick.flag().then(|| Trace {
        trace_id: pick.array::<16>().map(|byte| byte | 1),
        parent_span_id: pick.array::<8>().map(|byte| byte | 1),
    });
    let (is_sighting, count) = (pick.flag(), 1 + pick.below(80));
    Question { id, cookie, trace, is_sighting, items: (0..count).map(|_| item(pick)).collect() }
}

pub(super) fn item(pick: &mut Pick<'_>) -> Item {
    let kind = pick.one(&SignatureKind::ALL);
    let signature = Signature { kind, value: pick.array() };
    let with_sketch = kind.has_sketch() && pick.flag();
    let sketch = with_sketch.then(|| Sketch([pick.u16(); Sketch::LANES]));
    Item { signature, sketch }
}

/// The longest answer to a question: every item listed, a fresh cookie.
pub(super) fn answer(question: &Question, pick: &mut Pick<'_>) -> Answer {
    let fresh_cookie = Some(pick.u64() | 1);
    let listings = question.items.iter().map(|_| listing(pick)).collect();
    let (id, epoch, is_stale, is_elsewhere) = (question.id, pick.u64(), pick.flag(), pick.flag());
    Answer { id, epoch, fresh_cookie, is_stale, is_elsewhere, listings }
}

fn listing(pick: &mut Pick<'_>) -> Option<Listing> {
    pick.flag().then(|| Listing {
        class: pick.one(&Class::ALL),
        weight: 1 + pick.below(100) as u8,
        reporters: pick.byte().max(1),
        age_hours: pick.u16(),
        similarity: 1 + pick.below(32) as u8,
    })
}

/// One byte changed, cut or added never reads as the same value.
fn assert_strict(datagram: &[u8], pick: &mut Pick<'_>) {
    let Ok(whole) = Reply::decode(datagram) else { return };
    let at = usize::from(pick.u16()) % datagram.len();
    assert!(Reply::decode(&datagram[..at]).is_err(), "cut at {at}");
    assert!(Reply::decode(&[datagram, &[pick.byte()]].concat()).is_err(), "one byte more");
    let mut changed = datagram.to_vec();
    changed[at] ^= 1 << pick.below(8);
    assert_ne!(Reply::decode(&changed), Ok(whole), "byte {at} does not count");
}

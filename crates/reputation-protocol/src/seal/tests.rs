//! The seal from fixed secrets: the bytes that `docs/reputation-packet.md` lists, so that other implementations meet.

use tamis_domain::digest::{Signature, SignatureKind, hex};
use tamis_domain::reputation::{Class, Listing};

use super::keys::Key;
use super::schedule::{Direction, Draw, Ephemeral, SessionKeys, Transcript};
use super::*;
use crate::packet::{
    Answer, Hello, Item, KeyId, MAC_BYTES, Question, SEALED_HEADER_BYTES, SealedHead, Session,
};

const ID: u64 = 0x0102_0304_0506_0708;
const COOKIE: u64 = 0x1112_1314_1516_1718;
const SESSION: u64 = 0x4142_4344_4546_4748;
const COUNTER: u64 = 5;

/// The client's shared key, its ephemeral secret, and the server's.
const SHARED: [u8; 32] = *b"shared key of a client, 32 bytes";
const CLIENT: [u8; 32] = *b"ephemeral secret of this client.";
const SERVER: [u8; 32] = *b"ephemeral secret of this server.";

fn golden(text: &str) -> String {
    let without = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    without.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
}

fn key() -> Key {
    Key::new(KeyId(*b"client-1"), &SHARED).unwrap()
}

fn hello(key: &Key) -> Vec<u8> {
    let public = Ephemeral::new(&CLIENT).unwrap().public;
    let hello = Hello { id: ID, cookie: COOKIE, key: key.id(), public, mac: [0; MAC_BYTES] };
    let covered = &hello.encode()[..Hello::COVERED_BYTES];
    Hello { mac: key.mac(covered), ..hello }.encode()
}

fn session_keys(key: &Key) -> SessionKeys {
    let (client, server) = (Ephemeral::new(&CLIENT).unwrap(), Ephemeral::new(&SERVER).unwrap());
    let transcript = Transcript::new(key, &client.public, &server.public, SESSION);
    server.agree(&client.public, key, &transcript).unwrap()
}

fn sealed(direction: &Direction, mut datagram: Vec<u8>) -> Vec<u8> {
    direction.seal(COUNTER, &mut datagram).unwrap();
    datagram
}

fn question() -> Question {
    let signature = Signature { kind: SignatureKind::Link, value: [0xcc; 16] };
    let items = vec![Item::exact(signature)];
    Question { id: ID, cookie: 0, trace: None, is_sighting: true, items }
}

fn answer() -> Answer {
    let (class, age_hours) = (Class::Phishing, 7);
    let listing = Listing { class, weight: 90, reporters: 3, age_hours, similarity: 32 };
    let listings = vec![Some(listing)];
    Answer { id: ID, epoch: 9, fresh_cookie: None, is_stale: true, is_elsewhere: false, listings }
}

#[test]
fn fixed_secrets_give_the_bytes_that_the_document_lists() {
    let key = key();
    let keys = session_keys(&key);
    let public = Ephemeral::new(&SERVER).unwrap().public;
    let session = Session { id: ID, session: SESSION, public, mac: [0; MAC_BYTES] };
    let mac = keys.mac(&session.encode()[..Session::COVERED_BYTES]);
    let question = sealed(&keys.questions, question().encode_for_seal(SESSION, COUNTER));
    let answer = sealed(&keys.answers, answer().encode_for_seal(SESSION, COUNTER));
    for (found, file) in [
        (hello(&key), include_str!("../../tests/packets/hello.hex")),
        (Session { mac, ..session }.encode(), include_str!("../../tests/packets/session.hex")),
        (question, include_str!("../../tests/packets/question-sealed.hex")),
        (answer, include_str!("../../tests/packets/answer-sealed.hex")),
    ] {
        assert_eq!(hex(&found), golden(file));
    }
}

#[test]
fn both_sides_open_what_the_other_sealed_and_nothing_of_their_own() {
    let keys = session_keys(&key());
    let sent = sealed(&keys.questions, question().encode_for_seal(SESSION, COUNTER));
    let mut opened = Vec::new();
    keys.questions.open(COUNTER, &sent, &mut opened).unwrap();
    let (head, _) = SealedHead::question(&sent).unwrap();
    let mut again = Question::empty();
    again.decode_opened(&head, &opened).unwrap();
    assert_eq!(again, question());
    assert_eq!(keys.answers.open(COUNTER, &sent, &mut opened), Err(Fault::Tag), "reflected");
    assert_eq!(keys.questions.open(COUNTER + 1, &sent, &mut opened), Err(Fault::Tag));
    for at in 0..sent.len() {
        let mut changed = sent.clone();
        changed[at] ^= 1;
        assert_eq!(keys.questions.open(COUNTER, &changed, &mut opened), Err(Fault::Tag), "{at}");
        let cut = keys.questions.open(COUNTER, &sent[..at], &mut opened);
        assert_eq!(cut, Err(Fault::Tag), "cut to {at}");
    }
    let back = sealed(&keys.answers, answer().encode_for_seal(SESSION, COUNTER));
    assert!(back.len() <= sent.len());
    keys.answers.open(COUNTER, &back, &mut opened).unwrap();
    let (head, _) = SealedHead::answer(&back).unwrap();
    assert_eq!(Answer::decode_opened(&head, &opened), Ok(answer()));
    assert!(SEALED_HEADER_BYTES < back.len());
}

#[test]
fn a_key_that_gives_no_secret_is_refused() {
    let key = key();
    let client = Ephemeral::new(&CLIENT).unwrap();
    // Points of small order (RFC 7748, section 7): the shared secret would be zero for everybody.
    for low in [[0; 32], std::array::from_fn(|at| u8::from(at == 0))] {
        let transcript = Transcript::new(&key, &client.public, &low, SESSION);
        let refused = client.agree(&low, &key, &transcript);
        assert!(matches!(refused, Err(Fault::Public)), "{refused:?}");
    }
}

#[test]
fn everything_that_both_sides_saw_makes_other_keys() {
    let key = key();
    let (client, server) = (Ephemeral::new(&CLIENT).unwrap(), Ephemeral::new(&SERVER).unwrap());
    let sealed_with = |key: &Key, client_public, session| {
        let transcript = Transcript::new(key, client_public, &server.public, session);
        let keys = server.agree(&client.public, key, &transcript).unwrap();
        sealed(&keys.questions, question().encode_for_seal(SESSION, COUNTER))
    };
    let known = sealed_with(&key, &client.public, SESSION);
    let other_key = Key::new(key.id(), &[7; 32]).unwrap();
    assert_ne!(sealed_with(&other_key, &client.public, SESSION), known);
    let other_name = Key::new(KeyId([1; 8]), &SHARED).unwrap();
    assert_ne!(sealed_with(&other_name, &client.public, SESSION), known);
    assert_ne!(sealed_with(&key, &server.public, SESSION), known);
    assert_ne!(sealed_with(&key, &client.public, SESSION + 1), known);
}

#[test]
fn secrets_are_drawn_anew_and_forgotten() {
    let mut draw = Draw::new([1; 32]);
    let (first, second) = (draw.secret(), draw.secret());
    assert_ne!(first, second);
    assert_eq!(Draw::new([1; 32]).secret(), first, "from the seed alone");
    assert_eq!(format!("{draw:?}"), "Draw");
}

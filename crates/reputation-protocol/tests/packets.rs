//! Golden datagrams in both directions, and hostile ones: `tests/packets/*.hex`.
//!
//! A file is hexadecimal digits; `#` starts a comment. Files `bad-*.hex` begin with `# refused: <the error>`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may fail loudly and read the clock once"
)]

use std::path::{Path, PathBuf};

use tamis_domain::digest::{Signature, SignatureKind, Sketch, hex};
use tamis_domain::limits::SIGNATURES_MAX;
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::packet::{
    Answer, Challenge, DATAGRAM_BYTES_MAX, HEADER_BYTES, HELLO_BYTES, Hello, Item, Question, Reply,
    SEAL_BYTES, SESSION_BYTES, SealedHead, Session, Shape, TAG_BYTES, Trace,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packets")
}

fn bytes_of(text: &str) -> Vec<u8> {
    let digits: String = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte");
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn golden(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    bytes_of(
        &std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
}

fn exact(kind: SignatureKind, byte: u8) -> Item {
    Item::exact(Signature { kind, value: [byte; 16] })
}

fn text(byte: u8) -> Item {
    sketched(SignatureKind::Text, byte)
}

fn sketched(kind: SignatureKind, byte: u8) -> Item {
    let lanes = std::array::from_fn(|lane| u16::from(byte) * 256 + lane as u16);
    let signature = Signature { kind, value: [byte; 16] };
    Item { signature, sketch: Some(Sketch(lanes)) }
}

const TRACE: Trace = Trace { trace_id: [0x71; 16], parent_span_id: [0x72; 8] };

fn questions() -> Vec<(&'static str, Question)> {
    let id = 0x0102_0304_0506_0708;
    let every = SignatureKind::ALL.map(|kind| exact(kind, kind.code()));
    vec![
        (
            "question-one-part.hex",
            Question {
                id,
                cookie: 0,
                trace: None,
                is_sighting: false,
                items: vec![exact(SignatureKind::Part, 0xaa)],
            },
        ),
        (
            "question-text-and-link-traced.hex",
            Question {
                id,
                cookie: 0x1112_1314_1516_1718,
                trace: Some(TRACE),
                is_sighting: false,
                items: vec![text(0xbb), exact(SignatureKind::Link, 0xcc)],
            },
        ),
        (
            "question-every-sketch-sighting.hex",
            Question {
                id,
                cookie: 7,
                trace: None,
                is_sighting: true,
                items: SignatureKind::ALL
                    .into_iter()
                    .filter(|kind| kind.has_sketch())
                    .map(|kind| sketched(kind, 0x10 * kind.code()))
                    .collect(),
            },
        ),
        (
            "question-every-kind.hex",
            Question {
                id,
                cookie: u64::MAX,
                trace: None,
                is_sighting: false,
                items: every.to_vec(),
            },
        ),
    ]
}

fn listing(class: Class) -> Listing {
    Listing { class, weight: 90, reporters: 3, age_hours: 0x0102, similarity: 31 }
}

fn replies() -> Vec<(&'static str, Reply)> {
    let id = 0x0102_0304_0506_0708;
    let every = Class::ALL.map(|class| Some(listing(class)));
    vec![
        ("challenge.hex", Reply::Challenge(Challenge { id, cookie: 0x1112_1314_1516_1718 })),
        (
            "answer-unknown.hex",
            Reply::Answer(Answer {
                id,
                epoch: 0,
                fresh_cookie: None,
                is_stale: false,
                is_elsewhere: false,
                listings: vec![None],
            }),
        ),
        (
            "answer-fresh-cookie.hex",
            Reply::Answer(Answer {
                id,
                epoch: 0x2122_2324_2526_2728,
                fresh_cookie: Some(0x3132_3334_3536_3738),
                is_stale: false,
                is_elsewhere: false,
                listings: vec![Some(listing(Class::Spam)), None],
            }),
        ),
        (
            "answer-stale.hex",
            Reply::Answer(Answer {
                id,
                epoch: 8,
                fresh_cookie: None,
                is_stale: true,
                is_elsewhere: false,
                listings: vec![None],
            }),
        ),
        (
            "answer-elsewhere.hex",
            Reply::Answer(Answer {
                id,
                epoch: 8,
                fresh_cookie: None,
                is_stale: false,
                is_elsewhere: true,
                listings: vec![None],
            }),
        ),
        (
            "answer-every-class.hex",
            Reply::Answer(Answer {
                id,
                epoch: 9,
                fresh_cookie: None,
                is_stale: false,
                is_elsewhere: false,
                listings: every.to_vec(),
            }),
        ),
    ]
}

fn encoded(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Answer(answer) => answer.encode(),
        Reply::Challenge(challenge) => challenge.encode(),
        Reply::Session(session) => session.encode(),
    }
}

#[test]
fn golden_packets_read_and_write_the_same_in_both_directions() {
    for (name, question) in questions() {
        assert_eq!(hex(&question.encode()), hex(&golden(name)), "{name}");
        assert_eq!(Question::decode(&golden(name)), Ok(question), "{name}");
    }
    for (name, reply) in replies() {
        assert_eq!(hex(&encoded(&reply)), hex(&golden(name)), "{name}");
        assert_eq!(Reply::decode(&golden(name)), Ok(reply), "{name}");
    }
}

#[test]
fn hostile_packets_are_refused_with_the_reason_written_beside_them() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("bad-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# refused: "));
        let datagram = bytes_of(&text);
        let kind = name.split('-').nth(1).unwrap_or_default();
        let error = match kind {
            "question" => Question::decode(&datagram).unwrap_err(),
            "reply" => Reply::decode(&datagram).unwrap_err(),
            "hello" => Hello::decode(&datagram).unwrap_err(),
            "sealedquestion" => SealedHead::question(&datagram).unwrap_err(),
            "sealedanswer" => SealedHead::answer(&datagram).unwrap_err(),
            other => panic!("{other}"),
        };
        assert_eq!(Some(error.to_string().as_str()), expected, "{name}");
        count += 1;
    }
    assert!(count >= 40, "only {count} hostile packets found");
}

/// All shapes: every number of exact and of text items that fits, traced or not, fresh cookie or not.
#[test]
fn an_answer_is_never_longer_than_its_question() {
    let mut shapes = 0;
    for texts in 0..=SIGNATURES_MAX {
        for exacts in 0..=SIGNATURES_MAX {
            for trace in [None, Some(TRACE)] {
                let mut items = vec![text(1); texts];
                items.extend(vec![exact(SignatureKind::Part, 2); exacts]);
                let question = Question { id: 1, cookie: 1, trace, is_sighting: false, items };
                if !question.fits() {
                    continue;
                }
                let asked = question.encode().len();
                assert!(asked <= DATAGRAM_BYTES_MAX);
                assert!(Challenge { id: 1, cookie: 1 }.encode().len() <= asked);
                if question.fits_sealed() {
                    let sealed = question.encode_for_seal(1, 1).len() + TAG_BYTES;
                    let listings = vec![None; question.items.len()];
                    let answer = Answer {
                        id: 1,
                        epoch: 1,
                        fresh_cookie: None,
                        is_stale: true,
                        is_elsewhere: false,
                        listings,
                    };
                    let answer = answer.encode_for_seal(1, 1).len() + TAG_BYTES;
                    assert_eq!(sealed, asked + SEAL_BYTES);
                    assert!(answer <= sealed && sealed <= DATAGRAM_BYTES_MAX);
                }
                let listings = vec![None; question.items.len()];
                let answer = Answer {
                    id: 1,
                    epoch: 1,
                    fresh_cookie: Some(1),
                    is_stale: false,
                    is_elsewhere: false,
                    listings,
                };
                assert!(answer.encode().len() <= asked, "{texts} texts, {exacts} exact");
                shapes += 1;
            }
        }
    }
    assert!(shapes > 500, "{shapes}");
}

#[test]
fn a_session_is_never_longer_than_its_hello() {
    const { assert!(SESSION_BYTES <= HELLO_BYTES && HEADER_BYTES <= HELLO_BYTES) }
    assert_eq!(golden("hello.hex").len(), HELLO_BYTES);
    assert_eq!(golden("session.hex").len(), SESSION_BYTES);
}

#[test]
fn golden_handshakes_read_and_write_the_same() {
    let hello = Hello::decode(&golden("hello.hex")).unwrap();
    assert_eq!(
        (hello.key.to_string().as_str(), hello.cookie),
        ("636c69656e742d31", 0x1112_1314_1516_1718)
    );
    assert_eq!(hello.encode(), golden("hello.hex"));
    let session = Reply::decode(&golden("session.hex")).unwrap();
    assert!(matches!(session, Reply::Session(Session { session: 0x4142_4344_4546_4748, .. })));
    assert_eq!(encoded(&session), golden("session.hex"));
}

#[test]
fn a_sealed_datagram_is_nothing_to_who_reads_clear_ones() {
    let (question, answer) = (golden("question-sealed.hex"), golden("answer-sealed.hex"));
    assert_eq!(Shape::of(&question), Shape::Sealed);
    assert_eq!(Shape::of(&answer), Shape::Sealed);
    assert_eq!(Question::decode(&question).unwrap_err().to_string(), "unknown flags 0x06");
    assert_eq!(Reply::decode(&answer).unwrap_err().to_string(), "unknown flags 0x06");
    assert!(SealedHead::answer(&question).is_err() && SealedHead::question(&answer).is_err());
    let (head, sealed) = SealedHead::question(&question).unwrap();
    assert_eq!((head.session, head.counter, head.count), (0x4142_4344_4546_4748, 5, 1));
    assert_eq!(sealed.len(), 17 + TAG_BYTES);
    assert_eq!(head.answer_bytes(), answer.len());
    for (name, whole) in [("question", &question), ("answer", &answer)] {
        for length in 0..whole.len() {
            let cut = &whole[..length];
            let read = SealedHead::question(cut).is_ok() || SealedHead::answer(cut).is_ok();
            assert!(!read, "{name} cut to {length}");
        }
    }
    let clear = Shape::of(&golden("question-one-part.hex"));
    assert_eq!((clear, Shape::of(&golden("hello.hex"))), (Shape::Open, Shape::Hello));
    assert_eq!(Shape::of(&[]), Shape::Open);
}

#[test]
fn a_question_holds_64_items_and_not_65() {
    let of = |count| {
        let items = vec![exact(SignatureKind::Link, 1); count];
        Question { id: 1, cookie: 0, trace: None, is_sighting: false, items }
    };
    assert!(of(SIGNATURES_MAX).fits());
    assert_eq!(Question::decode(&of(SIGNATURES_MAX).encode()), Ok(of(SIGNATURES_MAX)));
    assert!(!of(SIGNATURES_MAX + 1).fits());
    let error = Question::decode(&of(SIGNATURES_MAX + 1).encode()).unwrap_err();
    assert_eq!(error.to_string(), "65 items");
}

#[test]
fn a_datagram_holds_1232_bytes_and_not_1233() {
    // 24 + 14 * 81 + 4 * 17 = 1226: one exact item more is 1243.
    let mut items = vec![text(1); 14];
    items.extend(vec![exact(SignatureKind::Link, 1); 4]);
    let mut question = Question { id: 1, cookie: 0, trace: None, is_sighting: false, items };
    assert!(question.fits());
    question.items.push(exact(SignatureKind::Link, 1));
    assert!(!question.fits());
    let error = Question::decode(&question.encode()).unwrap_err();
    assert_eq!(error.to_string(), "1243 bytes are more than a datagram of this protocol");
    let long = vec![0; DATAGRAM_BYTES_MAX + 1];
    assert!(Question::decode(&long).unwrap_err().to_string().starts_with("1233 bytes"));
    assert_eq!(
        Question::decode(&long[..DATAGRAM_BYTES_MAX]).unwrap_err().to_string(),
        "not a datagram of this protocol"
    );
}

#[test]
fn every_cut_of_every_golden_packet_is_refused() {
    for (name, _) in questions() {
        let whole = golden(name);
        for length in 0..whole.len() {
            assert!(Question::decode(&whole[..length]).is_err(), "{name} cut to {length}");
        }
    }
    for (name, _) in replies() {
        let whole = golden(name);
        for length in 0..whole.len() {
            assert!(Reply::decode(&whole[..length]).is_err(), "{name} cut to {length}");
        }
    }
}

/// Mutated packets either are refused or have exactly one reading, which writes back the same bytes.
#[test]
fn whatever_is_accepted_writes_back_the_same_bytes() {
    let mut seeds: Vec<Vec<u8>> = questions().iter().map(|(name, _)| golden(name)).collect();
    seeds.extend(replies().iter().map(|(name, _)| golden(name)));
    seeds.extend(["hello.hex", "session.hex"].map(golden));
    let mut random = Random(0x5eed);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..200_000 {
        let mut datagram = seeds[round % seeds.len()].clone();
        mutate(&mut datagram, &mut random);
        if let Ok(question) = Question::decode(&datagram) {
            assert_eq!(hex(&question.encode()), hex(&datagram));
            accepted += 1;
        } else if let Ok(reply) = Reply::decode(&datagram) {
            assert_eq!(hex(&encoded(&reply)), hex(&datagram));
            accepted += 1;
        } else if let Ok(hello) = Hello::decode(&datagram) {
            assert_eq!(hex(&hello.encode()), hex(&datagram));
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    assert!(accepted > 10_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
}

fn mutate(datagram: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(2) {
        let at = random.below(datagram.len().max(1));
        match random.below(6) {
            0 => datagram.truncate(at),
            1 => datagram.extend_from_slice(&vec![random.below(256) as u8; random.below(90)]),
            2 if at < HEADER_BYTES => {}
            _ => {
                if let Some(byte) = datagram.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

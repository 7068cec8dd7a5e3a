//! Seeds that nobody writes by hand: frames, datagrams, records, words of the wire.

use bytes::{Bytes, BytesMut};
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};
use tamis_mail_protocols::milter::facts::{ClientAddress, Connection, Mailbox};
use tamis_mail_protocols::milter::frame::Command;
use tamis_mail_protocols::milter::negotiate::{Actions, Offer, ProtocolSteps};
use tamis_reputation_protocol::packet::{
    Answer, COOKIE_BYTES, Challenge, DATAGRAM_BYTES_MAX, HEADER_BYTES, Hello, Item, KeyId,
    Question, Session, TAG_BYTES, Trace,
};
use tamis_reputation_protocol::sightings::{News, encode_news};

#[path = "made_bases.rs"]
mod bases;
#[path = "made_documents.rs"]
mod documents;
#[path = "made_learned.rs"]
mod learned;
#[cfg(feature = "services")]
#[path = "made_words.rs"]
mod words;

/// Target, name of the file, bytes.
pub type Made = (&'static str, String, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Made> {
    let mut all = Vec::new();
    all.extend(milter());
    all.extend(packets());
    all.extend(picked());
    all.extend(news());
    all.extend(bases::all());
    all.extend(documents::all());
    all.extend(learned::all());
    #[cfg(feature = "services")]
    all.extend([services::all(), words::all()].concat());
    all
}

fn seed(target: &'static str, name: &str, bytes: Vec<u8>) -> Made {
    (target, name.to_owned(), bytes)
}

fn frames(commands: &[Command]) -> Vec<u8> {
    let mut out = BytesMut::new();
    commands.iter().for_each(|command| command.encode(&mut out));
    out.to_vec()
}

fn raw(command: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32 + 1).to_be_bytes(), &[command][..], payload].concat()
}

fn mailbox(exact: &'static str, parameters: &[&'static str]) -> Mailbox {
    let parameters = parameters.iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
    Mailbox { exact: Bytes::from_static(exact.as_bytes()), parameters }
}

fn header(name: &'static str, value: &'static str) -> Command {
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    Command::Header { name: bytes(name), value: bytes(value) }
}

fn offer(version: u32, protocol: u32) -> Command {
    Command::Negotiate(Offer {
        version,
        actions: Actions(0x1ff),
        protocol: ProtocolSteps(protocol),
    })
}

fn message() -> Vec<Command> {
    let hostname = "mx.example.org".to_owned();
    let address = ClientAddress::Ip(([192, 0, 2, 7], 40_000).into());
    let pair = |name: &'static str, value: &'static str| (Bytes::from(name), Bytes::from(value));
    vec![
        Command::Macros { of: b'C', pairs: vec![pair("j", "mx.test"), pair("client_addr", "x")] },
        Command::Connect(Connection { hostname, address }),
        Command::Helo(Bytes::from_static(b"mx.example.org")),
        Command::Macros { of: b'M', pairs: vec![pair("i", "4XyZ"), pair("auth_authen", "bob")] },
        Command::Mail(mailbox("<a@example.org>", &["SIZE=1000", "BODY=8BITMIME"])),
        Command::Recipient(mailbox("<b@example.com>", &["NOTIFY=NEVER"])),
        Command::Recipient(mailbox("<c@example.com>", &[])),
        Command::Data,
        header("From", " a@example.org"),
        header("Subject", " folded\n\tline"),
        header("X-Broken", " no fold\nInjected: yes"),
        Command::EndOfHeaders,
        Command::Body(Bytes::from_static(b"some body\r\n")),
        Command::EndOfBody(Bytes::from_static(b"and its end\r\n")),
    ]
}

fn milter() -> Vec<Made> {
    let postfix = offer(6, 0x1f_ffff);
    let typical = frames(&[vec![postfix.clone()], message(), vec![Command::Quit]].concat());
    let again = [
        vec![postfix.clone()],
        message(),
        vec![Command::Abort],
        message().split_off(3),
        vec![Command::QuitNewConnection],
        message(),
        vec![Command::Quit],
    ];
    let mut streams = vec![
        ("typical.bin", typical.clone()),
        ("several_messages.bin", frames(&again.concat())),
        ("old_version.bin", frames(&[vec![offer(2, 0x7f)], message()].concat())),
        ("too_old.bin", frames(&[offer(1, 0)])),
        ("before_negotiation.bin", frames(&message())),
        ("truncated.bin", typical[..typical.len() - 9].to_vec()),
        ("empty_frame.bin", vec![0, 0, 0, 0, b'O']),
        ("too_long.bin", vec![0, 0x10, 0, 1, b'B']),
        ("long_but_allowed.bin", vec![0, 0x10, 0, 0, b'B', 0, 0]),
        ("unknown_command.bin", [frames(std::slice::from_ref(&postfix)), raw(b'?', b"x")].concat()),
        ("body_outside.bin", frames(&[postfix.clone(), Command::Body(Bytes::from_static(b"x"))])),
        ("no_final_nul.bin", [frames(&[postfix]), raw(b'M', b"<a@example.org>")].concat()),
    ];
    let shapes = [
        raw(b'C', b"h\0U"),
        raw(b'C', b"h\x004\0\x19192.0.2.1\0"),
        raw(b'C', b"h\x006\0\x19IPv6:fe80::1%eth0\0"),
        raw(b'C', b"h\0L\0\0/run/x\0"),
        raw(b'C', b"h\0?\0\0x\0"),
        raw(b'C', b"h\x004\0\x19not an address\0"),
        raw(b'D', b"M{i}\0a\0{}\0\0{\0x\0"),
        raw(b'L', b"Subject\0a\0b\0"),
        raw(b'L', b"Sub:ject\0a\0"),
        raw(b'U', b"WIZ\0"),
    ];
    streams.push(("shapes.bin", shapes.concat()));
    let both = |(name, bytes): (&str, Vec<u8>)| {
        [seed("milter_frame", name, bytes.clone()), seed("milter_session", name, bytes)]
    };
    streams.into_iter().flat_map(both).collect()
}

fn question(items: usize, sketches: usize, trace: bool) -> Question {
    let item = |number: usize| {
        let text = number < sketches;
        let kind = match number % 4 {
            0 if text => SignatureKind::Text,
            1 if text => SignatureKind::Html,
            2 if text => SignatureKind::Attachment,
            3 if text => SignatureKind::Image,
            _ => SignatureKind::ALL[number % 7],
        };
        let sketch = text.then_some(Sketch([number as u16; Sketch::LANES]));
        Item { signature: Signature { kind, value: [number as u8; 16] }, sketch }
    };
    Question {
        id: 0x0102_0304_0506_0708,
        cookie: 9,
        trace: trace.then_some(Trace { trace_id: [1; 16], parent_span_id: [2; 8] }),
        is_sighting: trace,
        items: (0..items).map(item).collect(),
    }
}

fn hello() -> Vec<u8> {
    let (id, key) = (0x0102_0304_0506_0708, KeyId(1_u64.to_be_bytes()));
    Hello { id, cookie: 9, key, public: [9; 32], mac: [4; 16] }.encode()
}

fn session() -> Vec<u8> {
    let id = 0x0102_0304_0506_0708;
    Session { id, session: 7 << 12, public: [9; 32], mac: [4; 16] }.encode()
}

/// With a tag that is none.
fn sealed(mut datagram: Vec<u8>) -> Vec<u8> {
    datagram.extend([0x5a; TAG_BYTES]);
    datagram
}

fn packets() -> Vec<Made> {
    let listing = |number: u8| {
        let class = Class::ALL[usize::from(number) % 6];
        Listing { class, weight: 100, reporters: 255, age_hours: u16::MAX, similarity: 32 }
    };
    let answer = |count: u8| Answer {
        id: 0x0102_0304_0506_0708,
        epoch: 77,
        fresh_cookie: Some(5),
        is_stale: count > 3,
        is_elsewhere: false,
        listings: (0..count).map(|at| (at % 3 > 0).then(|| listing(at))).collect(),
    };
    let (one, full) = (question(1, 0, false).encode(), question(64, 1, true).encode());
    assert!(full.len() <= DATAGRAM_BYTES_MAX && question(64, 1, true).fits());
    let changed = |at: usize, byte: u8| {
        let mut bytes = one.clone();
        bytes[at] = byte;
        bytes
    };
    let seeds = vec![
        ("one_item.bin", one.clone()),
        ("sketches.bin", question(14, 14, false).encode()),
        ("full.bin", full.clone()),
        ("one_item_too_many.bin", question(65, 0, false).encode()),
        ("no_items.bin", question(0, 0, false).encode()),
        ("too_long.bin", vec![b'T'; DATAGRAM_BYTES_MAX + 1]),
        ("answer.bin", answer(3).encode()),
        ("answer_full.bin", answer(64).encode()),
        ("challenge.bin", Challenge { id: 1, cookie: 2 }.encode()),
        ("cookie_of_zero.bin", Challenge { id: 1, cookie: 0 }.encode()),
        ("header_alone.bin", one[..HEADER_BYTES].to_vec()),
        ("truncated.bin", full[..full.len() - COOKIE_BYTES].to_vec()),
        ("one_byte_more.bin", [&one[..], &[0]].concat()),
        ("wrong_magic.bin", changed(0, b'X')),
        ("wrong_version.bin", changed(2, 2)),
        ("unknown_flags.bin", changed(20, 0xfe)),
        ("reserved.bin", changed(23, 1)),
        ("hello.bin", hello()),
        ("hello_truncated.bin", hello()[..79].to_vec()),
        ("session.bin", session()),
        ("sealed_question.bin", sealed(question(1, 0, false).encode_for_seal(7 << 12, 5))),
        ("sealed_full.bin", sealed(question(60, 0, true).encode_for_seal(7 << 12, u64::MAX))),
        ("sealed_sketches.bin", sealed(question(13, 13, true).encode_for_seal(1, 0))),
        ("sealed_answer.bin", sealed(answer(3).encode_for_seal(7 << 12, 5))),
        ("sketch_where_none_belongs.bin", changed(24, 0x81)),
    ];
    let both = |(name, bytes): (&str, Vec<u8>)| {
        let targets = ["packet_there_and_back", "answering", "sealing"];
        targets.map(|target| seed(target, name, bytes.clone()))
    };
    seeds.into_iter().flat_map(both).collect()
}

fn news() -> Vec<Made> {
    let of = |kind, sketch| {
        let item = Item { signature: Signature { kind, value: [7; 16] }, sketch };
        encode_news(&[News { item, copies: 40, clients: 5 }])
    };
    let text = of(SignatureKind::Text, Some(Sketch([9; Sketch::LANES])));
    let mut sketch_on_a_link = text.clone();
    sketch_on_a_link[3] = 0x84;
    let seeds = [
        ("one_link.bin", of(SignatureKind::Link, None)),
        ("cut.bin", text[..text.len() - 1].to_vec()),
        ("one_text.bin", text),
        ("sketch_on_a_link.bin", sketch_on_a_link),
        ("count_too_high.bin", vec![1, 0xff, 0xff]),
        ("nothing.bin", vec![1, 0, 0]),
    ];
    seeds.into_iter().map(|(name, bytes)| seed("sightings_news", name, bytes)).collect()
}

/// Bytes from a seeded generator, for targets that pick all their values.
fn noise(mut state: u64, count: usize) -> Vec<u8> {
    let next = |_| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    (0..count).map(next).collect()
}

fn picked() -> Vec<Made> {
    let mut all = Vec::new();
    for target in ["dialogue_pair", "asking", "sealing", "scan_convert"] {
        for (number, count) in [(1, 40), (2, 200), (3, 400), (4, 800), (5, 1600)] {
            all.push(seed(target, &format!("noise_{number}.bin"), noise(number, count)));
        }
        all.push(seed(target, "empty.bin", Vec::new()));
        all.push(seed(target, "ones.bin", vec![1; 300]));
        all.push(seed(target, "highest.bin", vec![0xff; 300]));
        all.push(seed(target, "counting.bin", (0..=255).cycle().take(700).collect()));
    }
    all
}

#[cfg(feature = "services")]
mod services {
    use prost::Message;
    use tamis_domain::digest::{Signature, SignatureKind, Sketch};
    use tamis_domain::reputation::Class;
    use tamis_proto::scan;
    use tamis_reputation::log::Position;
    use tamis_reputation::log::frame::push;
    use tamis_reputation::log::record::{commit, push_reporter, push_saved};
    use tamis_reputation::log::snapshot::{Count, Foot};
    use tamis_reputation_protocol::signatures::{Authority, Change, ReporterRecord, Saved};

    use super::{Made, seed};

    pub fn all() -> Vec<Made> {
        [words(), records()].concat()
    }

    fn part(kind: i32, size: u64) -> scan::Part {
        let leaf = kind > 2;
        scan::Part {
            parent_plus_one: u32::from(leaf),
            depth: u32::from(leaf),
            kind,
            media_type: "text/html".into(),
            charset: Some("utf-8".into()),
            encoding: 2,
            disposition: 1,
            file_name: Some("invoice.html".into()),
            size,
            digest: if leaf { vec![9; 32] } else { Vec::new() },
        }
    }

    fn offer() -> scan::Offer {
        scan::Offer {
            mail_id: vec![3; 16],
            envelope: Some(scan::Envelope {
                client_address: "2001:db8::1".into(),
                client_name: "mx.example.org".into(),
                helo: "mx.example.org".into(),
                sender: "a@example.org".into(),
                recipients: vec!["b@example.com".into(), "c@example.com".into()],
                queue_id: "4XyZ".into(),
                authenticated: String::new(),
                door: 1,
                verified: true,
            }),
            outline: Some(scan::Outline {
                size: 1000,
                header: b"From: a@example.org\r\n".to_vec(),
                header_digest: vec![8; 32],
                parts: vec![part(1, 0), part(4, 3), part(5, 70)],
                oddities: vec![scan::OddityCount { oddity: 7, count: 2 }],
                body_hashes: vec![scan::BodyHash { form: 2, sha256: vec![7; 32] }],
            }),
            inline: vec![scan::Content { part: 1, bytes: b"<p>".to_vec() }],
            remaining_ms: 20_000,
        }
    }

    fn edge(offer: scan::Offer) -> Vec<u8> {
        let word = Some(scan::scan_request::Word::Offer(offer));
        scan::ScanRequest { word }.encode_to_vec()
    }

    fn scanner(word: scan::scan_response::Word) -> Vec<u8> {
        scan::ScanResponse { word: Some(word) }.encode_to_vec()
    }

    fn verdict() -> scan::Verdict {
        use scan::header_edit::Kind as Edit;
        let edit = |kind| scan::HeaderEdit { kind: Some(kind) };
        let field = scan::Field { name: "X-Spam-Flag".into(), value: "YES".into() };
        scan::Verdict {
            mail_id: vec![3; 16],
            status: 5,
            score: 12.5,
            evidence: vec![scan::Evidence {
                name: "double_extension".into(),
                weight: 4.5,
                source: 6,
                detail: "pdf.exe".into(),
                mark: 0,
                part_plus_one: 3,
            }],
            rung: 1,
            plan: vec![scan::GroupPlan {
                group: "default".into(),
                recipients: vec![0, 1],
                status: 5,
                action: Some(scan::Action {
                    kind: Some(scan::action::Kind::Redirect(scan::Addresses {
                        to: vec!["q@example.org".into()],
                    })),
                }),
                edits: vec![
                    edit(Edit::RemoveAll("X-Spam-Flag".into())),
                    edit(Edit::Add(field)),
                    edit(Edit::PrefixSubject("[SPAM]".into())),
                ],
            }],
            generation: 7,
            timings: Some(scan::Timings { total_us: 900, ..scan::Timings::default() }),
        }
    }

    fn words() -> Vec<Made> {
        use scan::scan_response::Word;
        let supply = scan::Supply { part: 2, bytes: vec![7; 70], last: true };
        let word = Some(scan::scan_request::Word::Supply(supply));
        let crowd = vec!["b".to_owned(); 1001];
        let mut crowded = offer();
        crowded.envelope.as_mut().unwrap().recipients = crowd;
        let mut parts = offer();
        parts.outline.as_mut().unwrap().parts = vec![scan::Part::default(); 1001];
        let mut nan = verdict();
        nan.score = f32::NAN;
        let whole = edge(offer());
        let seeds = vec![
            ("offer.bin", whole.clone()),
            ("offer_truncated.bin", whole[..whole.len() / 2].to_vec()),
            ("offer_without_id.bin", edge(scan::Offer { mail_id: vec![3; 15], ..offer() })),
            ("recipients_past_limit.bin", edge(crowded)),
            ("parts_past_limit.bin", edge(parts)),
            ("supply.bin", scan::ScanRequest { word }.encode_to_vec()),
            ("no_word.bin", scan::ScanRequest { word: None }.encode_to_vec()),
            ("need.bin", scanner(Word::Need(scan::Need { parts: vec![2, 1] }))),
            ("need_past_limit.bin", scanner(Word::Need(scan::Need { parts: vec![1000, 70_000] }))),
            ("verdict.bin", scanner(Word::Verdict(verdict()))),
            ("verdict_not_a_number.bin", scanner(Word::Verdict(nan))),
            ("verdict_empty.bin", scanner(Word::Verdict(scan::Verdict::default()))),
        ];
        seeds.into_iter().map(|(name, bytes)| seed("scan_convert", name, bytes)).collect()
    }

    fn changes() -> Vec<Change> {
        let signature = |number: u8| Signature {
            kind: SignatureKind::ALL[usize::from(number) % 7],
            value: [number; 16],
        };
        let add = |number: u8| Change::Add {
            signature: signature(number),
            sketch: (number == 1).then_some(Sketch([7; Sketch::LANES])),
            class: Class::Spam,
            weight: 60,
            reporter: format!("edge-{number}.example.org"),
            authority: Authority::Operator,
            at_unix_s: 1_800_000_000,
        };
        let (reporter, at_unix_s) = ("operator".to_owned(), 1_800_000_100);
        let delete = Change::Delete { signature: signature(2), reporter, at_unix_s };
        vec![add(0), add(1), add(2), delete]
    }

    fn reporters() -> Vec<u8> {
        let (mut bytes, name) = (Vec::new(), "example.org/edge-1".to_owned());
        push_reporter(
            &mut bytes,
            &ReporterRecord { name, confirmed: 7, contradicted: 1, last_day: 20_833 },
        );
        bytes
    }

    fn foot() -> Vec<u8> {
        let counts = vec![Count { kind: SignatureKind::Text, signatures: 9, sketched: 8 }];
        let position = Some(Position { ms: 1_800_000_000_000, seq: 2 });
        let foot = Foot {
            epoch: 41,
            position,
            segment: 0,
            reporters_at: 2_000,
            index_at: 2_100,
            reporters: 1,
            counts,
        };
        foot.to_bytes()
    }

    fn records() -> Vec<Made> {
        let changes = changes();
        let (one, empty) = (commit(41, None, &changes), commit(0, None, &[]));
        let mut saved = Vec::new();
        push_saved(&mut saved, &Saved::begun(&changes[1], 1).unwrap());
        let copied = commit(41, Some(Position { ms: 1_800_000_000_000, seq: 2 }), &changes);
        let mut file = Vec::new();
        push(&mut file, &one);
        push(&mut file, &empty);
        let mut damaged = file.clone();
        damaged[30] ^= 1;
        let seeds = vec![
            ("commit.bin", one.clone()),
            ("commit_empty.bin", empty),
            ("commit_truncated.bin", one[..one.len() - 3].to_vec()),
            ("commit_of_another_format.bin", [&[9], &one[1..]].concat()),
            ("commit_count_too_high.bin", [&one[..9], &[0xff; 4], &one[13..]].concat()),
            ("commit_with_position.bin", copied),
            ("saved.bin", saved),
            ("reporters.bin", reporters()),
            ("foot.bin", foot()),
            ("file.bin", file.clone()),
            ("file_cut_in_a_frame.bin", file[..file.len() - 4].to_vec()),
            ("file_cut_in_a_head.bin", file[..file.len() - 20].to_vec()),
            ("file_damaged.bin", damaged),
            ("file_of_zeros.bin", vec![0; 64]),
            ("length_past_limit.bin", [&[0, 0x40, 0, 1][..], &[0; 40]].concat()),
        ];
        seeds.into_iter().map(|(name, bytes)| seed("log_records", name, bytes)).collect()
    }
}

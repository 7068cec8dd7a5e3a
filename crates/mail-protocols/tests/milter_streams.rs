//! Seeded streams: commands there and back, damaged sessions cut anywhere, noise, and values that
//! try to break out of headers and replies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod milter_support;

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use milter_support::{Heard, OFFER, Said, Seeded, after, agreement, frame, mta_frame, our_frames};
use tamis_mail_protocols::milter::encode::encode_plan;
use tamis_mail_protocols::milter::events::{Event, Output};
use tamis_mail_protocols::milter::facts::{ClientAddress, Connection, Mailbox};
use tamis_mail_protocols::milter::frame::{Command, FrameReader};
use tamis_mail_protocols::milter::negotiate::{Actions, Offer, Options, ProtocolSteps};
use tamis_mail_protocols::milter::reply::{FinalReply, Modification, ReplyText};
use tamis_mail_protocols::milter::session::Session;

/// Bytes without NUL.
fn text(seeded: &mut Seeded, longest: usize) -> Bytes {
    let bytes = seeded.bytes(longest).into_iter().map(|byte| byte.max(1)).collect::<Vec<_>>();
    Bytes::from(bytes)
}

/// A header or macro name.
fn name(seeded: &mut Seeded) -> Bytes {
    let length = 1 + seeded.below(12);
    Bytes::from((0..length).map(|_| b'a' + seeded.below(26) as u8).collect::<Vec<_>>())
}

fn mailbox(seeded: &mut Seeded) -> Mailbox {
    let exact = text(seeded, 30);
    let parameters = (0..seeded.below(4)).map(|_| text(seeded, 10)).collect();
    Mailbox { exact, parameters }
}

fn connection(seeded: &mut Seeded) -> Connection {
    let bits = u128::from(seeded.next()) << 64 | u128::from(seeded.next());
    let port = seeded.next() as u16;
    let address = match seeded.below(5) {
        0 => ClientAddress::Unknown,
        1 => ClientAddress::Local("/run/mta.sock".to_owned()),
        2 => ClientAddress::Ip((std::net::Ipv6Addr::from_bits(bits), port).into()),
        3 => ClientAddress::Unreadable("not an address".to_owned()),
        _ => ClientAddress::Ip((std::net::Ipv4Addr::from_bits(bits as u32), port).into()),
    };
    Connection { hostname: String::from_utf8(name(seeded).to_vec()).unwrap(), address }
}

fn command(seeded: &mut Seeded) -> Command {
    match seeded.below(15) {
        0 => Command::Negotiate(Offer {
            version: seeded.next() as u32,
            actions: Actions(seeded.next() as u32),
            protocol: ProtocolSteps(seeded.next() as u32),
        }),
        1 => Command::Macros {
            of: b"CHMRTLNE"[seeded.below(8)],
            pairs: (0..seeded.below(5)).map(|_| (name(seeded), text(seeded, 20))).collect(),
        },
        2 => Command::Connect(connection(seeded)),
        3 => Command::Helo(text(seeded, 40)),
        4 => Command::Mail(mailbox(seeded)),
        5 => Command::Recipient(mailbox(seeded)),
        6 => Command::Data,
        7 => {
            let (name, value) = (name(seeded), Bytes::from(seeded.bytes(80)));
            Command::Header { name, value }
        }
        8 => Command::EndOfHeaders,
        9 => Command::Body(Bytes::from(seeded.bytes(300))),
        10 => Command::EndOfBody(Bytes::from(seeded.bytes(30))),
        11 => Command::UnknownVerb(text(seeded, 20)),
        12 => Command::Abort,
        13 => Command::QuitNewConnection,
        _ => Command::Quit,
    }
}

#[test]
fn commands_go_there_and_back_however_they_are_cut() {
    for seed in 1..200 {
        let mut seeded = Seeded(seed);
        let commands: Vec<Command> = (0..30).map(|_| command(&mut seeded)).collect();
        let mut bytes = BytesMut::new();
        commands.iter().for_each(|command| command.encode(&mut bytes));
        let (mut reader, mut back, mut rest) = (FrameReader::default(), Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + seeded.below(50)).min(rest.len()));
            rest = after;
            reader.feed(piece);
            while let Some(frame) = reader.next_frame().unwrap() {
                back.push(Command::parse(&frame).unwrap());
            }
        }
        assert_eq!(back, commands, "seed {seed}");
        assert_eq!(reader.bytes_held(), 0);
    }
}

/// A session that answers every message at once; checks what must hold of its outputs.
fn judged(bytes: &[u8], cut: &mut Seeded, longest: usize) -> Heard {
    let (mut session, mut heard, now) =
        (Session::new(Options::default()), Heard::default(), Instant::now());
    let (mut open, mut closed, mut rest) = (None, false, bytes);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + cut.below(longest)).min(rest.len()));
        rest = after;
        session.handle(Event::Bytes(piece), now);
        while let Some(output) = session.poll() {
            assert!(!closed, "close is the last output");
            match &output {
                Output::Begin { message } => {
                    assert_eq!(open.replace(*message), None, "one message at a time");
                }
                Output::Envelope { message, .. } => assert_eq!(open, Some(*message)),
                Output::Content(bytes) => assert!(open.is_some() && !bytes.is_empty()),
                Output::Aborted { message, .. } => assert_eq!(open.take(), Some(*message)),
                Output::EndOfMessage(end) => {
                    assert_eq!(open.take(), Some(end.message));
                    session.finish(end.message, &[], &FinalReply::Accept).unwrap();
                }
                Output::Close => closed = true,
                _ => {}
            }
            heard.hear(output);
        }
    }
    assert!(!closed || open.is_none(), "no message stays open");
    heard
}

/// Frames of a plausible session in which steps are left out, repeated and damaged.
fn stream(seeded: &mut Seeded) -> Vec<u8> {
    let mut bytes = mta_frame(OFFER);
    for _ in 0..seeded.below(12) {
        let steps = [
            "D M i=1",
            "M <a@x.test>",
            "R <b@x.test>",
            "T",
            "L Subject \" x\"",
            "L A \"b\\n\\nc\"",
            "N",
            "B \"some body\\r\\n\"",
            "B \"x\"*3000",
            "E",
            "A",
            "C h 4 25 192.0.2.1",
            "H h",
            "U x",
            "K",
        ];
        for step in steps {
            let times = [1, 1, 1, 1, 1, 1, 0, 2][seeded.below(8)];
            bytes.extend(mta_frame(step).repeat(times));
        }
    }
    for _ in 0..seeded.below(3) {
        let at = seeded.below(bytes.len());
        bytes[at] = seeded.next() as u8;
    }
    bytes
}

#[test]
fn damaged_streams_keep_every_promise_and_do_not_depend_on_the_cuts() {
    let mut messages = 0;
    for seed in 1..3_000 {
        let mut seeded = Seeded(seed);
        let bytes = stream(&mut seeded);
        let whole = judged(&bytes, &mut Seeded(seed), usize::MAX >> 1);
        let pieces = judged(&bytes, &mut Seeded(seed), 40);
        assert_eq!(whole, pieces, "seed {seed}");
        our_frames(&whole.sent);
        messages += whole.lines().iter().filter(|line| line.starts_with("end ")).count();
    }
    assert!(messages > 500, "the streams reach the end of messages: {messages}");
}

#[test]
fn noise_never_panics() {
    for seed in 1..3_000 {
        let mut seeded = Seeded(seed);
        let mut noise = mta_frame(OFFER);
        for _ in 0..8 {
            let command = b"ODCHMRTLNBEUAKQ?"[seeded.below(16)];
            noise.extend(frame(command, &seeded.bytes(40)));
        }
        judged(&noise, &mut seeded, 30);
    }
}

#[test]
fn rebuilt_headers_always_are_one_header_each() {
    for seed in 1..2_000 {
        let mut seeded = Seeded(seed);
        let value: Vec<u8> =
            (0..seeded.below(30)).map(|_| b"\n\r \t:aX\0"[seeded.below(8)]).collect();
        let (mut session, mut heard, now) = after(Options::default(), &[OFFER, "M <a@x.test>"]);
        heard.feed(&mut session, &frame(b'L', &[b"X\0", &value[..], b"\0"].concat()), now);
        heard.feed(&mut session, &mta_frame("N"), now);
        let content = heard.all_content();
        let header = content.strip_suffix(b"\r\n\r\n").expect("the end of the header");
        let mut lines = header.split(|&byte| byte == b'\n');
        assert!(lines.next().unwrap().starts_with(b"X:"));
        assert!(lines.all(|line| matches!(line.first(), Some(b' ' | b'\t'))), "seed {seed}");
        let mended = heard
            .said
            .iter()
            .any(|said| matches!(said, Said::Line(line) if line.contains("Mended")));
        let visible = |bytes: &[u8]| {
            let kept = |byte: &&u8| !matches!(byte, b'\n' | b'\r' | b' ');
            bytes.iter().filter(kept).copied().collect::<Vec<u8>>()
        };
        assert_eq!(visible(&header[2..]), visible(&value), "no other byte is changed");
        let folded = |at: usize| matches!(value.get(at + 1), Some(b' ' | b'\t'));
        let whole = value.iter().enumerate().all(|(at, &byte)| byte != b'\n' || folded(at));
        assert_eq!(mended, !whole, "seed {seed}: {value:?}");
    }
}

#[test]
fn values_in_our_replies_never_end_a_line_a_string_or_a_header() {
    for seed in 1..2_000 {
        let mut seeded = Seeded(seed);
        let letters = ['\n', '\r', '\0', ' ', '%', 'é', 'x', '\u{7f}'];
        let value: String = (0..seeded.below(40)).map(|_| letters[seeded.below(8)]).collect();
        let add = Modification::AddHeader { name: "X".to_owned(), value: value.clone() };
        let pieces = encode_plan(&agreement(), &[], &[add], &FinalReply::Accept).unwrap().concat();
        let body = pieces[5..pieces.len() - 5].strip_prefix(b"X\0 ").unwrap();
        let body = body.strip_suffix(b"\0").unwrap();
        assert!(!body.iter().any(|byte| matches!(byte, 0 | b'\r')), "seed {seed}");
        let mut lines = body.split(|&byte| byte == b'\n').skip(1);
        assert!(lines.all(|line| line.starts_with(b" ")), "seed {seed}: {value:?}");

        let Ok(reply) = ReplyText::new(554, "5.7.1", &value) else { continue };
        let pieces =
            encode_plan(&agreement(), &[], &[], &FinalReply::Text(reply)).unwrap().concat();
        let body = pieces[5..].strip_suffix(b"\0").unwrap();
        assert!(body.is_ascii() && !body.contains(&0));
        for line in body.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)), "seed {seed}");
            let percents = line.iter().filter(|&&byte| byte == b'%').count();
            assert_eq!(percents % 2, 0, "every percent sign is doubled");
        }
    }
}

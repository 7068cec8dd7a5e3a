//! Frames of a milter peer, and of ours.

use bytes::{Bytes, BytesMut};
use tamis_mail_protocols::milter::encode::encode_plan;
use tamis_mail_protocols::milter::facts::{ClientAddress, Connection, Mailbox};
use tamis_mail_protocols::milter::frame::{Command, FrameReader};
use tamis_mail_protocols::milter::negotiate::{Actions, Agreement, Offer, Options, ProtocolSteps};
use tamis_mail_protocols::milter::reply::{FinalReply, Modification, ReplyText};
use tamis_mail_protocols::milter::{
    FRAME_BYTES_MAX, MilterError, REPLY_LINE_BYTES_MAX, REPLY_PAYLOAD_BYTES_MAX,
};

use crate::pick::{Cuts, Pick};

/// Bytes -> commands -> bytes -> the same commands; commands picked from the bytes -> bytes -> the same commands; plans
/// picked from the bytes -> frames that an MTA takes.
pub fn milter_frame(data: &[u8]) {
    let whole = commands(&[data]);
    assert_eq!(whole, commands(&Cuts::of(data).pieces(data)), "cuts change frames");
    let understood: Vec<Command> = whole.into_iter().filter_map(Result::ok).collect();
    assert_same_again(&understood);
    let mut pick = Pick::new(data);
    let mut picked = Vec::new();
    while !pick.is_empty() {
        picked.push(command(&mut pick));
    }
    assert_same_again(&picked);
    plan(&mut Pick::new(data));
}

fn commands(pieces: &[&[u8]]) -> Vec<Result<Command, MilterError>> {
    let (mut reader, mut commands) = (FrameReader::default(), Vec::new());
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => commands.push(Command::parse(&frame)),
                Ok(None) => break,
                Err(error) => {
                    commands.push(Err(error));
                    return commands;
                }
            }
        }
        assert!(reader.bytes_held() < FRAME_BYTES_MAX + 4);
    }
    commands
}

fn assert_same_again(all: &[Command]) {
    let mut wire = BytesMut::new();
    all.iter().for_each(|command| command.encode(&mut wire));
    let again = commands(&Cuts::of(&wire).pieces(&wire));
    let expected: Vec<_> = all.iter().cloned().map(Ok).collect();
    assert_eq!(again, expected, "a command reads back as another");
}

fn command(pick: &mut Pick<'_>) -> Command {
    match pick.below(15) {
        0 => Command::Negotiate(Offer {
            version: pick.u32(),
            actions: Actions(pick.u32()),
            protocol: ProtocolSteps(pick.u32()),
        }),
        1 => {
            let of = pick.one(b"CHMRTLNE");
            let count = pick.below(5);
            let pair = |_| (Bytes::from(name(pick)), text(pick));
            Command::Macros { of, pairs: (0..count).map(pair).collect() }
        }
        2 => Command::Connect(connection(pick)),
        3 => Command::Helo(text(pick)),
        4 => Command::Mail(mailbox(pick)),
        5 => Command::Recipient(mailbox(pick)),
        6 => Command::Data,
        // A NUL inside a value comes from the mail and stays.
        7 => Command::Header { name: name(pick).into(), value: pick.bytes(80).to_vec().into() },
        8 => Command::EndOfHeaders,
        9 => Command::Body(pick.bytes(200).to_vec().into()),
        10 => Command::EndOfBody(pick.bytes(30).to_vec().into()),
        11 => Command::UnknownVerb(text(pick)),
        12 => Command::Abort,
        13 => Command::QuitNewConnection,
        _ => Command::Quit,
    }
}

/// Bytes without NUL, which ends a string.
fn text(pick: &mut Pick<'_>) -> Bytes {
    pick.bytes(40).iter().map(|byte| (*byte).max(1)).collect()
}

fn name(pick: &mut Pick<'_>) -> String {
    let letters = pick.bytes(12).iter().map(|byte| char::from(b'a' + byte % 26));
    std::iter::once('x').chain(letters).collect()
}

fn mailbox(pick: &mut Pick<'_>) -> Mailbox {
    let exact = text(pick);
    let count = pick.below(4);
    Mailbox { exact, parameters: (0..count).map(|_| text(pick)).collect() }
}

fn connection(pick: &mut Pick<'_>) -> Connection {
    let hostname = name(pick);
    let address = match pick.below(4) {
        0 => ClientAddress::Unknown,
        1 => ClientAddress::Local(name(pick)),
        2 => ClientAddress::Ip((pick.array::<16>(), pick.u16()).into()),
        _ => ClientAddress::Ip((pick.array::<4>(), pick.u16()).into()),
    };
    Connection { hostname, address }
}

/// Whatever a plan says, the frames are whole, short enough, and no value ends a string, a line or a header.
fn plan(pick: &mut Pick<'_>) {
    let all = Offer { version: 6, actions: Actions(0x1ff), protocol: ProtocolSteps(0x1f_ffff) };
    let agreement = Agreement::reach(&all, &Options::default()).unwrap();
    let recipients = [mailbox(pick)];
    let modification = modification(pick, &recipients[0]);
    let reply = match pick.below(3) {
        0 => FinalReply::Accept,
        1 => FinalReply::Tempfail,
        _ => match ReplyText::new(pick.u16() % 700, "5.7.1", &pick.text(200)) {
            Ok(text) => FinalReply::Text(text),
            Err(_) => return,
        },
    };
    if let FinalReply::Text(text) = &reply {
        let sound = |line: &String| {
            line.len() <= REPLY_LINE_BYTES_MAX && line.bytes().all(|b| (b' '..=b'~').contains(&b))
        };
        assert!(text.lines().iter().all(sound), "{:?}", text.lines());
    }
    let Ok(pieces) = encode_plan(&agreement, &recipients, &[modification], &reply) else { return };
    let wire = pieces.concat();
    let (mut reader, mut frames) = (FrameReader::default(), Vec::new());
    reader.feed(&wire);
    while let Some(frame) = reader.next_frame().unwrap() {
        assert!(frame.payload.len() <= REPLY_PAYLOAD_BYTES_MAX);
        assert_no_new_header(frame.command, &frame.payload);
        frames.push(frame.command);
    }
    assert_eq!(reader.bytes_held(), 0, "an unfinished frame");
    let last = frames.pop();
    assert!(matches!(last, Some(b'c' | b'a' | b'r' | b't' | b'd' | b'y')), "{last:?}");
}

fn modification(pick: &mut Pick<'_>, known: &Mailbox) -> Modification {
    let (name, value) = (name(pick), String::from_utf8_lossy(pick.bytes(120)).into_owned());
    match pick.below(8) {
        0 => Modification::AddHeader { name, value },
        1 => Modification::InsertHeader { index: pick.u32(), name, value },
        2 => Modification::ChangeHeader { index: pick.u32(), name, value },
        3 => Modification::AddRecipient(value),
        4 => Modification::ChangeSender(value),
        5 => Modification::Quarantine { reason: value },
        6 => Modification::RemoveRecipient(known.exact.clone()),
        _ => Modification::AddHeader { name: value.clone(), value },
    }
}

/// A header frame holds one name and one value, and a line of the value never begins at its first column.
fn assert_no_new_header(command: u8, payload: &[u8]) {
    let strings = match command {
        b'h' => payload,
        b'i' | b'm' => &payload[4..],
        _ => return,
    };
    let body = strings.strip_suffix(b"\0").expect("a string ends with NUL");
    let mut pieces = body.split(|byte| *byte == 0);
    let (name, value) = (pieces.next().unwrap(), pieces.next().unwrap());
    assert_eq!(pieces.next(), None, "a third string in a header");
    assert!(!name.is_empty() && name.iter().all(|b| b.is_ascii_graphic() && *b != b':'));
    assert!(!value.contains(&b'\r'));
    let folds = value.split(|byte| *byte == b'\n').skip(1);
    assert!(folds.into_iter().all(|line| matches!(line.first(), Some(b' ' | b'\t'))));
}

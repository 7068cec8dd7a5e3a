//! Every named limit of the milter room at n and n + 1, and malformed frames one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod milter_support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use milter_support::{Heard, OFFER, Seeded, after, agreement, frame, mta_frame, our_frames};
use tamis_mail_protocols::milter::encode::encode_plan;
use tamis_mail_protocols::milter::events::{Event, MessageNumber, Output};
use tamis_mail_protocols::milter::facts::{Envelope, Mailbox};
use tamis_mail_protocols::milter::frame::FrameReader;
use tamis_mail_protocols::milter::negotiate::{Actions, Agreement, Offer, Options, ProtocolSteps};
use tamis_mail_protocols::milter::reply::{FinalReply, Modification, PlanError, ReplyText};
use tamis_mail_protocols::milter::session::Session;
use tamis_mail_protocols::milter::{
    Blame, ENVELOPE_BYTES_MAX, FRAME_BYTES_MAX, HEADER_BYTES_MAX, MACRO_BYTES_MAX,
    MACROS_PER_FRAME_MAX, MODIFICATIONS_MAX, NextStep, PARAMETERS_MAX, PROGRESS_EVERY,
    RECIPIENT_WAIT_MAX, RECIPIENTS_MAX, REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX,
    REPLY_PAYLOAD_BYTES_MAX, VERDICT_WAIT_MAX,
};

fn last_line(heard: &Heard) -> &str {
    heard.lines().last().copied().unwrap_or("")
}

#[test]
fn a_frame_of_the_limit_is_read_and_one_byte_more_is_refused_before_it_comes() {
    let (mut session, mut heard, now) = after(Options::default(), &[OFFER, "M <a@x.test>"]);
    heard.feed(&mut session, &frame(b'B', &vec![b'x'; FRAME_BYTES_MAX - 1]), now);
    assert_eq!(heard.all_content().len(), 2 + FRAME_BYTES_MAX - 1);

    let length = (FRAME_BYTES_MAX as u32 + 1).to_be_bytes();
    heard.feed(&mut session, &length, now);
    let lines = heard.lines();
    assert_eq!(lines[lines.len() - 3], "aborted 1 SessionOver");
    assert!(lines[lines.len() - 2].contains("1048577 bytes, limit 1048576"), "{lines:?}");
    assert_eq!(lines[lines.len() - 1], "close");
}

#[test]
fn malformed_frames_say_what_is_wrong_and_close() {
    for (lines, complaint) in [
        (vec!["raw 00000000"], "length 0"),
        (vec!["raw ffffffff"], "limit 1048576"),
        (vec!["raw 0000000158"], "unknown command 0x58"),
        (vec!["raw 000000014f"], "malformed 'O' frame: shorter than three numbers"),
        (vec!["O 1 0x1ff 0x1fffff"], "version 1, at least 2"),
        (vec!["C h 4 25 192.0.2.1"], "'C' before negotiation"),
        (vec!["A"], "'A' before negotiation"),
        (vec![OFFER, OFFER], "'O' a second time"),
        (vec![OFFER, "C h U", OFFER], "'O' a second time"),
        (vec![OFFER, "C h U", "C h U"], "'C' a second time"),
        (vec![OFFER, "raw 0000000443616263"], "'C' frame: a string without its final NUL"),
        (vec![OFFER, "raw 000000034361 00"], "'C' frame: no address family"),
        (vec![OFFER, "raw 000000054361 003419"], "'C' frame: no port"),
        (vec![OFFER, "C h 9 25 x"], "'C' frame: an address family other than"),
        (vec![OFFER, "raw 000000034861 62"], "'H' frame: a string without its final NUL"),
        (vec![OFFER, "raw 000000034d61 62"], "'M' frame: a string without its final NUL"),
        (vec![OFFER, "raw 000000014d"], "'M' frame: a string without its final NUL"),
        (vec![OFFER, "raw 0000000144"], "'D' frame: no command byte"),
        (vec![OFFER, "raw 00000004444d6900"], "'D' frame: a macro without a value"),
        (vec![OFFER, "raw 00000003444d69"], "'D' frame: a string without its final NUL"),
        (vec![OFFER, "R <b@x.test>"], "'R' outside an envelope"),
        (vec![OFFER, "T"], "'T' outside an envelope"),
        (vec![OFFER, "L A b"], "'L' outside a header"),
        (vec![OFFER, "N"], "'N' outside a header"),
        (vec![OFFER, "B x"], "'B' outside a message"),
        (vec![OFFER, "E"], "'E' outside a message"),
        (vec![OFFER, "M <a>", "L A b", "R <b>"], "'R' outside an envelope"),
        (vec![OFFER, "M <a>", "N", "L A b"], "'L' outside a header"),
        (vec![OFFER, "M <a>", "N", "N"], "'N' outside a header"),
        (vec![OFFER, "M <a>", "L \"A\\nB\" b"], "'L' frame: a header name with a colon or"),
        (vec![OFFER, "M <a>", "L A:B b"], "'L' frame: a header name with a colon or"),
        (vec![OFFER, "M <a>", "raw 000000044c410062"], "'L' frame: a string without its final"),
        (vec![OFFER, "M <a>", "E", "M <b>"], "'M' while our reply was due"),
        (vec![OFFER, "M <a>", "E", "B x"], "'B' while our reply was due"),
        (vec![OFFER, "M <a>", "E", "D M i=1"], "'D' while our reply was due"),
    ] {
        let (mut session, heard, now) = after(Options::default(), &lines);
        let said = heard.lines();
        let failed = said.iter().filter(|line| line.starts_with("failed ")).collect::<Vec<_>>();
        assert_eq!(failed.len(), 1, "{lines:?}: {said:?}");
        assert!(failed[0].contains(complaint), "{lines:?}: {failed:?}");
        assert_eq!(last_line(&heard), "close", "{lines:?}");
        session.handle(Event::Bytes(&mta_frame(OFFER)), now);
        session.handle(Event::Closed, now + VERDICT_WAIT_MAX);
        assert_eq!(session.poll(), None, "nothing comes after close");
        assert_eq!(session.deadline(), None);
    }
}

#[test]
fn an_error_of_the_mta_is_its_fault_and_one_of_a_plan_is_ours() {
    let mut reader = FrameReader::default();
    reader.feed(&[0; 4]);
    let error = reader.next_frame().unwrap_err();
    assert_eq!((error.blame(), error.next_step()), (Blame::Peer, NextStep::CloseConnection));
    let error = PlanError::HeaderIndex;
    assert_eq!((error.blame(), error.next_step()), (Blame::Ours, NextStep::ChooseAnotherPlan));
    assert_eq!(PlanError::NotDue.next_step(), NextStep::DropAnswer);
}

/// A message with so many recipients of this address, up to its end.
fn recipients(options: Options, count: usize, address: &[u8]) -> (Session, Heard, Instant) {
    let (mut session, mut heard, now) =
        after(options, &[OFFER, "C localhost 4 0 127.0.0.1", "M <a@x.test>"]);
    let one = frame(b'R', &[address, b"\0"].concat());
    heard.feed(&mut session, &one.repeat(count), now);
    for line in ["T", "L Subject x", "B body", "E"] {
        heard.feed(&mut session, &mta_frame(line), now);
    }
    (session, heard, now)
}

#[test]
fn recipients_up_to_the_limit_are_held_and_one_more_is_told_to_come_again_with_fewer() {
    let (mut session, heard, _) = recipients(Options::default(), RECIPIENTS_MAX, b"<b@x.test>");
    assert_eq!(heard.lines().iter().filter(|line| **line == "to <b@x.test>").count(), 10_000);
    assert_eq!(last_line(&heard), "end 1 exact i=-");
    session.finish(MessageNumber(1), &[], &FinalReply::Accept).unwrap();

    let (mut session, mut heard, now) =
        recipients(Options::default(), RECIPIENTS_MAX + 1, b"<b@x.test>");
    assert_eq!(last_line(&heard), "aborted 1 Limit(Envelope)");
    let too_many = "y \"452 4.5.3 Too many recipients for one message\"";
    assert_eq!(heard.frames().last().unwrap(), too_many);
    assert_eq!(heard.all_content(), b"", "nothing of it is handed out");
    for line in ["A", "M <a@x.test>", "R <b@x.test>", "E"] {
        heard.feed(&mut session, &mta_frame(line), now);
    }
    assert_eq!(last_line(&heard), "end 2 exact i=-", "the next message is as good as any");
}

#[test]
fn where_recipients_are_answered_only_the_one_beyond_the_limit_is_refused() {
    let options = Options { ask_recipients: true, ..Options::default() };
    let lines = [OFFER, "C h 4 25 192.0.2.1", "M <a@x.test>"];
    let (mut session, mut heard, now) = after(options.clone(), &lines);
    let long = frame(b'R', &[vec![b'b'; ENVELOPE_BYTES_MAX / 5], vec![0]].concat());
    for _ in 0..4 {
        heard.feed(&mut session, &long, now);
        session.handle(
            Event::RecipientVerdict {
                message: MessageNumber(1),
                reply: tamis_mail_protocols::milter::reply::RecipientReply::Keep,
            },
            now,
        );
    }
    heard.feed(&mut session, &long, now);
    assert_eq!(last_line(&heard), "noted RecipientRefused(MessageNumber(1))");
    assert!(heard.frames().last().unwrap().starts_with("y \"452 4.5.3"));
    for line in ["T", "N", "E"] {
        heard.feed(&mut session, &mta_frame(line), now);
    }
    assert_eq!(last_line(&heard), "end 1 exact i=-", "the others go on");

    let (_, heard, _) = recipients(options, RECIPIENTS_MAX + 1, b"<b@x.test>");
    let refused = heard.frames().iter().filter(|frame| frame.starts_with("y ")).count();
    assert_eq!(refused, 1, "sendmail(1) through Postfix: refused at the end, not at a recipient");
    assert!(heard.frames().last().unwrap().starts_with("y \"452 4.5.3"));
}

#[test]
fn envelope_bytes_stop_at_the_limit_to_the_byte() {
    let sender = "<a@x.test>".len();
    let four = |last: usize| {
        let (mut session, mut heard, now) = after(Options::default(), &[OFFER, "M <a@x.test>"]);
        let quarter = ENVELOPE_BYTES_MAX / 5;
        for size in [quarter, quarter, quarter, quarter, last] {
            heard.feed(&mut session, &frame(b'R', &[vec![b'b'; size], vec![0]].concat()), now);
        }
        heard.feed(&mut session, &mta_frame("E"), now);
        last_line(&heard).to_owned()
    };
    let rest = ENVELOPE_BYTES_MAX - sender - 4 * (ENVELOPE_BYTES_MAX / 5);
    assert_eq!(four(rest), "end 1 exact i=-");
    assert_eq!(four(rest + 1), "aborted 1 Limit(Envelope)");
}

#[test]
fn parameters_and_macros_of_one_frame_stop_at_their_limits() {
    let mail = |count: usize| [b"<a>\0".to_vec(), b"P\0".repeat(count)].concat();
    let macros = |count: usize| [b"M".to_vec(), b"m\0v\0".repeat(count)].concat();
    for (command, payload, fails) in [
        (b'M', mail(PARAMETERS_MAX), false),
        (b'M', mail(PARAMETERS_MAX + 1), true),
        (b'D', macros(MACROS_PER_FRAME_MAX), false),
        (b'D', macros(MACROS_PER_FRAME_MAX + 1), true),
    ] {
        let (mut session, mut heard, now) = after(Options::default(), &[OFFER]);
        heard.feed(&mut session, &frame(command, &payload), now);
        assert_eq!(last_line(&heard) == "close", fails, "{}", char::from(command));
    }
}

/// The envelope of a message after these frames.
fn envelope_after(frames: &[Vec<u8>]) -> (Envelope, bool) {
    let (mut session, _, now) = after(Options::default(), &[OFFER]);
    let (mut found, mut dropped) = (None, false);
    for bytes in frames {
        session.handle(Event::Bytes(bytes), now);
        while let Some(output) = session.poll() {
            match output {
                Output::Envelope { envelope, .. } => found = Some(*envelope),
                Output::Noted(_) => dropped = true,
                _ => {}
            }
        }
    }
    (found.unwrap(), dropped)
}

#[test]
fn macros_beyond_the_limit_are_dropped_and_noted_and_the_mail_goes_on() {
    let macros = |stage: u8, name: &str, size: usize| {
        frame(b'D', &[&[stage], name.as_bytes(), b"\0", &vec![b'v'; size], b"\0"].concat())
    };
    let rest = |first: Vec<u8>, more: Vec<u8>| {
        let message = ["M <a@x.test>", "R <b@x.test>", "N"].map(mta_frame).concat();
        envelope_after(&[first, more, message])
    };
    let full = MACRO_BYTES_MAX - "big".len() - "i".len() - "1".len();
    let (envelope, dropped) = rest(macros(b'M', "{big}", full), macros(b'R', "i", 1));
    assert_eq!((envelope.queue_id(), dropped), (Some("v"), false));
    let (envelope, dropped) = rest(macros(b'M', "{big}", full + 1), macros(b'R', "i", 1));
    assert_eq!((envelope.queue_id(), dropped), (None, true));
    assert!(envelope.macros.value("big").is_some(), "what fitted is kept");
    // A new value takes the place of the old one; connection and message have a limit each.
    let (envelope, dropped) = rest(macros(b'M', "i", full), macros(b'R', "i", full));
    assert_eq!((envelope.queue_id().map(str::len), dropped), (Some(full), false));
    let (envelope, dropped) = rest(macros(b'C', "j", full), macros(b'M', "i", full));
    assert_eq!((envelope.macros.iter().count(), dropped), (2, false));
}

#[test]
fn header_bytes_stop_at_the_limit_to_the_byte_and_later_bytes_are_swallowed() {
    let run = |last: usize| {
        let (mut session, mut heard, now) =
            after(Options::default(), &[OFFER, "M <a@x.test>", "R <b@x.test>"]);
        // Each header is `X:` value CR LF: a quarter of the limit less a page, five times.
        let quarter = HEADER_BYTES_MAX / 4 - 4_096;
        for size in [quarter, quarter, quarter, quarter, last] {
            let header = [b"X\0".to_vec(), vec![b'v'; size - 4], vec![0]].concat();
            heard.feed(&mut session, &frame(b'L', &header), now);
        }
        for line in ["N", "B body", "E"] {
            heard.feed(&mut session, &mta_frame(line), now);
        }
        heard
    };
    let rest = 4 * 4_096;
    let heard = run(rest);
    assert_eq!(heard.all_content().len(), HEADER_BYTES_MAX + "\r\nbody".len());
    assert_eq!(last_line(&heard), "end 1 exact i=-");
    let heard = run(rest + 1);
    assert_eq!(last_line(&heard), "aborted 1 Limit(HeaderBytes)");
    assert_eq!(heard.all_content().len(), HEADER_BYTES_MAX - rest, "no half header");
    assert_eq!(heard.frames().last().unwrap(), "y \"552 5.3.4 Message header is too long\"");
}

#[test]
fn waits_end_at_their_limits() {
    let options = Options { ask_recipients: true, ..Options::default() };
    let lines = [OFFER, "C h 4 25 192.0.2.1", "M <a@x.test>", "R <b@x.test>"];
    let (mut session, mut heard, now) = after(options, &lines);
    assert_eq!(session.deadline(), Some(now + RECIPIENT_WAIT_MAX));
    let moment = Duration::from_nanos(1);
    session.handle(Event::Tick, now + RECIPIENT_WAIT_MAX - moment);
    heard.drain(&mut session);
    assert_eq!(last_line(&heard), "ask 1 <b@x.test>");
    session.handle(Event::Tick, now + RECIPIENT_WAIT_MAX);
    heard.drain(&mut session);
    assert_eq!(heard.frames().last().unwrap(), "c");
    assert_eq!(session.deadline(), None);

    heard.feed(&mut session, &mta_frame("E"), now);
    assert_eq!(session.deadline(), Some(now + PROGRESS_EVERY));
    session.handle(Event::Tick, now + PROGRESS_EVERY - moment);
    session.handle(Event::Tick, now + VERDICT_WAIT_MAX - moment);
    assert_eq!(session.deadline(), Some(now + VERDICT_WAIT_MAX), "not a progress frame later");
    heard.drain(&mut session);
    assert_eq!(heard.frames().last().unwrap(), "p");
    session.handle(Event::Tick, now + VERDICT_WAIT_MAX);
    heard.drain(&mut session);
    assert_eq!(heard.frames().last().unwrap(), "t");
}

#[test]
fn a_progress_time_of_zero_does_not_flood_the_mta() {
    let options = Options { progress_every: Duration::ZERO, ..Options::default() };
    let (session, _, now) = after(options, &[OFFER, "M <a@x.test>", "E"]);
    assert_eq!(session.deadline(), Some(now + Duration::from_secs(1)));
}

#[test]
fn a_progress_frame_is_never_sent_in_place_of_a_verdict_that_came_in_time() {
    let (mut session, mut heard, now) = after(Options::default(), &[OFFER, "M <a@x.test>", "E"]);
    let message = MessageNumber(1);
    let verdict = Event::Verdict { message, modifications: vec![], reply: FinalReply::Reject };
    session.handle(verdict, now + VERDICT_WAIT_MAX * 2);
    heard.drain(&mut session);
    assert_eq!(heard.frames()[1..], ["r"]);
}

fn plan(modifications: &[Modification], reply: &FinalReply) -> Result<Vec<String>, PlanError> {
    let pieces = encode_plan(&agreement(), &[], modifications, reply)?;
    Ok(our_frames(&pieces.concat()))
}

#[test]
fn plans_stop_at_their_limits() {
    let one = Modification::DeleteHeader { index: 1, name: "X".to_owned() };
    let many = vec![one.clone(); MODIFICATIONS_MAX];
    assert_eq!(plan(&many, &FinalReply::Accept).unwrap().len(), MODIFICATIONS_MAX + 1);
    let more = vec![one; MODIFICATIONS_MAX + 1];
    let error = plan(&more, &FinalReply::Accept).unwrap_err();
    assert_eq!(error, PlanError::TooManyModifications(MODIFICATIONS_MAX + 1));

    let header = |size: usize| {
        let (name, value) = ("X".to_owned(), "v".repeat(size));
        plan(&[Modification::AddHeader { name, value }], &FinalReply::Accept)
    };
    let room = REPLY_PAYLOAD_BYTES_MAX - "X\0 \0".len();
    assert_eq!(header(room).unwrap().len(), 2);
    assert_eq!(header(room + 1).unwrap_err(), PlanError::TooLong(REPLY_PAYLOAD_BYTES_MAX + 1));
}

#[test]
fn reply_texts_stop_at_their_limits_and_their_codes_must_mean_what_they_say() {
    let text = |text: &str| ReplyText::new(550, "5.7.1", text);
    let line = "x".repeat(REPLY_LINE_BYTES_MAX);
    let longest = text(&line).unwrap();
    assert!(longest.lines()[0].len() + 2 <= 512);
    assert_eq!(text(&format!("{line}x")).unwrap_err(), PlanError::ReplyLine(481));
    assert_eq!(text(&"x\n".repeat(REPLY_LINES_MAX)).unwrap().lines().len(), 32);
    assert_eq!(text(&"x\n".repeat(REPLY_LINES_MAX + 1)).unwrap_err(), PlanError::ReplyLines(33));
    assert_eq!(text(" \n\r\n").unwrap_err(), PlanError::ReplyEmpty);
    assert_eq!(
        ReplyText::new(421, "4.7.0", "a\n\nb").unwrap().lines(),
        ["421-4.7.0 a", "421 4.7.0 b"]
    );
    for code in [0, 99, 250, 354, 399, 460, 499, 560, 600, 5500] {
        assert_eq!(ReplyText::new(code, "5.7.1", "x").unwrap_err(), PlanError::ReplyCode(code));
    }
    for enhanced in ["", "4.7.1", "5.7", "5.7.1.1", "5.7.1234", "5..1", "5.x.1", "5.7.1 ", "5.7.+1"]
    {
        let error = ReplyText::new(550, enhanced, "x").unwrap_err();
        assert!(matches!(error, PlanError::EnhancedCode { code: 550, .. }), "{enhanced}");
    }
    assert!(ReplyText::new(451, "5.7.1", "x").is_err(), "a temporary code, a permanent meaning");
}

#[test]
fn every_offer_is_answered_with_a_subset_of_it() {
    let mut seeded = Seeded(7);
    for round in 0..2_000 {
        let offer = Offer {
            version: seeded.below(9) as u32,
            actions: Actions(seeded.next() as u32),
            protocol: ProtocolSteps(seeded.next() as u32),
        };
        let options = Options { ask_recipients: round % 2 == 0, ..Options::default() };
        let Ok(agreed) = Agreement::reach(&offer, &options) else {
            assert!(offer.version < 2);
            continue;
        };
        assert!(agreed.version <= offer.version && (2..=6).contains(&agreed.version));
        assert_eq!(agreed.actions.0 & !offer.actions.0, 0);
        assert_eq!(agreed.actions.0 & !0x17f, 0, "never recipients with parameters");
        assert_eq!(agreed.protocol.0 & !offer.protocol.0, 0);
        assert_eq!(agreed.protocol.0 & !0x1e_f180, 0, "never the internal bits");
        assert!(round % 2 == 1 || agreed.reply_due(b'R'));
        assert!(agreed.reply_due(b'T'), "else TCP holds the header back while nobody answers");
        let symbols = agreed.encode().len() > 17;
        assert_eq!(symbols, offer.actions.0 & 0x100 != 0, "macros only where they can be chosen");
    }
}

#[test]
fn the_wanted_macros_name_the_client_and_the_queue_id_and_fit_sendmail() {
    let frame = agreement().encode();
    let mut rest = &frame[17..];
    let mut stages = Vec::new();
    while let Some((stage, after)) = rest.split_first_chunk::<4>() {
        let end = after.iter().position(|&byte| byte == 0).unwrap();
        let names = std::str::from_utf8(&after[..end]).unwrap();
        assert!(names.split(' ').count() < 50, "Sendmail takes 50 names a list");
        let braced = |name: &str| name.len() == 1 || (name.starts_with('{') && name.ends_with('}'));
        assert!(names.split(' ').all(braced), "{names}");
        stages.push((u32::from_be_bytes(*stage), names));
        rest = &after[end + 1..];
    }
    assert!(stages[0].1.contains("{client_addr}") && stages[0].1.contains("{client_name}"));
    assert!(stages[2].1.contains("{auth_authen}") && stages[2].1.contains("{mail_mailer}"));
    assert!(stages[2..].iter().all(|(_, names)| names.split(' ').any(|name| name == "i")));
    assert_eq!(stages.iter().map(|(stage, _)| *stage).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn parameters_of_an_address_are_found_by_name() {
    let parameters = ["SIZE=100", "smtputf8", "X=a=b"].map(Bytes::from).to_vec();
    let mailbox = Mailbox { exact: Bytes::from(" <> "), parameters };
    assert_eq!(mailbox.address(), b"");
    assert_eq!(mailbox.parameter("size"), Some(&b"100"[..]));
    assert_eq!(mailbox.parameter("SMTPUTF8"), Some(&b""[..]));
    assert_eq!(mailbox.parameter("x"), Some(&b"a=b"[..]));
    assert_eq!(mailbox.parameter("BODY"), None);
}

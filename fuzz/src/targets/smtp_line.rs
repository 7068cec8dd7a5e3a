//! Lines and commands of SMTP and LMTP: the boundary first, the meaning second.

use bytes::BytesMut;
use tamis_mail_protocols::line::{Line, LineReader};
use tamis_mail_protocols::smtp::address::Address;
use tamis_mail_protocols::smtp::client_facts::{
    ClientFacts, Given, XFORWARD_ATTRIBUTES, from_xtext, xtext,
};
use tamis_mail_protocols::smtp::command::Command;
use tamis_mail_protocols::smtp::limits::{
    ATTRIBUTE_VALUE_BYTES_MAX, COMMAND_LINE_BYTES_MAX, XFORWARD_LINE_BYTES_MAX,
};
use tamis_mail_protocols::smtp::parameters::Parameters;

use crate::pick::Cuts;

/// Reads bytes as command lines: the cuts do not matter, memory is bounded, and whatever was understood says the same
/// when it is written again.
pub fn smtp_line(data: &[u8]) {
    for bytes_max in [64, COMMAND_LINE_BYTES_MAX] {
        let whole = lines(bytes_max, &[data]);
        assert_eq!(whole, lines(bytes_max, &Cuts::of(data).pieces(data)), "cuts change lines");
        for line in &whole {
            if let Line::Text(text) = line {
                assert!(text.len() + 2 <= bytes_max && !text.contains(&b'\n'));
                assert!(!text.contains(&b'\r'));
                command(text);
            }
        }
    }
    command(data);
    if let Ok(text) = std::str::from_utf8(data) {
        tokens(text);
    }
}

fn lines(bytes_max: usize, pieces: &[&[u8]]) -> Vec<Line> {
    let (mut reader, mut input) = (LineReader::new(bytes_max), BytesMut::new());
    let mut lines = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        lines.extend(std::iter::from_fn(|| reader.next(&mut input)));
        assert!(input.len() < bytes_max, "an unfinished line of {} bytes is kept", input.len());
    }
    lines
}

fn command(line: &[u8]) {
    match Command::parse(line) {
        Ok(Command::Mail { from, parameters }) => envelope("MAIL FROM:", &from, &parameters),
        Ok(Command::Rcpt { to, parameters }) => envelope("RCPT TO:", &to, &parameters),
        Ok(Command::Xforward(facts)) => forwarded(&facts),
        Ok(Command::Xclient(facts)) => assert!(!facts.is_empty()),
        _ => {}
    }
}

/// What goes on to the next hop is read there as it was read here.
fn envelope(words: &str, address: &Address, parameters: &Parameters) {
    let line = format!("{words}{address}{parameters}");
    assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    let again = match Command::parse(line.as_bytes()) {
        Ok(Command::Mail { from, parameters }) => (from, parameters),
        Ok(Command::Rcpt { to, parameters }) => (to, parameters),
        other => panic!("{line:?} reads back as {other:?}"),
    };
    assert_eq!((&again.0, &again.1), (address, parameters), "{line:?}");
    assert!(parameters.iter().all(|(keyword, _)| !keyword.is_empty()));
}

fn forwarded(facts: &ClientFacts) {
    let mut told = ClientFacts::default();
    for line in facts.xforward_lines(&XFORWARD_ATTRIBUTES) {
        assert!(line.len() + 2 <= XFORWARD_LINE_BYTES_MAX, "{line:?}");
        match Command::parse(line.as_bytes()) {
            Ok(Command::Xforward(some)) => told.merge(some),
            other => panic!("{line:?} reads back as {other:?}"),
        }
    }
    for attribute in XFORWARD_ATTRIBUTES {
        let (ours, theirs) = (facts.given(attribute), told.given(attribute));
        // A value longer than any line is told as unavailable.
        assert!(ours == theirs || *theirs == Given::Unavailable, "{attribute:?}");
    }
}

/// The small grammars inside a command, each there and back.
fn tokens(text: &str) {
    if let Ok((address, rest)) = Address::take(text) {
        assert!(text.ends_with(rest));
        let wire = address.to_string();
        assert_eq!(Address::take(&wire), Ok((address, "")), "{wire:?}");
    }
    if let Ok(address) = Address::new(text) {
        assert_eq!(Address::take(&address.to_string()), Ok((address.clone(), "")));
    }
    if let Ok(parameters) = Parameters::new(text) {
        assert_eq!(Parameters::new(parameters.as_str()), Ok(parameters.clone()));
        let _ = (parameters.size(), parameters.smtputf8());
    }
    let sound = text.len() <= ATTRIBUTE_VALUE_BYTES_MAX && !text.chars().any(char::is_control);
    assert_eq!(from_xtext(&xtext(text)), sound.then(|| text.to_owned()), "{text:?}");
}

//! iCalendar (RFC 5545): what an invitation shows, and where it leads.

use crate::document::{Document, Format};
use crate::sink::Sink;
use crate::work::{Cut, Work};
use crate::xml::decode;

/// Bytes of a calendar that are read: an invitation has a few thousand, a year of holidays a hundred thousand.
pub const CALENDAR_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one unfolded line kept; descriptions of meetings have some thousand.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Properties whose value is shown.
const SHOWN: [&str; 6] = ["SUMMARY", "LOCATION", "DESCRIPTION", "COMMENT", "CONTACT", "NAME"];

/// Properties whose value is an address.
const LINKS: [&str; 6] = [
    "URL",
    "CONFERENCE",
    "IMAGE",
    "SOURCE",
    "X-GOOGLE-CONFERENCE",
    "X-MICROSOFT-SKYPETEAMSMEETINGURL",
];

/// Reads a calendar.
pub(crate) fn read(content: &[u8], work: &mut Work) -> Document {
    if content.len() > CALENDAR_BYTES_MAX {
        work.cut(Cut::Stream);
    }
    let content = work.take(&content[..content.len().min(CALENDAR_BYTES_MAX)]);
    let mut sink = Sink::default();
    let text = decode(content);
    let mut line = String::new();
    for piece in text.split('\n') {
        let piece = piece.strip_suffix('\r').unwrap_or(piece);
        // A line end before a blank is no line end (section 3.1).
        if let Some(more) = piece.strip_prefix([' ', '\t']) {
            let room = LINE_BYTES_MAX.saturating_sub(line.len());
            line.push_str(&more[..more.floor_char_boundary(room)]);
            continue;
        }
        property(&line, &mut sink);
        line.clear();
        line.push_str(&piece[..piece.floor_char_boundary(LINE_BYTES_MAX)]);
    }
    property(&line, &mut sink);
    sink.finish(Format::Calendar, work)
}

fn property(line: &str, sink: &mut Sink) {
    let Some((head, value)) = split(line) else { return };
    let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
    if SHOWN.contains(&name.as_str()) {
        sink.push(&unescape(value));
        sink.end('\n');
        return;
    }
    if LINKS.contains(&name.as_str()) {
        sink.link(value, None);
        return;
    }
    match name.as_str() {
        "ORGANIZER" => {
            let shown_from = sink.text.len();
            sink.push(parameter(parameters, "CN").unwrap_or_default());
            sink.link(value, Some(shown_from));
            sink.end('\n');
        }
        "ATTACH" if value.contains(':') => sink.link(value, None),
        "ATTACH" => sink.facts.has_embedded_files = true,
        // A program to run when the alarm goes off was allowed by RFC 2445.
        "ACTION" if value.trim().eq_ignore_ascii_case("PROCEDURE") => {
            sink.facts.has_auto_action = true;
        }
        "X-ALT-DESC" => links_of_html(value, sink),
        _ => {}
    }
}

/// Name with parameters, and value: the first colon outside quotes.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let at = line.bytes().position(|byte| {
        is_quoted ^= byte == b'"';
        byte == b':' && !is_quoted
    })?;
    Some((&line[..at], &line[at + 1..]))
}

fn parameter<'a>(parameters: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = parameters;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let (value, next) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => behind.split_at(behind.find(';').unwrap_or(behind.len())),
        };
        if name.trim_start_matches(';').eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next.trim_start_matches(';');
    }
    None
}

/// Undoes `\n`, `\,`, `\;` and `\\` (section 3.3.11).
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// Addresses in the attributes of a description in HTML, whose text the plain description has.
fn links_of_html(value: &str, sink: &mut Sink) {
    let html = unescape(value);
    let mut rest = html.as_str();
    while let Some(at) = rest.find("href=") {
        rest = &rest[at + "href=".len()..];
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
        let Some((target, behind)) = rest[1..].split_once(quote) else { return };
        sink.link(&crate::xml::resolve(target), None);
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Budget;

    fn document(lines: &str) -> Document {
        let content = format!("BEGIN:VCALENDAR\r\n{lines}\r\nEND:VCALENDAR\r\n");
        crate::document::read(content.as_bytes(), &mut Budget::default()).unwrap()
    }

    #[test]
    fn an_invitation_is_read_as_it_is_shown() {
        let read = document(
            "SUMMARY;LANGUAGE=en:Invoice\\, overdue\r\nLOCATION:Room 1\r\nDESCRIPTION:Pay at\r\n  once\\nor else\r\n\
             URL:https://a.test/pay\r\nORGANIZER;CN=\"Desk; Help\":mailto:desk@example.test\r\n\
             ATTACH:https://a.test/file\r\nX-ALT-DESC;FMTTYPE=text/html:<a href=\"https://b.test/?a=1&amp;b=2\">x</a>",
        );
        assert_eq!(read.text, "Invoice, overdue\nRoom 1\nPay at once\nor else\nDesk; Help\n");
        let targets: Vec<_> = read.links.iter().map(|link| link.target.as_str()).collect();
        let expect = [
            "https://a.test/pay",
            "mailto:desk@example.test",
            "https://a.test/file",
            "https://b.test/?a=1&b=2",
        ];
        assert_eq!(targets, expect);
        assert_eq!(read.links[1].shown.as_deref(), Some("Desk; Help"));
    }

    #[test]
    fn what_acts_by_itself_and_what_is_inside_is_noted() {
        let facts = document("ATTACH;ENCODING=BASE64;VALUE=BINARY:AAAA\r\nACTION:PROCEDURE").facts;
        assert!(facts.has_embedded_files && facts.has_auto_action);
        assert_eq!(document("ACTION:DISPLAY").facts, crate::document::Facts::default());
    }

    #[test]
    fn damage_is_read_as_far_as_it_goes() {
        for (lines, expect) in [
            ("", ""),
            ("SUMMARY", ""),
            (" folded", ""),
            ("SUMMARY:a\n b\nLOCATION:c", "ab\nc\n"),
            ("item1.SUMMARY:a\\", "a\n"),
            ("ORGANIZER;CN=\"a:mailto:b", ""),
            ("ORGANIZER;CN:mailto:b", ""),
        ] {
            assert_eq!(document(lines).text, expect, "{lines}");
        }
    }

    #[test]
    fn a_calendar_is_read_up_to_the_limit() {
        for (bytes, is_cut) in [(CALENDAR_BYTES_MAX, false), (CALENDAR_BYTES_MAX + 1, true)] {
            let content = format!("BEGIN:VCALENDAR\n{}", "X".repeat(bytes - 16));
            let read = crate::document::read(content.as_bytes(), &mut Budget::default()).unwrap();
            assert_eq!(read.cuts.contains(&Cut::Stream), is_cut);
        }
    }

    #[test]
    fn a_line_is_kept_up_to_the_limit() {
        for (bytes, kept) in
            [(LINE_BYTES_MAX, LINE_BYTES_MAX), (LINE_BYTES_MAX + 1, LINE_BYTES_MAX)]
        {
            let value = "a".repeat(bytes - "SUMMARY:".len() - 10);
            let read = document(&format!("SUMMARY:{value}\r\n {}", "b".repeat(10)));
            assert_eq!(read.text.len(), kept - "SUMMARY:".len() + 1);
        }
    }
}

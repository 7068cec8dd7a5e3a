//! Header edits, and the edited mail taken apart again.

use std::borrow::Cow;

use tamis_domain::plan::HeaderEdit;
use tamis_message::digesting::{Dissected, dissect};
use tamis_message::edit::{LINE_BYTES_MAX, LineEnd, edited_header, occurrences, separator};
use tamis_message::fields::{RawField, fields};

use super::dissect::usual_parts;
use crate::pick::Shown;

/// Fields that the edits name; every other must stay as it is.
const NAMED: [&str; 3] = ["X-Tamis-Status", "X-Spam-Flag", "Subject"];

/// A mail with an edited header has the same parts, the same other fields byte for byte, and no field but those that
/// were added: neither the mail's text nor an edit's value can make one.
pub fn edit_there_and_back(data: &[u8]) {
    let before = dissect(data);
    let line_end = LineEnd::of(data);
    assert_eq!(edited_header(&before.outline.header, &[], line_end), before.outline.header);
    let said = String::from_utf8_lossy(&data[..data.len().min(200)]);
    let tag: Cow<'_, str> = said.chars().rev().take(30).collect();
    for (value, tag) in [("spam, score=12.5", "[SPAM]"), (said.as_ref(), tag.as_ref())] {
        edited(data, &before, value, tag, line_end);
    }
}

fn edited(data: &[u8], before: &Dissected, value: &str, tag: &str, line_end: LineEnd) {
    let remove = |name: &str| HeaderEdit::RemoveAll { name: name.to_owned() };
    let edits = [
        remove(NAMED[0]),
        remove("x-spam-FLAG"),
        HeaderEdit::Add { name: NAMED[0].to_owned(), value: value.to_owned() },
        HeaderEdit::Add { name: "not a name:".to_owned(), value: value.to_owned() },
        HeaderEdit::PrefixSubject { tag: tag.to_owned() },
    ];
    let (from, to) = (before.header.start as usize, before.header.end as usize);
    let header = edited_header(&data[from..to], &edits, line_end);
    let behind = &data[to..];
    let mail = [&data[..from], &header, separator(behind, line_end), behind].concat();
    let after = dissect(&mail);
    // A header that is whole now can be read in one way only.
    let usual = |it: &Dissected| it.outline.parts[..usual_parts(&it.outline)].to_vec();
    assert_eq!(usual(&after), usual(before), "an edit changes the parts");
    assert_eq!(others(&header), others(&data[from..to]), "an edit changes another field");
    assert_eq!(occurrences(&header, NAMED[0]), 1);
    assert_eq!(occurrences(&header, NAMED[1]), 0);
    let again = edited_header(&header, &edits, line_end);
    assert_eq!(Shown(again), Shown(header.clone()), "edits made twice are edits made once");
    let added = fields(&header).next().expect("the field that was added");
    assert!(added.is(NAMED[0]), "an added field stands on top");
    for line in added.raw.split(|byte| *byte == b'\n') {
        assert!(line.strip_suffix(b"\r").unwrap_or(line).len() <= LINE_BYTES_MAX);
    }
}

fn others(header: &[u8]) -> Vec<&[u8]> {
    let named = |field: &RawField<'_>| NAMED.iter().any(|name| field.is(name));
    fields(header).filter(|field| !named(field)).map(|field| trim(field.raw)).collect()
}

/// The last line of a mail that is all header may get its line end.
fn trim(raw: &[u8]) -> &[u8] {
    raw.trim_ascii_end()
}

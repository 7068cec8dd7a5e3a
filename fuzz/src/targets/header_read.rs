//! Header values: fields, encoded words, mailboxes, dates, relays, parameters.

use tamis_message::fields::fields;
use tamis_message::header::{MAILBOXES_MAX, RELAYS_MAX, read};
use tamis_message::parameters::Structured;
use tamis_message::words;

/// Reads bytes as a header block, and as one value of each kind.
pub fn header_read(data: &[u8]) {
    let raw: Vec<_> = fields(data).collect();
    let joined: Vec<u8> = raw.iter().flat_map(|field| field.raw).copied().collect();
    assert!(data.starts_with(&joined), "fields are not the block");
    let reading = read(data);
    let named: Vec<_> = raw.iter().filter(|field| !field.name.is_empty()).collect();
    assert_eq!(reading.fields.len(), named.len());
    for (field, raw) in reading.fields.iter().zip(named) {
        assert_eq!(field.name.as_bytes(), raw.name);
        // Words of one byte a character may become three bytes of UTF-8; encoded words shrink.
        assert!(field.value.len() <= 3 * raw.value.len() + 8, "a value grows");
    }
    for list in [&reading.from, &reading.reply_to, &reading.to] {
        assert!(list.len() <= MAILBOXES_MAX);
    }
    assert!(reading.received.len() <= RELAYS_MAX);
    value(data);
}

fn value(data: &[u8]) {
    let text = words::decode(data);
    assert!(text.len() <= 3 * data.len() + 8, "{} characters of {} bytes", text.len(), data.len());
    let structured = Structured::read(data);
    assert_eq!(structured.word, structured.word.to_ascii_lowercase());
    for name in ["boundary", "charset", "name", "filename", "report-type"] {
        // Character sets of one byte grow to three at most, each percent escape shrinks.
        assert!(structured.text(name).is_none_or(|it| it.len() <= 3 * data.len() + 8));
        assert!(structured.bytes(name).is_none_or(|it| it.len() <= data.len()));
    }
}

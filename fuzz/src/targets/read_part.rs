//! Content as a person sees it: charsets, HTML, folding, links, sketches, file types, file names.

use tamis_domain::limits::{LINK_BYTES_MAX, LINKS_MAX};
use tamis_domain::outline::{Disposition, Part, PartKind, TransferEncoding};
use tamis_domain::reading::PartReading;
use tamis_message::digesting::{part_digest, reading_key};
use tamis_message::links::{LinkList, host};
use tamis_message::reading::{FOLDED_BYTES_MAX, HEAD_BYTES_MAX};
use tamis_message::{filename, magic, reading};

/// Bytes of text that no document passes.
const DOCUMENT_TEXT_BYTES_MAX: usize = 256 * 1024;

/// Character sets as mails declare them, sound and not.
const CHARSETS: [Option<&str>; 8] = [
    None,
    Some("utf-8"),
    Some("iso-8859-1"),
    Some("iso-2022-jp"),
    Some("utf-16"),
    Some("gb18030"),
    Some("utf-7"),
    Some("\u{fffd}no such"),
];

/// Reads bytes as content of each kind, and as names. What is read is bounded, and depends on nothing that the key of a
/// reading does not cover.
pub fn read_part(data: &[u8]) {
    let charset = CHARSETS[data.len() % CHARSETS.len()];
    for (kind, media_type, charset) in [
        (PartKind::Text, "text/plain", charset),
        (PartKind::Html, "text/html", charset),
        (PartKind::Html, "text/html", Some("utf-8")),
        (PartKind::Other, "application/octet-stream", None),
    ] {
        let part = part(kind, media_type, charset, data);
        let reading = reading::read_part(&part, data);
        assert_bounded(&reading, data);
        let renamed = Part { file_name: Some("a.exe".into()), size: 0, depth: 9, ..part.clone() };
        assert_eq!(reading_key(&part, 1), reading_key(&renamed, 1));
        if kind != PartKind::Other {
            continue;
        }
        assert_eq!(reading::read_part(&renamed, data), reading, "a name changes what is read");
    }
    let _ = magic::file_type(data);
    names(&String::from_utf8_lossy(data));
}

fn part(kind: PartKind, media_type: &str, charset: Option<&str>, data: &[u8]) -> Part {
    Part {
        parent: None,
        depth: 0,
        kind,
        media_type: media_type.to_owned(),
        charset: charset.map(str::to_owned),
        encoding: TransferEncoding::Identity,
        disposition: Disposition::None,
        file_name: None,
        size: data.len() as u64,
        digest: Some(part_digest(data)),
    }
}

fn assert_bounded(reading: &PartReading, data: &[u8]) {
    assert_eq!(reading.digest, Some(part_digest(data)));
    assert_eq!(reading.head, data[..data.len().min(HEAD_BYTES_MAX)]);
    assert!(reading.links.len() <= LINKS_MAX);
    for link in &reading.links {
        assert!(link.target.len() <= LINK_BYTES_MAX && link.host.len() <= link.target.len() + 8);
    }
    let Some(text) = &reading.text else { return };
    assert!(text.folded.len() <= FOLDED_BYTES_MAX);
    // One byte becomes three of UTF-8 at most, a character reference no more than it is long.
    // A document unpacks.
    let unpacked = if reading.document.is_some() { DOCUMENT_TEXT_BYTES_MAX } else { 0 };
    assert!(text.visible.len() <= (3 * data.len() + 3).max(unpacked), "visible text grows");
    assert!(!text.visible.starts_with(char::is_whitespace));
}

fn names(text: &str) {
    let sound = |it: String| it.chars().count() <= filename::EXTENSION_CHARS_MAX;
    assert!(filename::extension(text).is_none_or(sound));
    let _ = filename::double_extension(text);
    let _ = (filename::has_direction_trick(text), filename::has_long_blanks(text));
    let (target, base) = text.split_once('\n').unwrap_or((text, ""));
    let mut links = LinkList::default();
    links.set_base(base);
    links.add(target, None);
    for link in links.into_vec() {
        assert!(link.target.len() <= target.len() + base.len() + 8);
        assert_eq!(link.host, host(&link.target).to_lowercase());
    }
}

//! A whole mail taken apart: outline, names, spans.

use tamis_domain::limits::{
    FILE_NAME_CHARS_MAX, HEADER_BLOCK_BYTES_MAX, MEDIA_TYPE_CHARS_MAX, PART_DEPTH_MAX, PARTS_MAX,
};
use tamis_domain::outline::{Oddity, Outline, PartKind, TransferEncoding};
use tamis_message::content::{Decoder, Span, decode};
use tamis_message::digesting::{Digesting, Dissected, dissect as take_apart, part_digest};

use crate::pick::Cuts;

/// Bytes of content that one byte of uuencode may become.
const UUENCODE_FACTOR_MAX: usize = 4;

/// Takes a mail apart, whole and in pieces: the same outline. What the spans decode to is what the names name, and
/// nothing is beyond its limit.
pub fn dissect(data: &[u8]) {
    let whole = take_apart(data);
    let mut digesting = Digesting::new();
    Cuts::of(data).pieces(data).into_iter().for_each(|piece| digesting.push(piece));
    assert_eq!(digesting.finish(), whole, "cuts change the outline");
    assert_within_limits(&whole.outline);
    assert_tree(&whole.outline);
    contents(data, &whole);
    header(data, &whole);
}

fn assert_within_limits(outline: &Outline) {
    assert!(outline.parts.len() <= PARTS_MAX && outline.header.len() <= HEADER_BLOCK_BYTES_MAX);
    for part in &outline.parts {
        assert!(part.depth <= PART_DEPTH_MAX, "depth {}", part.depth);
        assert!(part.media_type.chars().count() <= MEDIA_TYPE_CHARS_MAX);
        assert!(part.charset.iter().all(|it| it.chars().count() <= MEDIA_TYPE_CHARS_MAX));
        assert!(part.file_name.iter().all(|it| it.chars().count() <= FILE_NAME_CHARS_MAX));
    }
    let mut oddities: Vec<_> = outline.oddities.iter().map(|(oddity, _)| *oddity).collect();
    oddities.dedup();
    assert_eq!(oddities.len(), outline.oddities.len(), "an oddity is counted in one place");
    assert!(outline.oddities.iter().all(|(_, count)| *count > 0));
}

/// A parent stands before its children and is a container; every mail has at least one part. What only another reading sees
/// stands behind all else: where it parts from the usual one there may be a leaf, or nothing.
fn assert_tree(outline: &Outline) {
    assert!(!outline.parts.is_empty(), "a mail without a part");
    for (number, part) in outline.parts.iter().enumerate() {
        assert_eq!(part.digest.is_some(), part.kind.is_leaf(), "part {number}");
        let is_usual = number < usual_parts(outline);
        let Some(parent) = part.parent else {
            assert_eq!((number == 0 || !is_usual, part.depth), (true, 0), "a second root");
            continue;
        };
        assert!(usize::from(parent) < number, "part {number} before its parent {parent}");
        let parent = &outline.parts[usize::from(parent)];
        assert!(!is_usual || !parent.kind.is_leaf() && parent.depth < part.depth);
        assert!(
            !is_usual || part.kind != PartKind::HeaderBlock || parent.kind == PartKind::Message
        );
    }
}

/// How many parts the usual reading has: those of other readings are counted by an oddity.
pub(super) fn usual_parts(outline: &Outline) -> usize {
    let others = outline.oddities.iter().find(|(oddity, _)| *oddity == Oddity::OtherReading);
    outline.parts.len() - others.map_or(0, |(_, count)| *count as usize)
}

fn contents(mail: &[u8], dissected: &Dissected) {
    let Dissected { outline, spans, .. } = dissected;
    assert_eq!((outline.size, spans.len()), (mail.len() as u64, outline.parts.len()));
    for (number, (part, span)) in outline.parts.iter().zip(spans).enumerate() {
        assert_eq!(span.is_some(), part.kind.is_leaf(), "part {number}");
        let Some(span) = span else { continue };
        let (from, to) = (span.start as usize, span.end as usize);
        assert!(from <= to && to <= mail.len(), "part {number} stands outside of the mail");
        let raw = &mail[from..to];
        let content = decode(span, raw);
        assert_eq!(content.len() as u64, part.size, "size of part {number}");
        assert_eq!(part.digest, Some(part_digest(&content)), "name of part {number}");
        assert_eq!(in_pieces(span, raw), content, "cuts change the content of part {number}");
        assert_bounded(span, raw, &content);
    }
}

/// No encoding makes more of a mail than it was, but one: a line of uuencode says its length in its first byte, and what
/// is missing behind it counts as blanks that some program stripped. So two bytes can become 63.
fn assert_bounded(span: &Span, raw: &[u8], content: &[u8]) {
    let layers = span.wrappings.iter().map(|wrapping| wrapping.encoding).chain([span.encoding]);
    let stretching = layers.filter(|encoding| *encoding == TransferEncoding::Uuencode).count();
    let factor = UUENCODE_FACTOR_MAX.saturating_pow(stretching as u32);
    assert!(content.len() <= raw.len().saturating_mul(factor) + 1, "content grows");
}

fn in_pieces(span: &Span, raw: &[u8]) -> Vec<u8> {
    let (mut decoder, mut content) = (Decoder::new(span), Vec::new());
    for piece in Cuts::of(raw).pieces(raw) {
        decoder.push(piece, &mut |bytes| content.extend_from_slice(bytes));
    }
    decoder.finish(&mut |bytes| content.extend_from_slice(bytes));
    content
}

/// The header's place in the mail is where its bytes stand.
fn header(mail: &[u8], dissected: &Dissected) {
    let (from, to) = (dissected.header.start as usize, dissected.header.end as usize);
    assert!(from <= to && to <= mail.len());
    let found = &dissected.outline.header;
    assert!(mail[from..to].starts_with(found), "the header is not where it is said to be");
    assert!(found.len() == to - from || found.len() <= HEADER_BLOCK_BYTES_MAX);
}

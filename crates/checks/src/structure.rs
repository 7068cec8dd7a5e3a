//! The tree of parts: what well-made mail does not have, and mail that hides its words.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::outline::{Oddity, Outline, Part, PartKind};

/// Text parts of one mail shorter than this together say nothing: the image is the message.
const WORDLESS_BYTES_MAX: u64 = 400;

/// Images of at least this size can carry a page of text; smaller ones are logos.
const IMAGE_BYTES_MIN: u64 = 8 * 1024;

/// Kinds of oddities that readers resolve differently, found together, from which on it looks deliberate.
const AMBIGUITIES_MIN: usize = 3;

/// Judges the outline without any content.
#[must_use]
pub fn judge(outline: &Outline) -> Vec<Evidence> {
    let odd = outline.oddities.iter().map(|(odd, count)| oddity(*odd, *count));
    let shape = [ambiguous(outline), html_only(outline), image_only(outline), elsewhere(outline)];
    odd.chain(shape.into_iter().flatten()).collect()
}

/// Weight of each oddity: what spamware does more often than the worst honest program.
fn oddity(oddity: Oddity, count: u32) -> Evidence {
    let (name, weight, what) = match oddity {
        Oddity::BareCr => ("bare_cr", 0.1, "carriage returns without line feeds"),
        Oddity::MixedLineEnds => ("mixed_line_ends", 0.0, "two kinds of line ends"),
        Oddity::NulByte => ("nul_byte", 1.5, "NUL bytes"),
        Oddity::EightBitHeader => ("eight_bit_header", 0.1, "bytes above 127 in the header"),
        Oddity::BrokenHeader => ("broken_header", 0.8, "header lines that are no fields"),
        Oddity::HeaderTooLong => ("header_too_long", 1.0, "a header beyond the limit"),
        Oddity::LongLine => ("long_line", 0.1, "lines longer than 998 bytes"),
        Oddity::DuplicateField => ("duplicate_field", 0.3, "fields that may stand once, repeated"),
        Oddity::MissingBoundary => ("missing_boundary", 1.5, "multipart without a boundary"),
        Oddity::UnclosedMultipart => ("unclosed_multipart", 0.3, "multipart that never ends"),
        Oddity::EmptyMultipart => ("empty_multipart", 0.5, "multipart without parts"),
        Oddity::TooDeep => ("too_deep", 2.0, "nesting beyond the limit"),
        Oddity::TooManyParts => ("too_many_parts", 2.0, "parts beyond the limit"),
        Oddity::BrokenContentType => ("broken_content_type", 1.0, "unreadable content types"),
        Oddity::BrokenEncoding => ("broken_encoding", 0.2, "transfer encoding against its rules"),
        Oddity::UnknownEncoding => ("unknown_encoding", 1.0, "transfer encoding of unknown name"),
        Oddity::EncodedContainer => ("encoded_container", 1.5, "transfer encoding on a container"),
        Oddity::NoHeader => ("no_header", 0.0, "no header"),
        Oddity::OtherReading => ("other_reading", 0.5, "parts that only some programs see"),
    };
    Evidence::new(name, weight, Source::Structure, format!("{what} ({count}x)"))
}

/// Several things at once that readers resolve each in their own way: mail made to be read differently by the
/// filter and by the person.
fn ambiguous(outline: &Outline) -> Option<Evidence> {
    let resolved_differently = |odd: &Oddity| {
        matches!(
            odd,
            Oddity::BareCr
                | Oddity::NulByte
                | Oddity::BrokenHeader
                | Oddity::DuplicateField
                | Oddity::MissingBoundary
                | Oddity::EmptyMultipart
                | Oddity::BrokenContentType
                | Oddity::UnknownEncoding
                | Oddity::EncodedContainer
        )
    };
    let kinds = outline.oddities.iter().filter(|(odd, _)| resolved_differently(odd)).count();
    (kinds >= AMBIGUITIES_MIN).then(|| {
        let detail = format!("{kinds} kinds of faults that readers resolve differently");
        Evidence::new("ambiguous", 2.0, Source::Structure, detail)
    })
}

/// Content that only the reader's program puts together (RFC 2046 sections 5.2.2 and 5.2.3): nobody on the way sees it whole.
/// Programs of today send and read neither; lists that announced documents used to send the second.
fn elsewhere(outline: &Outline) -> Option<Evidence> {
    let has = |media_type: &str| outline.parts.iter().any(|part| part.media_type == media_type);
    if has("message/partial") {
        let detail = "a fragment of a mail, of which the rest comes in others";
        return Some(Evidence::new("message_partial", 1.5, Source::Structure, detail));
    }
    has("message/external-body").then(|| {
        let detail = "a part whose content stands elsewhere";
        Evidence::new("message_external_body", 0.5, Source::Structure, detail)
    })
}

fn html_only(outline: &Outline) -> Option<Evidence> {
    let has = |kind| outline.parts.iter().any(|part| shown(part) && part.kind == kind);
    (has(PartKind::Html) && !has(PartKind::Text)).then(|| {
        Evidence::new("html_only", 0.2, Source::Structure, "HTML without a plain text beside it")
    })
}

fn image_only(outline: &Outline) -> Option<Evidence> {
    let sum = |kinds: &[PartKind]| -> u64 {
        let parts = outline.parts.iter().filter(|part| kinds.contains(&part.kind));
        parts.map(|part| part.size).fold(0, u64::saturating_add)
    };
    let words = sum(&[PartKind::Text, PartKind::Html]);
    let image =
        outline.parts.iter().any(|p| p.kind == PartKind::Image && p.size >= IMAGE_BYTES_MIN);
    let other = outline.parts.iter().any(|p| matches!(p.kind, PartKind::Other | PartKind::Message));
    (image && !other && words <= WORDLESS_BYTES_MAX).then(|| {
        Evidence::new("image_only", 1.0, Source::Structure, "an image and next to no words")
    })
}

/// Whether a person sees the part as the message itself.
fn shown(part: &Part) -> bool {
    part.file_name.is_none() && part.disposition != tamis_domain::outline::Disposition::Attachment
}

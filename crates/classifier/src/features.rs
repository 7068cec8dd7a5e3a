//! From readings to features. What names a source, a person or a year is left out on purpose: host names, addresses,
//! numbers, names of lists, other filters' verdicts.
//!
//! Each reading has its own function, so that what belongs to a part can be weighed where the part is read, and
//! remembered with it. [`shown`] says which texts of a mail count.

mod header;
mod host;
mod links;
mod relations;
mod structure;
mod text;
mod words;

pub use header::read_header;
pub use links::{LINKS_READ_MAX, read_links};
pub use relations::{
    OWNER_BYTES_MAX, OWNERS_MAX, is_discussion, is_signed_bulk, link_owners, read_relations,
};
pub use structure::{PARTS_READ_MAX, read_structure};
pub use text::{LETTERS_MAX, TEXT_READ_BYTES_MAX, TEXT_TAIL_BYTES, read_text};

use tamis_domain::outline::{Outline, Part, PartKind};

/// Bytes of visible text from which on a page is what is shown, and the plain text beside it is not.
pub const PAGE_BYTES_MIN: usize = 30;

/// Whether the text of part `number` counts: not where a page with text stands beside it in the same
/// `multipart/alternative`, for then nobody sees it, and senders of spam fill it with harmless words.
/// `visible_bytes` gives the length of the visible text of a part, 0 where it has none or is not known.
#[must_use]
pub fn shown(outline: &Outline, number: usize, visible_bytes: impl Fn(usize) -> usize) -> bool {
    let Some(part) = outline.parts.get(number) else { return false };
    if part.kind != PartKind::Text || !in_alternative(outline, part) {
        return matches!(part.kind, PartKind::Text | PartKind::Html);
    }
    let beside = |(at, other): (usize, &Part)| {
        other.kind == PartKind::Html
            && other.parent == part.parent
            && visible_bytes(at) >= PAGE_BYTES_MIN
    };
    // Siblings of an alternative stand near: beyond this many parts nobody put a page.
    let near = outline.parts.iter().enumerate().skip(number + 1).take(PARTS_READ_MAX);
    !near.into_iter().any(beside)
}

fn in_alternative(outline: &Outline, part: &Part) -> bool {
    let parent = part.parent.and_then(|parent| outline.parts.get(usize::from(parent)));
    parent.is_some_and(|parent| parent.media_type == "multipart/alternative")
}

/// The power of two above a number, as a small number: 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7.
fn magnitude(number: usize) -> usize {
    (usize::BITS - number.leading_zeros()) as usize
}

#[cfg(test)]
mod tests;

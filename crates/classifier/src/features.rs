//! From readings to features. What names a source, a person or a year is left out on purpose: host names, addresses,
//! numbers, names of lists, other filters' verdicts.
//!
//! Each reading has its own function, so that what belongs to a part can be weighed where the part is read, and
//! remembered with it. [`judged`] says which texts of a mail count.

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

use tamis_domain::outline::{Disposition, Outline, Part, PartKind};

/// Bytes of visible text from which on a page is what is shown, and the plain text beside it is not.
pub const PAGE_BYTES_MIN: usize = 30;

/// Bytes of visible text from which on a mail says something by itself, and attached texts say nothing of it.
pub const SHOWN_BYTES_MIN: usize = 60;

/// The parts whose texts say what kind of mail it is: those that are shown, and attached ones only where next to nothing is
/// shown. Protocols, reports and letters that somebody sends along are neither an offer nor an excuse for one.
/// `visible_bytes` gives the length of the visible text of a part, 0 where it has none or is not known.
#[must_use]
pub fn judged(outline: &Outline, visible_bytes: impl Fn(usize) -> usize) -> Vec<usize> {
    let is_text = |part: &Part| matches!(part.kind, PartKind::Text | PartKind::Html);
    let texts = (0..outline.parts.len()).filter(|number| is_text(&outline.parts[*number]));
    let texts = texts.filter(|number| shown(outline, *number, &visible_bytes));
    let (attached, mut judged): (Vec<_>, Vec<_>) =
        texts.partition(|number| is_attached(outline, *number));
    let said: usize = judged.iter().map(|number| visible_bytes(*number)).sum();
    if said < SHOWN_BYTES_MIN {
        judged.extend(attached);
    }
    judged
}

/// Whether a part, or what encloses it, asks to be saved.
fn is_attached(outline: &Outline, number: usize) -> bool {
    let part = |number: usize| outline.parts.get(number);
    let around = |it: &&Part| it.parent.and_then(|parent| part(usize::from(parent)));
    // Depth is bounded where outlines are made and checked where they arrive; a circle would end here all the same.
    let mut chain = std::iter::successors(part(number), |it| around(it)).take(CHAIN_MAX);
    chain.any(|it| it.disposition == Disposition::Attachment)
}

/// Parts around a part that are looked at, itself among them.
const CHAIN_MAX: usize = 64;

/// Whether the text of part `number` is seen: not where a page with text stands beside it in the same
/// `multipart/alternative`, for then nobody sees it, and senders of spam fill it with harmless words.
fn shown(outline: &Outline, number: usize, visible_bytes: &impl Fn(usize) -> usize) -> bool {
    let Some(part) = outline.parts.get(number) else { return false };
    if part.kind != PartKind::Text || !in_alternative(outline, part) {
        return true;
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

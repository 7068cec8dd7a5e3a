//! Attached documents and codes in pictures: whatever the bytes, the work is bounded and the same each time.

use tamis_documents::document::{Document, is_document, read};
use tamis_documents::qr::{CODE_BYTES_MAX, CODES_MAX, Grey, read as read_codes};
use tamis_documents::work::{Budget, DOCUMENT_WORK_MAX, STREAM_BYTES_MAX};

/// Bytes of text that no document passes.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Links that no document passes.
const LINKS_MAX: usize = 300;

/// Reads bytes as a document: no more work than allowed is done, all that comes out is bounded, and the same bytes are
/// read to the same each time.
pub fn documents(data: &[u8]) {
    let mut budget = Budget::default();
    let found = read(data, &mut budget);
    assert!(budget.spent() <= DOCUMENT_WORK_MAX && budget.left_out() == 0);
    if !is_document(data) {
        assert_eq!((found, budget), (None, Budget::default()), "read as something else");
        return;
    }
    if let Some(found) = &found {
        assert_bounded(found);
    }
    // Reading large ones again would only cost time.
    if budget.spent() < 64 * 1024 {
        assert_eq!(read(data, &mut budget), found, "what came before changes what is read");
    }
}

fn assert_bounded(found: &Document) {
    assert!(found.text.len() <= TEXT_BYTES_MAX);
    assert!(found.links.len() <= LINKS_MAX);
    for link in &found.links {
        assert!(!link.target.is_empty() && link.target.len() <= 4096);
        assert!(link.shown.as_ref().is_none_or(|shown| shown.len() <= 512));
    }
    assert!(found.pictures.len() <= 4);
    assert!(found.pictures.iter().all(|picture| picture.len() <= STREAM_BYTES_MAX));
    let mut cuts = found.cuts.clone();
    cuts.sort_unstable();
    cuts.dedup();
    assert_eq!(cuts.len(), found.cuts.len(), "a reason is given once");
}

/// Reads bytes as the brightness of a picture: the first says how wide it is.
pub fn codes(data: &[u8]) {
    let Some((&width, luma)) = data.split_first() else { return };
    let width = usize::from(width).max(1);
    let picture = Grey { width, height: luma.len() / width, luma };
    let codes = read_codes(picture);
    assert!(codes.len() <= CODES_MAX);
    assert!(codes.iter().all(|code| code.len() <= 2 * CODE_BYTES_MAX), "Latin 1 doubles at most");
    assert_eq!(read_codes(picture), codes);
}

//! The tree of parts.

use tamis_domain::outline::{Disposition, Oddity, Outline, Part, PartKind, TransferEncoding};

use super::magnitude;
use crate::bag::Bag;
use crate::group::Group;

/// Parts read. Mails with more carry many of a kind.
pub const PARTS_READ_MAX: usize = 40;

/// Parts whose types, in order, are the shape of the tree.
const TREE_PARTS: usize = 6;

/// Features of the outline. `visible_bytes` is the length of the visible text of all parts.
#[must_use]
pub fn read_structure(outline: &Outline, visible_bytes: usize) -> Bag {
    let mut bag = Bag::new();
    let types: Vec<&str> =
        outline.parts.iter().take(TREE_PARTS).map(|part| part.media_type.as_str()).collect();
    bag.add(Group::Structure, &["tree", &types.join(" ")]);
    let (mut text, mut page, mut images, mut files) = (0_u64, 0_u64, 0, 0);
    for part in outline.parts.iter().take(PARTS_READ_MAX) {
        read_part(&mut bag, part);
        match part.kind {
            PartKind::Text => text += part.size,
            PartKind::Html => page += part.size,
            PartKind::Image => images += 1,
            PartKind::Other => files += 1,
            _ => {}
        }
    }
    bag.add_number(Group::Structure, "images", images.min(3));
    bag.add_number(Group::Structure, "files", files.min(2));
    bag.add_number(Group::Structure, "faces", usize::from(text > 0) + 2 * usize::from(page > 0));
    bag.add_number(Group::Structure, "visible", magnitude(visible_bytes));
    if page > 0 {
        let markup = usize::try_from(page).unwrap_or(usize::MAX) / (visible_bytes + 1);
        bag.add_number(Group::Structure, "markup", magnitude(markup).min(8));
    }
    for (oddity, _) in &outline.oddities {
        // Which line ends a mail has depends on who stored it.
        if !matches!(oddity, Oddity::MixedLineEnds) {
            bag.add(Group::Structure, &["odd", oddity.word()]);
        }
    }
    bag
}

fn read_part(bag: &mut Bag, part: &Part) {
    let kind = kind(part.kind);
    bag.add(Group::Structure, &["type", &part.media_type]);
    bag.add(Group::Structure, &["encoding", kind, encoding(part.encoding)]);
    match &part.charset {
        Some(charset) => bag.add(Group::Structure, &["charset", charset]),
        None if part.kind.is_leaf() => bag.add(Group::Structure, &["no charset", kind]),
        None => {}
    }
    match part.disposition {
        Disposition::None => {}
        Disposition::Inline => bag.add(Group::Structure, &["inline", kind]),
        Disposition::Attachment => bag.add(Group::Structure, &["attachment", kind]),
    }
    let extension = part.file_name.as_deref().and_then(|name| name.rsplit_once('.'));
    if let Some((_, extension)) = extension.filter(|(_, extension)| extension.len() <= 6) {
        bag.add(Group::Structure, &["extension", &extension.to_lowercase()]);
    }
}

const fn kind(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Container => "container",
        PartKind::Message => "message",
        PartKind::HeaderBlock => "header",
        PartKind::Text => "text",
        PartKind::Html => "page",
        PartKind::Image => "image",
        PartKind::Report => "report",
        PartKind::Other => "file",
    }
}

const fn encoding(encoding: TransferEncoding) -> &'static str {
    match encoding {
        TransferEncoding::Identity => "none",
        TransferEncoding::Base64 => "base64",
        TransferEncoding::QuotedPrintable => "quoted",
        TransferEncoding::Uuencode => "uuencode",
        TransferEncoding::Unknown => "unknown",
    }
}

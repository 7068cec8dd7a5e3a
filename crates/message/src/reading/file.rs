//! An attached file: its similarity name, and text, links and codes of documents and pictures.

use tamis_documents::document::{self, Document as Found};
use tamis_documents::work::{self, Cut};
use tamis_domain::digest::SignatureKind;
use tamis_domain::limits::{LINKS_MAX, TEXT_BYTES_MAX};
use tamis_domain::reading::{Document, Link, PartName, PartReading, Text};

use crate::links::{LinkList, find_links};
use crate::sketch::file::file_sketch;
use crate::sketch::image::{self, is_picture, see_within};
use crate::sketch::text::text_name;

use super::squeeze::{SQUEEZED_BYTES_MAX, Squeezed, squeeze};
use super::{Folded, collapse, fold};

/// Pictures inside documents of which the codes are read, for each document: the mail's own come first.
const PICTURES_WITHIN_MAX: usize = 2;

/// Bytes of text that are read of one mail, in all its parts, each counted as what reading it costs ([`FOREIGN_COST`]): two
/// of the longest texts.
pub const TEXT_SUM_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// What a byte costs that is none of ASCII, in bytes that are: folding, words and names of such texts take four times as
/// long, most of all those of syllables and ligatures.
pub const FOREIGN_COST: usize = 4;

/// How many bytes may be read of a content for `cost`, and what they cost.
#[must_use]
pub fn affordable(content: &[u8], cost: usize) -> (usize, usize) {
    let (mut read, mut spent) = (0, 0);
    for few in content.chunks(64) {
        let foreign = few.iter().filter(|byte| !byte.is_ascii()).count();
        let all = few.len() + (FOREIGN_COST - 1) * foreign;
        if spent + all > cost {
            for byte in few {
                let one = if byte.is_ascii() { 1 } else { FOREIGN_COST };
                if spent + one > cost {
                    break;
                }
                (read, spent) = (read + 1, spent + one);
            }
            break;
        }
        (read, spent) = (read + few.len(), spent + all);
    }
    (read, spent)
}

/// What the texts of one mail may still cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    spent: usize,
    left_out: usize,
    /// Raw bytes in which what says nothing was passed over.
    squeezed: usize,
}

impl Texts {
    /// How many bytes of `wanted` may be read; a text that gets less counts as left out.
    pub(super) fn take(&mut self, wanted: &[u8]) -> usize {
        let (given, spent) = affordable(wanted, TEXT_SUM_BYTES_MAX - self.spent);
        self.spent += spent;
        self.left_out += usize::from(given < wanted.len());
        given
    }

    /// A long text without what says nothing, until `most` bytes are left, and whether that is all of it.
    pub(super) fn squeeze(&mut self, raw: &[u8], is_html: bool, most: usize) -> (Vec<u8>, bool) {
        let room = (SQUEEZED_BYTES_MAX - self.squeezed).min(raw.len());
        let Squeezed { mut bytes, looked_at } = squeeze(&raw[..room], is_html, most);
        self.squeezed += looked_at;
        // What was passed over by a mail that had its share of that is read as it stands.
        if bytes.len() < most.min(room) && looked_at == room {
            let rest = &raw[room..];
            bytes.extend_from_slice(&rest[..rest.len().min(most)]);
        }
        (bytes, looked_at == raw.len())
    }
}

/// What the pictures, documents and texts of one mail may still cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Of texts.
    pub texts: Texts,
    /// Of pictures.
    pub pictures: image::Budget,
    /// Of documents.
    pub documents: work::Budget,
}

impl Budget {
    /// Pictures, documents and texts that were not looked at, or not as far as they would have been alone.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.pictures.left_out() + self.documents.left_out() + self.texts.left_out
    }
}

/// Whether reading these bytes takes more than their number tells: they are a picture or a packed document.
#[must_use]
pub fn is_costly(content: &[u8]) -> bool {
    is_picture(content) || document::is_document(content)
}

/// Reads a file as a picture or document; anything else has a similarity name alone.
pub(super) fn read(reading: &mut PartReading, content: &[u8], budget: &mut Budget) {
    if is_picture(content) {
        let seen = see_within(content, &mut budget.pictures);
        reading.names.extend(seen.look.map(|look| PartName {
            kind: SignatureKind::Image,
            material: Some(look.exact),
            sketch: Some(look.sketch),
        }));
        let links = links_of_codes(&seen.codes);
        if !links.is_empty() {
            let code_links = links.len();
            reading.document =
                Some(Document { code_links, is_picture: true, ..Document::default() });
            reading.links = links;
        }
        return;
    }
    let sketch = file_sketch(content);
    reading.names.extend(sketch.map(|_| PartName {
        kind: SignatureKind::Attachment,
        material: None,
        sketch,
    }));
    if let Some(found) = document::read(content, &mut budget.documents) {
        show(reading, found, budget);
    }
}

/// Reads a part that calls itself text as the document it is. Its text has a name as other texts have.
pub(super) fn read_as_text(reading: &mut PartReading, content: &[u8], budget: &mut Budget) -> bool {
    if !document::is_document(content) {
        return false;
    }
    let Some(found) = document::read(content, &mut budget.documents) else { return false };
    show(reading, found, budget);
    let name = reading.text.as_ref().and_then(|text| text_name(&text.folded));
    reading.names.extend(name.map(|name| PartName {
        kind: SignatureKind::Text,
        material: Some(name.exact),
        sketch: name.sketch,
    }));
    true
}

fn show(reading: &mut PartReading, found: Found, budget: &mut Budget) {
    let visible = collapse(&found.text);
    let mut links = LinkList::default();
    for link in &found.links {
        links.add(&link.target, link.shown.clone());
    }
    find_links(&visible, &mut links);
    reading.is_cut = links.is_cut() || found.cuts.contains(&Cut::Work);
    reading.links = links.into_vec();
    let pictures = found.pictures.iter().take(PICTURES_WITHIN_MAX);
    let codes = pictures.flat_map(|picture| see_within(picture, &mut budget.pictures).codes);
    let codes = links_of_codes(&codes.collect::<Vec<_>>());
    reading.links.truncate(LINKS_MAX - codes.len());
    reading.document = Some(Document { code_links: codes.len(), ..described(&found) });
    reading.links.extend(codes);
    if visible.is_empty() && found.hidden_chars == 0 {
        return;
    }
    let Folded { text: folded, invisible_chars, homoglyphs, is_cut } = fold(&visible);
    reading.is_cut |= is_cut;
    reading.text = Some(Text {
        visible,
        folded,
        hidden_chars: found.hidden_chars.saturating_add(invisible_chars),
        invisible_chars,
        homoglyphs,
        broken_charset: false,
    });
}

fn described(found: &Found) -> Document {
    let facts = found.facts;
    Document {
        has_macros: facts.has_macros,
        is_encrypted: facts.is_encrypted,
        has_javascript: facts.has_javascript,
        has_auto_action: facts.has_auto_action,
        has_embedded_files: facts.has_embedded_files,
        has_external_template: facts.has_external_template,
        has_dde: facts.has_dde,
        is_damaged: found.is_damaged,
        is_bomb: found.cuts.contains(&Cut::Bomb),
        is_cut: !found.cuts.is_empty(),
        ..Document::default()
    }
}

/// What codes say, as far as it leads somewhere: an address with its scheme, or one that a telephone makes into one.
fn links_of_codes(codes: &[String]) -> Vec<Link> {
    let mut links = LinkList::default();
    for code in codes {
        let lower = code.trim_start().to_ascii_lowercase();
        if ["http:", "https:", "mailto:", "tel:", "sms", "bitcoin:"]
            .iter()
            .any(|it| lower.starts_with(it))
        {
            links.add(code, None);
        } else {
            find_links(code, &mut links);
        }
    }
    links.into_vec()
}

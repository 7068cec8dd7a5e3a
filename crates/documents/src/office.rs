//! Office Open XML (ECMA-376): Word, Excel and PowerPoint since 2007, and the single-file forms of Word.
//!
//! Which part is what is said by `[Content_Types].xml`, not by names, as the programs go by it. Text is that of `t`
//! elements, in whichever vocabulary; targets of links stand in the relationships beside each part.

mod body;

use std::collections::BTreeMap;

use crate::archive::{Archive, Entry};
use crate::document::{Document, Format};
use crate::field::is_remote;
use crate::sink::Sink;
use crate::work::{Cut, Work};
use crate::xml::{Attributes, Step, Walk, decode};

use body::Body;

/// Parts with text that are read: slides, sheets, headers.
pub const PARTS_MAX: usize = 300;

/// Relationships of one part that are kept.
pub const RELATIONS_MAX: usize = 2000;

/// Bytes of a packed picture below which it is an icon.
const PICTURE_BYTES_MIN: usize = 300;

/// Ends of the content types of parts that hold text, those that are read first in front.
const TEXT_TYPES: [&str; 16] = [
    "document.main+xml",
    "template.main+xml",
    "document.macroenabled.main+xml",
    "macroenabledtemplate.main+xml",
    "header+xml",
    "footer+xml",
    "footnotes+xml",
    "endnotes+xml",
    "comments+xml",
    "sharedstrings+xml",
    "excel.sharedstrings",
    "externallink+xml",
    "worksheet+xml",
    "presentationml.slide+xml",
    "notesslide+xml",
    "diagramdata+xml",
];

/// Types of parts with macros, in lower case: Visual Basic, and the sheets of Excel 4.
const MACRO_TYPES: [&str; 3] = ["vbaproject", "macrosheet", "vbadata"];

/// Types of relationships that fetch their target when the document is opened, by the end of their name.
const FETCHING: [&str; 5] = ["attachedtemplate", "oleobject", "frame", "subdocument", "afchunk"];

/// Reads an archive; `None` if it holds no such document.
pub(crate) fn read(archive: &Archive, work: &mut Work) -> Option<Document> {
    let mut sink = Sink::default();
    sink.is_damaged = archive.is_damaged;
    let parts = parts(archive, &mut sink, work)?;
    for entry in &archive.entries {
        look_at(entry, &mut sink);
        if entry.ends_with(".rels") {
            relations(archive, entry, &mut sink, work);
        }
    }
    if parts.len() > PARTS_MAX {
        work.cut(Cut::Count);
    }
    for (_, name) in parts.iter().take(PARTS_MAX) {
        let Some(entry) = archive.find(name) else { continue };
        if sink.is_full() || work.is_spent() {
            break;
        }
        let targets = targets(archive, &entry.name, work);
        let markup = archive.unpack(entry, work);
        if entry.ends_with(".bin") {
            crate::binary::read_binary_strings(&markup, &mut sink, work);
            continue;
        }
        let decoded = decode(&markup);
        sink.is_damaged |= decoded.is_empty() && !work.is_spent();
        Body::new(&mut sink, &targets, work).read(&decoded);
        sink.end('\n');
    }
    pictures(archive, &mut sink, work);
    Some(sink.finish(Format::OfficeXml, work))
}

/// Reads the single-file forms: Word 2003 XML, and a package written as one file.
pub(crate) fn read_flat(content: &[u8], work: &mut Work) -> Document {
    let mut sink = Sink::default();
    let content = work.take(content);
    Body::new(&mut sink, &BTreeMap::new(), work).read(&decode(content));
    sink.finish(Format::OfficeXml, work)
}

/// Rank and name of each part with text, in the order in which they are read.
fn parts(archive: &Archive, sink: &mut Sink, work: &mut Work) -> Option<Vec<(usize, String)>> {
    let Some(types) = archive.find("[Content_Types].xml") else { return guessed(archive, sink) };
    let markup = archive.unpack(types, work);
    let mut parts = Vec::new();
    for step in Walk::new(&decode(&markup)) {
        let Step::Open { name: "Override" | "Default", attributes, .. } = step else { continue };
        let Some(kind) = attributes.value("ContentType") else { continue };
        let kind = kind.to_ascii_lowercase();
        sink.facts.has_macros |= MACRO_TYPES.iter().any(|mark| kind.contains(mark));
        let rank = TEXT_TYPES.iter().position(|end| kind.ends_with(end));
        if let (Some(rank), Some(part)) = (rank, attributes.value("PartName")) {
            parts.push((rank, part.into_owned()));
        }
    }
    if parts.is_empty() {
        let is_office = |entry: &Entry| ["word", "xl", "ppt"].iter().any(|it| entry.is_within(it));
        return archive.entries.iter().any(is_office).then_some(parts);
    }
    // Slides and sheets by their numbers: of two names the shorter has the smaller number.
    parts.sort_by(|(a, one), (b, other)| (a, one.len(), one).cmp(&(b, other.len(), other)));
    Some(parts)
}

/// Parts by their usual names, where the list of types is missing.
fn guessed(archive: &Archive, sink: &mut Sink) -> Option<Vec<(usize, String)>> {
    let is_text = |entry: &&Entry| {
        ["word/document.xml", "xl/sharedStrings.xml"].iter().any(|name| entry.is(name))
            || (entry.ends_with(".xml")
                && (entry.is_within("slides") || entry.is_within("worksheets")))
    };
    let parts: Vec<_> =
        archive.entries.iter().filter(is_text).map(|entry| (0, entry.name.clone())).collect();
    sink.is_damaged |= !parts.is_empty();
    (!parts.is_empty()).then_some(parts)
}

/// What the name of an entry alone says.
fn look_at(entry: &Entry, sink: &mut Sink) {
    sink.facts.has_macros |= entry.ends_with("vbaProject.bin") || entry.is_within("macrosheets");
    sink.facts.has_embedded_files |= entry.is_within("embeddings") || entry.is_within("activeX");
    sink.facts.is_encrypted |= entry.is_encrypted;
}

/// Relationships that fetch or run something, whichever part has them.
fn relations(archive: &Archive, entry: &Entry, sink: &mut Sink, work: &mut Work) {
    let markup = archive.unpack(entry, work);
    for step in Walk::new(&decode(&markup)) {
        if let Step::Open { name: "Relationship", attributes, .. } = step {
            relation(attributes, sink);
        }
    }
}

/// One relationship that fetches something.
fn relation(attributes: Attributes, sink: &mut Sink) {
    let Some((kind, target)) = external(attributes) else { return };
    if FETCHING.iter().any(|end| kind.ends_with(end)) && is_remote(&target) {
        sink.fetch(&target);
    }
}

/// Type in lower case and target of a relationship that leads out of the package.
fn external(attributes: Attributes) -> Option<(String, String)> {
    let mode = attributes.value("TargetMode")?;
    let kind = attributes.value("Type")?.to_ascii_lowercase();
    mode.eq_ignore_ascii_case("External").then_some(())?;
    Some((kind, attributes.value("Target")?.into_owned()))
}

/// Targets of the links of a part, by their names in it.
fn targets(archive: &Archive, part: &str, work: &mut Work) -> BTreeMap<String, String> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let Some(entry) = archive.find(&format!("{folder}/_rels/{file}.rels")) else {
        return BTreeMap::new();
    };
    let markup = archive.unpack(entry, work);
    let mut targets = BTreeMap::new();
    for step in Walk::new(&decode(&markup)) {
        let Step::Open { name: "Relationship", attributes, .. } = step else { continue };
        if targets.len() >= RELATIONS_MAX {
            work.cut(Cut::Count);
            break;
        }
        let named = attributes.value("Id").zip(external(attributes));
        if let Some((id, (_, target))) = named.filter(|(_, (kind, _))| kind.ends_with("hyperlink"))
        {
            targets.insert(id.into_owned(), target);
        }
    }
    targets
}

fn pictures(archive: &Archive, sink: &mut Sink, work: &mut Work) {
    let is_picture =
        |entry: &&Entry| [".png", ".jpg", ".jpeg", ".gif"].iter().any(|end| entry.ends_with(end));
    for entry in archive.entries.iter().filter(is_picture) {
        if !sink.takes_pictures() || work.is_spent() {
            return;
        }
        let packed = archive.unpack(entry, work);
        if packed.len() >= PICTURE_BYTES_MIN {
            sink.picture(packed);
        }
    }
}

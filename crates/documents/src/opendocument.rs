//! `OpenDocument` (ISO/IEC 26300): text, sheets and slides of LibreOffice and its kin.

use crate::archive::Archive;
use crate::document::{Document, Format};
use crate::field::is_remote;
use crate::sink::Sink;
use crate::work::{Cut, Work};
use crate::xml::{Attributes, Step, Walk, decode, resolve};

/// Links open within each other; there is no reason for more than one.
pub const OPEN_MAX: usize = 8;

/// Bytes of a packed picture below which it is an icon.
const PICTURE_BYTES_MIN: usize = 300;

/// Reads an archive; `None` if it holds no such document.
pub(crate) fn read(archive: &Archive, work: &mut Work) -> Option<Document> {
    let declared = archive.find("mimetype").map(|entry| archive.unpack(entry, work));
    let is_declared =
        declared.is_some_and(|kind| kind.starts_with(b"application/vnd.oasis.opendocument"));
    let content = archive.find("content.xml");
    if !is_declared && (content.is_none() || archive.find("META-INF/manifest.xml").is_none()) {
        return None;
    }
    let mut sink = Sink::default();
    sink.is_damaged = archive.is_damaged;
    for entry in &archive.entries {
        sink.facts.has_macros |=
            (entry.is_within("Basic") && entry.ends_with(".xml") && !entry.ends_with("-lc.xml"))
                || (entry.is_within("Scripts") && !entry.name.ends_with('/'));
        sink.facts.is_encrypted |= entry.is_encrypted;
    }
    if let Some(manifest) = archive.find("META-INF/manifest.xml") {
        let markup = archive.unpack(manifest, work);
        sink.facts.is_encrypted |= decode(&markup).contains("encryption-data");
    }
    if sink.facts.is_encrypted {
        return Some(sink.finish(Format::OpenDocument, work));
    }
    sink.is_damaged |= content.is_none();
    for name in ["content.xml", "styles.xml"] {
        if let Some(entry) = archive.find(name) {
            let markup = archive.unpack(entry, work);
            read_markup(&decode(&markup), &mut sink, work);
        }
    }
    for entry in archive.entries.iter().filter(|entry| entry.is_within("Pictures")) {
        if sink.takes_pictures()
            && !work.is_spent()
            && (entry.ends_with(".png") || entry.ends_with(".jpg"))
        {
            let packed = archive.unpack(entry, work);
            if packed.len() >= PICTURE_BYTES_MIN {
                sink.picture(packed);
            }
        }
    }
    Some(sink.finish(Format::OpenDocument, work))
}

/// Walks through the text.
struct Body<'a> {
    sink: &'a mut Sink,
    /// Paragraphs open: text stands in them alone.
    paragraphs: u32,
    hidden: u32,
    deleted: u32,
    links: Vec<(String, usize)>,
}

fn read_markup(markup: &str, sink: &mut Sink, work: &mut Work) {
    let mut body = Body { sink, paragraphs: 0, hidden: 0, deleted: 0, links: Vec::new() };
    for step in Walk::new(markup) {
        if body.sink.is_full() {
            return;
        }
        match step {
            Step::Open { name, attributes, is_empty } => {
                body.begin(name, attributes, is_empty, work);
                if is_empty {
                    body.finish(name);
                }
            }
            Step::Close(name) => body.finish(name),
            Step::Text(text) if body.paragraphs > 0 => body.text(&resolve(text)),
            Step::Plain(text) if body.paragraphs > 0 => body.text(text),
            Step::Text(_) | Step::Plain(_) => {}
        }
    }
}

impl Body<'_> {
    fn text(&mut self, text: &str) {
        match (self.deleted, self.hidden) {
            (0, 0) => self.sink.push(text),
            (0, _) => self.sink.hide(text.chars().count()),
            _ => {}
        }
    }

    fn begin(&mut self, name: &str, attributes: Attributes, is_empty: bool, work: &mut Work) {
        let facts = &mut self.sink.facts;
        match name {
            "p" | "h" => self.paragraphs += 1,
            "s" => self.sink.push_char(' '),
            "tab" => self.sink.end('\t'),
            "line-break" => self.sink.end('\n'),
            "tracked-changes" => self.deleted += 1,
            "hidden-text" | "hidden-paragraph" => self.hidden += 1,
            "a" if !is_empty => {
                if self.links.len() >= OPEN_MAX {
                    work.cut(Cut::Depth);
                    self.links.remove(0);
                }
                let target = attributes.value("href").unwrap_or_default().into_owned();
                self.links.push((target, self.sink.text.len()));
            }
            "event-listener" => {
                let event = attributes.value("event-name").unwrap_or_default();
                facts.has_macros = true;
                facts.has_auto_action |= event.contains("load") || event.contains("open");
            }
            "dde-source" | "dde-connection-decl" | "dde-link" => {
                (facts.has_dde, facts.has_auto_action) = (true, true);
            }
            "object-ole" | "plugin" | "applet" => facts.has_embedded_files = true,
            "section-source" => {
                let target = attributes.value("href").unwrap_or_default();
                if is_remote(&target) {
                    self.sink.fetch(&target);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, name: &str) {
        match name {
            "p" | "h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.sink.end('\n');
            }
            "tracked-changes" => self.deleted = self.deleted.saturating_sub(1),
            "hidden-text" | "hidden-paragraph" => self.hidden = self.hidden.saturating_sub(1),
            "a" => {
                if let Some((target, from)) = self.links.pop() {
                    self.sink.link(&target, Some(from));
                }
            }
            _ => {}
        }
    }
}

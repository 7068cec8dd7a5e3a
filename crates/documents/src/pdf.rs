//! PDF (ISO 32000-1): text of the pages, targets of links, and what acts when it is opened.

mod cmap;
mod file;
mod filter;
mod font;
mod glyphs;
mod lexer;
mod page;

use std::collections::HashSet;
use std::rc::Rc;

use crate::document::{Document, Format};
use crate::field::is_remote;
use crate::sink::Sink;
use crate::work::{Cut, Work};

use file::{File, Scan};
use filter::Unpacked;
use lexer::{Dict, Object};
use page::Pages;

/// Pages that are read.
pub const PAGES_MAX: usize = 200;

/// Levels of the tree of pages.
pub const TREE_DEPTH_MAX: usize = 32;

/// Bytes of the content of one page: what fills it is drawings beyond.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Pictures that are looked for.
const PICTURES_MAX: usize = 8;

/// Bytes of a packed picture below which it is an icon.
const PICTURE_BYTES_MIN: usize = 300;

/// Kinds of actions that reach out of the document.
const REACHING: [&[u8]; 7] =
    [b"JavaScript", b"Launch", b"URI", b"SubmitForm", b"ImportData", b"GoToR", b"GoToE"];

/// Events that happen without a click: opening, showing, closing, printing.
const BY_ITSELF: [&str; 9] = ["O", "PO", "PV", "WC", "WS", "DS", "WP", "DP", "PI"];

/// Reads a document.
pub(crate) fn read(content: &[u8], work: &mut Work) -> Document {
    let mut sink = Sink::default();
    let scan = Scan::new(content, work);
    let file = File::new(content, &scan);
    sink.facts.is_encrypted = file.is_encrypted(work);
    let mut walk = Walk {
        file: &file,
        sink: &mut sink,
        catalog: None,
        pages: Vec::new(),
        pictures: Vec::new(),
    };
    for number in file.numbers.clone() {
        // The pages need the other half.
        if work.is_half_spent() {
            work.cut(Cut::Work);
            break;
        }
        let object = file.object(number, work);
        walk.object(number, &object, work);
    }
    let Walk { catalog, pages, pictures, .. } = walk;
    if !sink.facts.is_encrypted {
        text(&file, catalog, &pages, &mut sink, work);
        pictures.into_iter().for_each(|number| picture(&file, number, &mut sink, work));
    }
    sink.is_damaged = file.numbers.is_empty() || (catalog.is_none() && pages.is_empty());
    sink.finish(Format::Pdf, work)
}

/// Looks at every object once: what it does, which are pages.
struct Walk<'a, 'f> {
    file: &'f File<'a>,
    sink: &'f mut Sink,
    catalog: Option<u32>,
    pages: Vec<u32>,
    /// Numbers of the first few pictures.
    pictures: Vec<u32>,
}

impl<'a> Walk<'a, '_> {
    fn object(&mut self, number: u32, object: &Object<'a>, work: &mut Work) {
        if let Object::Dict(dict) = object {
            match dict.name("Type") {
                Some(b"Catalog") => self.catalog = Some(number),
                Some(b"Page") => self.pages.push(number),
                _ => {}
            }
            let is_picture = dict.is("Subtype", "Image") && dict.is("Filter", "DCTDecode");
            if is_picture && self.pictures.len() < PICTURES_MAX {
                self.pictures.push(number);
            }
        }
        self.look_at(object, work);
    }

    fn look_at(&mut self, object: &Object<'a>, work: &mut Work) {
        match object {
            Object::Array(items) => items.iter().for_each(|item| self.look_at(item, work)),
            Object::Dict(dict) => {
                self.dict(dict, work);
                dict.0.iter().for_each(|(_, value)| self.look_at(value, work));
            }
            _ => {}
        }
    }

    fn dict(&mut self, dict: &Dict<'a>, work: &mut Work) {
        for (key, value) in &dict.0 {
            match &**key {
                b"URI" => self.uri(value, work),
                b"JS" => self.sink.facts.has_javascript = true,
                // Scripts that the names of a document hold run when it is opened.
                b"JavaScript" if !matches!(value, Object::Null) => {
                    self.sink.facts.has_javascript = true;
                    self.sink.facts.has_auto_action = true;
                }
                b"OpenAction" => self.by_itself(value, work),
                b"AA" => {
                    let Object::Dict(events) = self.file.follow(value, work) else { continue };
                    for event in BY_ITSELF.iter().filter_map(|event| events.value(event)) {
                        self.by_itself(event, work);
                    }
                }
                b"EmbeddedFiles" | b"EF" | b"RichMediaContent" => {
                    self.sink.facts.has_embedded_files = true;
                }
                _ => {}
            }
        }
        match dict.name("S") {
            Some(b"JavaScript") => self.sink.facts.has_javascript = true,
            Some(b"Launch") => self.sink.facts.has_auto_action = true,
            Some(b"GoToR" | b"GoToE" | b"SubmitForm" | b"ImportData") => self.remote(dict, work),
            _ => {}
        }
    }

    fn uri(&mut self, value: &Object<'a>, work: &mut Work) {
        if self.sink.facts.is_encrypted {
            return; // strings are, too
        }
        if let Some(target) = self.file.follow(value, work).text() {
            self.sink.link(&string(target), None);
        }
    }

    /// A file elsewhere, as it is named (section 7.11).
    fn remote(&mut self, dict: &Dict<'a>, work: &mut Work) {
        let file = self.file.get(dict, "F", work);
        let named = match &file {
            Object::Dict(file) => self.file.get(file, "F", work),
            other => other.clone(),
        };
        let target = named.text().map(string).unwrap_or_default();
        if is_remote(&target) && !self.sink.facts.is_encrypted {
            self.sink.link(&target, None);
        }
    }

    /// An action that runs without a click.
    fn by_itself(&mut self, action: &Object<'a>, work: &mut Work) {
        if let Object::Dict(action) = self.file.follow(action, work) {
            let kind = self.file.get(&action, "S", work);
            self.sink.facts.has_auto_action |=
                kind.name().is_some_and(|kind| REACHING.contains(&kind));
        }
    }
}

/// Keeps a picture that is packed as JPEG.
fn picture(file: &File, number: u32, sink: &mut Sink, work: &mut Work) {
    let Some(stream) = file.stream(&Object::Ref(number), work) else { return };
    if let Unpacked::Jpeg(packed) = file.unpack(&stream, work)
        && packed.len() >= PICTURE_BYTES_MIN
        && work.pass(packed.len())
    {
        sink.picture(packed);
    }
}

/// Reads the pages in the order of their tree; where there is none, in that of the file.
fn text<'a>(
    file: &File<'a>,
    catalog: Option<u32>,
    loose: &[u32],
    sink: &mut Sink,
    work: &mut Work,
) {
    let trailers = file.trailers(work);
    let root = trailers.iter().find_map(|trailer| match file.get(trailer, "Root", work) {
        Object::Dict(root) => Some(root),
        _ => None,
    });
    let root = root.or_else(|| match file.object(catalog?, work) {
        Object::Dict(root) => Some(root),
        _ => None,
    });
    let mut tree = Tree { file, pages: Vec::new(), seen: HashSet::new() };
    if let Some(top) = root.as_ref().and_then(|root| root.value("Pages")) {
        tree.node(top, &Rc::default(), 0, work);
    }
    if tree.pages.is_empty() {
        for page in loose {
            tree.node(&Object::Ref(*page), &Rc::default(), 0, work);
        }
    }
    let pages = tree.pages;
    let mut reader = Pages::new(file, sink);
    for (page, resources) in pages {
        if work.is_spent() {
            return;
        }
        let content = contents(file, &page, work);
        reader.page(&content, &resources, work);
    }
}

/// The tree of pages, flattened: each page with the resources that it inherits.
struct Tree<'a, 'f> {
    file: &'f File<'a>,
    pages: Vec<(Dict<'a>, Rc<Dict<'a>>)>,
    seen: HashSet<u32>,
}

impl<'a> Tree<'a, '_> {
    fn node(&mut self, node: &Object<'a>, inherited: &Rc<Dict<'a>>, depth: usize, work: &mut Work) {
        let is_new = match node {
            Object::Ref(number) => self.seen.insert(*number),
            _ => true,
        };
        if !is_new || work.is_spent() {
            return;
        }
        if self.pages.len() >= PAGES_MAX || depth > TREE_DEPTH_MAX {
            work.cut(if depth > TREE_DEPTH_MAX { Cut::Depth } else { Cut::Count });
            return;
        }
        let Object::Dict(dict) = self.file.follow(node, work) else { return };
        let resources = match self.file.get(&dict, "Resources", work) {
            Object::Dict(own) => Rc::new(own),
            _ => Rc::clone(inherited),
        };
        match self.file.get(&dict, "Kids", work) {
            Object::Array(kids) => {
                for kid in &kids {
                    self.node(kid, &resources, depth + 1, work);
                }
            }
            _ if dict.is("Type", "Page") || dict.value("Contents").is_some() => {
                self.pages.push((dict, resources));
            }
            _ => {}
        }
    }
}

/// The content streams of a page, one behind the other.
fn contents<'a>(file: &File<'a>, page: &Dict<'a>, work: &mut Work) -> Vec<u8> {
    let Some(value) = page.value("Contents") else { return Vec::new() };
    let streams = match file.follow(value, work) {
        Object::Array(streams) => streams,
        _ => vec![value.clone()],
    };
    let mut out = Vec::new();
    for stream in &streams {
        if out.len() > PAGE_BYTES_MAX {
            work.cut(Cut::Stream);
            break;
        }
        out.extend(file.content(stream, work).unwrap_or_default());
        out.push(b'\n');
    }
    out.truncate(PAGE_BYTES_MAX);
    out
}

/// A text string: UTF-16 with its mark, else bytes of which the readable ones are ASCII or UTF-8.
fn string(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => {
            encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0.into_owned()
        }
        [0xff, 0xfe, rest @ ..] => {
            encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0.into_owned()
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests;

//! What a document is read to, and which reader reads it.

use crate::work::{Budget, Cut, Work};
use crate::{calendar, compound, office, opendocument, pdf, rtf};

/// What kind of document a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Rich Text Format.
    Rtf,
    /// A compound file (OLE): Word, Excel or PowerPoint 97-2003, or an encrypted one of today.
    Compound,
    /// Office Open XML.
    OfficeXml,
    /// `OpenDocument`.
    OpenDocument,
    /// PDF.
    Pdf,
    /// iCalendar.
    Calendar,
}

/// A file as its reader shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub format: Format,
    /// Visible text: paragraphs end with a line feed, cells with a tab. At most [`crate::work::STREAM_BYTES_MAX`].
    pub text: String,
    /// Links in order of appearance.
    pub links: Vec<Link>,
    /// Characters of text that the reader would not show.
    pub hidden_chars: u32,
    /// What else is in it.
    pub facts: Facts,
    /// What was not read, and why.
    pub cuts: Vec<Cut>,
    /// Whether it breaks the rules of its format so that a reader may refuse it.
    pub is_damaged: bool,
    /// Packed pictures inside (JPEG, PNG), the first few.
    pub pictures: Vec<Vec<u8>>,
}

/// One link of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Target as written.
    pub target: String,
    /// Text shown for it, where the document says so.
    pub shown: Option<String>,
}

/// What is in a document besides text. Each alone may be honest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Macros (VBA, Excel 4, Basic).
    pub has_macros: bool,
    /// The content is encrypted, or most of it.
    pub is_encrypted: bool,
    /// Scripts in the language of web pages.
    pub has_javascript: bool,
    /// Something happens when it is opened: a script, a program, a web page.
    pub has_auto_action: bool,
    /// Files or objects of other programs inside.
    pub has_embedded_files: bool,
    /// A template, frame or object is fetched from elsewhere when it is opened.
    pub has_external_template: bool,
    /// A field that asks another program for data (DDE), which can run commands.
    pub has_dde: bool,
}

/// Bytes that are searched for the mark of a PDF; readers accept so much junk before it.
const PDF_MARK_BYTES: usize = 1024;

/// Bytes in which a document in a single file of markup says so.
const FLAT_MARK_BYTES: usize = 4096;

/// Tells by the first bytes whether a file may be a document. `true` for every ZIP: what it holds is seen inside.
#[must_use]
pub fn is_document(content: &[u8]) -> bool {
    format(content).is_some()
}

fn format(content: &[u8]) -> Option<Format> {
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    if text.starts_with(b"{\\rt") {
        return Some(Format::Rtf);
    }
    if content.starts_with(&compound::MARK) {
        return Some(Format::Compound);
    }
    if content.starts_with(b"PK\x03\x04") {
        return Some(Format::OfficeXml);
    }
    if text.starts_with(b"<") && is_flat_office(text) {
        return Some(Format::OfficeXml);
    }
    if text.get(..15).is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:VCALENDAR")) {
        return Some(Format::Calendar);
    }
    let head = &content[..content.len().min(PDF_MARK_BYTES)];
    head.windows(5).any(|window| window == b"%PDF-").then_some(Format::Pdf)
}

/// Word documents in a single file of markup.
fn is_flat_office(text: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&text[..text.len().min(FLAT_MARK_BYTES)]);
    ["office/word/2003/wordml", "office/2006/xmlPackage"].iter().any(|mark| head.contains(mark))
}

/// Reads a file as the document it is; `None` if it is none, or if the mail's other documents left no room for it,
/// which the budget then counts.
#[must_use]
pub fn read(content: &[u8], budget: &mut Budget) -> Option<Document> {
    let format = format(content)?;
    let mut work = budget.allow()?;
    let document = read_as(format, content, &mut work);
    budget.settle(&work);
    document.map(|document| Document { cuts: work.cuts().to_vec(), ..document })
}

fn read_as(format: Format, content: &[u8], work: &mut Work) -> Option<Document> {
    match format {
        Format::Rtf => Some(rtf::read(content, work)),
        Format::Compound => Some(compound::read(content, work)),
        Format::OfficeXml if !content.starts_with(b"PK") => Some(office::read_flat(content, work)),
        Format::OfficeXml | Format::OpenDocument => {
            let archive = crate::archive::Archive::open(content, work);
            office::read(&archive, work).or_else(|| opendocument::read(&archive, work))
        }
        Format::Pdf => Some(pdf::read(content, work)),
        Format::Calendar => Some(calendar::read(content, work)),
    }
}

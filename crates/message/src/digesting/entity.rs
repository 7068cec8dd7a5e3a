//! What a header block says about the body under it.

use tamis_domain::limits::{FILE_NAME_CHARS_MAX, MEDIA_TYPE_CHARS_MAX};
use tamis_domain::outline::{Disposition, Oddity, Part, PartKind, TransferEncoding};

use super::book::Book;
use super::delimiter::BOUNDARY_BYTES_MAX;
use super::habits::Habits;
use crate::charset::lossy;
use crate::fields::{RawField, fields};
use crate::filename::extension;
use crate::parameters::Structured;

/// Fields that may stand once in any header (RFC 2045, RFC 2183).
const MIME_ONCE: [&str; 5] = [
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-id",
];

/// Fields that may stand once in the header of a message (RFC 5322 section 3.6).
const MESSAGE_ONCE: [&str; 11] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "date",
];

/// Declarations of one entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) media_type: String,
    charset: Option<String>,
    /// Empty where it is to be guessed from the body.
    boundary: Option<Vec<u8>>,
    pub(super) encoding: TransferEncoding,
    disposition: Disposition,
    file_name: Option<String>,
    /// An encoded multipart is decoded before it is split.
    decodes: bool,
}

/// An entity, and whether a program of other habits may read another one.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) entity: Entity,
    pub(super) is_doubtful: bool,
    habits: Habits,
    /// Whether the type gave the name.
    is_named_by_type: bool,
}

/// How a body is taken.
#[derive(Debug)]
pub(super) enum Shape {
    Multipart {
        boundary: Vec<u8>,
    },
    /// A multipart that is to be decoded first.
    Encoded {
        boundary: Vec<u8>,
    },
    Message,
    Leaf(PartKind),
}

impl Declared {
    /// Reads the MIME fields of a header block as a program with these habits does; notes what is odd in them.
    pub(super) fn read(
        block: &[u8],
        (is_message, in_digest): (bool, bool),
        habits: Habits,
        book: &mut Book,
    ) -> Self {
        let default = if in_digest { "message/rfc822" } else { "text/plain" };
        let entity = Entity { media_type: default.to_owned(), ..Entity::default() };
        let is_doubtful = block.contains(&0);
        let mut declared = Self { entity, is_doubtful, habits, is_named_by_type: false };
        let cleaned: Vec<u8>;
        let block = if is_doubtful && habits.loose {
            cleaned = block.iter().copied().filter(|byte| *byte != 0).collect();
            &cleaned
        } else {
            block
        };
        let mut seen = Vec::new();
        for field in fields(block).filter(|field| !field.name.is_empty()) {
            let lower = field.name.to_ascii_lowercase();
            let once =
                MIME_ONCE.iter().chain(is_message.then_some(&MESSAGE_ONCE).into_iter().flatten());
            let Some(name) = once.copied().find(|name| name.as_bytes() == lower) else { continue };
            let has_blank = field.raw.get(field.name.len()) != Some(&b':');
            declared.is_doubtful |= has_blank;
            if has_blank && habits.loose {
                continue;
            }
            if seen.contains(&name) {
                book.note(Oddity::DuplicateField);
                declared.is_doubtful |= MIME_ONCE.contains(&name);
                if !habits.last {
                    continue;
                }
            }
            seen.push(name);
            declared.take(name, &field, book);
        }
        declared.finish()
    }

    fn finish(mut self) -> Self {
        let Entity { media_type, boundary, encoding, .. } = &self.entity;
        if media_type.starts_with("multipart/") {
            let decodable =
                !matches!(encoding, TransferEncoding::Identity | TransferEncoding::Unknown);
            self.is_doubtful |= boundary.is_none() || decodable;
            let (decodes, guesses) =
                (decodable && self.habits.last, boundary.is_none() && self.habits.loose);
            self.entity.decodes = decodes;
            if guesses {
                self.entity.boundary = Some(Vec::new());
            }
        }
        self
    }

    fn take(&mut self, name: &str, field: &RawField<'_>, book: &mut Book) {
        match name {
            "content-type" => self.content_type(field.value, book),
            "content-transfer-encoding" => {
                let word = Structured::read(field.value).word;
                self.entity.encoding = encoding(&word);
                if self.entity.encoding == TransferEncoding::Unknown {
                    book.note(Oddity::UnknownEncoding);
                    self.is_doubtful = true;
                    if self.habits.last {
                        self.entity.encoding = resembling(field.value);
                    }
                }
            }
            "content-disposition" => {
                let read = Structured::read(field.value);
                self.entity.disposition = match read.word.as_str() {
                    "" => Disposition::None,
                    "inline" => Disposition::Inline,
                    _ => Disposition::Attachment,
                };
                // The name that the disposition gives wins over the type's (RFC 2183 section 2.3).
                if let Some(name) = self.name(&read, "filename") {
                    self.doubt_name(&name);
                    if !(self.habits.last && self.is_named_by_type) {
                        self.entity.file_name = Some(name);
                    }
                }
            }
            _ => {}
        }
    }

    fn content_type(&mut self, value: &[u8], book: &mut Book) {
        let read = Structured::read(value);
        let type_name = cut(&read.word, MEDIA_TYPE_CHARS_MAX);
        let well_formed = type_name.split_once('/').is_some_and(|(kind, subtype)| {
            let token = |word: &str| !word.is_empty() && word.bytes().all(is_token);
            token(kind) && token(subtype)
        });
        if let Some(name) = self.name(&read, "name") {
            self.doubt_name(&name);
            if self.habits.last || self.entity.file_name.is_none() {
                self.entity.file_name = Some(name);
            }
            self.is_named_by_type = true;
        }
        self.is_doubtful |= read.is_repeated("boundary") || read.is_repeated("charset");
        let charset =
            if self.habits.last { read.last_text("charset") } else { read.text("charset") };
        self.entity.charset = charset
            .map(|name| cut(name.trim(), MEDIA_TYPE_CHARS_MAX).to_lowercase())
            .filter(|name| !name.is_empty());
        if well_formed {
            self.entity.media_type = type_name;
            self.boundary(&read);
            return;
        }
        book.note(Oddity::BrokenContentType);
        self.is_doubtful = true;
        if self.habits.loose && type_name.starts_with("multipart") {
            self.entity.media_type = "multipart/mixed".to_owned();
            return self.boundary(&read);
        }
        self.entity.media_type = match self.entity.file_name {
            Some(_) => "application/octet-stream".to_owned(),
            None => "text/plain".to_owned(), // RFC 2045 section 5.2
        };
    }

    fn boundary(&mut self, read: &Structured) {
        let last = self.habits.last;
        let bytes = if last { read.last_bytes("boundary") } else { read.bytes("boundary") };
        let boundary = bytes.map(|bytes| bytes.trim_ascii_end().to_vec());
        self.entity.boundary =
            boundary.filter(|bytes| (1..=BOUNDARY_BYTES_MAX).contains(&bytes.len()));
    }

    /// The file name that a parameter gives.
    fn name(&mut self, read: &Structured, parameter: &str) -> Option<String> {
        let name = read.text(parameter).filter(|name| !name.is_empty());
        if !read.is_repeated(parameter) {
            return name;
        }
        let last = read.last_text(parameter).filter(|name| !name.is_empty());
        self.is_doubtful |=
            last.as_deref().and_then(extension) != name.as_deref().and_then(extension);
        if self.habits.last { last } else { name }
    }

    /// A second name with another extension is what some programs save the file under.
    fn doubt_name(&mut self, name: &str) {
        let known = self.entity.file_name.as_deref();
        self.is_doubtful |= known.is_some_and(|known| extension(known) != extension(name));
    }
}

impl Entity {
    /// Plain text without declarations of its own.
    pub(super) fn plain(encoding: TransferEncoding) -> Self {
        Self { media_type: "text/plain".to_owned(), encoding, ..Self::default() }
    }

    /// Whether both come to the same: names of files matter by what a system makes of them.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let acted_on = |it: &Self| it.file_name.as_deref().map(extension);
        let nameless = |it: &Self| Self { file_name: None, ..it.clone() };
        acted_on(self) == acted_on(other) && nameless(self) == nameless(other)
    }

    /// How the body is to be taken. `may_nest` is false where children would be too deep.
    pub(super) fn shape(&self, may_nest: bool, book: &mut Book) -> Shape {
        let is_multipart = self.media_type.starts_with("multipart/");
        let is_message = matches!(
            self.media_type.as_str(),
            // The first fragment of a mail begins with its header; the others have none.
            "message/rfc822" | "message/global" | "message/partial"
        );
        if !is_multipart && !is_message {
            return Shape::Leaf(kind(&self.media_type));
        }
        let encoded = self.encoding != TransferEncoding::Identity;
        if encoded && self.media_type != "message/global" {
            book.note(Oddity::EncodedContainer);
        }
        match &self.boundary {
            None if is_multipart => {
                book.note(Oddity::MissingBoundary);
                Shape::Leaf(PartKind::Text)
            }
            _ if !may_nest => {
                book.note(Oddity::TooDeep);
                Shape::Leaf(PartKind::Text)
            }
            Some(boundary) if is_multipart && self.decodes => {
                Shape::Encoded { boundary: boundary.clone() }
            }
            Some(boundary) if is_multipart => Shape::Multipart { boundary: boundary.clone() },
            _ => Shape::Message,
        }
    }

    /// Whether the content is a file: it has a name, or asks to be saved.
    pub(super) fn is_file(&self) -> bool {
        self.file_name.is_some() || self.disposition == Disposition::Attachment
    }

    /// The part of this entity, without size and name yet.
    pub(super) fn part(&self, kind: PartKind, parent: Option<u16>, depth: u8) -> Part {
        Part {
            parent,
            depth,
            kind,
            media_type: self.media_type.clone(),
            charset: self.charset.clone(),
            encoding: self.encoding,
            disposition: self.disposition,
            file_name: self.file_name.as_deref().map(cut_file_name),
            size: 0,
            digest: None,
        }
    }
}

/// Transfer encodings by name (RFC 2045 section 6.1, and the names of uuencode in the field).
fn encoding(word: &str) -> TransferEncoding {
    match word {
        "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" => TransferEncoding::Identity,
        "base64" => TransferEncoding::Base64,
        "quoted-printable" => TransferEncoding::QuotedPrintable,
        "x-uuencode" | "uuencode" | "x-uue" | "uue" => TransferEncoding::Uuencode,
        _ => TransferEncoding::Unknown,
    }
}

/// The encoding that a word like `base64,` or `x-base64` seems to mean.
fn resembling(value: &[u8]) -> TransferEncoding {
    let value = lossy(value).to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| value.contains(word));
    if has(&["quoted", "qp"]) {
        TransferEncoding::QuotedPrintable
    } else if has(&["uu"]) {
        TransferEncoding::Uuencode
    } else if has(&["7bit", "8bit", "binary"]) && !has(&["64"]) {
        TransferEncoding::Unknown
    } else {
        TransferEncoding::Base64
    }
}

/// The kind of a leaf by its media type.
fn kind(media_type: &str) -> PartKind {
    match media_type {
        "text/html" | "application/xhtml+xml" => PartKind::Html,
        "text/rfc822-headers"
        | "message/delivery-status"
        | "message/disposition-notification"
        | "message/feedback-report"
        | "message/global-headers"
        | "message/global-delivery-status"
        | "message/global-disposition-notification" => PartKind::Report,
        // What leads elsewhere is told as the fields of a header.
        "message/external-body" => PartKind::Text,
        text if text.starts_with("text/") => PartKind::Text,
        image if image.starts_with("image/") => PartKind::Image,
        _ => PartKind::Other,
    }
}

/// RFC 2045 section 5.1 `token`.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"')
        && !matches!(byte, b'/' | b'[' | b']' | b'?' | b'=')
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

/// A name too long keeps its beginning and its end, where the extension is.
fn cut_file_name(name: &str) -> String {
    const TAIL: usize = 63;
    let length = name.chars().count();
    if length <= FILE_NAME_CHARS_MAX {
        return name.to_owned();
    }
    let head = name.chars().take(FILE_NAME_CHARS_MAX - TAIL - 1);
    head.chain(['…']).chain(name.chars().skip(length - TAIL)).collect()
}

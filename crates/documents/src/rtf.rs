//! Rich Text Format (version 1.9.1), as Word reads it: unknown words are nothing, damage ends a group early.

mod charset;
mod token;

use std::collections::HashMap;

use encoding_rs::Encoding;

use crate::document::{Document, Format};
use crate::field::is_remote;
use crate::sink::Sink;
use crate::work::{Cut, Work};

use token::{Token, Tokens};

/// Groups open within each other that keep their own state; deeper ones share that of the last. Word stops at 500.
pub const GROUPS_MAX: usize = 500;

/// Fonts of which the character set is kept.
pub const FONTS_MAX: usize = 1000;

/// Work of one token, in bytes: about as long as one takes to unpack and read.
const TOKEN_COST: usize = 6;

/// Bytes of a field's instruction or a target kept.
const SAID_BYTES_MAX: usize = 8192;

/// Where text of a group goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// It is shown.
    #[default]
    Shown,
    /// Tables of fonts and styles, pictures, data.
    Passed,
    /// The table of fonts: their character sets are wanted.
    Fonts,
    /// The instruction of a field.
    Instruction,
    /// The template that a document is made from.
    Template,
}

/// What a group inherits and its end undoes.
#[derive(Clone, Debug)]
struct Group {
    place: Place,
    is_hidden: bool,
    /// In text made from HTML: what the HTML part of it says already.
    is_echo: bool,
    /// Bytes that stand for a `\u` in older readers.
    fallback: usize,
    font: i32,
    encoding: &'static Encoding,
    /// The group is a field: its end ends the instruction.
    is_field: bool,
}

struct Reader<'a> {
    sink: &'a mut Sink,
    groups: Vec<Group>,
    now: Group,
    /// Groups open beyond the limit.
    beyond: usize,
    default: &'static Encoding,
    fonts: HashMap<i32, &'static Encoding>,
    /// Bytes of text that wait to be decoded together.
    bytes: Vec<u8>,
    /// First half of a character beyond the Basic Multilingual Plane.
    surrogate: Option<u16>,
    /// Characters still to pass over behind a `\u`.
    fallback_left: usize,
    instruction: String,
    shown_from: Option<usize>,
    template: String,
    /// A `\*` stands in front of the next word.
    is_optional: bool,
    is_cut: bool,
}

/// Reads a document.
pub(crate) fn read(content: &[u8], work: &mut Work) -> Document {
    let mut sink = Sink::default();
    let mut reader = Reader::new(&mut sink);
    let mut tokens = Tokens::new(content);
    while let Some(token) = tokens.next() {
        if reader.sink.is_full() || !work.spend(cost(token)) {
            break;
        }
        reader.step(token, &mut tokens);
    }
    reader.flush();
    reader.end_field();
    let is_cut = reader.is_cut;
    if is_cut {
        work.cut(Cut::Depth);
    }
    sink.finish(Format::Rtf, work)
}

/// Work of one token. Pictures are texts of a million digits that are passed over.
const fn cost(token: Token) -> usize {
    match token {
        Token::Text(text) => TOKEN_COST + text.len() / 8,
        _ => TOKEN_COST,
    }
}

impl<'a> Reader<'a> {
    fn new(sink: &'a mut Sink) -> Self {
        let default = encoding_rs::WINDOWS_1252;
        let now = Group {
            place: Place::Shown,
            is_hidden: false,
            is_echo: false,
            fallback: 1,
            font: -1,
            encoding: default,
            is_field: false,
        };
        Self {
            sink,
            groups: Vec::new(),
            now,
            beyond: 0,
            default,
            fonts: HashMap::new(),
            bytes: Vec::new(),
            surrogate: None,
            fallback_left: 0,
            instruction: String::new(),
            shown_from: None,
            template: String::new(),
            is_optional: false,
            is_cut: false,
        }
    }

    fn step(&mut self, token: Token, tokens: &mut Tokens) {
        match token {
            Token::Open => self.open(),
            Token::Close => self.close(),
            Token::Text(text) => self.text(text),
            Token::Byte(byte) => self.text(&[byte]),
            Token::Symbol(symbol) => self.symbol(symbol),
            Token::Word(word, number) => {
                let is_optional = std::mem::take(&mut self.is_optional);
                if word == b"bin" {
                    tokens.skip(usize::try_from(number.unwrap_or_default()).unwrap_or_default());
                    return;
                }
                self.word(word, number, is_optional);
            }
        }
    }

    fn open(&mut self) {
        self.flush();
        self.fallback_left = 0;
        if self.groups.len() >= GROUPS_MAX {
            self.beyond += 1;
            self.is_cut = true;
            return;
        }
        self.groups.push(self.now.clone());
        self.now.is_field = false;
    }

    fn close(&mut self) {
        self.flush();
        self.fallback_left = 0;
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let Some(outer) = self.groups.pop() else { return };
        let inner = std::mem::replace(&mut self.now, outer);
        if inner.is_field {
            self.end_field();
        }
        if inner.place == Place::Template && self.now.place != Place::Template {
            let template = std::mem::take(&mut self.template);
            if is_remote(&template) {
                self.sink.fetch(&template);
            }
        }
    }

    fn end_field(&mut self) {
        let instruction = std::mem::take(&mut self.instruction);
        self.sink.instruct(&instruction, self.shown_from.take());
    }

    fn text(&mut self, text: &[u8]) {
        // Whatever is no destination leaves the `\*` without meaning.
        self.is_optional = false;
        let passed = self.fallback_left.min(text.len());
        self.fallback_left -= passed;
        if self.now.place != Place::Passed && !self.now.is_echo {
            self.bytes.extend_from_slice(&text[passed..]);
        }
    }

    /// Decodes the bytes that wait, in the character set in which they were written.
    fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let (text, _) = self.now.encoding.decode_without_bom_handling(&bytes);
        self.put(&text);
        self.bytes = bytes;
        self.bytes.clear();
    }

    fn put(&mut self, text: &str) {
        let keep = |kept: &mut String| {
            let room = SAID_BYTES_MAX.saturating_sub(kept.len());
            kept.push_str(&text[..text.floor_char_boundary(room)]);
        };
        match self.now.place {
            Place::Shown if self.now.is_hidden => self.sink.hide(text.chars().count()),
            Place::Shown => self.sink.push(text),
            Place::Instruction => keep(&mut self.instruction),
            Place::Template => keep(&mut self.template),
            Place::Fonts | Place::Passed => {}
        }
    }

    fn put_char(&mut self, c: char) {
        self.flush();
        if self.fallback_left > 0 {
            self.fallback_left -= 1;
        } else if self.now.place != Place::Passed && !self.now.is_echo {
            self.put(c.encode_utf8(&mut [0; 4]));
        }
    }

    fn symbol(&mut self, symbol: u8) {
        self.is_optional = symbol == b'*';
        match symbol {
            b'~' => self.put_char('\u{a0}'),
            b'-' => {}
            b'_' => self.put_char('-'),
            b'\n' | b'\r' => self.end('\n'),
            b'\t' => self.end('\t'),
            b'\\' | b'{' | b'}' => self.text(&[symbol]),
            _ => {}
        }
    }

    fn end(&mut self, with: char) {
        self.flush();
        if self.now.place == Place::Shown && !self.now.is_hidden && !self.now.is_echo {
            self.sink.end(with);
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i32>, is_optional: bool) {
        let is_on = number != Some(0);
        match word {
            b"par" | b"line" | b"sect" | b"page" | b"row" | b"column" | b"softline" => {
                self.end('\n')
            }
            b"tab" | b"cell" | b"nestcell" => self.end('\t'),
            b"u" => self.unicode(number.unwrap_or_default()),
            b"uc" => self.now.fallback = usize::try_from(number.unwrap_or(1)).unwrap_or(1).min(16),
            b"v" | b"plain" => {
                self.flush();
                self.now.is_hidden = word == b"v" && is_on;
            }
            b"htmlrtf" => {
                self.flush();
                self.now.is_echo = is_on;
            }
            b"f" | b"af" => self.font(number.unwrap_or_default()),
            b"fcharset" | b"cpg" => self.font_charset(word, number.unwrap_or_default()),
            b"ansicpg" => self.set_default(charset::of_code_page(number.unwrap_or_default())),
            b"mac" => self.set_default(Some(encoding_rs::MACINTOSH)),
            b"field" => self.now.is_field = true,
            b"fldrslt" => {
                self.flush();
                self.shown_from.get_or_insert(self.sink.text.len());
            }
            b"objdata" | b"objemb" => {
                self.sink.facts.has_embedded_files = true;
                self.pass(word == b"objdata");
            }
            b"objupdate" => self.sink.facts.has_auto_action = true,
            _ => match charset::special(word) {
                Some(c) => self.put_char(c),
                None => self.destination(word, is_optional),
            },
        }
    }

    fn destination(&mut self, word: &[u8], is_optional: bool) {
        match word {
            b"fonttbl" => self.go(Place::Fonts),
            b"fldinst" => self.go(Place::Instruction),
            b"template" => self.go(Place::Template),
            b"colortbl"
            | b"stylesheet"
            | b"info"
            | b"pict"
            | b"filetbl"
            | b"listtable"
            | b"listoverridetable"
            | b"revtbl"
            | b"nonshppict"
            | b"generator"
            | b"themedata"
            | b"colorschememapping"
            | b"datastore"
            | b"latentstyles"
            | b"rsidtbl"
            | b"xmlnstbl"
            | b"bkmkstart"
            | b"bkmkend"
            | b"objclass"
            | b"objname"
            | b"pgdsctbl"
            | b"sv"
            | b"sn" => self.pass(true),
            // These are optional for older readers, and shown by those of today.
            b"shppict" | b"shpinst" | b"shptxt" | b"nesttableprops" | b"ud" | b"pntext" => {}
            _ => self.pass(is_optional),
        }
    }

    fn pass(&mut self, is_passed: bool) {
        if is_passed {
            self.go(Place::Passed);
        }
    }

    fn go(&mut self, place: Place) {
        self.flush();
        // What is inside something passed over stays passed over, but for fields: that is where they would hide.
        if self.now.place != Place::Passed || place == Place::Instruction {
            self.now.place = place;
        }
    }

    /// `\uN`: a UTF-16 code unit, negative above 32767.
    fn unicode(&mut self, number: i32) {
        self.flush();
        let unit = (number & 0xffff) as u16;
        let c = match (self.surrogate.take(), unit) {
            (_, 0xd800..=0xdbff) => {
                self.surrogate = Some(unit);
                None
            }
            (Some(high), 0xdc00..=0xdfff) => {
                char::decode_utf16([high, unit]).next().and_then(Result::ok)
            }
            _ => char::from_u32(u32::from(unit)),
        };
        self.fallback_left = 0;
        if let Some(c) = c {
            self.put_char(c);
        }
        self.fallback_left = self.now.fallback;
    }

    fn font(&mut self, font: i32) {
        self.flush();
        self.now.font = font;
        if self.now.place != Place::Fonts {
            self.now.encoding = self.fonts.get(&font).copied().unwrap_or(self.default);
        }
    }

    fn font_charset(&mut self, word: &[u8], number: i32) {
        let found = match word {
            b"cpg" => charset::of_code_page(number),
            _ => charset::of_font(number),
        };
        if let Some(encoding) = found.filter(|_| self.now.place == Place::Fonts) {
            if self.fonts.len() < FONTS_MAX || self.fonts.contains_key(&self.now.font) {
                self.fonts.insert(self.now.font, encoding);
            } else {
                self.is_cut = true;
            }
        }
    }

    fn set_default(&mut self, encoding: Option<&'static Encoding>) {
        self.flush();
        self.default = encoding.unwrap_or(self.default);
        self.now.encoding = self.default;
    }
}

#[cfg(test)]
mod tests;

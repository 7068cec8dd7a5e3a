//! Fonts of PDF: from the codes in a page to text, and how wide each is (ISO 32000-1, section 9).

use encoding_rs::Encoding;

use crate::work::{Cut, Work};

use super::cmap::CMap;
use super::file::File;
use super::glyphs;
use super::lexer::{Dict, Object};

/// Widths of one font that are kept.
pub const WIDTHS_MAX: usize = 65_536;

/// Width of a glyph of which nothing is known, in thousandths of its height.
const WIDTH: f32 = 500.0;

/// Maps of fonts without their own, whose codes are a known character set (ISO 32000-1, section 9.7.5.2).
const PREDEFINED: [(&str, &Encoding); 12] = [
    ("UCS2", encoding_rs::UTF_16BE),
    ("UTF16", encoding_rs::UTF_16BE),
    ("GBK", encoding_rs::GBK),
    ("GB-", encoding_rs::GBK),
    ("GBpc", encoding_rs::GBK),
    ("B5", encoding_rs::BIG5),
    ("ETen", encoding_rs::BIG5),
    ("HKscs", encoding_rs::BIG5),
    ("RKSJ", encoding_rs::SHIFT_JIS),
    ("EUC-H", encoding_rs::EUC_JP),
    ("EUC-V", encoding_rs::EUC_JP),
    ("KSC", encoding_rs::EUC_KR),
];

/// How codes become text.
#[derive(Clone, Debug)]
enum Codes {
    /// Codes of one byte, each with its text.
    Table(Vec<String>),
    /// Codes of one or two bytes.
    Map(CMap),
    /// The bytes are text in a character set.
    Charset(&'static Encoding),
}

/// One font.
#[derive(Clone, Debug)]
pub(super) struct Font {
    codes: Codes,
    /// First code and widths in thousandths, for codes of one byte.
    widths: Vec<f32>,
    first: usize,
    /// First code, last code, width.
    wide: Vec<(u32, u32, f32)>,
    default_width: f32,
    /// Codes have two bytes.
    is_wide: bool,
}

impl Font {
    pub(super) fn read<'a>(file: &File<'a>, dict: &Dict<'a>, work: &mut Work) -> Self {
        let unicode = dict.value("ToUnicode").and_then(|map| file.content(map, work));
        let unicode = unicode.map(|bytes| CMap::read(&bytes)).filter(|map| !map.is_empty());
        if unicode.as_ref().is_some_and(|map| map.is_cut) {
            work.cut(Cut::Count);
        }
        let font = if dict.is("Subtype", "Type0") {
            Self::composite(file, dict, unicode, work)
        } else {
            Self::simple(file, dict, unicode, work)
        };
        if font.wide.len() >= WIDTHS_MAX {
            work.cut(Cut::Count);
        }
        font
    }

    fn composite<'a>(
        file: &File<'a>,
        dict: &Dict<'a>,
        unicode: Option<CMap>,
        work: &mut Work,
    ) -> Self {
        let name = file.get(dict, "Encoding", work);
        let name = String::from_utf8_lossy(name.name().unwrap_or_default()).into_owned();
        let charset = PREDEFINED.iter().find(|(mark, _)| name.contains(mark)).map(|(_, it)| *it);
        let is_wide = unicode.as_ref().is_none_or(|map| map.has_wide || !map.has_narrow);
        let codes = match (unicode, charset) {
            (Some(map), _) => Codes::Map(map),
            (None, Some(charset)) => Codes::Charset(charset),
            (None, None) => Codes::Map(CMap::default()),
        };
        let mut font = Self {
            codes,
            widths: Vec::new(),
            first: 0,
            wide: Vec::new(),
            default_width: 1000.0,
            is_wide,
        };
        let below = file.get(dict, "DescendantFonts", work);
        let below = below.array().first().map(|font| file.follow(font, work));
        if let Some(Object::Dict(below)) = below {
            font.default_width = file.get(&below, "DW", work).number().unwrap_or(1000.0);
            font.read_widths(file, file.get(&below, "W", work).array(), work);
        }
        font
    }

    /// `first [w w w]` and `first last w` (section 9.7.4.3).
    fn read_widths<'a>(&mut self, file: &File<'a>, list: &[Object<'a>], work: &mut Work) {
        let mut at = 0;
        while let (Some(first), Some(second)) = (list.get(at), list.get(at + 1)) {
            let Some(first) = first.number().map(|first| first.max(0.0) as u32) else { break };
            match file.follow(second, work) {
                Object::Array(widths) => {
                    for (code, width) in (first..).zip(&widths) {
                        self.add_width(code, code, width.number());
                    }
                    at += 2;
                }
                Object::Number(last) => {
                    let width = list.get(at + 2).and_then(Object::number);
                    self.add_width(first, last.max(0.0) as u32, width);
                    at += 3;
                }
                _ => break,
            }
        }
        self.wide.sort_by_key(|(first, _, _)| *first);
    }

    fn add_width(&mut self, first: u32, last: u32, width: Option<f32>) {
        if let Some(width) = width.filter(|_| self.wide.len() < WIDTHS_MAX) {
            self.wide.push((first, last, width));
        }
    }

    fn simple<'a>(
        file: &File<'a>,
        dict: &Dict<'a>,
        unicode: Option<CMap>,
        work: &mut Work,
    ) -> Self {
        let encoding = file.get(dict, "Encoding", work);
        let mut table = base(&encoding);
        if let Some(encoding) = encoding.dict() {
            differ(&mut table, file.get(encoding, "Differences", work).array());
        }
        if let Some(map) = unicode {
            for (code, text) in (0..).zip(&mut table) {
                let mut mapped = String::new();
                if map.put(code, &mut mapped) {
                    *text = mapped;
                }
            }
        }
        let widths = file.get(dict, "Widths", work);
        let widths = widths.array().iter().take(256);
        let widths =
            widths.map(|width| file.follow(width, work).number().unwrap_or(WIDTH)).collect();
        // Glyphs of Type 3 are drawn in units of their own; mostly a thousandth, else their widths mean nothing here.
        let is_drawn = dict.is("Subtype", "Type3");
        let first =
            file.get(dict, "FirstChar", work).number().unwrap_or_default().max(0.0) as usize;
        Self {
            codes: Codes::Table(table),
            widths: if is_drawn { Vec::new() } else { widths },
            first,
            wide: Vec::new(),
            default_width: WIDTH,
            is_wide: false,
        }
    }

    /// Appends the text of a string. Returns its width in thousandths, the number of its codes, and how many of them
    /// are blanks of one byte.
    pub(super) fn put(&self, bytes: &[u8], out: &mut String) -> (f32, usize, usize) {
        match &self.codes {
            Codes::Table(table) => {
                let mut width = 0.0;
                let mut blanks = 0;
                for &byte in bytes {
                    out.push_str(&table[usize::from(byte)]);
                    let known = usize::from(byte).checked_sub(self.first);
                    width +=
                        known.and_then(|at| self.widths.get(at)).unwrap_or(&self.default_width);
                    blanks += usize::from(byte == b' ');
                }
                (width, bytes.len(), blanks)
            }
            Codes::Map(map) => {
                let mut width = 0.0;
                let size = if self.is_wide { 2 } else { 1 };
                for code in bytes.chunks(size) {
                    let code = code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
                    map.put(code, out);
                    width += self.width(code);
                }
                (width, bytes.len().div_ceil(size), 0)
            }
            Codes::Charset(charset) => {
                let (text, _) = charset.decode_without_bom_handling(bytes);
                out.push_str(&text);
                let count = text.chars().count();
                (self.default_width * count as f32, count, 0)
            }
        }
    }

    fn width(&self, code: u32) -> f32 {
        let at = self.wide.partition_point(|(first, _, _)| *first <= code);
        match at.checked_sub(1).and_then(|at| self.wide.get(at)) {
            Some((_, last, width)) if code <= *last => *width,
            _ => self.default_width,
        }
    }
}

/// The table that an encoding begins with.
fn base(encoding: &Object) -> Vec<String> {
    let name = match encoding {
        Object::Dict(dict) => dict.name("BaseEncoding"),
        other => other.name(),
    };
    let charset = match name {
        Some(b"MacRomanEncoding" | b"MacExpertEncoding") => encoding_rs::MACINTOSH,
        _ => encoding_rs::WINDOWS_1252,
    };
    let of = |byte: u8| match byte {
        0..=31 => String::new(),
        _ => charset.decode_without_bom_handling(&[byte]).0.into_owned(),
    };
    (0..=255).map(of).collect()
}

/// `code name name code name`: what differs from the table.
fn differ(table: &mut [String], differences: &[Object]) {
    let mut code = 0;
    for item in differences {
        match item {
            Object::Number(number) => code = number.max(0.0) as usize,
            Object::Name(name) => {
                if let Some(text) = table.get_mut(code) {
                    text.clear();
                    glyphs::put(name, text);
                }
                code += 1;
            }
            _ => {}
        }
    }
}

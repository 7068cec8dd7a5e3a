//! Excel and PowerPoint 97-2003 (MS-XLS, MS-PPT): shared strings, labels, text of slides, links, what is encrypted.

use crate::sink::Sink;
use crate::work::{Cut, Work};

/// Records of a workbook or show that are walked through.
pub const RECORDS_MAX: usize = 100_000;

/// Depth of containers in a show. Real ones have eight.
pub const DEPTH_MAX: usize = 16;

/// Reads the records of a workbook: strings in the order of their table.
pub(crate) fn read_workbook(stream: &[u8], sink: &mut Sink, work: &mut Work) {
    let mut rest = stream;
    for _ in 0..RECORDS_MAX {
        let Some((kind, body, behind)) = record(rest) else { return };
        if sink.is_full() || sink.facts.is_encrypted || !work.spend(4) {
            return;
        }
        rest = behind;
        match kind {
            0x2f => sink.facts.is_encrypted = true,
            // A sheet by its kind: 1 is one of macros in Excel 4 (MS-XLS 2.4.28).
            0x85 => sink.facts.has_macros |= body.get(5) == Some(&1),
            0xfc => {
                let (pieces, behind) = continued(body, rest);
                rest = behind;
                shared_strings(&pieces, sink, work);
            }
            0x204 => label(body, sink),
            0x1b8 => hyperlink(body, sink),
            0x1ae => supporting_book(body, sink),
            _ => {}
        }
    }
    work.cut(Cut::Count);
}

/// Kind, body and what follows.
fn record(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let kind = u16_at(bytes, 0)?;
    let length = usize::from(u16_at(bytes, 2)?);
    let behind = &bytes[4..];
    let (body, behind) = behind.split_at(length.min(behind.len()));
    Some((kind, body, behind))
}

/// A record with those that continue it.
fn continued<'a>(body: &'a [u8], mut rest: &'a [u8]) -> (Vec<&'a [u8]>, &'a [u8]) {
    let mut pieces = vec![body];
    while let Some((0x3c, body, behind)) = record(rest) {
        pieces.push(body);
        rest = behind;
    }
    (pieces, rest)
}

/// Bytes that stand in several records.
struct Pieces<'a> {
    pieces: &'a [&'a [u8]],
    now: &'a [u8],
}

impl<'a> Pieces<'a> {
    fn new(pieces: &'a [&'a [u8]]) -> Self {
        let (first, pieces) = pieces.split_first().map_or((&[][..], pieces), |(f, p)| (*f, p));
        Self { pieces, now: first }
    }

    fn is_next(&mut self) -> bool {
        while self.now.is_empty() {
            let Some((first, pieces)) = self.pieces.split_first() else { return false };
            (self.now, self.pieces) = (first, pieces);
        }
        true
    }

    fn byte(&mut self) -> Option<u8> {
        self.is_next().then_some(())?;
        let (&byte, rest) = self.now.split_first()?;
        self.now = rest;
        Some(byte)
    }

    fn number<const N: usize>(&mut self) -> Option<usize> {
        let mut value = 0;
        for at in 0..N {
            value |= usize::from(self.byte()?) << (8 * at);
        }
        Some(value)
    }

    fn skip(&mut self, mut bytes: usize) {
        while bytes > 0 && self.is_next() {
            let step = bytes.min(self.now.len());
            self.now = &self.now[step..];
            bytes -= step;
        }
    }

    /// One string (MS-XLS 2.5.293). Where a record ends inside, the next says anew how wide characters are.
    fn string(&mut self, sink: &mut Sink) -> Option<()> {
        let mut chars = self.number::<2>()?;
        let flags = self.byte()?;
        let runs = if flags & 8 != 0 { self.number::<2>()? } else { 0 };
        let extra = if flags & 4 != 0 { self.number::<4>()? } else { 0 };
        let mut is_wide = flags & 1 != 0;
        while chars > 0 {
            if self.now.is_empty() {
                is_wide = self.byte()? & 1 != 0;
            }
            let width = if is_wide { 2 } else { 1 };
            let count = (self.now.len() / width).min(chars);
            let (text, rest) = self.now.split_at(count * width);
            push(text, is_wide, sink);
            self.now = rest;
            chars -= count;
            if count == 0 {
                self.now = &[]; // half a character at the end of a record
            }
        }
        sink.end('\n');
        self.skip(4 * runs + extra);
        Some(())
    }
}

fn push(text: &[u8], is_wide: bool, sink: &mut Sink) {
    let encoding = if is_wide { encoding_rs::UTF_16LE } else { encoding_rs::WINDOWS_1252 };
    sink.push(&encoding.decode_without_bom_handling(text).0);
}

fn shared_strings(pieces: &[&[u8]], sink: &mut Sink, work: &mut Work) {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut pieces = Pieces::new(pieces);
    if !work.spend(bytes) || pieces.number::<8>().is_none() {
        return;
    }
    while !sink.is_full() && pieces.is_next() && pieces.string(sink).is_some() {}
}

/// A string in its cell (MS-XLS 2.4.148; before Excel 97 without the byte of flags).
fn label(body: &[u8], sink: &mut Sink) {
    let Some(text) = body.get(8..) else { return };
    let chars = usize::from(u16_at(body, 6).unwrap_or_default());
    if text.len() == chars {
        push(text, false, sink);
        sink.end('\n');
    } else {
        let pieces = [&body[6..]];
        Pieces::new(&pieces).string(sink);
    }
}

/// The address of a hyperlink: a URL moniker (MS-OSHARED 2.3.7.6) has a fixed name in front.
fn hyperlink(body: &[u8], sink: &mut Sink) {
    const MONIKER: [u8; 16] =
        [0xe0, 0xc9, 0xea, 0x79, 0xf9, 0xba, 0xce, 0x11, 0x8c, 0x82, 0, 0xaa, 0, 0x4b, 0xa9, 0x0b];
    let Some(at) = body.windows(16).position(|window| window == MONIKER) else { return };
    let Some(address) = body.get(at + 20..) else { return };
    let (text, _) = encoding_rs::UTF_16LE.decode_without_bom_handling(address);
    sink.link(text.split('\0').next().unwrap_or_default(), None);
}

/// Another book or program that cells refer to (MS-XLS 2.4.271): of a program and a topic, with a mark between them.
fn supporting_book(body: &[u8], sink: &mut Sink) {
    let mut name = Sink::default();
    let pieces = [body.get(2..).unwrap_or_default()];
    Pieces::new(&pieces).string(&mut name);
    let is_program = name.text.contains('\u{3}') && !name.text.starts_with('\u{1}');
    sink.facts.has_dde |= is_program;
    sink.facts.has_auto_action |= is_program;
}

/// Reads the records of a show: containers within containers, text in atoms.
pub(crate) fn read_slides(stream: &[u8], sink: &mut Sink, work: &mut Work) {
    let mut left = RECORDS_MAX;
    slides(stream, DEPTH_MAX, &mut left, sink, work);
    if left == 0 {
        work.cut(Cut::Count);
    }
}

fn slides(mut bytes: &[u8], depth: usize, left: &mut usize, sink: &mut Sink, work: &mut Work) {
    while let (Some(version), Some(kind), Some(length)) =
        (u16_at(bytes, 0), u16_at(bytes, 2), bytes.get(4..8))
    {
        if *left == 0 || sink.is_full() || !work.spend(8) {
            return;
        }
        *left -= 1;
        let length = length.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte));
        let behind = &bytes[8..];
        let (body, behind) = behind.split_at(length.min(behind.len()));
        bytes = behind;
        match kind {
            0x0fa0 | 0x0fba if work.spend(body.len()) => {
                push_slide(body, kind == 0x0fba, sink);
            }
            0x0fa8 if work.spend(body.len()) => {
                push(body, false, sink);
                sink.end('\n');
            }
            0x1011 => sink.facts.has_embedded_files = true,
            // Says whether the show has a project of Visual Basic (MS-PPT 2.4.11).
            0x0400 => sink.facts.has_macros |= body.get(4).is_some_and(|has| *has != 0),
            0x2f14 => sink.facts.is_encrypted = true,
            _ if version & 0xf == 0xf && depth > 0 => slides(body, depth - 1, left, sink, work),
            _ if version & 0xf == 0xf => work.cut(Cut::Depth),
            _ => {}
        }
    }
}

/// Text of a slide; short strings are names and addresses of links.
fn push_slide(body: &[u8], is_string: bool, sink: &mut Sink) {
    let (text, _) = encoding_rs::UTF_16LE.decode_without_bom_handling(body);
    if !is_string {
        sink.push(&text.replace(['\r', '\u{b}'], "\n"));
        sink.end('\n');
    } else if text.contains("://") || text.starts_with("mailto:") {
        sink.link(&text, None);
    }
}

/// Reads the shared strings of a workbook in the binary form of Excel 2007 (MS-XLSB 2.4.733): records with a kind and a
/// length of one to four bytes.
pub(crate) fn read_binary_strings(part: &[u8], sink: &mut Sink, work: &mut Work) {
    let mut rest = part;
    while let Some((kind, behind)) = varied(rest) {
        let Some((length, behind)) = varied(behind) else { return };
        let (body, behind) = behind.split_at((length as usize).min(behind.len()));
        rest = behind;
        if sink.is_full() || !work.spend(4) {
            return;
        }
        if kind == 19 && body.len() > 5 {
            let text = &body[5..];
            let count =
                body[1..5].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte));
            push(&text[..text.len().min(count.saturating_mul(2))], true, sink);
            sink.end('\n');
        }
    }
}

/// A number in groups of seven bits, lowest first.
fn varied(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(4) {
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

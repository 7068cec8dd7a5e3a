//! Word 97-2003 (MS-DOC), and the plain form of Word 6 and 95: the text of all pieces, fields, what is encrypted.

use crate::compound::{Compound, Entry};
use crate::sink::Sink;
use crate::work::{Cut, Work};

/// Pieces that are read. A text edited for years has some thousand.
pub const PIECES_MAX: usize = 20_000;

/// Fields open within each other.
pub const FIELDS_MAX: usize = 32;

/// Bytes of a field's instruction kept.
const SAID_BYTES_MAX: usize = 8192;

/// First bytes of the main stream.
const IDENTITY: u16 = 0xa5ec;

/// The first version with a table of pieces: Word 97.
const VERSION_97: u16 = 0x00c1;

/// Reads the text of a document into the sink.
pub(crate) fn read(compound: &Compound, main: &Entry, sink: &mut Sink, work: &mut Work) {
    let stream = compound.read(main, work);
    if read_stream(compound, &stream, sink, work).is_none() {
        sink.is_damaged = true;
    }
}

fn read_stream(compound: &Compound, stream: &[u8], sink: &mut Sink, work: &mut Work) -> Option<()> {
    let version = u16_at(stream, 2)?;
    let flags = u16_at(stream, 10)?;
    if flags & 0x0100 != 0 {
        sink.facts.is_encrypted = true;
        return Some(());
    }
    let mut text = Text { sink, work, fields: Vec::new() };
    if u16_at(stream, 0)? != IDENTITY || version < VERSION_97 {
        let (from, to) = (u32_at(stream, 24)?, u32_at(stream, 28)?);
        text.narrow(stream.get(from as usize..(to as usize).min(stream.len()))?);
        return text.finish();
    }
    let name = if flags & 0x0200 != 0 { "1Table" } else { "0Table" };
    let table = compound.find(name).or_else(|| compound.find("1Table"))?;
    let table = compound.read(table, text.work);
    let from = u32_at(stream, 0x01a2)? as usize;
    let to = from.checked_add(u32_at(stream, 0x01a6)? as usize)?;
    for piece in pieces(table.get(from..to.min(table.len()))?, text.work)? {
        if text.sink.is_full() || text.work.is_spent() {
            break;
        }
        text.piece(stream, piece);
    }
    text.finish()
}

/// Where a run of text stands.
#[derive(Clone, Copy, Debug)]
struct Piece {
    chars: usize,
    /// Offset, and whether a character is one byte.
    place: u32,
}

/// The table of pieces (MS-DOC 2.9.38): what comes before it is passed over.
fn pieces(table: &[u8], work: &mut Work) -> Option<Vec<Piece>> {
    let mut rest = table;
    while let [1, low, high, behind @ ..] = rest {
        rest = behind.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    let [2, behind @ ..] = rest else { return None };
    let length = (u32_at(behind, 0)? as usize).min(behind.len().checked_sub(4)?);
    let list = &behind[4..4 + length];
    let count = list.len().checked_sub(4)? / 12;
    if count > PIECES_MAX {
        work.cut(Cut::Count);
    }
    let piece = |at: usize| {
        let chars = u32_at(list, 4 * (at + 1))?.checked_sub(u32_at(list, 4 * at)?)?;
        let place = u32_at(list, 4 * (count + 1) + 8 * at + 2)?;
        Some(Piece { chars: chars as usize, place })
    };
    Some((0..count.min(PIECES_MAX)).filter_map(piece).collect())
}

/// A field that has begun.
#[derive(Debug, Default)]
struct Field {
    says: String,
    shown_from: Option<usize>,
}

struct Text<'a> {
    sink: &'a mut Sink,
    work: &'a mut Work,
    fields: Vec<Field>,
}

impl Text<'_> {
    fn piece(&mut self, stream: &[u8], piece: Piece) {
        let offset = (piece.place & 0x3fff_ffff) as usize;
        if piece.place & 0x4000_0000 != 0 {
            let rest = stream.get(offset / 2..).unwrap_or_default();
            let bytes = &rest[..rest.len().min(piece.chars)];
            if self.work.spend(bytes.len()) {
                self.narrow(bytes);
            }
        } else {
            let rest = stream.get(offset..).unwrap_or_default();
            let bytes = &rest[..rest.len().min(piece.chars.saturating_mul(2))];
            if self.work.spend(bytes.len()) {
                let (text, _) = encoding_rs::UTF_16LE.decode_without_bom_handling(bytes);
                self.chars(&text);
            }
        }
    }

    fn narrow(&mut self, bytes: &[u8]) {
        let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
        self.chars(&text);
    }

    /// Characters below a blank are marks (MS-DOC 2.4.1).
    fn chars(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(|c| c < ' ') {
            self.plain(&rest[..at]);
            self.mark(rest.as_bytes()[at]);
            rest = &rest[at + 1..];
        }
        self.plain(rest);
    }

    fn plain(&mut self, text: &str) {
        match self.fields.last_mut() {
            Some(field) if field.shown_from.is_none() => {
                let room = SAID_BYTES_MAX.saturating_sub(field.says.len());
                field.says.push_str(&text[..text.floor_char_boundary(room)]);
            }
            _ => self.sink.push(text),
        }
    }

    fn mark(&mut self, mark: u8) {
        match mark {
            b'\r' | 0x0b | 0x0c | 0x0e => self.sink.end('\n'),
            0x07 | b'\t' => self.sink.end('\t'),
            0x13 => {
                if self.fields.len() >= FIELDS_MAX {
                    self.work.cut(Cut::Depth);
                    self.fields.remove(0);
                }
                self.fields.push(Field::default());
            }
            0x14 => {
                if let Some(field) = self.fields.last_mut() {
                    field.shown_from = Some(self.sink.text.len());
                }
            }
            0x15 => {
                if let Some(field) = self.fields.pop() {
                    self.sink.instruct(&field.says, field.shown_from);
                }
            }
            0x1e => self.plain("-"),
            _ => {}
        }
    }

    fn finish(mut self) -> Option<()> {
        while let Some(field) = self.fields.pop() {
            self.sink.instruct(&field.says, field.shown_from);
        }
        Some(())
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

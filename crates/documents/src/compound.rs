//! Compound files (MS-CFB), the container of Office 97-2003 and of encrypted Office files.
//!
//! Streams are found by name wherever they stand: a broken tree hides nothing. Every chain is followed for as many
//! sectors as the file has, so a circle ends.

use crate::document::{Document, Format};
use crate::sink::Sink;
use crate::word;
use crate::work::{Cut, STREAM_BYTES_MAX, Work};

/// First bytes of every compound file.
pub const MARK: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Directory entries that are looked at. A letter has ten, a workbook of embedded sheets some hundred.
pub const ENTRIES_MAX: usize = 4096;

/// Bytes of a directory entry.
const ENTRY_BYTES: usize = 128;

/// Sector numbers above are marks: free, end of chain, part of the tables.
const REGULAR_MAX: u32 = 0xffff_fffa;

/// Sector numbers of the table of tables that stand in the header.
const HEADER_TABLES: usize = 109;

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Storage,
    Stream,
    Root,
}

/// One directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    start: u32,
    bytes: u64,
}

/// A compound file in memory.
#[derive(Debug)]
pub(crate) struct Compound<'a> {
    file: &'a [u8],
    sector_bytes: usize,
    /// Which sector follows which.
    next: Vec<u32>,
    /// The same for small streams.
    next_small: Vec<u32>,
    /// The sectors in which small streams stand.
    small: Vec<u8>,
    /// Streams shorter than this are small.
    small_below: u64,
    small_sector_bytes: usize,
    pub(crate) entries: Vec<Entry>,
}

impl<'a> Compound<'a> {
    /// Reads tables and directory. `None` if the header makes no sense.
    pub(crate) fn open(file: &'a [u8], work: &mut Work) -> Option<Self> {
        if !file.starts_with(&MARK) {
            return None;
        }
        let shift = u16_at(file, 30)?;
        let small_shift = u16_at(file, 32)?;
        if !matches!(shift, 9 | 12) || small_shift > shift {
            return None;
        }
        let mut compound = Self {
            file,
            sector_bytes: 1 << shift,
            next: Vec::new(),
            next_small: Vec::new(),
            small: Vec::new(),
            small_below: u64::from(u32_at(file, 56)?),
            small_sector_bytes: 1 << small_shift,
            entries: Vec::new(),
        };
        compound.read_tables(work)?;
        let directory = compound.chain(u32_at(file, 48)?, u64::MAX, work);
        compound.read_directory(&directory, work);
        let table = compound.chain(u32_at(file, 60)?, u64::MAX, work);
        compound.next_small = numbers(&table).collect();
        let root = compound.entries.iter().find(|entry| entry.kind == Kind::Root);
        if let Some((start, bytes)) = root.map(|root| (root.start, root.bytes)) {
            compound.small = compound.chain(start, bytes, work);
        }
        Some(compound)
    }

    /// The first stream of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.kind == Kind::Stream && entry.name.eq_ignore_ascii_case(name))
    }

    /// Whether there is a stream or storage of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// The bytes of a stream, as far as its chain holds.
    pub(crate) fn read(&self, entry: &Entry, work: &mut Work) -> Vec<u8> {
        if entry.bytes >= self.small_below {
            return self.chain(entry.start, entry.bytes, work);
        }
        let mut out = Vec::new();
        let wanted = usize::try_from(entry.bytes).unwrap_or_default();
        let mut at = entry.start;
        for _ in 0..self.next_small.len() {
            if out.len() >= wanted || at > REGULAR_MAX || !work.spend(self.small_sector_bytes) {
                break;
            }
            let start = (at as usize).saturating_mul(self.small_sector_bytes);
            let Some(rest) = self.small.get(start..) else { break };
            out.extend_from_slice(&rest[..rest.len().min(self.small_sector_bytes)]);
            let Some(next) = self.next_small.get(at as usize) else { break };
            at = *next;
        }
        out.truncate(wanted);
        out
    }

    /// Sector `at`, cut at the end of the file.
    fn sector(&self, at: u32) -> Option<&'a [u8]> {
        let start = (at as usize).checked_add(1)?.checked_mul(self.sector_bytes)?;
        let rest = self.file.get(start..).filter(|rest| !rest.is_empty())?;
        Some(&rest[..rest.len().min(self.sector_bytes)])
    }

    fn sectors(&self) -> usize {
        self.file.len() / self.sector_bytes + 1
    }

    /// The table of sectors: its own sectors stand in the header, and from there in a chain.
    fn read_tables(&mut self, work: &mut Work) -> Option<()> {
        let mut tables: Vec<u32> =
            self.file.get(76..)?.chunks_exact(4).take(HEADER_TABLES).map(number).collect();
        let mut more = u32_at(self.file, 68)?;
        for _ in 0..self.sectors() {
            let Some(sector) = self.sector(more).filter(|_| more <= REGULAR_MAX) else { break };
            if !work.spend(sector.len()) {
                break;
            }
            let mut listed: Vec<u32> = numbers(sector).collect();
            more = listed.pop().unwrap_or(u32::MAX);
            tables.extend(listed);
        }
        for table in tables.into_iter().filter(|table| *table <= REGULAR_MAX) {
            let Some(sector) = self.sector(table) else { continue };
            if self.next.len() >= self.sectors() || !work.spend(sector.len()) {
                break;
            }
            self.next.extend(numbers(sector));
        }
        (!self.next.is_empty()).then_some(())
    }

    fn read_directory(&mut self, directory: &[u8], work: &mut Work) {
        for entry in directory.chunks_exact(ENTRY_BYTES) {
            let kind = match entry[66] {
                1 => Kind::Storage,
                2 => Kind::Stream,
                5 => Kind::Root,
                _ => continue,
            };
            if self.entries.len() >= ENTRIES_MAX {
                work.cut(Cut::Count);
                return;
            }
            let name_bytes = usize::from(u16::from_le_bytes([entry[64], entry[65]])).min(64);
            let units: Vec<u16> = entry[..name_bytes]
                .chunks_exact(2)
                .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
                .take_while(|unit| *unit != 0)
                .collect();
            // The upper half of the length means nothing in files with small sectors.
            let bytes = number(&entry[120..124]);
            self.entries.push(Entry {
                name: String::from_utf16_lossy(&units),
                kind,
                start: number(&entry[116..120]),
                bytes: u64::from(bytes),
            });
        }
    }

    fn chain(&self, start: u32, bytes: u64, work: &mut Work) -> Vec<u8> {
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX).min(STREAM_BYTES_MAX);
        let mut out = Vec::new();
        let mut at = start;
        for _ in 0..self.sectors() {
            let Some(sector) = self.sector(at).filter(|_| at <= REGULAR_MAX) else { break };
            if out.len() >= wanted || !work.spend(sector.len()) {
                break;
            }
            out.extend_from_slice(sector);
            let Some(next) = self.next.get(at as usize) else { break };
            at = *next;
        }
        out.truncate(wanted);
        out
    }
}

/// Reads a compound file as the document that it holds.
pub(crate) fn read(content: &[u8], work: &mut Work) -> Document {
    let mut sink = Sink::default();
    match Compound::open(content, work) {
        Some(compound) => {
            look_at(&compound, &mut sink);
            if let Some(main) = compound.find("WordDocument") {
                word::read(&compound, main, &mut sink, work);
            } else if let Some(book) = compound.find("Workbook").or_else(|| compound.find("Book")) {
                crate::binary::read_workbook(&compound.read(book, work), &mut sink, work);
            } else if let Some(show) = compound.find("PowerPoint Document") {
                crate::binary::read_slides(&compound.read(show, work), &mut sink, work);
            }
        }
        None => sink.is_damaged = true,
    }
    sink.finish(Format::Compound, work)
}

/// What the names of streams and storages alone say.
fn look_at(compound: &Compound, sink: &mut Sink) {
    let facts = &mut sink.facts;
    facts.has_macros |= compound.has("_VBA_PROJECT") || compound.has("_VBA_PROJECT_CUR");
    facts.is_encrypted |= compound.has("EncryptedPackage") || compound.has("EncryptedSummary");
    facts.has_embedded_files |= compound.entries.iter().any(is_object);
}

/// An object of another program: a file, or what stands in a storage of its own, named `_1234567890` by Word and
/// `MBD01234567` by Excel.
fn is_object(entry: &Entry) -> bool {
    let numbered = entry.name.strip_prefix('_').or_else(|| entry.name.strip_prefix("MBD"));
    let is_numbered = numbered
        .is_some_and(|number| number.len() >= 8 && number.chars().all(|c| c.is_ascii_hexdigit()));
    (entry.kind == Kind::Storage && is_numbered) || entry.name == "\u{1}Ole10Native"
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).map(number)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(u32::MAX, u32::from_le_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

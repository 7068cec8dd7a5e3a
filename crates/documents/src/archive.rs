//! The entries of a ZIP archive (APPNOTE 6.3.10), as office programs find them.
//!
//! The central directory counts. Where it cannot be found the local headers are walked, as programs do that offer to
//! repair. Only stored and deflated entries are unpacked; documents have no others.

use std::collections::HashMap;

use crate::work::{Cut, Packing, Work, unpack};

/// Entries that are looked at. A large workbook has hundreds.
pub const ENTRIES_MAX: usize = 4096;

/// Bytes of an entry's name kept.
pub const NAME_BYTES_MAX: usize = 512;

/// Bytes behind the end record: its comment.
const COMMENT_BYTES_MAX: usize = 0xffff;

const END_MARK: &[u8; 4] = b"PK\x05\x06";
const CENTRAL_MARK: &[u8; 4] = b"PK\x01\x02";
const LOCAL_MARK: &[u8; 4] = b"PK\x03\x04";
const END_BYTES: usize = 22;
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name with forward slashes and without one in front.
    pub name: String,
    /// Where its local header begins.
    offset: usize,
    /// Packed bytes.
    packed_bytes: usize,
    /// 0 stored, 8 deflated.
    method: u16,
    /// Whether its content is encrypted.
    pub is_encrypted: bool,
}

impl Entry {
    /// Whether this is the name, in any case: so office programs compare (ECMA-376 part 2, section 6.3.5).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.trim_start_matches('/'))
    }

    /// Whether the name ends so, in any case.
    #[must_use]
    pub fn ends_with(&self, end: &str) -> bool {
        let start = self.name.len().saturating_sub(end.len());
        self.name.get(start..).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    }

    /// Whether one of its folders has this name, in any case.
    #[must_use]
    pub fn is_within(&self, folder: &str) -> bool {
        let mut steps = self.name.split('/');
        steps.next_back();
        steps.any(|step| step.eq_ignore_ascii_case(folder))
    }
}

/// A ZIP archive in memory.
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    /// Where offsets count from: the bytes in front of the first entry.
    base: usize,
    /// What is in it.
    pub entries: Vec<Entry>,
    /// The first entry of each name, in lower case.
    places: HashMap<String, usize>,
    /// Whether its directory is missing or broken.
    pub is_damaged: bool,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    #[must_use]
    pub fn open(bytes: &'a [u8], work: &mut Work) -> Self {
        let (entries, places) = (Vec::new(), HashMap::new());
        let mut archive = Self { bytes, base: 0, entries, places, is_damaged: false };
        if archive.read_central(work).is_none() {
            archive.is_damaged = true;
            archive.base = 0;
            archive.entries.clear();
            archive.places.clear();
            archive.walk_locals(work);
        } else if archive.packed_bytes() > bytes.len() as u64 {
            work.cut(Cut::Bomb); // Entries lie upon each other: more packed bytes than the file has.
        }
        archive
    }

    /// The entry of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let name = name.trim_start_matches('/').to_ascii_lowercase();
        self.places.get(&name).and_then(|at| self.entries.get(*at))
    }

    /// Unpacks an entry; nothing if it is encrypted, packed in an unknown way or not there.
    #[must_use]
    pub fn unpack(&self, entry: &Entry, work: &mut Work) -> Vec<u8> {
        let Some(packed) = self.packed(entry).filter(|_| !entry.is_encrypted) else {
            return Vec::new();
        };
        match entry.method {
            0 => work.take(packed).to_vec(),
            8 => unpack(packed, Packing::Deflate, work),
            _ => Vec::new(),
        }
    }

    fn packed_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.packed_bytes as u64).sum()
    }

    fn packed(&self, entry: &Entry) -> Option<&'a [u8]> {
        let local = self.bytes.get(self.base.checked_add(entry.offset)?..)?;
        if !local.starts_with(LOCAL_MARK) {
            return None;
        }
        let start = LOCAL_BYTES + usize::from(u16_at(local, 26)?) + usize::from(u16_at(local, 28)?);
        let packed = local.get(start..)?;
        Some(&packed[..packed.len().min(entry.packed_bytes)])
    }

    fn read_central(&mut self, work: &mut Work) -> Option<()> {
        let bytes = self.bytes;
        let from = bytes.len().saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
        let end = from + bytes[from..].windows(4).rposition(|window| window == END_MARK)?;
        let size = usize::try_from(u32_at(bytes, end + 12)?).ok()?;
        let offset = usize::try_from(u32_at(bytes, end + 16)?).ok()?;
        let mut at = end.checked_sub(size)?;
        if !bytes[at..].starts_with(CENTRAL_MARK) && bytes.get(offset..)?.starts_with(CENTRAL_MARK)
        {
            at = offset;
        }
        self.base = at.saturating_sub(offset);
        while bytes[at..].starts_with(CENTRAL_MARK) {
            let names = usize::from(u16_at(bytes, at + 28)?);
            let rest = usize::from(u16_at(bytes, at + 30)?) + usize::from(u16_at(bytes, at + 32)?);
            let entry = Entry {
                name: name(bytes.get(at + CENTRAL_BYTES..at + CENTRAL_BYTES + names)?),
                offset: usize::try_from(u32_at(bytes, at + 42)?).ok()?,
                packed_bytes: usize::try_from(u32_at(bytes, at + 20)?).ok()?,
                method: u16_at(bytes, at + 10)?,
                is_encrypted: u16_at(bytes, at + 8)? & 1 != 0,
            };
            at += CENTRAL_BYTES + names + rest;
            if !self.add(entry, work) || at > bytes.len() || !work.spend(CENTRAL_BYTES + names) {
                break;
            }
        }
        (!self.entries.is_empty()).then_some(())
    }

    /// Entries in the order in which they lie, found by their marks.
    fn walk_locals(&mut self, work: &mut Work) {
        let bytes = work.take(self.bytes);
        let mut at = 0;
        while let Some(found) = bytes[at..].windows(4).position(|window| window == LOCAL_MARK) {
            let start = at + found;
            let Some((entry, next)) = local(bytes, start) else { return };
            if !self.add(entry, work) {
                return;
            }
            at = next;
        }
    }

    fn add(&mut self, entry: Entry, work: &mut Work) -> bool {
        let fits = self.entries.len() < ENTRIES_MAX;
        if fits {
            self.places.entry(entry.name.to_ascii_lowercase()).or_insert(self.entries.len());
            self.entries.push(entry);
        } else {
            work.cut(Cut::Count);
        }
        fits
    }
}

/// The local header at `start`, and where to look for the next one.
fn local(bytes: &[u8], start: usize) -> Option<(Entry, usize)> {
    let names = usize::from(u16_at(bytes, start + 26)?);
    let content = start + LOCAL_BYTES + names + usize::from(u16_at(bytes, start + 28)?);
    let flags = u16_at(bytes, start + 6)?;
    let declared = usize::try_from(u32_at(bytes, start + 18)?).ok()?;
    let left = bytes.len().checked_sub(content)?;
    // With a data descriptor the size stands behind the content: an inflater finds the end.
    let packed_bytes = if flags & 8 != 0 || declared > left { left } else { declared };
    let entry = Entry {
        name: name(bytes.get(start + LOCAL_BYTES..start + LOCAL_BYTES + names)?),
        offset: start,
        packed_bytes,
        method: u16_at(bytes, start + 8)?,
        is_encrypted: flags & 1 != 0,
    };
    let next = if flags & 8 != 0 || declared > left { content } else { content + declared };
    Some((entry, next))
}

fn name(bytes: &[u8]) -> String {
    let name = String::from_utf8_lossy(&bytes[..bytes.len().min(NAME_BYTES_MAX)]);
    name.replace('\\', "/").trim_start_matches('/').to_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

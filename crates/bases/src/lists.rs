//! Lists of chunks. A file's list is a chunk itself; where it would be long it is a list of lists, cut where the names say
//! so, and a file that grows at its end changes one of them and the list above.
//!
//! Layout, big-endian: `"TBL" 1 | level u8 | entries u16 | entries x (name 32 | bytes u64)`. Entries of level 0 are pieces
//! of the file, those of level 1 lists of level 0; `bytes` is what stands behind them in the file.

use crate::chunks::{CHUNK_BYTES_MAX, Name};
use crate::wire::Reader;

/// Bytes of one file: 50 million signatures with their sketches have 5 GB.
pub const FILE_BYTES_MAX: u64 = 16 << 30;

/// Entries of one list: it has at most 164 KB, and so is a chunk like any other.
pub const ENTRIES_MAX: usize = 4096;

/// Lists of level 0 that stand alone have at most so many entries: 64 MB of file at the mean length.
pub const GROUP_ENTRIES_MAX: usize = 1024;

/// Entries before a group may end. Were all names equal (a file of zeros), each would end one.
const GROUP_ENTRIES_MIN: usize = 32;

const MAGIC: [u8; 4] = *b"TBL\x01";
const HEAD_BYTES: usize = 7;
const ENTRY_BYTES: usize = 40;

/// A piece of a file, or a list of such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// Bytes of the file behind it.
    pub bytes: u64,
}

/// A list as it stands in its chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Whether the entries are lists.
    pub is_of_lists: bool,
    /// What it names, in the order of the file.
    pub entries: Vec<Entry>,
}

/// Why bytes are no list. They carry the name that was asked for, so the publisher made them: wait for its next release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// Not this format.
    #[error("not a list of format 1")]
    Format,
    /// More or fewer bytes than its head says.
    #[error("the length is not the one that its head says")]
    Length,
    /// More than [`ENTRIES_MAX`].
    #[error("more than {ENTRIES_MAX} entries")]
    Entries,
    /// An entry with no bytes or too many.
    #[error("an entry of {0} bytes")]
    Bytes(u64),
    /// More than [`FILE_BYTES_MAX`] in all.
    #[error("a file of more than {FILE_BYTES_MAX} bytes")]
    FileTooLong,
}

impl List {
    /// Bytes of the file behind all entries.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }

    /// Its chunk.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.entries.len() * ENTRY_BYTES);
        out.extend_from_slice(&MAGIC);
        out.push(self.is_of_lists.into());
        out.extend_from_slice(&u16::try_from(self.entries.len()).unwrap_or(u16::MAX).to_be_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&entry.name.0);
            out.extend_from_slice(&entry.bytes.to_be_bytes());
        }
        out
    }

    /// Reads a chunk as a list. Each list has one form.
    ///
    /// # Errors
    /// [`BadList`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadList> {
        let mut reader = Reader::new(bytes);
        if reader.array() != Some(MAGIC) {
            return Err(BadList::Format);
        }
        let is_of_lists = match reader.byte() {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(BadList::Format),
        };
        let count = usize::from(reader.u16().ok_or(BadList::Length)?);
        if count > ENTRIES_MAX {
            return Err(BadList::Entries);
        }
        if reader.left() != count * ENTRY_BYTES {
            return Err(BadList::Length);
        }
        let entry_bytes_max = if is_of_lists { FILE_BYTES_MAX } else { CHUNK_BYTES_MAX as u64 };
        let mut entries = Vec::with_capacity(count);
        let mut total = 0_u64;
        for _ in 0..count {
            let name = Name(reader.array().ok_or(BadList::Length)?);
            let bytes = reader.u64().ok_or(BadList::Length)?;
            if bytes == 0 || bytes > entry_bytes_max {
                return Err(BadList::Bytes(bytes));
            }
            total += bytes;
            entries.push(Entry { name, bytes });
        }
        if total > FILE_BYTES_MAX {
            return Err(BadList::FileTooLong);
        }
        Ok(Self { is_of_lists, entries })
    }
}

/// A file that cannot be listed: too long for a release, which is the fault of who publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file of more than {FILE_BYTES_MAX} bytes or {ENTRIES_MAX} lists cannot be published")]
pub struct TooLong;

/// Gathers the pieces of one file.
#[derive(Clone, Debug, Default)]
pub struct Lister {
    pieces: Vec<Entry>,
    bytes: u64,
}

impl Lister {
    /// Adds the next piece, of 1 to [`CHUNK_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, name: Name, bytes: usize) -> Result<(), TooLong> {
        self.bytes += bytes as u64;
        if self.bytes > FILE_BYTES_MAX {
            return Err(TooLong);
        }
        self.pieces.push(Entry { name, bytes: bytes as u64 });
        Ok(())
    }

    /// The chunks of the lists. The last one is the file's list.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn finish(self) -> Result<Vec<Vec<u8>>, TooLong> {
        if self.pieces.len() <= GROUP_ENTRIES_MAX {
            return Ok(vec![List { is_of_lists: false, entries: self.pieces }.encode()]);
        }
        let mut chunks = Vec::new();
        let mut above = List { is_of_lists: true, entries: Vec::new() };
        let mut rest = self.pieces.as_slice();
        while !rest.is_empty() {
            let (group, behind) = rest.split_at(group(rest));
            let list = List { is_of_lists: false, entries: group.to_vec() };
            let chunk = list.encode();
            above.entries.push(Entry { name: Name::of(&chunk), bytes: list.bytes() });
            chunks.push(chunk);
            rest = behind;
        }
        if above.entries.len() > ENTRIES_MAX {
            return Err(TooLong);
        }
        chunks.push(above.encode());
        Ok(chunks)
    }
}

/// Length of the first group: it ends after a name with seven zero bits at its end, so that groups have about 160.
fn group(entries: &[Entry]) -> usize {
    let ends = |entry: &Entry| entry.name.0[31] & 0x7f == 0;
    let end = entries.iter().skip(GROUP_ENTRIES_MIN - 1).position(ends);
    end.map_or(entries.len(), |at| at + GROUP_ENTRIES_MIN).min(GROUP_ENTRIES_MAX)
}

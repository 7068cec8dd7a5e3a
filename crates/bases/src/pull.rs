//! What is missing of a release, and in which order: lists first, then pieces in the order of the files.
//!
//! After [`Pull::new`] and after each [`Pull::handle`] the caller drains [`Pull::poll`]: it says of each wanted piece that
//! it is stored already, or fetches, verifies and stores it first. A pull that was cut is begun anew: what was stored then
//! is stored now. Time plays no part, so there is no deadline here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::chunks::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Name};
use crate::lists::{BadList, ENTRIES_MAX, Entry, List};
use crate::manifest::Signed;

/// Different pieces of one release: 32 GB at their mean length, and 50 MB of names while it is pulled.
pub const PIECES_MAX: usize = 1 << 19;

/// Places of lists in one release, each counted as often as it stands there: twice as many lists as [`PIECES_MAX`] pieces
/// have in groups of their mean length, and each file's own.
pub const LISTS_MAX: usize = 8192;

/// Entries of lists in one release, each counted as often as it stands there: a release may have the same piece in many
/// places, and each of them is read when the files are made.
pub const ENTRIES_PLACED_MAX: usize = 4 * PIECES_MAX;

/// Entries that a file's lists may have however short it is: one list.
const ENTRIES_FREE: u64 = ENTRIES_MAX as u64;

/// Bytes of a file for each further entry: a quarter of the shortest chunk that a publisher cuts. So a manifest that
/// declares little cannot ask for much.
const BYTES_PER_ENTRY_MIN: u64 = CHUNK_BYTES_MIN as u64 / 4;

/// Something to be stored before the release can be assembled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A list: its bytes are to be handed in.
    List(Name),
    /// A piece of a file, of so many bytes.
    Piece(Name, usize),
}

impl Want {
    /// What is wanted.
    #[must_use]
    pub const fn name(&self) -> Name {
        match self {
            Self::List(name) | Self::Piece(name, _) => *name,
        }
    }

    /// Whether these bytes are what is wanted.
    ///
    /// # Errors
    /// [`PullError::Chunk`].
    pub fn verify(&self, bytes: &[u8]) -> Result<(), PullError> {
        let length_is_right = match self {
            Self::List(_) => bytes.len() <= CHUNK_BYTES_MAX,
            Self::Piece(_, length) => bytes.len() == *length,
        };
        if length_is_right && Name::of(bytes) == self.name() {
            return Ok(());
        }
        Err(PullError::Chunk(self.name()))
    }
}

/// What the caller did about a [`Want`].
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The bytes of a list, which are stored.
    List(Name, &'a [u8]),
    /// A piece is stored and was verified.
    Stored(Name),
}

/// Why a pull ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// The upstream's fault: other bytes than those named. Leave it and come back later.
    #[error("the bytes that came are not {0}")]
    Chunk(Name),
    /// The publisher's: wait for its next release.
    #[error("list {0}: {1}")]
    List(Name, BadList),
    /// The publisher's: what a list says does not agree with manifest, list or piece above it.
    #[error("list {0} does not fit where it stands")]
    Misfit(Name),
    /// The publisher's: more than [`PIECES_MAX`].
    #[error("a release of more than {PIECES_MAX} pieces")]
    TooMany,
    /// The publisher's: more lists than [`LISTS_MAX`], counted where they stand.
    #[error("a release of more than {LISTS_MAX} lists")]
    TooManyLists,
    /// The publisher's: more entries than [`ENTRIES_PLACED_MAX`], counted where they stand.
    #[error("a release of more than {ENTRIES_PLACED_MAX} entries in its lists")]
    TooManyEntries,
    /// The publisher's: this list has more entries than its file's declared length allows.
    #[error("list {0} has more entries than a file of that length")]
    TooFine(Name),
    /// Ours: nobody asked for it.
    #[error("{0} was not asked for")]
    Unasked(Name),
}

/// Where a list belongs.
#[derive(Clone, Copy, Debug)]
struct Place {
    file: usize,
    /// Which list of the file's list of lists; none: the file's own list.
    part: Option<usize>,
    bytes: u64,
}

/// The lists of one file, as they come. A list that stands in several places is held once.
#[derive(Clone, Debug)]
struct Parts {
    parts: Vec<Option<Arc<[Entry]>>>,
    /// Entries that its lists may still have.
    entries_left: u64,
}

impl Parts {
    const fn new(bytes: u64) -> Self {
        Self { parts: Vec::new(), entries_left: ENTRIES_FREE + bytes / BYTES_PER_ENTRY_MIN }
    }
}

/// A release on its way.
#[derive(Clone, Debug)]
pub struct Pull {
    signed: Signed,
    files: Vec<Parts>,
    lists: HashMap<Name, Vec<Place>>,
    pieces: HashMap<Name, Piece>,
    wanted_lists: VecDeque<Name>,
    wanted_pieces: VecDeque<Name>,
    missing: usize,
    lists_placed: usize,
    entries_placed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    bytes: usize,
    is_stored: bool,
}

impl Pull {
    /// Begins with what a judged manifest names.
    #[must_use]
    pub fn new(signed: Signed) -> Self {
        let mut pull = Self {
            files: signed.manifest.files.iter().map(|file| Parts::new(file.bytes)).collect(),
            lists: HashMap::new(),
            pieces: HashMap::new(),
            wanted_lists: VecDeque::new(),
            wanted_pieces: VecDeque::new(),
            missing: 0,
            lists_placed: 0,
            entries_placed: 0,
            signed,
        };
        for at in 0..pull.files.len() {
            let file = &pull.signed.manifest.files[at];
            let (name, bytes) = (file.list, file.bytes);
            pull.want_list(name, Place { file: at, part: None, bytes });
        }
        pull
    }

    /// The next thing to be stored; each once.
    pub fn poll(&mut self) -> Option<Want> {
        if let Some(name) = self.wanted_lists.pop_front() {
            return Some(Want::List(name));
        }
        let name = self.wanted_pieces.pop_front()?;
        self.pieces.get(&name).map(|piece| Want::Piece(name, piece.bytes))
    }

    /// Hears what was done.
    ///
    /// # Errors
    /// [`PullError`]: this pull cannot be completed.
    pub fn handle(&mut self, event: Event<'_>) -> Result<(), PullError> {
        match event {
            Event::Stored(name) => {
                let piece = self.pieces.get_mut(&name).ok_or(PullError::Unasked(name))?;
                if !std::mem::replace(&mut piece.is_stored, true) {
                    self.missing -= 1;
                }
                Ok(())
            }
            Event::List(name, bytes) => {
                Want::List(name).verify(bytes)?;
                let list = List::decode(bytes).map_err(|bad| PullError::List(name, bad))?;
                let places = self.lists.remove(&name).ok_or(PullError::Unasked(name))?;
                self.missing -= 1;
                let entries: Arc<[Entry]> = list.entries.as_slice().into();
                places.iter().try_for_each(|place| self.counted(name, *place, entries.len()))?;
                // Wanted once, at however many places the list stands.
                for entry in list.entries.iter().filter(|_| !list.is_of_lists) {
                    self.want_piece(name, entry)?;
                }
                places.into_iter().try_for_each(|place| self.placed(name, place, &list, &entries))
            }
        }
    }

    /// Whether everything is stored.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// The manifest.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The pieces of the file at this place of the manifest, in order; complete when the pull is.
    pub fn pieces(&self, file: usize) -> impl Iterator<Item = &Entry> {
        let parts = self.files.get(file).into_iter().flat_map(|file| file.parts.iter().flatten());
        parts.flat_map(|entries| entries.iter())
    }

    /// Every piece of the release, each once.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.pieces.keys().copied()
    }

    /// Counts the entries of a list at one of its places. A small list may stand in many places, and one place may hold a
    /// list of lists: without this, 20 KB could ask for work without end.
    fn counted(&mut self, name: Name, place: Place, entries: usize) -> Result<(), PullError> {
        self.entries_placed += entries;
        if self.entries_placed > ENTRIES_PLACED_MAX {
            return Err(PullError::TooManyEntries);
        }
        let file = &mut self.files[place.file];
        let left = file.entries_left.checked_sub(entries as u64);
        file.entries_left = left.ok_or(PullError::TooFine(name))?;
        Ok(())
    }

    fn want_list(&mut self, name: Name, place: Place) {
        self.lists_placed += 1;
        let places = self.lists.entry(name).or_default();
        if places.is_empty() {
            self.wanted_lists.push_back(name);
            self.missing += 1;
        }
        places.push(place);
    }

    fn placed(
        &mut self,
        name: Name,
        place: Place,
        list: &List,
        entries: &Arc<[Entry]>,
    ) -> Result<(), PullError> {
        // A list of lists inside a list of lists would have no end.
        let is_too_deep = list.is_of_lists && place.part.is_some();
        if is_too_deep || list.bytes() != place.bytes {
            return Err(PullError::Misfit(name));
        }
        if list.is_of_lists {
            if self.lists_placed + list.entries.len() > LISTS_MAX {
                return Err(PullError::TooManyLists);
            }
            self.files[place.file].parts = vec![None; list.entries.len()];
            for (part, entry) in list.entries.iter().enumerate() {
                let place = Place { file: place.file, part: Some(part), bytes: entry.bytes };
                self.want_list(entry.name, place);
            }
            return Ok(());
        }
        let parts = &mut self.files[place.file].parts;
        match place.part {
            None => *parts = vec![Some(Arc::clone(entries))],
            Some(part) => parts[part] = Some(Arc::clone(entries)),
        }
        Ok(())
    }

    fn want_piece(&mut self, list: Name, entry: &Entry) -> Result<(), PullError> {
        let bytes = usize::try_from(entry.bytes).unwrap_or(usize::MAX);
        if let Some(known) = self.pieces.get(&entry.name) {
            return if known.bytes == bytes { Ok(()) } else { Err(PullError::Misfit(list)) };
        }
        if self.pieces.len() >= PIECES_MAX {
            return Err(PullError::TooMany);
        }
        self.pieces.insert(entry.name, Piece { bytes, is_stored: false });
        self.wanted_pieces.push_back(entry.name);
        self.missing += 1;
        Ok(())
    }
}

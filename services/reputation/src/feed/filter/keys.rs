//! Keys of any number within a bounded memory: beyond what is held they go to files, one for each part of the filter, and
//! are read part by part.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tamis_bases::filter::file::{PART_BITS_MAX, part, part_of};
use tamis_bases::filter::{FilterError, build};

/// Keys held before they go to files: 32 MiB. A filter of fewer has one part.
pub(super) const HELD_MAX: usize = 1 << 22;

/// Keys of one part at most, with those that come twice: 128 MiB. The mean of the largest filter is a quarter of it.
pub(super) const PART_KEYS_MAX: usize = 1 << 24;

/// Bytes gathered before they are written to the file of a part.
const WRITE_BYTES: usize = 16 * 1024;

/// Bytes read of such a file at once.
const READ_BYTES: usize = 1 << 20;

const KEY_BYTES: usize = size_of::<u64>();

/// Why there are no keys, or no filter of them.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    /// The machine's.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Too many keys, or no luck.
    #[error("{0}")]
    Filter(#[from] FilterError),
}

/// Keys on their way into one group.
#[derive(Debug)]
pub(super) struct Keys {
    held: Vec<u64>,
    held_max: usize,
    dir: PathBuf,
    parts: Vec<BufWriter<File>>,
}

impl Keys {
    /// Beyond what is held they go to files without a name in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self::holding(HELD_MAX, dir)
    }

    pub(super) fn holding(held_max: usize, dir: &Path) -> Self {
        Self { held: Vec::new(), held_max, dir: dir.to_path_buf(), parts: Vec::new() }
    }

    pub fn push(&mut self, key: u64) -> io::Result<()> {
        if self.held.len() >= self.held_max {
            self.spill()?;
        }
        self.held.push(key);
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.parts.is_empty() {
            for _ in 0..1 << PART_BITS_MAX {
                self.parts.push(BufWriter::with_capacity(WRITE_BYTES, nameless(&self.dir)?));
            }
        }
        for key in self.held.drain(..) {
            self.parts[part_of(key, PART_BITS_MAX)].write_all(&key.to_be_bytes())?;
        }
        Ok(())
    }

    /// Writes the group; how many different keys it has.
    pub fn write(mut self, out: &mut impl Write) -> Result<u64, KeysError> {
        if self.parts.is_empty() {
            out.write_all(&[0])?;
            return written(self.held, out);
        }
        self.spill()?;
        self.held = Vec::new();
        out.write_all(&[PART_BITS_MAX])?;
        let mut keys = 0;
        for file in self.parts {
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            keys += written(read(&mut file)?, out)?;
        }
        Ok(keys)
    }
}

fn written(keys: Vec<u64>, out: &mut impl Write) -> Result<u64, KeysError> {
    let filter = build(keys)?;
    out.write_all(&part(&filter))?;
    Ok(filter.keys())
}

fn read(file: &mut File) -> Result<Vec<u64>, KeysError> {
    let (mut keys, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        let words = buffer[..filled].chunks_exact(KEY_BYTES);
        keys.extend(words.filter_map(|word| Some(u64::from_be_bytes(word.try_into().ok()?))));
        if keys.len() > PART_KEYS_MAX {
            keys.sort_unstable();
            keys.dedup();
        }
        if keys.len() > PART_KEYS_MAX {
            return Err(FilterError::TooMany.into());
        }
        if filled < buffer.len() {
            return Ok(keys);
        }
    }
}

/// A file that goes with who has it open.
fn nameless(dir: &Path) -> io::Result<File> {
    let path = dir.join("keys");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

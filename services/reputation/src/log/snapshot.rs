//! The whole table in one file, so that the log before it can go.
//!
//! Frames: first `1 | epoch u64 | signatures u64`, then frames of saved signatures. It is written beside, synchronised
//! and renamed, so that it is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use tamis_reputation_protocol::signatures::Table;

use super::frame::{self, Next, Reader};
use super::{OpenError, Position, record};

const FORMAT: u8 = 1;

/// Bytes of saved signatures after which a frame is closed.
const FRAME_BYTES: usize = 256 * 1024;

/// The file of the snapshot at `epoch`.
#[must_use]
pub fn path(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("snapshot-{epoch:020}"))
}

/// Writes the table; its bytes on disk.
///
/// # Errors
/// The disk's; nothing but a file named `snapshot.new` is left behind.
pub fn write(dir: &Path, table: &Table, position: Option<Position>) -> io::Result<u64> {
    let new = dir.join("snapshot.new");
    let mut file = BufWriter::new(File::create(&new)?);
    let mut bytes = 0;
    let mut head = vec![FORMAT];
    head.extend_from_slice(&table.epoch().to_be_bytes());
    head.extend_from_slice(&(table.len() as u64).to_be_bytes());
    if let Some(position) = position {
        head.extend_from_slice(&position.ms.to_be_bytes());
        head.extend_from_slice(&position.seq.to_be_bytes());
    }
    bytes += write_frame(&mut file, &head)?;
    let mut payload = Vec::new();
    for saved in table.export() {
        record::push_saved(&mut payload, &saved);
        if payload.len() >= FRAME_BYTES {
            bytes += write_frame(&mut file, &payload)?;
            payload.clear();
        }
    }
    if !payload.is_empty() {
        bytes += write_frame(&mut file, &payload)?;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&new, path(dir, table.epoch()))?;
    sync_dir(dir)?;
    Ok(bytes)
}

fn write_frame(file: &mut impl Write, payload: &[u8]) -> io::Result<u64> {
    let mut out = Vec::with_capacity(payload.len() + frame::HEAD_BYTES);
    frame::push(&mut out, payload);
    file.write_all(&out)?;
    Ok(out.len() as u64)
}

/// Reads a snapshot into an empty table.
///
/// # Errors
/// The disk's, or damage: a snapshot is whole or it is not believed.
pub fn read(file: &Path, table: &mut Table) -> Result<Option<Position>, OpenError> {
    let io = |source| OpenError::Io { path: file.to_path_buf(), source };
    let mut reader = Reader::new(BufReader::new(File::open(file).map_err(io)?), 0);
    let damaged =
        |at, what: &str| OpenError::Damaged { path: file.to_path_buf(), at, what: what.to_owned() };
    let mut head: Option<(u64, u64, Option<Position>)> = None;
    loop {
        let at = reader.at();
        let payload = match reader.frame().map_err(io)? {
            Next::Payload(payload) => payload,
            Next::End => break,
            Next::Bad => return Err(damaged(at, "a checksum does not fit")),
        };
        if head.is_none() {
            head = Some(read_head(&payload).ok_or_else(|| damaged(at, "no snapshot begins so"))?);
            continue;
        }
        let saved = record::read_saved(&payload).ok_or_else(|| damaged(at, "no such record"))?;
        for saved in &saved {
            table.restore(saved).map_err(|refused| damaged(at, &refused.to_string()))?;
        }
    }
    let (epoch, signatures, position) = head.ok_or_else(|| damaged(0, "it is empty"))?;
    if table.len() as u64 != signatures {
        let what = format!("{} signatures where {signatures} were written", table.len());
        return Err(damaged(reader.at(), &what));
    }
    table.at_epoch(epoch);
    Ok(position)
}

fn read_head(payload: &[u8]) -> Option<(u64, u64, Option<Position>)> {
    let (format, rest) = payload.split_first()?;
    let numbers: Vec<u64> = rest
        .chunks(8)
        .map(|bytes| bytes.try_into().map(u64::from_be_bytes))
        .collect::<Result<_, _>>()
        .ok()?;
    match (*format, &*numbers) {
        (FORMAT, [epoch, signatures]) => Some((*epoch, *signatures, None)),
        (FORMAT, &[epoch, signatures, ms, seq]) => {
            Some((epoch, signatures, Some(Position { ms, seq })))
        }
        _ => None,
    }
}

/// Makes names in a directory durable.
///
/// # Errors
/// The disk's.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

//! Looks for changes in a segment without decoding all of it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use tamis_reputation_protocol::signatures::{Change, Saved};

use super::Segment;
use crate::log::record::{self, CHANGE_BYTES_MAX, Key, RawChange, RawChanges};
use crate::log::{OpenError, frame};

/// Bytes read at once: a scan of a whole segment asks the system 4 times per megabyte.
const READ_BYTES: usize = 256 * 1024;

/// What is left of a history after one change more.
pub(in crate::log) fn apply(saved: Option<Saved>, change: &Change, epoch: u64) -> Option<Saved> {
    match saved {
        None => Saved::begun(change, epoch),
        Some(mut saved) => saved.apply(change, epoch).then_some(saved),
    }
}

impl Segment {
    /// A history with the changes in this segment applied to it. Keys are compared before anything is decoded, and
    /// checksums are verified only where one fits.
    pub fn applied_to(&self, saved: Option<Saved>, key: Key) -> Result<Option<Saved>, OpenError> {
        let mut saved = saved;
        self.frames(|at, bytes| {
            let payload = bytes.get(frame::HEAD_BYTES..).unwrap_or_default();
            let mut is_verified = false;
            for change in self.changes(at, payload)? {
                let change = change.ok_or_else(|| self.damaged(at, "no such record"))?;
                if change.key != key {
                    continue;
                }
                is_verified = is_verified || frame::whole(bytes).is_some();
                let read = change.read().filter(|_| is_verified);
                let read = read.ok_or_else(|| self.damaged(at, "a checksum does not fit"))?;
                saved = apply(saved.take(), &read, change.epoch);
            }
            Ok(())
        })?;
        Ok(saved)
    }

    /// Visits every change, verified, with its offset in the file.
    pub fn visit(&self, mut visit: impl FnMut(u64, &RawChange<'_>)) -> Result<(), OpenError> {
        self.frames(|at, bytes| {
            let payload = frame::whole(bytes);
            let payload = payload.ok_or_else(|| self.damaged(at, "a checksum does not fit"))?;
            for change in self.changes(at, payload)? {
                let change = change.ok_or_else(|| self.damaged(at, "no such record"))?;
                visit(at + (frame::HEAD_BYTES + change.at) as u64, &change);
            }
            Ok(())
        })
    }

    fn changes<'a>(&self, at: u64, payload: &'a [u8]) -> Result<RawChanges<'a>, OpenError> {
        RawChanges::of(payload).ok_or_else(|| self.damaged(at, "no such record"))
    }

    /// Visits the frames up to what was whole when this began. Each comes with its head, not verified.
    fn frames(
        &self,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let end = self.bytes();
        let source = ReadAt { file: &self.file, at: 0 };
        let capacity = READ_BYTES.min(usize::try_from(end).unwrap_or(READ_BYTES));
        let mut source = BufReader::with_capacity(capacity, source);
        let mut bytes = Vec::new();
        let mut at = 0;
        while at < end {
            bytes.resize(frame::HEAD_BYTES, 0);
            source.read_exact(&mut bytes).map_err(OpenError::io(&self.path))?;
            let length = frame::payload_length(&bytes)
                .filter(|length| at + (frame::HEAD_BYTES + length) as u64 <= end)
                .ok_or_else(|| self.damaged(at, "no frame stands here"))?;
            bytes.resize(frame::HEAD_BYTES + length, 0);
            let payload = bytes.get_mut(frame::HEAD_BYTES..).unwrap_or_default();
            source.read_exact(payload).map_err(OpenError::io(&self.path))?;
            visit(at, &bytes)?;
            at += bytes.len() as u64;
        }
        Ok(())
    }

    fn damaged(&self, at: u64, what: &str) -> OpenError {
        OpenError::damaged(&self.path, at, what)
    }
}

/// The change at an offset that [`Segment::visit`] told.
pub(in crate::log) fn read_change_at(segment: &Segment, at: u64) -> Result<Change, OpenError> {
    let mut bytes = [0; CHANGE_BYTES_MAX];
    let mut source = ReadAt { file: &segment.file, at };
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(OpenError::io(&segment.path)(error)),
        }
    }
    let change = record::read_change(&bytes[..filled]);
    change.ok_or_else(|| segment.damaged(at, "no such record"))
}

/// A file from some offset on, with a place of its own: many may read it at once.
struct ReadAt<'a> {
    file: &'a File,
    at: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

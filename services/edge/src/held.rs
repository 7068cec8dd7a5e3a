//! The bytes of the mail in hand: memory first, then an unlinked spool file.
//!
//! File access goes through `spawn_blocking`, never in place: a write into the page cache takes microseconds, but on
//! a full or slow disk the kernel holds the writer for seconds, and in place that would stop every other mail of the
//! same worker, the progress frames of waiting milters included. One hop for each 32 KiB costs less than 1 ms for a mail
//! of 1 MB. The file has no name (`O_TMPFILE`): a killed edge leaves nothing behind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tamis_message::content::{Decoder, Span};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes gathered before a write to the spool. Held by each spooled mail beside the budget; bounded by `mails_max`.
pub const WRITE_BYTES: usize = 32 * 1024;
/// Bytes read back at once.
pub const READ_BYTES: usize = 64 * 1024;
/// Unit of the memory budget. A mail of 2 KB takes one, the usual mail of 20 KB two.
const BLOCK_BYTES: usize = 16 * 1024;

/// Why bytes could not be held or read back.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// The mail is larger than allowed; its sender's fault, refuse.
    #[error("mail larger than {0} bytes")]
    TooLarge(u64),
    /// The spool failed (full, unwritable, broken): ours; the mail stays with the previous hop, try again later.
    #[error("spool: {0}")]
    Spool(#[from] io::Error),
}

/// What all mails share: the memory budget and the spool directory.
#[derive(Debug)]
pub struct Store {
    budget: Arc<Semaphore>,
    per_mail: usize,
    mail_bytes_max: u64,
    spool_dir: PathBuf,
    memory: Gauge,
    spooled: Gauge,
}

impl Store {
    /// A store of `total` bytes of memory for all mails, `per_mail` for each. The gauges count bytes held in memory and
    /// in spool files.
    #[must_use]
    pub fn new(
        total: usize,
        per_mail: usize,
        mail_bytes_max: u64,
        spool_dir: PathBuf,
        (memory, spooled): (Gauge, Gauge),
    ) -> Self {
        let blocks = (total / BLOCK_BYTES).min(Semaphore::MAX_PERMITS);
        let budget = Arc::new(Semaphore::new(blocks));
        Self { budget, per_mail, mail_bytes_max, spool_dir, memory, spooled }
    }
}

/// A mail whose bytes are still coming.
#[derive(Debug)]
pub struct Holding {
    store: Arc<Store>,
    size: u64,
    buffer: Vec<u8>,
    share: Share,
    file: Option<Spooled>,
}

/// What a mail has taken of the budget; given back when dropped.
#[derive(Debug)]
struct Share {
    permits: Option<OwnedSemaphorePermit>,
    bytes: usize,
    gauge: Gauge,
}

#[derive(Debug)]
struct Spooled {
    file: Arc<File>,
    written: u64,
    gauge: Gauge,
}

impl Holding {
    /// Nothing held yet.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        let share = Share { permits: None, bytes: 0, gauge: store.memory.clone() };
        Self { store, size: 0, buffer: Vec::new(), share, file: None }
    }

    /// Bytes so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`HeldError`]; the mail is of no more use then.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), HeldError> {
        self.size += bytes.len() as u64;
        if self.size > self.store.mail_bytes_max {
            return Err(HeldError::TooLarge(self.store.mail_bytes_max));
        }
        if self.file.is_none() {
            let wanted = self.buffer.len() + bytes.len();
            if wanted <= self.store.per_mail && self.reserve(wanted) {
                self.buffer.extend_from_slice(bytes);
                return Ok(());
            }
            self.open().await?;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES { self.flush().await } else { Ok(()) }
    }

    /// All bytes came.
    ///
    /// # Errors
    /// [`HeldError::Spool`].
    pub async fn finish(mut self) -> Result<Held, HeldError> {
        if self.file.is_some() {
            self.flush().await?;
        }
        let Self { size, buffer, share, file, .. } = self;
        let bytes = match file {
            Some(spooled) => Place::File(spooled),
            None => Place::Memory(Bytes::from(buffer), share),
        };
        Ok(Held { size, bytes })
    }

    /// Room for `wanted` bytes in all; twice what there was where that is granted, so that a long mail is not copied with
    /// each block.
    fn reserve(&mut self, wanted: usize) -> bool {
        let doubled = wanted.max(2 * self.share.bytes).min(self.store.per_mail);
        let budget = &self.store.budget;
        let granted = wanted <= self.share.bytes
            || self.share.grow(budget, doubled)
            || self.share.grow(budget, wanted);
        if granted {
            self.buffer.reserve_exact(self.share.bytes - self.buffer.len());
        }
        granted
    }

    async fn open(&mut self) -> Result<(), HeldError> {
        let directory = self.store.spool_dir.clone();
        let file = blocking(move || tempfile::tempfile_in(directory)).await?;
        let gauge = self.store.spooled.clone();
        self.file = Some(Spooled { file: Arc::new(file), written: 0, gauge });
        self.flush().await?;
        self.share.release();
        self.buffer = Vec::with_capacity(WRITE_BYTES);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), HeldError> {
        let Some(spooled) = &mut self.file else { return Ok(()) };
        let (file, offset) = (spooled.file.clone(), spooled.written);
        let buffer = std::mem::take(&mut self.buffer);
        let mut buffer = blocking(move || {
            file.write_all_at(&buffer, offset)?;
            Ok(buffer)
        })
        .await?;
        spooled.written += buffer.len() as u64;
        spooled.gauge.inc_by(i64::try_from(buffer.len()).unwrap_or(0));
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }
}

impl Share {
    /// Whether `bytes` in all are granted.
    fn grow(&mut self, budget: &Arc<Semaphore>, bytes: usize) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        let blocks = (bytes - self.bytes).div_ceil(BLOCK_BYTES);
        let asked = u32::try_from(blocks).unwrap_or(u32::MAX);
        let Ok(permits) = budget.clone().try_acquire_many_owned(asked) else { return false };
        match &mut self.permits {
            Some(held) => held.merge(permits),
            None => self.permits = Some(permits),
        }
        self.bytes += blocks * BLOCK_BYTES;
        self.gauge.inc_by(i64::try_from(blocks * BLOCK_BYTES).unwrap_or(0));
        true
    }

    fn release(&mut self) {
        self.permits = None;
        self.gauge.dec_by(i64::try_from(self.bytes).unwrap_or(0));
        self.bytes = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.gauge.dec_by(i64::try_from(self.written).unwrap_or(0));
    }
}

/// A whole mail, as it came.
#[derive(Debug)]
pub struct Held {
    size: u64,
    bytes: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Bytes, #[allow(dead_code, reason = "gives its share back when dropped")] Share),
    File(Spooled),
}

impl Held {
    /// Bytes of the mail.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is in a spool file.
    #[must_use]
    pub fn is_spooled(&self) -> bool {
        matches!(self.bytes, Place::File(_))
    }

    /// Up to `length` bytes from `offset`; fewer only at the end of the mail.
    ///
    /// # Errors
    /// [`HeldError::Spool`].
    pub async fn read(&self, offset: u64, length: usize) -> Result<Bytes, HeldError> {
        let end = offset.saturating_add(length as u64).min(self.size);
        let start = offset.min(end);
        let length = usize::try_from(end - start).unwrap_or(0);
        match &self.bytes {
            Place::Memory(bytes, _) => {
                let start = usize::try_from(start).unwrap_or(0);
                Ok(bytes.slice(start..start + length))
            }
            Place::File(spooled) => {
                let file = spooled.file.clone();
                let read = blocking(move || {
                    let mut buffer = vec![0; length];
                    file.read_exact_at(&mut buffer, start)?;
                    Ok(buffer)
                });
                Ok(read.await?.into())
            }
        }
    }

    /// The canonical content of one part, piece by piece.
    #[must_use]
    pub fn content<'a>(&'a self, span: &'a Span) -> Content<'a> {
        let decoder = Some(Decoder::new(span));
        Content { held: self, offset: span.start, end: span.end.min(self.size), decoder }
    }
}

/// Reads one part, decoding on the way.
#[derive(Debug)]
pub struct Content<'a> {
    held: &'a Held,
    offset: u64,
    end: u64,
    decoder: Option<Decoder>,
}

impl Content<'_> {
    /// Appends the next piece of content to `out`: at most what [`READ_BYTES`] of the mail decode to, perhaps nothing.
    /// `false` when that was all.
    ///
    /// # Errors
    /// [`HeldError::Spool`].
    pub async fn read_into(&mut self, out: &mut Vec<u8>) -> Result<bool, HeldError> {
        let Some(decoder) = &mut self.decoder else { return Ok(false) };
        if self.offset < self.end {
            let length = usize::try_from(self.end - self.offset).unwrap_or(READ_BYTES);
            let raw = self.held.read(self.offset, length.min(READ_BYTES)).await?;
            self.offset += raw.len() as u64;
            decoder.push(&raw, &mut |bytes| out.extend_from_slice(bytes));
            return Ok(true);
        }
        if let Some(decoder) = self.decoder.take() {
            decoder.finish(&mut |bytes| out.extend_from_slice(bytes));
        }
        Ok(false)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests;

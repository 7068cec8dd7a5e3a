//! The embedded store: one file of lessons, written before they count; knowledge in memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tamis_learning::hashing::SiteKey;
use tamis_learning::knowledge::{Bounds, Counts, Knowledge, Outcome, Scope};
use tamis_learning::record::{self, Damage, HEAD_BYTES, Lesson};
use tamis_learning::score::Seen;
use tamis_learning::tokens::Token;

use super::{new_key, totals};

/// Name of the file in its directory.
pub const FILE_NAME: &str = "learned.log";

/// Bytes by which a file may outgrow twice what it has to say before it is written anew.
const SLACK_BYTES: u64 = 1 << 20;

/// Bytes of a file that is read, and that one grows to where it cannot be written anew: twice the most that there is to
/// say (60,000 mails of all and 16 million tokens of domains), and a little more.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a file that are read at once: many lessons, so that one that is cut at the end is read again rarely.
const PIECE_BYTES: usize = 4 << 20;

/// The store cannot be opened: always the administrator's affair.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk's or the permissions'.
    #[error("{0}: {1}")]
    Disk(String, io::Error),
    /// Another scanner learns here.
    #[error("{0}: another process uses it")]
    Taken(String),
    /// A file of another kind.
    #[error("{0}: {1}")]
    Strange(String, Damage),
}

/// Knowledge, and the file that it comes back from.
#[derive(Debug)]
pub struct FileStore {
    key: SiteKey,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: RwLock<Knowledge>,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Bytes after the last rewriting, or that it would have had when it was opened.
    fresh: u64,
    /// Whether something that was not acknowledged may stand at its end.
    is_torn: bool,
    key: SiteKey,
    /// Keeps others out.
    _lock: File,
}

impl FileStore {
    /// Opens the file in `directory`, or makes both.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, bounds: Bounds) -> Result<Self, OpenError> {
        let path = directory.join(FILE_NAME);
        let shown = path.display().to_string();
        let disk = |error| OpenError::Disk(shown.clone(), error);
        std::fs::create_dir_all(directory).map_err(disk)?;
        let lock = options().create(true).open(directory.join("learned.lock")).map_err(disk)?;
        if lock.try_lock().is_err() {
            return Err(OpenError::Taken(shown));
        }
        let mut file = options().create(true).open(&path).map_err(disk)?;
        if file.metadata().map_err(disk)?.len() > FILE_BYTES_MAX {
            return Err(disk(io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes"))));
        }
        let mut head = Vec::new();
        (&file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(disk)?;
        if head.len() < HEAD_BYTES
            && record::MAGIC.starts_with(&head[..head.len().min(record::MAGIC.len())])
        {
            // New, or torn while it was made: nothing was promised yet.
            head = begin(&mut file).map_err(disk)?;
            sync_directory(directory).map_err(disk)?;
        }
        let key =
            record::read_head(&head).map_err(|damage| OpenError::Strange(shown.clone(), damage))?;
        let mut known = Knowledge::new(bounds);
        let (bytes, damage) = read_lessons(&mut file, &mut known).map_err(disk)?;
        if let Some(Damage::Damaged(_)) = damage {
            let aside = directory.join("learned.damaged");
            tracing::error!(at = bytes, aside = %aside.display(), "what was learned is damaged; the file is kept aside, what stands before counts");
            std::fs::copy(&path, aside).map_err(disk)?;
        }
        file.set_len(bytes).map_err(disk)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(disk)?;
        tracing::info!(
            spam = known.global.totals().spam,
            ham = known.global.totals().ham,
            "learned mail is read"
        );
        let fresh = bytes_of(&known);
        let writer = Writer { path, file, bytes, fresh, is_torn: false, key, _lock: lock };
        let inner = Inner { known: RwLock::new(known), writer: Mutex::new(writer) };
        Ok(Self { key, inner: Arc::new(inner) })
    }

    /// The site's key.
    #[must_use]
    pub const fn key(&self) -> SiteKey {
        self.key
    }

    /// What is known of these tokens, by all and by a domain.
    #[must_use]
    pub fn seen(&self, tokens: &[Token], domain: Option<&str>) -> (Seen, Option<Seen>) {
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
        let seen = |scope: &Scope| Seen {
            totals: scope.totals(),
            counts: tokens.iter().map(|token| scope.counts(*token)).collect(),
        };
        (seen(&known.global), domain.and_then(|domain| known.domain(domain)).map(seen))
    }

    /// Does a lesson: written and synchronised first, known then. `None`: it could not be written, and nothing changed.
    pub async fn write(&self, lesson: Lesson) -> Option<(Outcome, Seen)> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || inner.write(&lesson)).await.ok()?
    }
}

impl Inner {
    fn write(&self, lesson: &Lesson) -> Option<(Outcome, Seen)> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            match lesson.class {
                Some(class) => known.is_news(&lesson.name, class, &lesson.domain),
                None => known.knows(&lesson.name, &lesson.domain),
            }
        };
        if is_news && let Err(error) = writer.append(lesson) {
            tracing::error!(%error, "learned mail cannot be written");
            return None;
        }
        let (outcome, Counts { spam, ham }) = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let outcome = match (is_news, lesson.class) {
                (true, _) => lesson.apply(&mut known),
                (false, Some(_)) => Outcome::Known,
                (false, None) => Outcome::Unknown,
            };
            (outcome, known.global.totals())
        };
        if writer.bytes > 2 * writer.fresh + SLACK_BYTES {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writer.rewrite(&known) {
                tracing::warn!(%error, "the file of learned mail could not be written anew; it goes on growing");
                writer.fresh = writer.bytes;
            }
        }
        Some((outcome, totals(spam, ham)))
    }
}

impl Writer {
    fn append(&mut self, lesson: &Lesson) -> io::Result<()> {
        let mut frame = Vec::new();
        lesson.push(&mut frame);
        let bytes = self.bytes + frame.len() as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(io::Error::other(format!(
                "the file would have more than {FILE_BYTES_MAX} bytes"
            )));
        }
        self.cut()?;
        self.is_torn = true;
        if let Err(error) = self.file.write_all(&frame).and_then(|()| self.file.sync_data()) {
            self.cut()?;
            return Err(error);
        }
        (self.is_torn, self.bytes) = (false, bytes);
        Ok(())
    }

    /// Cuts off what was not acknowledged: it would hide what comes behind it.
    fn cut(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.bytes)?;
            self.is_torn = false;
        }
        Ok(())
    }

    fn rewrite(&mut self, known: &Knowledge) -> io::Result<()> {
        let new = self.path.with_extension("new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&new)?;
        let mut out = io::BufWriter::new(file);
        out.write_all(&record::head(&self.key))?;
        let (mut frame, mut bytes, mut done) = (Vec::new(), HEAD_BYTES as u64, Ok(()));
        record::lessons(known, |lesson| {
            frame.clear();
            lesson.push(&mut frame);
            bytes += frame.len() as u64;
            if done.is_ok() {
                done = out.write_all(&frame);
            }
        });
        done?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        // From here on the old file has no name: whatever fails now, lessons go to the new one.
        self.file = file;
        (self.bytes, self.fresh, self.is_torn) = (bytes, bytes, false);
        sync_directory(self.path.parent().unwrap_or(Path::new(".")))
    }
}

/// Writes the head of a new file, with a key drawn for it.
fn begin(file: &mut File) -> io::Result<Vec<u8>> {
    let head = record::head(&new_key()?);
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&head)?;
    file.sync_all()?;
    Ok(head)
}

/// Reads lessons from behind the head on, a piece at a time. Where they end, and what is wrong there.
fn read_lessons(file: &mut File, known: &mut Knowledge) -> io::Result<(u64, Option<Damage>)> {
    let (mut buffer, mut end) = (Vec::with_capacity(PIECE_BYTES), HEAD_BYTES as u64);
    loop {
        let wanted = (PIECE_BYTES - buffer.len()) as u64;
        let is_last = ((&*file).take(wanted).read_to_end(&mut buffer)? as u64) < wanted;
        let read = record::read(&buffer, |lesson| {
            lesson.apply(known);
        });
        let (at, damage) = match read {
            Ok(()) => (buffer.len(), None),
            Err(damage @ (Damage::Torn(at) | Damage::Damaged(at))) => (at, Some(damage)),
            Err(damage @ Damage::NotOurs) => (0, Some(damage)),
        };
        end += at as u64;
        buffer.drain(..at);
        // What did not fit into one piece begins the next, unless nothing at all could be read of it.
        if is_last || at == 0 {
            return Ok((end, damage));
        }
    }
}

/// Bytes of a file that says what is known and no more.
fn bytes_of(known: &Knowledge) -> u64 {
    let (mut frame, mut bytes) = (Vec::new(), HEAD_BYTES as u64);
    record::lessons(known, |lesson| {
        frame.clear();
        lesson.push(&mut frame);
        bytes += frame.len() as u64;
    });
    bytes
}

/// Files that hold the site's key are for their owner alone.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).truncate(false).mode(0o600);
    options
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

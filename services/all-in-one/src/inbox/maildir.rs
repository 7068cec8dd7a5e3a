//! The Maildir: a mail is written under `tmp`, and moved to `new` when it is whole and on disk.
//!
//! Readers look into `new` and `cur` only, so nobody ever sees half a mail; and no lock is needed. Everything here
//! waits for the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tamis_runtime::clock;

/// Age from which a file in `tmp` belongs to nobody any more; the Maildir convention.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(36 * 60 * 60);
/// Files of `tmp` looked at when the inbox opens: more than connections can leave behind in a few crashes.
const FORGOTTEN_LOOKED_AT_MAX: usize = 10_000;

/// One Maildir, and how many mails are on their way into it.
#[derive(Debug)]
pub(super) struct Maildir {
    dir: PathBuf,
    mails_max: usize,
    kept_bytes_max: u64,
    coming: Mutex<usize>,
    sequence: AtomicU64,
}

/// A place for one mail that is on its way in. Dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Place {
    maildir: Arc<Maildir>,
}

/// A mail being written. Dropping it forgets the mail.
#[derive(Debug)]
pub(super) struct Draft {
    place: Place,
    name: String,
    file: Option<File>,
}

impl Maildir {
    /// Makes the directories where they are missing, and removes what a crash left behind long ago.
    pub(super) fn open(dir: PathBuf, mails_max: usize, kept_bytes_max: u64) -> io::Result<Self> {
        for folder in ["tmp", "new", "cur"] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir.join(folder))?;
        }
        remove_forgotten(&dir.join("tmp"))?;
        sync_directory(&dir)?;
        let (coming, sequence) = (Mutex::new(0), AtomicU64::new(0));
        Ok(Self { dir, mails_max, kept_bytes_max, coming, sequence })
    }

    /// A place for one more mail; `None` when the inbox is full.
    pub(super) fn place(self: &Arc<Self>) -> io::Result<Option<Place>> {
        // A mail gives its place back after it was put into `new`, and waits for this lock to do so: between the two it
        // counts twice, but never not at all.
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut mails, mut bytes) = (*coming, 0);
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.dir.join(folder))? {
                mails += 1;
                if mails >= self.mails_max {
                    return Ok(None);
                }
                // A reader may have moved it meanwhile.
                bytes += entry?.metadata().map_or(0, |about| about.len());
            }
        }
        if mails >= self.mails_max || bytes >= self.kept_bytes_max {
            return Ok(None);
        }
        *coming += 1;
        Ok(Some(Place { maildir: Arc::clone(self) }))
    }

    /// A name that no other mail has: time, process and a number of its own.
    fn unique_name(&self) -> String {
        let now = clock::unix_time();
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        format!("{}.M{}P{process}Q{number}.tamis", now.as_secs(), now.subsec_nanos())
    }

    fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.dir.join(folder).join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut coming = self.maildir.coming.lock().unwrap_or_else(PoisonError::into_inner);
        *coming = coming.saturating_sub(1);
    }
}

impl Draft {
    /// A mail of which nothing is written yet.
    pub(super) fn new(place: Place) -> Self {
        let name = place.maildir.unique_name();
        Self { place, name, file: None }
    }

    /// Appends to the mail, whose file is made the first time.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            let path = self.place.maildir.path("tmp", &self.name);
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// Puts the mail where readers look, and returns its name when both file and directory are on disk.
    pub(super) fn publish(mut self) -> io::Result<String> {
        let file = self.file.take().ok_or(ErrorKind::InvalidInput)?;
        let maildir = &self.place.maildir;
        let (tmp, new) = (maildir.path("tmp", &self.name), maildir.path("new", &self.name));
        let moved = file.sync_all().and_then(|()| fs::rename(&tmp, &new));
        if let Err(error) = moved {
            let _ = fs::remove_file(&tmp);
            return Err(error);
        }
        if let Err(error) = sync_directory(&maildir.dir.join("new")) {
            // The client will be told to come again: what may or may not last must not be seen.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        Ok(self.name.clone())
    }

    /// A draft whose file is another one, such as a device that is always full.
    #[cfg(test)]
    pub(super) fn over(place: Place, file: File) -> Self {
        let mut draft = Self::new(place);
        draft.file = Some(file);
        draft
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(self.place.maildir.path("tmp", &self.name));
        }
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove_forgotten(tmp: &Path) -> io::Result<()> {
    let now = clock::unix_time();
    for entry in fs::read_dir(tmp)?.take(FORGOTTEN_LOOKED_AT_MAX) {
        let entry = entry?;
        let Ok(about) = entry.metadata() else { continue };
        let written = about.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        if about.is_file() && now.saturating_sub(written) > FORGOTTEN_AFTER {
            // Another process may have been first.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

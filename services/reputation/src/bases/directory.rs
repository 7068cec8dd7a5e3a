//! The directory of bases:
//!
//! ```text
//! lock                      held by who changes something
//! chunks/<..>/<name>        see `store`
//! releases/<generation>/    manifest and files/<name> of a whole, verified release
//! current                   link to the release in force; another release comes into force by one rename
//! taken-back                the highest generation that somebody went back from, see `remembered`
//! retired-keys              every key that a release in force here ever retired, see `remembered`
//! last-refusal              what was refused last, for `tamis bases status`
//! ```
//!
//! Who reads several files follows `current` once and reads behind it: a release is never changed, and it stays for as
//! many newer ones as are kept, and for some seconds however many come.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tamis_bases::manifest::Signed;
use tamis_bases::standing::{Judged, Standing};
use tamis_runtime::clock;

use super::config::Config;
use super::error::BasesError;
use super::store::{Store, entries, sync_dir};

/// Longest wait for another process that changes the bases.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Between two looks at the lock.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// A release on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its directory.
    pub dir: PathBuf,
    /// Its manifest, judged when it came.
    pub signed: Signed,
}

impl Release {
    /// Its number.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.signed.manifest.generation
    }

    /// Where this file of it stands; `None` if it has none of this name.
    #[must_use]
    pub fn path(&self, file: &str) -> Option<PathBuf> {
        self.signed.manifest.file(file).map(|file| self.dir.join("files").join(file.name.as_str()))
    }
}

/// The directory, opened.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    /// Its chunks.
    pub store: Store,
    pub(super) config: Config,
    /// When old chunks were looked for last.
    pub(super) swept: Arc<Mutex<Option<Instant>>>,
}

/// Nobody else changes the directory while this lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Directory {
    /// Opens or makes the directory that the configuration names.
    ///
    /// # Errors
    /// The disk's; [`BasesError::Damaged`], where it no longer tells what was retired or taken back.
    pub fn open(config: &Config) -> Result<Self, BasesError> {
        let root = config.dir.clone();
        let releases = root.join("releases");
        fs::create_dir_all(&releases).map_err(BasesError::io(releases))?;
        let store = Store::open(root.join("chunks"))?;
        let directory = Self { root, store, config: config.clone(), swept: Arc::default() };
        directory.taken_back()?;
        directory.retired()?;
        Ok(directory)
    }

    /// Waits for the right to change something, some seconds at most. Blocks its thread.
    ///
    /// # Errors
    /// [`BasesError::Busy`].
    pub fn lock(&self) -> Result<Lock, BasesError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(BasesError::io(&path))?;
        let began = clock::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => {
                    std::thread::sleep(LOCK_POLL);
                }
                Err(TryLockError::WouldBlock) => return Err(BasesError::Busy(path)),
                Err(TryLockError::Error(source)) => return Err(BasesError::Io { path, source }),
            }
        }
    }

    /// What `current` points to: changes whenever another release comes into force.
    #[must_use]
    pub fn pointer(&self) -> Option<PathBuf> {
        fs::read_link(self.root.join("current")).ok()
    }

    /// The directory that `current` means by this.
    pub(super) fn behind(&self, target: &Path) -> PathBuf {
        self.root.join(target)
    }

    /// The release in force.
    ///
    /// # Errors
    /// The disk's; a manifest on disk that is none.
    pub fn in_force(&self) -> Result<Option<Release>, BasesError> {
        let current = self.root.join("current");
        match fs::read_link(&current) {
            Ok(target) => self.release(&self.behind(&target)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BasesError::io(current)(error)),
        }
    }

    pub(super) fn release(&self, dir: &Path) -> Result<Release, BasesError> {
        let path = dir.join("manifest");
        let bytes = fs::read(&path).map_err(BasesError::io(&path))?;
        let signed = Signed::decode(&bytes)
            .map_err(|why| BasesError::Damaged { path, what: why.to_string() })?;
        Ok(Release { dir: dir.to_path_buf(), signed })
    }

    /// Releases on disk, oldest first.
    ///
    /// # Errors
    /// The disk's.
    pub fn releases(&self) -> Result<Vec<(u64, PathBuf)>, BasesError> {
        let number = |path: PathBuf| {
            let generation = path.file_name()?.to_str()?.parse().ok()?;
            Some((generation, path))
        };
        let mut found: Vec<_> =
            entries(&self.root.join("releases"))?.into_iter().filter_map(number).collect();
        found.sort();
        Ok(found)
    }

    /// The place of a generation.
    pub(super) fn place(&self, generation: u64) -> PathBuf {
        self.root.join("releases").join(format!("{generation:020}"))
    }

    /// What this side makes of a manifest.
    ///
    /// # Errors
    /// The disk's, or [`BasesError::Refused`].
    pub fn judge(&self, bytes: &[u8]) -> Result<Judged, BasesError> {
        let (in_force, retired) = (self.in_force()?, self.retired()?);
        let standing = Standing {
            channel: &self.config.channel,
            keys: &self.config.trusted_keys,
            in_force: in_force.as_ref().map(|release| &release.signed),
            retired: &retired,
            refused_up_to: self.taken_back()?,
            now_unix_s: clock::unix_seconds(),
        };
        Ok(standing.judge(bytes)?)
    }

    /// Brings a release on disk into force: one rename, durable when this returns.
    pub(super) fn switch(&self, generation: u64) -> Result<(), BasesError> {
        let target = Path::new("releases").join(format!("{generation:020}"));
        let (next, current) = (self.root.join(".current"), self.root.join("current"));
        // Left by a crash, if at all.
        let _ = fs::remove_file(&next);
        std::os::unix::fs::symlink(target, &next)
            .and_then(|()| fs::rename(&next, &current))
            .map_err(BasesError::io(current))?;
        sync_dir(&self.root)
    }

    /// Goes back to the release before the one in force, which is not taken again, nor any up to it.
    ///
    /// # Errors
    /// [`BasesError::NoneInForce`], [`BasesError::NothingBefore`], the disk's.
    pub fn roll_back(&self) -> Result<Release, BasesError> {
        let _lock = self.lock()?;
        let left = self.in_force()?.ok_or(BasesError::NoneInForce)?;
        let from = left.generation();
        let before = self.releases()?.into_iter().rfind(|(generation, _)| *generation < from);
        let (to, dir) = before.ok_or(BasesError::NothingBefore(from))?;
        let release = self.release(&dir)?;
        // First the memory, then the switch: a crash between them leaves the newer release in force, which is honest.
        self.remember_retired(&left.signed)?;
        self.remember_taken_back(from)?;
        self.switch(to)?;
        Ok(release)
    }

    /// Remembers what was refused last, for a person.
    pub(crate) fn note_refusal(&self, refusal: &BasesError) {
        let text = format!("{} {refusal}\n", clock::unix_seconds());
        // It is a note: what matters is in the log and in the metrics.
        let _ = self.write_whole("last-refusal", text.as_bytes());
    }

    /// What was refused last: Unix seconds and words.
    #[must_use]
    pub fn last_refusal(&self) -> Option<(u64, String)> {
        let text = fs::read_to_string(self.root.join("last-refusal")).ok()?;
        let (at, words) = text.trim().split_once(' ')?;
        Some((at.parse().ok()?, words.to_owned()))
    }

    pub(super) fn write_whole(&self, name: &str, bytes: &[u8]) -> Result<(), BasesError> {
        let (next, path) = (self.root.join(format!(".{name}")), self.root.join(name));
        write_synced(&next, bytes)?;
        fs::rename(&next, &path).map_err(BasesError::io(path))?;
        sync_dir(&self.root)
    }

    /// What a subscription says is there: 0, if none is in force.
    pub(super) fn generation(&self) -> Result<u64, BasesError> {
        Ok(self.in_force()?.map_or(0, |release| release.generation()))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

/// Writes a file that is on disk when this returns.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), BasesError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(BasesError::io(path))
}

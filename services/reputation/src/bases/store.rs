//! Chunks on disk, each under its name: `chunks/<two digits>/<name>`. What is read is verified, so a chunk that a crash
//! tore is one that is not there.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tamis_bases::chunks::Name;
use tamis_bases::pull::Want;

use super::error::BasesError;

/// How long a chunk that no kept release names stays: longer than a pull that is cut and begun again.
pub const GRACE: Duration = Duration::from_secs(3600);

/// Makes names of files that are being written different within this process.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// The chunks of one directory.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Chunks in `dir`, which is made.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(dir: PathBuf) -> Result<Self, BasesError> {
        fs::create_dir_all(&dir).map_err(BasesError::io(&dir))?;
        Ok(Self { dir })
    }

    fn path(&self, name: Name) -> PathBuf {
        let name = name.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    /// Whether a file of this name and length is there. Its content is looked at by [`Store::read`].
    #[must_use]
    pub fn has(&self, name: Name, bytes: usize) -> bool {
        fs::metadata(self.path(name)).is_ok_and(|meta| meta.len() == bytes as u64)
    }

    /// A chunk, verified; `None` if it is not there or is not what its name says. Then it is removed, so that it is
    /// fetched anew.
    ///
    /// # Errors
    /// The disk's.
    pub fn read(&self, name: Name) -> Result<Option<Vec<u8>>, BasesError> {
        let path = self.path(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BasesError::io(path)(error)),
        };
        if Want::List(name).verify(&bytes).is_ok() {
            return Ok(Some(bytes));
        }
        tracing::warn!(chunk = %name, "a chunk on disk is damaged: it is removed");
        fs::remove_file(&path).map_err(BasesError::io(path))?;
        Ok(None)
    }

    /// Keeps a verified chunk. Not on disk for certain before [`Store::sync`].
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, name: Name, bytes: &[u8]) -> Result<(), BasesError> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.dir);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let unfinished = folder.join(format!(".{}.{number}", std::process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&unfinished, bytes))
            .and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(BasesError::io(path))
    }

    /// Returns when these chunks are on disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&self, names: &[Name]) -> Result<(), BasesError> {
        let mut folders = HashSet::new();
        for name in names {
            let path = self.path(*name);
            File::open(&path).and_then(|file| file.sync_all()).map_err(BasesError::io(&path))?;
            folders.extend(path.parent().map(Path::to_path_buf));
        }
        folders.insert(self.dir.clone());
        folders.iter().try_for_each(|folder| sync_dir(folder))
    }

    /// Removes chunks that are not `used` and were written more than `grace` ago; says how many.
    ///
    /// # Errors
    /// The disk's.
    pub fn sweep(&self, used: &HashSet<Name>, grace: Duration) -> Result<usize, BasesError> {
        let mut removed = 0;
        for folder in entries(&self.dir)? {
            for file in entries(&folder)? {
                let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name.parse().is_ok_and(|name| used.contains(&name)) {
                    continue;
                }
                let age = fs::metadata(&file).and_then(|meta| meta.modified());
                let is_old = age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= grace));
                if is_old {
                    fs::remove_file(&file).map_err(BasesError::io(file))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// What is in a directory.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>, BasesError> {
    let read = fs::read_dir(dir).map_err(BasesError::io(dir))?;
    read.map(|entry| entry.map(|entry| entry.path()).map_err(BasesError::io(dir))).collect()
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), BasesError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(BasesError::io(dir))
}

//! From stored chunks to a release in force, and the end of old ones.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use tamis_bases::chunks::{Name, Naming};
use tamis_bases::manifest::FileEntry;
use tamis_bases::pull::{Event, Pull, Want};

use super::directory::{Directory, Lock, Release, write_synced};
use super::error::BasesError;
use super::store::{GRACE, entries, sync_dir};
use tamis_runtime::clock;

/// How long a release stays at least after it was made: who reads several files of it, or waits for a disk, has as long,
/// however many newer ones come meanwhile.
const LINGER: Duration = Duration::from_secs(10);

/// Between two looks for chunks that nobody names any more: a look touches each of them, and releases may come twice a
/// second.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Directory {
    /// Makes the files of a complete pull, verifies them whole, and brings the release into force. `written`: chunks that
    /// may not be on disk yet. A crash at any point leaves the old release or the new one in force.
    ///
    /// # Errors
    /// The disk's; [`BasesError::Absent`] if a chunk was damaged (it will be fetched anew); [`BasesError::Whole`].
    pub fn install(
        &self,
        pull: &Pull,
        written: &[Name],
        _lock: &Lock,
    ) -> Result<Release, BasesError> {
        self.store.sync(written)?;
        let signed = pull.signed().clone();
        let generation = signed.manifest.generation;
        let building = self.root().join("releases").join(format!(".{generation:020}"));
        let place = self.place(generation);
        remove(&building)?;
        let files = building.join("files");
        fs::create_dir_all(&files).map_err(BasesError::io(&files))?;
        let before = self.in_force()?;
        for (at, file) in signed.manifest.files.iter().enumerate() {
            let to = files.join(file.name.as_str());
            let same = before.as_ref().and_then(|release| unchanged(release, file));
            let is_linked = same.is_some_and(|from| fs::hard_link(from, &to).is_ok());
            if !is_linked {
                self.assemble(pull, at, file, &to)?;
            }
        }
        write_synced(&building.join("manifest"), &signed.encode())?;
        sync_dir(&files)?;
        sync_dir(&building)?;
        // Left by a release that was taken back, or by a crash before the switch. It is not the one in force.
        remove(&place)?;
        fs::rename(&building, &place).map_err(BasesError::io(&place))?;
        sync_dir(&self.root().join("releases"))?;
        // Before the switch: a key that a release in force retired is remembered, whatever happens to that release.
        self.remember_retired(&signed)?;
        self.switch(generation)?;
        Ok(Release { dir: place, signed })
    }

    fn assemble(
        &self,
        pull: &Pull,
        at: usize,
        file: &FileEntry,
        to: &Path,
    ) -> Result<(), BasesError> {
        let io = || BasesError::io(to);
        let mut out = BufWriter::new(File::create(to).map_err(io())?);
        let (mut naming, mut bytes, mut absent) = (Naming::default(), 0, None);
        for entry in pull.pieces(at) {
            // All damaged pieces are found in one go, so that one more pull brings them.
            let Some(piece) = self.store.read(entry.name)? else {
                absent = absent.or(Some(entry.name));
                continue;
            };
            Want::Piece(entry.name, piece.len()).verify(&piece)?;
            naming.update(&piece);
            bytes += piece.len() as u64;
            out.write_all(&piece).map_err(io())?;
        }
        if let Some(name) = absent {
            return Err(BasesError::Absent(name));
        }
        if naming.name() != file.whole || bytes != file.bytes {
            return Err(BasesError::Whole(file.name.clone()));
        }
        let out = out.into_inner().map_err(|error| io()(error.into_error()))?;
        out.sync_all().map_err(io())
    }

    /// Removes releases behind the kept ones, and chunks that no kept release names, if they are older than `grace`. What
    /// cannot be read keeps all chunks: nothing is removed in doubt.
    ///
    /// # Errors
    /// The disk's.
    pub fn collect(&self, grace: Duration, _lock: &Lock) -> Result<(), BasesError> {
        let mut used = HashSet::new();
        for path in self.kept(grace.min(LINGER))? {
            let Some(names) = self.names(&path)? else { return Ok(()) };
            used.extend(names);
        }
        self.store.sweep(&used, grace)?;
        Ok(())
    }

    /// Removes releases that are neither kept nor younger than `linger`; the places of the others.
    fn kept(&self, linger: Duration) -> Result<Vec<PathBuf>, BasesError> {
        let Some(in_force) = self.in_force()? else { return Ok(Vec::new()) };
        let generation = in_force.generation();
        let releases = self.releases()?;
        let before = releases.iter().filter(|(number, _)| *number < generation);
        let kept: HashSet<u64> =
            before.rev().take(self.config.keep).map(|(number, _)| *number).collect();
        let mut places = Vec::new();
        for (number, path) in releases {
            let is_kept = number == generation || kept.contains(&number) || is_young(&path, linger);
            if is_kept {
                places.push(path);
            } else {
                remove(&path)?;
            }
        }
        Ok(places)
    }

    /// Removes old releases, and from time to time old chunks; failing is no reason to stop.
    pub(super) fn tidy(&self, lock: &Lock) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        let is_due = swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP_EVERY);
        let done = if is_due { self.collect(GRACE, lock) } else { self.kept(LINGER).map(drop) };
        match done {
            Ok(()) if is_due => *swept = Some(now),
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "old bases are not removed"),
        }
    }

    /// All chunks of a release; `None` if a list is not there.
    fn names(&self, dir: &Path) -> Result<Option<Vec<Name>>, BasesError> {
        let path = dir.join("manifest");
        let bytes = fs::read(&path).map_err(BasesError::io(&path))?;
        let Ok(signed) = tamis_bases::manifest::Signed::decode(&bytes) else { return Ok(None) };
        let mut pull = Pull::new(signed);
        let mut names = Vec::new();
        while let Some(want) = pull.poll() {
            names.push(want.name());
            if let Want::List(name) = want {
                let Some(list) = self.store.read(name)? else { return Ok(None) };
                pull.handle(Event::List(name, &list))?;
            }
        }
        Ok(Some(names))
    }

    /// Removes what a crash left half made.
    pub(super) fn clear(&self, _lock: &Lock) -> Result<(), BasesError> {
        for path in entries(&self.root().join("releases"))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with('.') {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Whether a release was made less than `linger` ago.
fn is_young(release: &Path, linger: Duration) -> bool {
    let made = fs::metadata(release).and_then(|meta| meta.modified());
    made.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < linger))
}

/// The file of the release before, if it is the same.
fn unchanged(release: &Release, file: &FileEntry) -> Option<std::path::PathBuf> {
    let old = release.signed.manifest.file(file.name.as_str())?;
    (old.whole == file.whole && old.bytes == file.bytes).then(|| release.path(old.name.as_str()))?
}

fn remove(dir: &Path) -> Result<(), BasesError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BasesError::io(dir)(error))
        }
        _ => Ok(()),
    }
}

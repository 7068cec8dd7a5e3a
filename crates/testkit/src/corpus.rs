//! Archives that lie beside the project and are no part of it. `TAMIS_TEST_CORPUS` says where they are, `none` that there
//! are none.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// The archive of this name; `None` if the environment says that there is none.
///
/// # Panics
/// If it is not where it should be.
#[must_use]
pub fn archive(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = match std::env::var_os("TAMIS_TEST_CORPUS") {
        Some(none) if none == "none" => return None,
        Some(path) => PathBuf::from(path),
        None => beside,
    };
    let archive = corpus.join(name);
    assert!(archive.is_file(), "no {}; TAMIS_TEST_CORPUS=none does without", archive.display());
    Some(archive)
}

/// The decompressed form of an archive (`.tar.xz`), kept in `cache`: the first test that asks makes it, those beside it
/// wait, later ones find it. It takes a second or two to make, and several tests, each a process of its own, read it.
///
/// # Panics
/// If `xz` is not there or refuses the archive, or nothing can be written.
#[must_use]
pub fn decompressed(archive: &Path, cache: &Path) -> PathBuf {
    let made = decompress(archive, cache);
    made.unwrap_or_else(|error| panic!("{} cannot be decompressed: {error}", archive.display()))
}

fn decompress(archive: &Path, cache: &Path) -> io::Result<PathBuf> {
    let about = fs::metadata(archive)?;
    let age = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let name = archive.file_stem().unwrap_or_default().display();
    // Another archive under the same name is another file.
    let name = format!("{}-{}-{name}", about.len(), age.unwrap_or_default().as_secs());
    let (made, partial) = (cache.join(&name), cache.join(format!("{name}.partial")));
    fs::create_dir_all(cache)?;
    let turn = File::create(cache.join(format!("{name}.lock")))?;
    turn.lock()?;
    if !made.is_file() {
        let to = File::create(&partial)?;
        let status = Command::new("xz").arg("-dc").arg(archive).stdout(to).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("xz: {status}")));
        }
        fs::rename(&partial, &made)?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_archive_is_decompressed_once_however_many_ask_and_anew_when_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, cache) = (folder.path().join("a.tar"), folder.path().join("cache"));
        let archive = folder.path().join("a.tar.xz");
        for content in ["one", "another one"] {
            fs::write(&plain, content).unwrap();
            assert!(Command::new("xz").arg("-f").arg(&plain).status().unwrap().success());
            let ask = || decompressed(&archive, &cache);
            let made: Vec<PathBuf> = thread::scope(|scope| {
                let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().map(|it| it.join().unwrap()).collect()
            });
            assert!(made.iter().all(|it| *it == made[0]), "{made:?}");
            assert_eq!(fs::read_to_string(&made[0]).unwrap(), content);
            // Kept as it is: not made again.
            fs::write(&made[0], "kept").unwrap();
            assert_eq!(fs::read_to_string(decompressed(&archive, &cache)).unwrap(), "kept");
        }
    }
}

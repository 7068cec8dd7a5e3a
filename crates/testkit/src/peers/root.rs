//! The private Debian trees of other people's mail servers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// Names instances apart within one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A mounted root, seen from outside.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
}

/// The root `postfix` or `sendmail`.
///
/// # Panics
/// When `./test` (or `scripts/roots.sh run`) has not mounted it.
#[must_use]
pub fn root(name: &str) -> Root {
    let Some(all) = env::var_os("TAMIS_TEST_ROOTS") else {
        panic!("TAMIS_TEST_ROOTS is not set: run ./test, which makes the private roots");
    };
    let path = Path::new(&all).join(name);
    assert!(path.join("usr/bin").is_dir(), "no root in {}: run ./test", path.display());
    Root { path }
}

impl Root {
    /// A path inside the root, as seen from outside it. `inside` starts with `/`.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.path.join(inside.trim_start_matches('/'))
    }

    /// A program of the root, run within it.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.path).arg(program);
        command
    }

    /// Makes a new directory for one instance of a server and gives its path inside the root.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn instance(&self, server: &str) -> String {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let inside = format!("/srv/{server}-{}-{number}", process::id());
        let outside = self.path(&inside);
        fs::create_dir_all(&outside)
            .unwrap_or_else(|error| panic!("{}: {error}", outside.display()));
        inside
    }
}

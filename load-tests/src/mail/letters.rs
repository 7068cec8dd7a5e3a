//! Letters to make mails of: those beside the project, read at run time and never kept; or invented ones.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::dice::Dice;
use super::model::Letter;

/// Archives in the order in which they are read, until there are enough letters: the newest first.
const ARCHIVES: [&str; 5] = ["foff", "glitchy-spam", "vger-leak", "spamassassin", "trec07p-half"];
/// Largest letter taken: large mail is made with attachments, so that the scenario says how large.
const LETTER_BYTES_MAX: u64 = 256 * 1024;
/// Most letters held: about 10 KB each.
const LETTERS_MAX: usize = 40_000;

/// Up to `wanted` letters of the archives in `folder`, in an order drawn by `seed`.
///
/// # Errors
/// An archive cannot be unpacked, or holds no letter.
pub fn found(folder: &Path, wanted: usize, seed: u64) -> Result<Vec<Letter>> {
    let unpacked = std::env::temp_dir().join(format!("tamis-letters-{}", std::process::id()));
    std::fs::create_dir_all(&unpacked)?;
    let letters = found_in(folder, wanted.min(LETTERS_MAX), &unpacked);
    std::fs::remove_dir_all(&unpacked)?;
    let mut letters = letters?;
    ensure!(!letters.is_empty(), "no letter in {}", folder.display());
    let mut dice = Dice::new(seed);
    for at in (1..letters.len()).rev() {
        letters.swap(at, dice.below(at + 1));
    }
    letters.truncate(wanted);
    Ok(letters)
}

fn found_in(folder: &Path, wanted: usize, unpacked: &Path) -> Result<Vec<Letter>> {
    let mut letters = Vec::new();
    for name in ARCHIVES {
        if letters.len() >= wanted {
            break;
        }
        let archive = folder.join(format!("{name}.tar.xz"));
        let mut tar = Command::new("tar");
        let status = tar.arg("-xJf").arg(&archive).arg("-C").arg(unpacked).status();
        ensure!(status.context("tar")?.success(), "tar could not unpack {}", archive.display());
        let mut files = Vec::new();
        files_below(&unpacked.join(name), &mut files)?;
        files.sort();
        for file in files {
            if file.metadata()?.len() <= LETTER_BYTES_MAX {
                let letter = Letter::of(&std::fs::read(&file)?);
                if !letter.header.is_empty() && !letter.body.is_empty() {
                    letters.push(letter);
                }
            }
        }
    }
    Ok(letters)
}

fn files_below(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

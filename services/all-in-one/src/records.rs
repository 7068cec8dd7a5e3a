//! Records in files: where they go, and reading them back under a limit.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tamis_domain::record::Record;
use tamis_runtime::exit::Failure;
use tamis_scanner::record::{RECORD_BYTES_MAX, decode, encode};

/// Where records are written.
pub enum Place {
    /// The record of the one mail goes into this file.
    File(PathBuf),
    /// Each mail's record goes into a file of its own in this folder.
    Folder(PathBuf),
}

impl Place {
    /// A folder for several mails, or where a folder is; else a file.
    pub fn prepare(place: &Path, mails: usize) -> Result<Self, Failure> {
        if mails <= 1 && !place.is_dir() {
            return Ok(Self::File(place.to_path_buf()));
        }
        std::fs::create_dir_all(place).map_err(|error| {
            let place = place.display();
            Failure::temporary(format!("--record {place}: {error}"), "Name a folder.")
        })?;
        Ok(Self::Folder(place.to_path_buf()))
    }

    /// Writes the record of a mail: whole or not at all, and for nobody else to read, since it names its people. It is
    /// written under a name with `random` first, which must not be there: whoever may write into the folder neither guesses
    /// it nor puts a link in its place, and two of us do not write into one file.
    pub fn write(&self, mail: &Path, record: &Record, random: u64) -> Result<()> {
        let file = match self {
            Self::File(file) => file.clone(),
            Self::Folder(folder) => folder.join(name(mail, record)),
        };
        let text = encode(record)?;
        let place = || format!("record {}", file.display());
        let mut unfinished = file.clone().into_os_string();
        unfinished.push(format!(".{random:016x}.new"));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(&unfinished).with_context(place)?;
        let written = out.write_all(&text).and_then(|()| std::fs::rename(&unfinished, &file));
        if written.is_err() {
            // It is of no use to anybody, and more is not to be done about it.
            let _ = std::fs::remove_file(&unfinished);
        }
        written.with_context(place)
    }
}

/// Bytes of a mail's name in its record's. File systems allow 255 in all (POSIX `NAME_MAX`), and up to 70 come behind it.
const NAME_BYTES_MAX: usize = 160;

/// The mail's file name and its id, which two mails of one name do not share.
fn name(mail: &Path, record: &Record) -> String {
    let name = mail.file_name().unwrap_or_default().to_string_lossy();
    let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    format!("{}.{}.json", if name == "-" { "mail" } else { name.as_str() }, record.verdict.id)
}

/// The record in a file; `-` is standard input.
pub fn read(file: &Path) -> Result<Record> {
    let mut text = Vec::new();
    let limit = RECORD_BYTES_MAX as u64 + 1;
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut text).context("standard input")?;
    } else {
        // A pipe or a device may never end.
        anyhow::ensure!(std::fs::metadata(file)?.is_file(), "not a regular file");
        std::fs::File::open(file)?.take(limit).read_to_end(&mut text)?;
    }
    Ok(decode(&text)?)
}

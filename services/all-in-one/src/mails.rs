//! Mails in files: found in folders, read under a limit, offered as an edge would offer them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::{Client, Door, Envelope, bare};
use tamis_domain::limits::MAIL_BYTES_MAX;
use tamis_domain::reading::HeaderReading;
use tamis_message::{content, digesting, header};

use crate::cli::Check;

/// Depth of folders looked into. Nobody sorts mail deeper.
const FOLDER_DEPTH_MAX: usize = 64;

/// Time that a mail from a file may take: nobody waits for it.
const REMAINING: Duration = Duration::from_secs(600);

/// All files named or found in the folders named, in order, and the complaints about what cannot be read.
pub fn find(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let mut found = Vec::new();
    let mut complaints = Vec::new();
    for path in paths {
        walk(path, FOLDER_DEPTH_MAX, &mut found, &mut complaints);
    }
    (found, complaints)
}

fn walk(path: &Path, depth: usize, found: &mut Vec<PathBuf>, complaints: &mut Vec<String>) {
    if path.as_os_str() == "-" || !path.is_dir() {
        found.push(path.to_path_buf());
        return;
    }
    if depth == 0 {
        complaints.push(format!("{}: folders nested too deep", path.display()));
        return;
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    match entries {
        Ok(entries) => {
            let mut inside: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
            inside.sort();
            // Two links from a folder to itself would make 2^64 paths. Only folders named by the caller may be links.
            for path in inside.iter().filter(|path| !(path.is_symlink() && path.is_dir())) {
                walk(path, depth - 1, found, complaints);
            }
        }
        Err(error) => complaints.push(format!("{}: {error}", path.display())),
    }
}

/// The bytes of one mail; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut mail;
    let limit = MAIL_BYTES_MAX + 1;
    if path.as_os_str() == "-" {
        mail = Vec::new();
        std::io::stdin().lock().take(limit).read_to_end(&mut mail).context("standard input")?;
    } else {
        let kind = std::fs::metadata(path)?;
        // A pipe or a device may never end.
        if !kind.is_file() {
            bail!("not a regular file");
        }
        // With room for one byte more its end is seen without making any.
        let size = usize::try_from(kind.len().min(limit))?;
        mail = Vec::with_capacity(size + 1);
        std::fs::File::open(path)?.take(limit).read_to_end(&mut mail)?;
    }
    if mail.len() as u64 > MAIL_BYTES_MAX {
        bail!("longer than {MAIL_BYTES_MAX} bytes");
    }
    end_lines(&mut mail);
    Ok(mail)
}

/// Lines of a file that was written on a classic Mac end in CR alone. No MTA passes such a mail on, so it is a way of
/// keeping files and no trick; a file with any LF is left as it is.
fn end_lines(mail: &mut [u8]) {
    if mail.contains(&b'\r') && !mail.contains(&b'\n') {
        for byte in mail.iter_mut().filter(|byte| **byte == b'\r') {
            *byte = b'\n';
        }
    }
}

/// The mail as an edge would offer it, with all its contents.
pub fn offer(mail: &[u8], envelope: impl FnOnce(&HeaderReading) -> Envelope) -> Offer {
    let dissected = digesting::dissect(mail);
    let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digesting::part_digest(mail).0;
    let inline = dissected
        .spans
        .iter()
        .zip(0_u16..)
        .filter_map(|(span, part)| {
            span.as_ref().map(|span| Content { part, bytes: content::decode(span, span.of(mail)) })
        })
        .collect();
    let envelope = envelope(&header::read(&dissected.outline.header));
    Offer { id: MailId(id), envelope, outline: dissected.outline, inline, remaining: REMAINING }
}

/// The envelope that the options say; without any, what the mail's own trace tells, which anybody can write.
pub fn envelope(options: &Check, header: &HeaderReading) -> Envelope {
    let said = options.ip.is_some()
        || options.helo.is_some()
        || options.from.is_some()
        || !options.rcpt.is_empty();
    if said {
        return Envelope {
            client: options.ip.map(|address| Client { address, name: None }),
            helo: options.helo.clone(),
            sender: bare(options.from.as_deref().unwrap_or_default()),
            recipients: options.rcpt.iter().map(|address| bare(address)).collect(),
            door: Door::File,
            verified: true,
            ..Envelope::default()
        };
    }
    Envelope::traced(header)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail aloud")]
    use super::*;

    #[test]
    fn files_of_classic_macs_have_lines_and_mail_with_any_other_line_end_is_left_alone() {
        for (file, read) in [
            (&b"A: b\r\rc\r"[..], &b"A: b\n\nc\n"[..]),
            (b"A: b\r\n\r\nc\r", b"A: b\r\n\r\nc\r"),
            (b"A: b\rc\n", b"A: b\rc\n"),
            (b"A: b", b"A: b"),
        ] {
            let mut mail = file.to_vec();
            end_lines(&mut mail);
            assert_eq!(mail, read);
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_are_followed_where_named_but_not_inside_folders() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("mail"), "x").unwrap();
        std::os::unix::fs::symlink(folder.join("mail"), folder.join("same mail")).unwrap();
        for name in ["self", "self too"] {
            std::os::unix::fs::symlink(&folder, folder.join(name)).unwrap();
        }
        let named = folder.join("self");
        let (found, complaints) = find(std::slice::from_ref(&named));
        assert_eq!(found, [named.join("mail"), named.join("same mail")]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}

//! The files of the next release, in a directory beside the log: a link to the snapshot, and pieces that grow.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use tamis_bases::label::Label;
use tamis_reputation_protocol::signatures::Rules;

use super::{LOG, RULES, SNAPSHOT, rules};
use crate::log::histories::Histories;
use crate::log::tail::Tail;

/// Bytes of a piece: what a publisher cuts and a site writes anew for one change, 2 MiB in the mean.
pub(super) const PIECE_BYTES: u64 = 4 * 1024 * 1024;

/// Pieces of a log, at most: half of the files of a release. Together 512 MiB, to which the longest log is compacted; what
/// is longer, since it cannot be compacted, makes the last piece longer.
pub(super) const PIECES_MAX: usize = 128;

/// What is staged.
#[derive(Debug)]
pub(super) struct Staging {
    dir: PathBuf,
    rules: Rules,
    histories: Histories,
    tail: Option<Tail>,
    pieces: Vec<u64>,
}

impl Staging {
    pub fn new(dir: PathBuf, rules: Rules, histories: Histories) -> Self {
        Self { dir, rules, histories, tail: None, pieces: Vec::new() }
    }

    /// Whether the log has another snapshot than is staged.
    pub fn is_old(&self) -> bool {
        let staged = self.tail.as_ref().and_then(Tail::snapshot).map(|it| it.epoch());
        self.histories.snapshot().map(|it| it.epoch()) != staged
    }

    /// Brings the files up to the log as it is now, and names them.
    ///
    /// # Errors
    /// The disk's. The next call begins anew.
    pub fn staged(&mut self) -> io::Result<Vec<(Label, PathBuf)>> {
        let grown = match self.tail.take() {
            Some(tail) => self.grown(tail)?,
            None => None,
        };
        let tail = match grown {
            Some(tail) => tail,
            None => self.begun()?,
        };
        let has_snapshot = tail.snapshot().is_some();
        self.tail = Some(tail);
        let mut names = vec![RULES.to_owned()];
        names.extend(has_snapshot.then(|| SNAPSHOT.to_owned()));
        names.extend((0..self.pieces.len()).map(piece));
        let named = |name: String| {
            let label = name.parse().map_err(io::Error::other)?;
            Ok((label, self.dir.join(name)))
        };
        names.into_iter().map(named).collect()
    }

    /// The pieces with all that came since; none when the log was compacted meanwhile.
    fn grown(&mut self, mut tail: Tail) -> io::Result<Option<Tail>> {
        let mut out = Pieces { dir: &self.dir, lengths: &mut self.pieces, open: None };
        let copied = tail.copy(&self.histories, &mut out)?;
        out.close()?;
        Ok(copied.map(|_| tail))
    }

    /// A directory that is made anew.
    fn begun(&mut self) -> io::Result<Tail> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir(&self.dir)?;
        self.pieces.clear();
        fs::write(self.dir.join(RULES), rules::write(&self.rules))?;
        let no_log = || io::Error::other("there is no log on disk");
        let tail = Tail::begin(&self.histories).ok_or_else(no_log)?;
        if let Some(snapshot) = tail.snapshot() {
            fs::hard_link(snapshot.path(), self.dir.join(SNAPSHOT))?;
        }
        let replaced = || io::Error::other("the log is compacted again and again");
        self.grown(tail)?.ok_or_else(replaced)
    }
}

/// The name of a piece.
pub(super) fn piece(number: usize) -> String {
    format!("{LOG}{number:03}")
}

/// Bytes into pieces, one after the other.
pub(super) struct Pieces<'a> {
    pub dir: &'a std::path::Path,
    pub lengths: &'a mut Vec<u64>,
    pub open: Option<BufWriter<File>>,
}

impl Pieces<'_> {
    pub fn close(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |mut open| open.flush())
    }

    /// Bytes that the last piece still takes.
    fn room(&self) -> u64 {
        let is_last = self.lengths.len() >= PIECES_MAX;
        match self.lengths.last() {
            None => 0,
            Some(_) if is_last => u64::MAX,
            Some(length) => PIECE_BYTES.saturating_sub(*length),
        }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room() == 0 {
            self.close()?;
            self.lengths.push(0);
        }
        let wanted = usize::try_from(self.room()).unwrap_or(usize::MAX).min(bytes.len());
        let last = self.lengths.len().saturating_sub(1);
        if self.open.is_none() {
            let path = self.dir.join(piece(last));
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            self.open = Some(BufWriter::new(file));
        }
        if let (Some(open), Some(length)) = (&mut self.open, self.lengths.last_mut()) {
            open.write_all(&bytes[..wanted])?;
            *length += wanted as u64;
        }
        Ok(wanted)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), Write::flush)
    }
}

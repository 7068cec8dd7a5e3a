//! The signatures of one release, as they stand on disk: opened once, so that they stay readable when newer releases
//! have taken their place. They are signed; what they say is checked all the same.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tamis_bases::chunks::{Name, Naming};
use tamis_domain::digest::SignatureKind;
use tamis_reputation_protocol::signatures::{Refused, Rules, Saved, Table};

use super::staging::{PIECES_MAX, piece};
use super::{LOG, RULES, SNAPSHOT, rules};
use crate::bases::directory::Release;
use crate::log::OpenError;
use crate::log::frame::{Next, Reader};
use crate::log::record::{self, Commit};
use crate::log::snapshot::Snapshot;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// Bytes of a saved signature at least: kind, value, no sketch, epoch, count. More signatures than fit are a lie, and room
/// for them is not made.
const SAVED_BYTES_MIN: u64 = 17 + 1 + 8 + 1;

/// Why the signatures of a release are not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// This machine's, or the release went while it was opened: try again.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The publisher's: wait for another release.
    #[error("{0}")]
    Bad(String),
}

impl From<OpenError> for FeedError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged { path, at, what } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Self::Bad(format!("{name} at byte {at}: {what}"))
            }
            OpenError::Format { .. } => Self::Bad(error.to_string()),
            other => Self::Io(other.into()),
        }
    }
}

/// The files.
#[derive(Debug)]
pub(super) struct Files {
    pub rules: Rules,
    snapshot: Option<(Name, Arc<Snapshot>)>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    name: Name,
    bytes: u64,
    file: Arc<File>,
}

impl Files {
    /// Opens the files of a release; none: it lists no signatures. Those that `before` has are not opened again. `own`:
    /// this site's limits.
    pub fn open(
        release: &Release,
        own: Rules,
        before: Option<&Self>,
    ) -> Result<Option<Self>, FeedError> {
        let Some(path) = release.path(RULES) else { return Ok(None) };
        let mut text = String::new();
        File::open(path)?.take(rules::RULES_BYTES_MAX).read_to_string(&mut text)?;
        let rules = rules::read(&text, own).map_err(FeedError::Bad)?;
        let manifest = &release.signed.manifest;
        let snapshot = match (manifest.file(SNAPSHOT), release.path(SNAPSHOT)) {
            (Some(entry), Some(path)) => {
                let same = before.and_then(|before| before.snapshot.clone());
                match same.filter(|(name, _)| *name == entry.whole) {
                    Some(same) => Some(same),
                    None => Some((entry.whole, Arc::new(Snapshot::open(&path)?))),
                }
            }
            _ => None,
        };
        let mut pieces = Vec::new();
        for number in 0..PIECES_MAX {
            let label = piece(number);
            let (Some(entry), Some(path)) = (manifest.file(&label), release.path(&label)) else {
                break;
            };
            let same = before.and_then(|before| before.pieces.get(number));
            pieces.push(match same.filter(|same| same.name == entry.whole) {
                Some(same) => same.clone(),
                None => {
                    let file = Arc::new(File::open(path)?);
                    Piece { name: entry.whole, bytes: entry.bytes, file }
                }
            });
        }
        let is_piece = |name: &str| name.starts_with(LOG);
        let named = manifest.files.iter().filter(|entry| is_piece(entry.name.as_str())).count();
        if named != pieces.len() {
            return Err(FeedError::Bad("pieces of its log are missing".to_owned()));
        }
        Ok(Some(Self { rules, snapshot, pieces }))
    }

    /// The snapshot, if there is one.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.as_ref().map(|(_, snapshot)| Arc::clone(snapshot))
    }

    /// Bytes of log.
    pub fn log_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes).sum()
    }

    /// Whether these are the files of `before` with a longer log, so that a table that was made of those needs what is
    /// new alone.
    pub fn follow(&self, before: &Self) -> io::Result<bool> {
        let names = |files: &Self| files.snapshot.as_ref().map(|(name, _)| *name);
        if names(self) != names(before) || self.rules != before.rules {
            return Ok(false);
        }
        let Some((last, whole)) = before.pieces.split_last() else { return Ok(true) };
        let is_same = whole.iter().zip(&self.pieces).all(|(old, new)| old.name == new.name);
        match self.pieces.get(whole.len()) {
            Some(grown) if is_same => Ok(last.name == grown.name || begins_with(grown, last)?),
            _ => Ok(false),
        }
    }

    /// A table of all that they list.
    pub fn table(&self) -> Result<Table, FeedError> {
        let mut table = Table::new(self.rules);
        if let Some((_, snapshot)) = &self.snapshot {
            let listed = snapshot.counts().iter().map(|count| count.signatures);
            let listed = listed.fold(0, u64::saturating_add);
            if listed > snapshot.bytes() / SAVED_BYTES_MIN {
                return Err(FeedError::Bad("it says to list more than its bytes hold".to_owned()));
            }
            self.has_room(usize::try_from(listed).unwrap_or(usize::MAX))?;
            if snapshot.load(&mut table)? > 0 {
                return Err(FeedError::Bad(Refused::TooManyReporters.to_string()));
            }
        }
        self.commits(0, |commit| {
            follows(&commit, table.epoch())?;
            for change in &commit.changes {
                table.replay(change).map_err(|refused| FeedError::Bad(refused.to_string()))?;
            }
            self.has_room(table.len())
        })?;
        Ok(table)
    }

    /// Whether this site takes so many signatures.
    pub fn has_room(&self, signatures: usize) -> Result<(), FeedError> {
        let most = self.rules.signatures_max;
        if signatures <= most {
            return Ok(());
        }
        Err(FeedError::Bad(format!(
            "it lists more than the {most} signatures that [reputation] signatures_max allows here"
        )))
    }

    /// The commits from a place of the log on, in order.
    pub fn commits(
        &self,
        from: u64,
        mut visit: impl FnMut(Commit) -> Result<(), FeedError>,
    ) -> Result<(), FeedError> {
        let chain = Chain::new(&self.pieces, from);
        let mut reader = Reader::new(BufReader::with_capacity(READ_BYTES, chain), from);
        loop {
            let at = reader.at();
            let bad = |what: &str| FeedError::Bad(format!("its log at byte {at}: {what}"));
            match reader.frame()? {
                Next::End => return Ok(()),
                Next::Bad => return Err(bad("no whole record")),
                Next::Payload(payload) => {
                    visit(record::read_commit(&payload).ok_or_else(|| bad("no such record"))?)?;
                }
            }
        }
    }

    /// What they say of one signature.
    pub fn history(
        &self,
        kind: SignatureKind,
        value_prefix: &[u8; 12],
    ) -> Result<Option<Saved>, FeedError> {
        let mut saved = match &self.snapshot {
            Some((_, snapshot)) => snapshot.find(kind, value_prefix)?,
            None => None,
        };
        self.commits(0, |commit| {
            let mut epoch = commit.epoch_before;
            for change in &commit.changes {
                epoch += 1;
                let signature = change.signature();
                if signature.kind == kind && signature.value.starts_with(value_prefix) {
                    saved = match saved.take() {
                        None => Saved::begun(change, epoch),
                        Some(mut saved) => saved.apply(change, epoch).then_some(saved),
                    };
                }
            }
            Ok(())
        })?;
        Ok(saved)
    }
}

/// Whether a commit is the next one after this epoch.
pub(super) fn follows(commit: &Commit, epoch: u64) -> Result<(), FeedError> {
    let before = commit.epoch_before;
    if before == epoch {
        return Ok(());
    }
    Err(FeedError::Bad(format!("changes after epoch {before} follow epoch {epoch}")))
}

/// Whether the first bytes of a piece are another one.
fn begins_with(piece: &Piece, other: &Piece) -> io::Result<bool> {
    if piece.bytes < other.bytes {
        return Ok(false);
    }
    let mut begin = Chain::new(std::slice::from_ref(piece), 0).take(other.bytes);
    let (mut naming, mut buffer) = (Naming::default(), vec![0; READ_BYTES]);
    loop {
        match begin.read(&mut buffer)? {
            0 => return Ok(naming.name() == other.name),
            count => naming.update(&buffer[..count]),
        }
    }
}

/// Pieces read as one.
struct Chain<'a> {
    pieces: &'a [Piece],
    at: u64,
}

impl<'a> Chain<'a> {
    fn new(pieces: &'a [Piece], from: u64) -> Self {
        let (mut pieces, mut at) = (pieces, from);
        while let [first, rest @ ..] = pieces
            && first.bytes <= at
        {
            at -= first.bytes;
            pieces = rest;
        }
        Self { pieces, at }
    }
}

impl Read for Chain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let [first, rest @ ..] = self.pieces {
            let left =
                usize::try_from(first.bytes - self.at.min(first.bytes)).unwrap_or(usize::MAX);
            let wanted = left.min(buffer.len());
            let count = first.file.read_at(&mut buffer[..wanted], self.at)?;
            if count > 0 || buffer.is_empty() {
                self.at += count as u64;
                return Ok(count);
            }
            (self.pieces, self.at) = (rest, 0);
        }
        Ok(0)
    }
}

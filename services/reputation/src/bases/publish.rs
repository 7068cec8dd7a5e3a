//! From a directory of files to the next signed release.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tamis_bases::chunks::{CHUNK_BYTES_MAX, Name, Naming, cut};
use tamis_bases::keys::{PublicKey, SEED_BYTES, SigningKey, read_seed, write_seed};
use tamis_bases::label::Label;
use tamis_bases::lists::Lister;
use tamis_bases::manifest::{Endorsed, FILES_MAX, FileEntry, Malformed, Manifest, Signed};
use tamis_bases::pull::{Event, Pull, Want};
use tamis_bases::standing::{Judged, Standing};

use super::directory::{Directory, Release};
use super::error::BasesError;
use super::store::{Store, entries};

/// Longest key file: 64 digits and blanks.
const KEY_FILE_BYTES_MAX: u64 = 1024;

/// What to publish.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The directory: its regular files are the release.
    pub source: PathBuf,
    /// Keys that may sign from now on.
    pub introduce: Vec<PublicKey>,
    /// Keys that may sign no more.
    pub retire: Vec<PublicKey>,
    /// Seconds for which the release can be brought into force.
    pub valid_s: u64,
}

/// The files of a publication.
pub(crate) struct Sources {
    /// Their names, and where they stand.
    pub files: Vec<(Label, PathBuf)>,
    /// Which files of the release in force stay in the next one, unless there is a new one of the name.
    pub carries: fn(&str) -> bool,
    /// Whether nothing is published while somebody went back here: so a service does, and nobody who types a command.
    pub heeds_rollback: bool,
}

/// Whether a file of this name is published by a running service.
pub(crate) fn is_of_service(name: &str) -> bool {
    name.starts_with("signatures.")
}

/// A file as the last publication saw it: what the system says of it is the same as long as nobody wrote to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Seen {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

/// What the files of the last publication were cut into, so that those that did not change are not read again.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The release whose chunks are certain to be here.
    generation: u64,
    files: HashMap<Seen, FileEntry>,
}

/// Reads a key file, which nobody else may be able to read.
///
/// # Errors
/// [`BasesError::KeyFile`].
pub fn read_key(path: &Path) -> Result<SigningKey, BasesError> {
    let wrong = |why: String| BasesError::KeyFile { path: path.to_path_buf(), why };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(wrong(format!("mode {:o}: others may read this secret", mode & 0o777)));
    }
    let read = file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| wrong(error.to_string()))?;
    let key = read_seed(&text).and_then(|seed| SigningKey::from_seed(&seed));
    key.map_err(|error| wrong(error.to_string()))
}

/// Makes a key file that only its owner can read; its public key is what others configure.
///
/// # Errors
/// [`BasesError::KeyFile`]: for instance, there is a file of this name already.
pub fn make_key(path: &Path) -> Result<PublicKey, BasesError> {
    let wrong = |why: String| BasesError::KeyFile { path: path.to_path_buf(), why };
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).map_err(|error| wrong(format!("no random numbers: {error}")))?;
    let key = SigningKey::from_seed(&seed).map_err(|error| wrong(error.to_string()))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(write_seed(&seed).as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| wrong(error.to_string()))?;
    Ok(key.public())
}

impl Directory {
    /// Signs the files of a directory as the next generation and brings it into force here. A running service notices and
    /// pushes it. Blocks its thread.
    ///
    /// # Errors
    /// [`BasesError`]; nothing changed.
    pub fn publish(
        &self,
        publication: &Publication,
        key: &SigningKey,
        now_unix_s: u64,
    ) -> Result<Release, BasesError> {
        let sources = Sources {
            files: sources(&publication.source)?,
            carries: if self.config.publish_signatures { is_of_service } else { |_| false },
            heeds_rollback: false,
        };
        let mut memory = Memory::default();
        self.publish_sources(&sources, &mut memory, publication, key, now_unix_s)
    }

    /// Signs what is in force, after somebody went back to it, as the next generation: so sites take it, and a service
    /// publishes again. Blocks its thread.
    ///
    /// # Errors
    /// [`BasesError::NotHeld`], and those of [`Directory::publish`].
    pub fn resume(
        &self,
        key: &SigningKey,
        valid_s: u64,
        now_unix_s: u64,
    ) -> Result<Release, BasesError> {
        match self.not_held() {
            Ok(()) => return Err(BasesError::NotHeld),
            Err(BasesError::Held { .. }) => {}
            Err(error) => return Err(error),
        }
        let sources = Sources { files: Vec::new(), carries: |_| true, heeds_rollback: false };
        let publication = Publication {
            source: PathBuf::new(),
            introduce: Vec::new(),
            retire: Vec::new(),
            valid_s,
        };
        self.publish_sources(&sources, &mut Memory::default(), &publication, key, now_unix_s)
    }

    /// As [`Directory::publish`], for these files. What `memory` has seen is not read again.
    pub(crate) fn publish_sources(
        &self,
        sources: &Sources,
        memory: &mut Memory,
        publication: &Publication,
        key: &SigningKey,
        now_unix_s: u64,
    ) -> Result<Release, BasesError> {
        let lock = self.lock()?;
        if sources.heeds_rollback {
            self.not_held()?;
        }
        self.clear(&lock)?;
        let before = self.in_force()?.map(|release| release.signed);
        let mut written = Vec::new();
        let files = self.entries(sources, memory, before.as_ref(), &mut written)?;
        let manifest = self.manifest(publication, key, before.as_ref(), files, now_unix_s)?;
        let signed = manifest.sign(key)?;
        self.believe(&signed, before.as_ref(), key, now_unix_s)?;
        let pull = stored_pull(&self.store, signed)?;
        let release = self.install(&pull, &written, &lock)?;
        self.tidy(&lock);
        memory.generation = release.generation();
        Ok(release)
    }

    /// Whether a publication of these files would say what the release in force says.
    pub(crate) fn is_published(
        &self,
        sources: &Sources,
        memory: &mut Memory,
    ) -> Result<bool, BasesError> {
        let lock = self.lock()?;
        let Some(before) = self.in_force()?.map(|release| release.signed) else {
            return Ok(false);
        };
        let mut written = Vec::new();
        let files = self.entries(sources, memory, Some(&before), &mut written)?;
        self.store.sync(&written)?;
        drop(lock);
        Ok(files == before.manifest.files)
    }

    fn entries(
        &self,
        sources: &Sources,
        memory: &mut Memory,
        before: Option<&Signed>,
        written: &mut Vec<Name>,
    ) -> Result<Vec<FileEntry>, BasesError> {
        // Somebody else published or went back: the chunks that were seen may be going.
        if before.map_or(0, |before| before.manifest.generation) != memory.generation {
            *memory = Memory::default();
        }
        let mut files = BTreeMap::new();
        let carried = before.into_iter().flat_map(|before| &before.manifest.files);
        for entry in carried.filter(|entry| (sources.carries)(entry.name.as_str())) {
            files.insert(entry.name.clone(), entry.clone());
        }
        let mut seen = HashMap::new();
        for (name, path) in &sources.files {
            let meta = fs::metadata(path).map_err(BasesError::io(path))?;
            let known = memory.files.get(&Seen::of(&meta));
            let entry = match known {
                Some(known) => FileEntry { name: name.clone(), ..known.clone() },
                None => stored(&self.store, name.clone(), path, written)?,
            };
            // What grew meanwhile was read further than it was seen.
            if entry.bytes == meta.len() {
                seen.insert(Seen::of(&meta), entry.clone());
            }
            files.insert(name.clone(), entry);
        }
        if files.len() > FILES_MAX {
            return Err(Malformed::Files.into());
        }
        memory.generation = before.map_or(0, |before| before.manifest.generation);
        memory.files = seen;
        Ok(files.into_values().collect())
    }

    fn manifest(
        &self,
        publication: &Publication,
        key: &SigningKey,
        before: Option<&Signed>,
        files: Vec<FileEntry>,
        now_unix_s: u64,
    ) -> Result<Manifest, BasesError> {
        let channel = &self.config.channel;
        let highest = self.releases()?.last().map_or(0, |(generation, _)| *generation);
        let highest = highest.max(self.taken_back()?);
        let (mut keys, mut retired) = match before {
            None => (vec![Endorsed::by(key, channel, key.public())], Vec::new()),
            Some(before) => (before.manifest.keys.clone(), before.manifest.retired.clone()),
        };
        // Those of a release that was taken back, too.
        let forgotten = self.retired()?.into_iter().filter(|old| !retired.contains(old));
        let forgotten: Vec<_> = forgotten.collect();
        keys.retain(|endorsed| !forgotten.contains(&endorsed.key));
        retired.extend(forgotten);
        for new in &publication.introduce {
            if !keys.iter().any(|endorsed| endorsed.key == *new) {
                keys.push(Endorsed::by(key, channel, *new));
            }
        }
        for old in &publication.retire {
            keys.retain(|endorsed| endorsed.key != *old);
            if !retired.contains(old) {
                retired.push(*old);
            }
        }
        Ok(Manifest {
            channel: channel.clone(),
            generation: highest + 1,
            previous: before.map_or(0, |before| before.manifest.generation),
            created_unix_s: now_unix_s,
            not_after_unix_s: now_unix_s.saturating_add(publication.valid_s),
            keys,
            retired,
            files,
        })
    }

    /// What a receiver would refuse is not published. Who publishes first trusts his own key.
    fn believe(
        &self,
        signed: &Signed,
        before: Option<&Signed>,
        key: &SigningKey,
        now_unix_s: u64,
    ) -> Result<(), BasesError> {
        let mut keys = self.config.trusted_keys.clone();
        if before.is_none() && keys.is_empty() {
            keys.push(key.public());
        }
        let retired = self.retired()?;
        let standing = Standing {
            channel: &self.config.channel,
            keys: &keys,
            in_force: before,
            retired: &retired,
            refused_up_to: self.taken_back()?,
            now_unix_s,
        };
        match standing.judge(&signed.encode()) {
            Ok(Judged::Newer(_)) => Ok(()),
            Ok(Judged::Same) => Err(BasesError::Unpublishable("it is in force".to_owned())),
            Err(refusal) => {
                Err(BasesError::Unpublishable(format!("receivers would refuse it: {refusal}")))
            }
        }
    }
}

/// The regular files of a directory, by name.
pub(crate) fn sources(dir: &Path) -> Result<Vec<(Label, PathBuf)>, BasesError> {
    let mut files = Vec::new();
    for path in entries(dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let meta = fs::metadata(&path).map_err(BasesError::io(&path))?;
        if !meta.is_file() {
            return Err(BasesError::Unpublishable(format!("{} is no file", path.display())));
        }
        files.push((name.parse()?, path));
        if files.len() > FILES_MAX {
            let why = format!("{} has more than {FILES_MAX} files", dir.display());
            return Err(BasesError::Unpublishable(why));
        }
    }
    files.sort();
    Ok(files)
}

/// Cuts one file into chunks and keeps them.
fn stored(
    store: &Store,
    name: Label,
    path: &Path,
    written: &mut Vec<Name>,
) -> Result<FileEntry, BasesError> {
    let mut file = File::open(path).map_err(BasesError::io(path))?;
    let (mut naming, mut lister) = (Naming::default(), Lister::default());
    let (mut buffer, mut bytes) = (Vec::with_capacity(2 * CHUNK_BYTES_MAX), 0);
    let mut keep = |chunk: &[u8]| -> Result<Name, BasesError> {
        let name = Name::of(chunk);
        if !store.has(name, chunk.len()) {
            store.write(name, chunk)?;
            written.push(name);
        }
        Ok(name)
    };
    loop {
        if buffer.len() < CHUNK_BYTES_MAX {
            let wanted = (2 * CHUNK_BYTES_MAX - buffer.len()) as u64;
            let read = Read::by_ref(&mut file).take(wanted).read_to_end(&mut buffer);
            read.map_err(BasesError::io(path))?;
        }
        let length = cut(&buffer);
        if length == 0 {
            break;
        }
        let chunk = &buffer[..length];
        naming.update(chunk);
        lister.push(keep(chunk)?, length)?;
        bytes += length as u64;
        buffer.drain(..length);
    }
    let mut list = Name::of(&[]);
    for chunk in lister.finish()? {
        list = keep(&chunk)?;
    }
    Ok(FileEntry { name, bytes, whole: naming.name(), list })
}

/// A pull of a release whose chunks are all here.
fn stored_pull(store: &Store, signed: Signed) -> Result<Pull, BasesError> {
    let mut pull = Pull::new(signed);
    while let Some(want) = pull.poll() {
        let name = want.name();
        match want {
            Want::List(_) => {
                let list = store.read(name)?.ok_or(BasesError::Absent(name))?;
                pull.handle(Event::List(name, &list))?;
            }
            Want::Piece(..) => pull.handle(Event::Stored(name))?,
        }
    }
    Ok(pull)
}

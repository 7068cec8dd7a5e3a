//! The manifest of a release: which files, in which generation of which channel, and who may sign the next ones.
//!
//! Layout, big-endian, nothing optional, so that each manifest has one form:
//!
//! ```text
//! "TBM" 1 | channel label | generation u64 | previous u64 | created u64 | not after u64
//!   | keys u8 x (key 32 | endorsed by 16 | signature 64) | retired u8 x key 32
//!   | files u16 x (name label | bytes u64 | whole 32 | list 32)
//!   | signer 16 | signature 64
//! ```
//!
//! A label is `length u8 | characters`. Files stand in the order of their names. The signature covers all bytes before it.

use crate::chunks::Name;
use crate::keys::{KeyId, PublicKey, Signature, SigningKey};
use crate::label::Label;
use crate::lists::FILE_BYTES_MAX;
use crate::wire::Reader;

/// Bytes of a manifest: one of [`FILES_MAX`] files with the longest names has 36 KB.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// Files of a release. Each costs a place in every manifest.
pub const FILES_MAX: usize = 256;

/// Keys that may sign at the same time: the present one, the next, and some in a safe. A receiver checks as many
/// signatures before it believes a manifest.
pub const KEYS_MAX: usize = 8;

/// Keys that may no longer sign and are remembered as such. A channel that used up so many begins anew under another
/// name.
pub const RETIRED_MAX: usize = 32;

const MAGIC: [u8; 4] = *b"TBM\x01";

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name.
    pub name: Label,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of all of it.
    pub whole: Name,
    /// Name of its list of chunks, see [`crate::lists`].
    pub list: Name,
}

/// A key that may sign, and which key said so. The first key of a channel endorses itself, which proves nothing: it is
/// believed where a configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsed {
    /// The key.
    pub key: PublicKey,
    /// Who said so.
    pub by: KeyId,
    /// That key's signature of it, for this channel.
    pub signature: Signature,
}

impl Endorsed {
    /// The endorsement of `key` for `channel` by `by`.
    #[must_use]
    pub fn by(by: &SigningKey, channel: &Label, key: PublicKey) -> Self {
        Self { key, by: by.public().id(), signature: by.endorse(channel, &key) }
    }
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Which line of releases.
    pub channel: Label,
    /// Number of this release; grows, never 0.
    pub generation: u64,
    /// Number of the release before it; 0 for the first.
    pub previous: u64,
    /// When it was made, Unix seconds.
    pub created_unix_s: u64,
    /// When it can no longer be brought into force, Unix seconds. Bases in force stay so.
    pub not_after_unix_s: u64,
    /// Who may sign releases, in the order in which they were introduced; never empty.
    pub keys: Vec<Endorsed>,
    /// Who may no longer.
    pub retired: Vec<PublicKey>,
    /// The files, by name.
    pub files: Vec<FileEntry>,
}

/// A manifest and who answers for it. That the signature is right is not said by this type: see
/// [`crate::standing::Standing::judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is said.
    pub manifest: Manifest,
    /// Who says it.
    pub signer: KeyId,
    /// Over all bytes before it.
    pub signature: Signature,
}

/// Why something is no manifest. As a reader: the upstream's or the publisher's fault. As a writer: the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not this format.
    #[error("not a manifest of format 1")]
    Format,
    /// More than [`MANIFEST_BYTES_MAX`].
    #[error("more than {MANIFEST_BYTES_MAX} bytes")]
    TooLong,
    /// It ends in this field.
    #[error("it ends in {0}")]
    Truncated(&'static str),
    /// Bytes after the signature.
    #[error("bytes after its end")]
    Longer,
    /// A channel or file name that is none.
    #[error("a name that is none in {0}")]
    Label(&'static str),
    /// Generation 0, or not above the one before.
    #[error("the generation is not above the previous one")]
    Generation,
    /// It ends before it began.
    #[error("not after is before created")]
    Times,
    /// No key, too many, or one twice, or one both trusted and retired.
    #[error("keys are none, too many, repeated, or trusted and retired at the same time")]
    Keys,
    /// Too many files.
    #[error("more than {FILES_MAX} files")]
    Files,
    /// Files that do not stand in the order of their names, or one twice.
    #[error("files are not in the order of their names")]
    Order,
    /// A file of more than [`FILE_BYTES_MAX`] bytes.
    #[error("a file of more than {FILE_BYTES_MAX} bytes")]
    FileTooLong,
}

impl Manifest {
    /// Signs it.
    ///
    /// # Errors
    /// [`Malformed`]: something that no reader would take.
    pub fn sign(self, key: &SigningKey) -> Result<Signed, Malformed> {
        self.check()?;
        let signer = key.public().id();
        let signature = key.sign_manifest(&self.statement(signer));
        Ok(Signed { manifest: self, signer, signature })
    }

    /// The file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.name.as_str() == name)
    }

    fn statement(&self, signer: KeyId) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        push_label(&mut out, &self.channel);
        let numbers = [self.generation, self.previous, self.created_unix_s, self.not_after_unix_s];
        numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
        out.push(u8::try_from(self.keys.len()).unwrap_or(u8::MAX));
        for key in &self.keys {
            out.extend_from_slice(&key.key.0);
            out.extend_from_slice(&key.by.0);
            out.extend_from_slice(&key.signature.0);
        }
        out.push(u8::try_from(self.retired.len()).unwrap_or(u8::MAX));
        self.retired.iter().for_each(|key| out.extend_from_slice(&key.0));
        out.extend_from_slice(&u16::try_from(self.files.len()).unwrap_or(u16::MAX).to_be_bytes());
        for file in &self.files {
            push_label(&mut out, &file.name);
            out.extend_from_slice(&file.bytes.to_be_bytes());
            out.extend_from_slice(&file.whole.0);
            out.extend_from_slice(&file.list.0);
        }
        out.extend_from_slice(&signer.0);
        out
    }

    /// The rules that bind several fields.
    fn check(&self) -> Result<(), Malformed> {
        if self.generation <= self.previous {
            return Err(Malformed::Generation);
        }
        if self.not_after_unix_s < self.created_unix_s {
            return Err(Malformed::Times);
        }
        let mut keys: Vec<_> = self.keys.iter().map(|endorsed| endorsed.key).collect();
        keys.extend_from_slice(&self.retired);
        keys.sort_unstable();
        if !(1..=KEYS_MAX).contains(&self.keys.len())
            || self.retired.len() > RETIRED_MAX
            || keys.windows(2).any(|pair| pair[0] == pair[1])
        {
            return Err(Malformed::Keys);
        }
        if self.files.len() > FILES_MAX {
            return Err(Malformed::Files);
        }
        if self.files.windows(2).any(|pair| pair[0].name >= pair[1].name) {
            return Err(Malformed::Order);
        }
        if self.files.iter().any(|file| file.bytes > FILE_BYTES_MAX) {
            return Err(Malformed::FileTooLong);
        }
        Ok(())
    }
}

impl Signed {
    /// The bytes that travel.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.statement();
        out.extend_from_slice(&self.signature.0);
        out
    }

    /// The bytes that the signature covers.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        self.manifest.statement(self.signer)
    }

    /// Reads what [`Signed::encode`] wrote; believes nothing of it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let mut reader = Reader::new(bytes);
        let manifest = manifest(&mut reader)?;
        let signer = KeyId(reader.array().ok_or(Malformed::Truncated("signer"))?);
        let signature = Signature(reader.array().ok_or(Malformed::Truncated("signature"))?);
        if !reader.is_empty() {
            return Err(Malformed::Longer);
        }
        manifest.check()?;
        Ok(Self { manifest, signer, signature })
    }
}

fn manifest(reader: &mut Reader<'_>) -> Result<Manifest, Malformed> {
    if reader.array() != Some(MAGIC) {
        return Err(Malformed::Format);
    }
    let channel = label(reader, "channel")?;
    let mut number = |what| reader.u64().ok_or(Malformed::Truncated(what));
    let (generation, previous) = (number("generation")?, number("previous")?);
    let (created_unix_s, not_after_unix_s) = (number("created")?, number("not after")?);
    let keys = keys(reader)?;
    let retired = retired(reader)?;
    let files = files(reader)?;
    Ok(Manifest {
        channel,
        generation,
        previous,
        created_unix_s,
        not_after_unix_s,
        keys,
        retired,
        files,
    })
}

fn keys(reader: &mut Reader<'_>) -> Result<Vec<Endorsed>, Malformed> {
    let count = usize::from(reader.byte().ok_or(Malformed::Truncated("keys"))?);
    if count > KEYS_MAX {
        return Err(Malformed::Keys);
    }
    let mut one = || {
        let key = PublicKey(reader.array()?);
        let by = KeyId(reader.array()?);
        Some(Endorsed { key, by, signature: Signature(reader.array()?) })
    };
    (0..count).map(|_| one().ok_or(Malformed::Truncated("keys"))).collect()
}

fn retired(reader: &mut Reader<'_>) -> Result<Vec<PublicKey>, Malformed> {
    let count = usize::from(reader.byte().ok_or(Malformed::Truncated("retired keys"))?);
    if count > RETIRED_MAX {
        return Err(Malformed::Keys);
    }
    let mut one = || reader.array().map(PublicKey).ok_or(Malformed::Truncated("retired keys"));
    (0..count).map(|_| one()).collect()
}

fn files(reader: &mut Reader<'_>) -> Result<Vec<FileEntry>, Malformed> {
    let count = usize::from(reader.u16().ok_or(Malformed::Truncated("files"))?);
    if count > FILES_MAX {
        return Err(Malformed::Files);
    }
    let mut files = Vec::with_capacity(count);
    for _ in 0..count {
        let name = label(reader, "file")?;
        let cut = || Malformed::Truncated("file");
        let bytes = reader.u64().ok_or_else(cut)?;
        let whole = Name(reader.array().ok_or_else(cut)?);
        let list = Name(reader.array().ok_or_else(cut)?);
        files.push(FileEntry { name, bytes, whole, list });
    }
    Ok(files)
}

fn push_label(out: &mut Vec<u8>, label: &Label) {
    let text = label.as_str();
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}

fn label(reader: &mut Reader<'_>, what: &'static str) -> Result<Label, Malformed> {
    let length = reader.byte().ok_or(Malformed::Truncated(what))?;
    let bytes = reader.take(length.into()).ok_or(Malformed::Truncated(what))?;
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Label(what))?;
    text.parse().map_err(|_| Malformed::Label(what))
}

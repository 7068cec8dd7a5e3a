//! What subscriber and publisher say to each other, one message a QUIC stream.
//!
//! ```text
//! subscriber, first stream (both ways):  1 | generation u64 | channel label          subscribe
//! publisher, a stream for each (one way): 2 | manifest                               push
//! subscriber, a stream for each (both ways): 3 | names u8 x 32                       ask
//! publisher, on the same stream, in order: names x (1 | bytes u32 | chunk), or 0 | 0 u32: not here   answer
//! ```

use crate::chunks::{CHUNK_BYTES_MAX, Name};
use crate::label::{LABEL_CHARS_MAX, Label};
use crate::manifest::MANIFEST_BYTES_MAX;
use crate::wire::Reader;

/// The protocol's name in the TLS handshake (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"tamis-bases/1";

/// Names in one ask: 1 MiB of answer in the mean, 4 MiB at most.
pub const NAMES_MAX: usize = 16;

/// Bytes of a subscribe at most.
pub const SUBSCRIBE_BYTES_MAX: usize = 1 + 8 + 1 + LABEL_CHARS_MAX;

/// Bytes of a push at most.
pub const PUSH_BYTES_MAX: usize = 1 + MANIFEST_BYTES_MAX;

/// Bytes of an ask at most.
pub const ASK_BYTES_MAX: usize = 2 + NAMES_MAX * 32;

/// Bytes in front of a chunk.
pub const HEAD_BYTES: usize = 5;

const SUBSCRIBE: u8 = 1;
const PUSH: u8 = 2;
const ASK: u8 = 3;
const ABSENT: u8 = 0;
const HERE: u8 = 1;

/// Bytes that are not the message that belongs here: the peer's fault, leave the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer sent something else than {0}")]
pub struct BadMessage(pub &'static str);

/// I want to hear of releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Of this channel.
    pub channel: Label,
    /// I have this generation; 0: none.
    pub generation: u64,
}

impl Subscribe {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = self.channel.as_str().as_bytes();
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        [&[SUBSCRIBE], &self.generation.to_be_bytes()[..], &[length], text].concat()
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`BadMessage`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        let mut reader = Reader::new(bytes);
        let mut read = || {
            if reader.byte()? != SUBSCRIBE {
                return None;
            }
            let generation = reader.u64()?;
            let length = reader.byte()?;
            let channel = std::str::from_utf8(reader.take(length.into())?).ok()?.parse().ok()?;
            reader.is_empty().then_some(Self { channel, generation })
        };
        read().ok_or(BadMessage("a subscription"))
    }
}

/// The bytes of a push of this manifest.
#[must_use]
pub fn push(manifest: &[u8]) -> Vec<u8> {
    [&[PUSH], manifest].concat()
}

/// The manifest in a push.
///
/// # Errors
/// [`BadMessage`].
pub fn read_push(bytes: &[u8]) -> Result<&[u8], BadMessage> {
    match bytes.split_first() {
        Some((&PUSH, manifest)) if (1..=MANIFEST_BYTES_MAX).contains(&manifest.len()) => {
            Ok(manifest)
        }
        _ => Err(BadMessage("a manifest")),
    }
}

/// I need these chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Their names, 1 to [`NAMES_MAX`].
    pub names: Vec<Name>,
}

impl Ask {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![ASK, u8::try_from(self.names.len()).unwrap_or(u8::MAX)];
        self.names.iter().for_each(|name| out.extend_from_slice(&name.0));
        out
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`BadMessage`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        let mut reader = Reader::new(bytes);
        let mut read = || {
            if reader.byte()? != ASK {
                return None;
            }
            let count = usize::from(reader.byte()?);
            if !(1..=NAMES_MAX).contains(&count) {
                return None;
            }
            let names = (0..count).map(|_| reader.array().map(Name)).collect::<Option<_>>()?;
            reader.is_empty().then_some(Self { names })
        };
        read().ok_or(BadMessage("a question for chunks"))
    }
}

/// What stands before the place of one chunk in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// This side does not have it; nothing follows.
    Absent,
    /// So many bytes of chunk follow, 1 to [`CHUNK_BYTES_MAX`].
    Here(usize),
}

impl Head {
    /// Its bytes. An absent chunk has the same five, so that a reader always reads as many.
    #[must_use]
    pub fn encode(self) -> [u8; HEAD_BYTES] {
        let (tag, bytes) = match self {
            Self::Absent => (ABSENT, 0),
            Self::Here(bytes) => (HERE, u32::try_from(bytes).unwrap_or(u32::MAX)),
        };
        let [a, b, c, d] = bytes.to_be_bytes();
        [tag, a, b, c, d]
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`BadMessage`].
    pub fn decode(bytes: [u8; HEAD_BYTES]) -> Result<Self, BadMessage> {
        let [tag, a, b, c, d] = bytes;
        let bytes = u32::from_be_bytes([a, b, c, d]) as usize;
        match (tag, bytes) {
            (ABSENT, 0) => Ok(Self::Absent),
            (HERE, 1..=CHUNK_BYTES_MAX) => Ok(Self::Here(bytes)),
            _ => Err(BadMessage("a chunk")),
        }
    }
}

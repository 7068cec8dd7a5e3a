//! Bytes of handshakes and of sealed questions and answers. What they mean stands in [`crate::seal`].
//!
//! ```text
//! hello     header (word: cookie)     | key id (8) | client's public key (32) | MAC (16)
//! session   header (word: session id) | server's public key (32) | MAC (16)
//! sealed    header (word: session id) | counter (8) | sealed: body, then tag (16)
//! ```

use std::fmt;

use tamis_domain::digest::hex;
use tamis_domain::limits::SIGNATURES_MAX;

use super::wire::{Header, Lengths, header, listings, proof, split_header};
use super::{
    Answer, EXACT_ITEM_BYTES, FLAG_ELSEWHERE, FLAG_SEALED_ANSWER, FLAG_SEALED_QUESTION,
    FLAG_SIGHTING, FLAG_STALE, FLAG_TRACE, HEADER_BYTES, LISTING_BYTES, Malformed, Marks, Question,
    TRACE_BYTES, TYPE_ANSWER, TYPE_HELLO, TYPE_QUESTION, TYPE_SESSION,
};

/// Bytes of an X25519 public key (RFC 7748, section 5).
pub const PUBLIC_BYTES: usize = 32;

/// Bytes of the codes that authenticate a handshake: HMAC-SHA256 cut to its first half (RFC 2104, section 5).
pub const MAC_BYTES: usize = 16;

/// Bytes of a hello. The session that answers it is [`SESSION_BYTES`] long, so nothing is amplified.
pub const HELLO_BYTES: usize = HEADER_BYTES + 8 + PUBLIC_BYTES + MAC_BYTES;

/// Bytes of a session.
pub const SESSION_BYTES: usize = HEADER_BYTES + PUBLIC_BYTES + MAC_BYTES;

/// Bytes in front of what is sealed: the header and the counter. All of it is authenticated.
pub const SEALED_HEADER_BYTES: usize = HEADER_BYTES + 8;

/// Bytes of the tag of AES-128-GCM.
pub const TAG_BYTES: usize = 16;

/// What a seal adds to a question: counter and tag.
pub const SEAL_BYTES: usize = SEALED_HEADER_BYTES - HEADER_BYTES + TAG_BYTES;

/// Bytes of the epoch, which stands inside the seal.
const EPOCH_BYTES: usize = 8;

/// The name of a client's key. No secret: it stands in clear in each hello.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The client's half of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Random number of the question that waits for the session: the reply repeats it.
    pub id: u64,
    /// Proof of the source address; 0: none, then the reply is a challenge.
    pub cookie: u64,
    /// Whose key.
    pub key: KeyId,
    /// The client's ephemeral public key.
    pub public: [u8; PUBLIC_BYTES],
    /// Code over all bytes before it.
    pub mac: [u8; MAC_BYTES],
}

impl Hello {
    /// Bytes of a hello that its MAC covers.
    pub const COVERED_BYTES: usize = HELLO_BYTES - MAC_BYTES;

    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HELLO_BYTES);
        header(&mut out, TYPE_HELLO, self.id, self.cookie, 0, 0);
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.public);
        out.extend_from_slice(&self.mac);
        out
    }

    /// Reads a hello. Its MAC is not checked.
    ///
    /// # Errors
    /// [`Malformed`]: the peer's fault; say nothing.
    pub fn decode(datagram: &[u8]) -> Result<Self, Malformed> {
        let (head, mut body) = split_header(datagram)?;
        if head.kind != TYPE_HELLO {
            return Err(Malformed::Type(head.kind));
        }
        head.is_bare()?;
        let length = Lengths { whole: datagram.len() };
        let key = KeyId(length.array(&mut body)?);
        let public = length.array(&mut body)?;
        let mac = length.array(&mut body)?;
        length.end(body)?;
        Ok(Self { id: head.id, cookie: head.word, key, public, mac })
    }
}

/// The server's half of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The hello's number.
    pub id: u64,
    /// The number of the session, not 0.
    pub session: u64,
    /// The server's ephemeral public key.
    pub public: [u8; PUBLIC_BYTES],
    /// Code over all bytes before it.
    pub mac: [u8; MAC_BYTES],
}

impl Session {
    /// Bytes of a session that its MAC covers.
    pub const COVERED_BYTES: usize = SESSION_BYTES - MAC_BYTES;

    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SESSION_BYTES);
        self.encode_into(&mut out);
        out
    }

    /// The datagram, written over what `out` held.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.clear();
        header(out, TYPE_SESSION, self.id, self.session, 0, 0);
        out.extend_from_slice(&self.public);
        out.extend_from_slice(&self.mac);
    }

    pub(super) fn read(
        head: &Header,
        mut body: &[u8],
        length: &Lengths,
    ) -> Result<Self, Malformed> {
        head.is_bare()?;
        let session = session(head.word)?;
        let public = length.array(&mut body)?;
        let mac = length.array(&mut body)?;
        length.end(body)?;
        Ok(Self { id: head.id, session, public, mac })
    }
}

/// What anybody can read of a sealed question or answer. It is authenticated with the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedHead {
    /// Random number of the question.
    pub id: u64,
    /// The session whose keys seal it.
    pub session: u64,
    /// Number of the question in its session, which is what makes each sealing unique; its answer has the same.
    pub counter: u64,
    /// Number of items or listings.
    pub count: u8,
    flags: u8,
}

impl SealedHead {
    /// Reads the head of a sealed question, and gives what is sealed: ciphertext and tag.
    ///
    /// # Errors
    /// [`Malformed`]: the peer's fault; say nothing.
    pub fn question(datagram: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let known = FLAG_SEALED_QUESTION | FLAG_TRACE | FLAG_SIGHTING;
        let (head, sealed) = Self::split(datagram, TYPE_QUESTION, FLAG_SEALED_QUESTION, known)?;
        let trace = if head.flags & FLAG_TRACE != 0 { TRACE_BYTES } else { 0 };
        let least = trace + usize::from(head.count) * EXACT_ITEM_BYTES + TAG_BYTES;
        if sealed.len() < least {
            return Err(Malformed::Length {
                expected: SEALED_HEADER_BYTES + least,
                found: datagram.len(),
            });
        }
        Ok((head, sealed))
    }

    /// Reads the head of a sealed answer, and gives what is sealed: ciphertext and tag.
    ///
    /// # Errors
    /// [`Malformed`]: the peer's fault; go on waiting.
    pub fn answer(datagram: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let known = FLAG_SEALED_ANSWER | FLAG_STALE | FLAG_ELSEWHERE;
        let (head, sealed) = Self::split(datagram, TYPE_ANSWER, FLAG_SEALED_ANSWER, known)?;
        let expected = EPOCH_BYTES + usize::from(head.count) * LISTING_BYTES + TAG_BYTES;
        if sealed.len() != expected {
            let expected = SEALED_HEADER_BYTES + expected;
            return Err(Malformed::Length { expected, found: datagram.len() });
        }
        Ok((head, sealed))
    }

    fn split(datagram: &[u8], kind: u8, needed: u8, known: u8) -> Result<(Self, &[u8]), Malformed> {
        let (head, mut body) = split_header(datagram)?;
        if head.kind != kind {
            return Err(Malformed::Type(head.kind));
        }
        if head.flags & !known != 0 || head.flags & needed == 0 {
            return Err(Malformed::Flags(head.flags));
        }
        if head.count == 0 || usize::from(head.count) > SIGNATURES_MAX {
            return Err(Malformed::Count(head.count));
        }
        let session = session(head.word)?;
        let length = Lengths { whole: datagram.len() };
        let counter = u64::from_be_bytes(length.array(&mut body)?);
        Ok((Self { id: head.id, session, counter, count: head.count, flags: head.flags }, body))
    }

    /// Bytes of the answer to this question.
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        SEALED_HEADER_BYTES + EPOCH_BYTES + usize::from(self.count) * LISTING_BYTES + TAG_BYTES
    }
}

impl Question {
    /// The datagram before what stands behind [`SEALED_HEADER_BYTES`] is sealed. Its cookie is not sent.
    #[must_use]
    pub fn encode_for_seal(&self, session: u64, counter: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_bytes() + SEAL_BYTES);
        let flags = self.flags() | FLAG_SEALED_QUESTION;
        header(&mut out, TYPE_QUESTION, self.id, session, flags, self.items.len());
        out.extend_from_slice(&counter.to_be_bytes());
        self.encode_body(&mut out);
        out
    }

    /// Reads into this one what was `opened` behind a head.
    ///
    /// # Errors
    /// [`Malformed`]: the fault of whoever has the key; say nothing. Lengths are those of the opened part.
    pub fn decode_opened(&mut self, head: &SealedHead, opened: &[u8]) -> Result<(), Malformed> {
        (self.id, self.cookie) = (head.id, 0);
        self.decode_body(head.flags, head.count, opened, &Lengths { whole: opened.len() })
    }
}

impl Answer {
    /// The datagram before what stands behind [`SEALED_HEADER_BYTES`] is sealed. A fresh cookie is not sent: a session
    /// proves the address.
    #[must_use]
    pub fn encode_for_seal(&self, session: u64, counter: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let count = u8::try_from(self.listings.len()).unwrap_or(u8::MAX);
        let question = SealedHead { id: self.id, session, counter, count, flags: 0 };
        begin_sealed_answer(&mut out, &question, self.epoch, self.marks());
        for listing in &self.listings {
            super::push_listing(&mut out, *listing);
        }
        out
    }

    /// Reads what was `opened` behind a head.
    ///
    /// # Errors
    /// [`Malformed`]: the fault of whoever has the key. Lengths are those of the opened part.
    pub fn decode_opened(head: &SealedHead, mut opened: &[u8]) -> Result<Self, Malformed> {
        let length = Lengths { whole: opened.len() };
        let epoch = u64::from_be_bytes(length.array(&mut opened)?);
        let listings = listings(head.count, opened, &length)?;
        let Marks { is_stale, is_elsewhere } = Marks::of(head.flags);
        Ok(Self { id: head.id, epoch, fresh_cookie: None, is_stale, is_elsewhere, listings })
    }
}

/// Starts the answer to a sealed question in `out`, which is cleared first; [`super::push_listing`] adds each listing,
/// then what stands behind [`SEALED_HEADER_BYTES`] is sealed.
pub(crate) fn begin_sealed_answer(
    out: &mut Vec<u8>,
    question: &SealedHead,
    epoch: u64,
    marks: Marks,
) {
    out.clear();
    let flags = FLAG_SEALED_ANSWER | marks.flags();
    header(out, TYPE_ANSWER, question.id, question.session, flags, question.count.into());
    out.extend_from_slice(&question.counter.to_be_bytes());
    out.extend_from_slice(&epoch.to_be_bytes());
}

/// A session of 0 is none.
fn session(word: u64) -> Result<u64, Malformed> {
    proof(word).map_err(|_| Malformed::Session)
}

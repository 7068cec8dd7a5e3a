//! The only place that knows the byte layout. Every number is big-endian; `docs/reputation-packet.md` is the text.
//!
//! ```text
//!  0      2         3      4           12                        20      21      22         24
//!  | 'TM' | version | type | id (u64)  | cookie | epoch (u64)    | flags | count | reserved | ...
//! ```
//!
//! Parsing is strict: exact length, reserved bytes zero, nothing unknown let through, so that every valid datagram has
//! exactly one reading and re-encodes to the same bytes.

mod sealed;
mod wire;

use tamis_domain::digest::{Signature, Sketch};
use tamis_domain::limits::SIGNATURES_MAX;
use tamis_domain::reputation::Listing;

pub(crate) use sealed::begin_sealed_answer;
pub use sealed::{
    HELLO_BYTES, Hello, KeyId, MAC_BYTES, PUBLIC_BYTES, SEAL_BYTES, SEALED_HEADER_BYTES,
    SESSION_BYTES, SealedHead, Session, TAG_BYTES,
};
use wire::{Lengths, header, split_header};

/// Bytes of the longest datagram in either direction: the IPv6 minimum MTU of 1280 (RFC 8200 section 5) less 40 of
/// IPv6 and 8 of UDP, so that none is ever fragmented.
pub const DATAGRAM_BYTES_MAX: usize = 1232;

/// Bytes of the header that every datagram starts with.
pub const HEADER_BYTES: usize = 24;

/// Bytes of an item that is asked for by its exact value: kind and value.
pub const EXACT_ITEM_BYTES: usize = 17;

/// Bytes of an item with its sketch.
pub const SKETCHED_ITEM_BYTES: usize = EXACT_ITEM_BYTES + 64;

/// Bytes of the answer to one item. With one item the question is at least 41 bytes and the answer, fresh cookie
/// included, at most 40: so an answer never outgrows its question.
pub const LISTING_BYTES: usize = 8;

/// Bytes of a trace context: W3C trace id and parent span id.
pub const TRACE_BYTES: usize = 24;

/// Bytes of a fresh cookie in an answer.
pub const COOKIE_BYTES: usize = 8;

/// The version that this code speaks.
pub const VERSION: u8 = 1;

const MAGIC: [u8; 2] = *b"TM";
const TYPE_QUESTION: u8 = 1;
const TYPE_ANSWER: u8 = 2;
const TYPE_CHALLENGE: u8 = 3;
const TYPE_HELLO: u8 = 4;
const TYPE_SESSION: u8 = 5;
/// Question: a trace context stands before the items.
const FLAG_TRACE: u8 = 0x01;
/// Answer: a fresh cookie follows the header.
const FLAG_FRESH_COOKIE: u8 = 0x01;
/// Question: what stands behind the header is sealed.
const FLAG_SEALED_QUESTION: u8 = 0x02;
/// Question: count it as a sighting of its items.
const FLAG_SIGHTING: u8 = 0x04;
/// Answer: the server is cut off from the order of writes.
const FLAG_STALE: u8 = 0x02;
/// Answer: what stands behind the header is sealed.
const FLAG_SEALED_ANSWER: u8 = 0x04;
/// Answer: some of the items asked for exactly belong to another shard.
const FLAG_ELSEWHERE: u8 = 0x08;
/// Kind byte: a sketch follows the value.
const WITH_SKETCH: u8 = 0x80;

/// One thing asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Its exact name.
    pub signature: Signature,
    /// Its similarity name. Only where [`tamis_domain::digest::SignatureKind::has_sketch`]; elsewhere it is not sent.
    pub sketch: Option<Sketch>,
}

impl Item {
    /// An item known by its exact value alone.
    #[must_use]
    pub const fn exact(signature: Signature) -> Self {
        Self { signature, sketch: None }
    }

    /// Bytes of this item in a question.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        if self.travelling_sketch().is_some() { SKETCHED_ITEM_BYTES } else { EXACT_ITEM_BYTES }
    }

    fn travelling_sketch(&self) -> Option<&Sketch> {
        self.sketch.as_ref().filter(|_| self.signature.kind.has_sketch())
    }
}

/// Whose trace a question belongs to (W3C Trace Context, section 3.2). Sent only when that trace is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Trace id, not all zero.
    pub trace_id: [u8; 16],
    /// Span id of the asker, not all zero.
    pub parent_span_id: [u8; 8],
}

/// A question: everything that one mail wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Random number of this question: the answer repeats it.
    pub id: u64,
    /// Proof of the source address, given by this server before; 0: none.
    pub cookie: u64,
    /// Trace context, when sampled.
    pub trace: Option<Trace>,
    /// Whether the server may count it as a sighting of its items.
    pub is_sighting: bool,
    /// 1 to [`SIGNATURES_MAX`] items.
    pub items: Vec<Item>,
}

/// An answer: as many listings as the question had items, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question's number.
    pub id: u64,
    /// Number of the last change that the answering table has seen.
    pub epoch: u64,
    /// A newer proof for the next question, when the one in the question will soon be too old.
    pub fresh_cookie: Option<u64>,
    /// Whether the server is cut off from the order of writes: it may not know the latest.
    pub is_stale: bool,
    /// Whether items were asked for exactly that another shard keeps: what is not listed here may be there, and the
    /// asker's map of the shards is wrong.
    pub is_elsewhere: bool,
    /// What is known; `None` is "never heard of it".
    pub listings: Vec<Option<Listing>>,
}

/// Instead of an answer: the source address is not proven yet. Ask again with this cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The question's number.
    pub id: u64,
    /// The proof to send.
    pub cookie: u64,
}

/// What a server may say that anybody can read. Sealed answers are read with [`SealedHead`] and the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer.
    Answer(Answer),
    /// A demand for proof.
    Challenge(Challenge),
    /// The server's half of a handshake.
    Session(Session),
}

/// What a datagram wants to be, told by its type and flags alone: which reader to give it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A sealed question or answer.
    Sealed,
    /// A handshake's first half.
    Hello,
    /// Anything else.
    Open,
}

impl Shape {
    /// Looks at two bytes. What it says holds only once the reader agrees.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Self {
        match (datagram.get(3), datagram.get(20)) {
            (Some(&TYPE_HELLO), _) => Self::Hello,
            (Some(&TYPE_QUESTION), Some(flags)) if flags & FLAG_SEALED_QUESTION != 0 => {
                Self::Sealed
            }
            (Some(&TYPE_ANSWER), Some(flags)) if flags & FLAG_SEALED_ANSWER != 0 => Self::Sealed,
            _ => Self::Open,
        }
    }
}

/// Why a datagram is not one of ours. The peer's fault; it is ignored, for an answer would help an attacker more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not even a header.
    #[error("{0} bytes are fewer than a header")]
    Short(usize),
    /// Longer than any datagram of the protocol.
    #[error("{0} bytes are more than a datagram of this protocol")]
    Long(usize),
    /// Wrong first bytes.
    #[error("not a datagram of this protocol")]
    Magic,
    /// A version that this code does not speak.
    #[error("version {0} is not spoken")]
    Version(u8),
    /// A type that is not expected on this side.
    #[error("type {0} is not expected here")]
    Type(u8),
    /// An unknown flag.
    #[error("unknown flags {0:#04x}")]
    Flags(u8),
    /// A reserved field that is not zero.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// No items, too many, or some where none belong.
    #[error("{0} items")]
    Count(u8),
    /// An unknown kind, or a sketch where none belongs.
    #[error("unknown kind of item {0:#04x}")]
    Kind(u8),
    /// The length is not that of the items counted.
    #[error("{found} bytes where {expected} were expected")]
    Length {
        /// Bytes that the items need, as far as they could be read.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A trace or span id of zeros.
    #[error("trace context without an id")]
    Trace,
    /// A cookie of zero where one is given.
    #[error("a cookie of zero proves nothing")]
    Cookie,
    /// A session without a number.
    #[error("a session of zero is none")]
    Session,
    /// A listing outside its ranges.
    #[error("listing of class {0} is out of range")]
    Listing(u8),
}

impl Question {
    /// Bytes of this question as a datagram.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let trace = if self.trace.is_some() { TRACE_BYTES } else { 0 };
        HEADER_BYTES + trace + self.items.iter().map(Item::wire_bytes).sum::<usize>()
    }

    /// Whether it can be sent: 1 to [`SIGNATURES_MAX`] items that fit [`DATAGRAM_BYTES_MAX`].
    #[must_use]
    pub fn fits(&self) -> bool {
        let count = self.items.len();
        (1..=SIGNATURES_MAX).contains(&count) && self.wire_bytes() <= DATAGRAM_BYTES_MAX
    }

    /// Whether it can be sent sealed.
    #[must_use]
    pub fn fits_sealed(&self) -> bool {
        self.fits() && self.wire_bytes() + SEAL_BYTES <= DATAGRAM_BYTES_MAX
    }

    /// The datagram. A question that does not [`Question::fits`] encodes to what every server ignores.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_bytes());
        header(&mut out, TYPE_QUESTION, self.id, self.cookie, self.flags(), self.items.len());
        self.encode_body(&mut out);
        out
    }

    fn flags(&self) -> u8 {
        let trace = if self.trace.is_some() { FLAG_TRACE } else { 0 };
        trace | if self.is_sighting { FLAG_SIGHTING } else { 0 }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        if let Some(trace) = &self.trace {
            out.extend_from_slice(&trace.trace_id);
            out.extend_from_slice(&trace.parent_span_id);
        }
        for item in &self.items {
            let sketch = item.travelling_sketch();
            let mark = if sketch.is_some() { WITH_SKETCH } else { 0 };
            out.push(item.signature.kind.code() | mark);
            out.extend_from_slice(&item.signature.value);
            if let Some(sketch) = sketch {
                out.extend_from_slice(&sketch.to_bytes());
            }
        }
    }

    /// Reads a question.
    ///
    /// # Errors
    /// [`Malformed`]: the peer's fault; say nothing.
    pub fn decode(datagram: &[u8]) -> Result<Self, Malformed> {
        let mut question = Self::empty();
        question.decode_again(datagram)?;
        Ok(question)
    }

    /// A question about nothing: memory to read others into.
    pub(crate) const fn empty() -> Self {
        Self { id: 0, cookie: 0, trace: None, is_sighting: false, items: Vec::new() }
    }

    /// Reads a question into this one, keeping its memory: what a server under load calls.
    ///
    /// # Errors
    /// As [`Question::decode`]; this question is then of no use.
    pub fn decode_again(&mut self, datagram: &[u8]) -> Result<(), Malformed> {
        let (head, body) = split_header(datagram)?;
        if head.kind != TYPE_QUESTION {
            return Err(Malformed::Type(head.kind));
        }
        if head.flags & !(FLAG_TRACE | FLAG_SIGHTING) != 0 {
            return Err(Malformed::Flags(head.flags));
        }
        self.id = head.id;
        self.cookie = head.word;
        self.decode_body(head.flags, head.count, body, &Lengths { whole: datagram.len() })
    }

    fn decode_body(
        &mut self,
        flags: u8,
        count: u8,
        mut body: &[u8],
        length: &Lengths,
    ) -> Result<(), Malformed> {
        if count == 0 || usize::from(count) > SIGNATURES_MAX {
            return Err(Malformed::Count(count));
        }
        self.is_sighting = flags & FLAG_SIGHTING != 0;
        self.trace = None;
        if flags & FLAG_TRACE != 0 {
            self.trace = Some(wire::trace(length.take(&mut body, TRACE_BYTES)?)?);
        }
        self.items.clear();
        for _ in 0..count {
            self.items.push(wire::item(length, &mut body)?);
        }
        length.end(body)
    }
}

impl Answer {
    /// Bytes of this answer as a datagram.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let cookie = if self.fresh_cookie.is_some() { COOKIE_BYTES } else { 0 };
        HEADER_BYTES + cookie + self.listings.len() * LISTING_BYTES
    }

    fn marks(&self) -> Marks {
        Marks { is_stale: self.is_stale, is_elsewhere: self.is_elsewhere }
    }

    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_bytes());
        let (fresh, count) = (self.fresh_cookie, self.listings.len());
        begin_answer(&mut out, self.id, self.epoch, fresh, self.marks(), count);
        for listing in &self.listings {
            push_listing(&mut out, *listing);
        }
        out
    }
}

/// What an answer says of its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// See [`Answer::is_stale`].
    pub is_stale: bool,
    /// See [`Answer::is_elsewhere`].
    pub is_elsewhere: bool,
}

impl Marks {
    fn flags(self) -> u8 {
        let stale = if self.is_stale { FLAG_STALE } else { 0 };
        stale | if self.is_elsewhere { FLAG_ELSEWHERE } else { 0 }
    }

    const fn of(flags: u8) -> Self {
        Self { is_stale: flags & FLAG_STALE != 0, is_elsewhere: flags & FLAG_ELSEWHERE != 0 }
    }
}

/// Starts an answer of `count` listings in `out`, which is cleared first; [`push_listing`] adds each.
pub fn begin_answer(
    out: &mut Vec<u8>,
    id: u64,
    epoch: u64,
    fresh_cookie: Option<u64>,
    marks: Marks,
    count: usize,
) {
    out.clear();
    let fresh = if fresh_cookie.is_some() { FLAG_FRESH_COOKIE } else { 0 };
    let flags = fresh | marks.flags();
    header(out, TYPE_ANSWER, id, epoch, flags, count);
    if let Some(cookie) = fresh_cookie {
        out.extend_from_slice(&cookie.to_be_bytes());
    }
}

/// Adds the listing of the next item to an answer begun with [`begin_answer`].
pub fn push_listing(out: &mut Vec<u8>, listing: Option<Listing>) {
    let bytes = listing.map_or([0; LISTING_BYTES], |it| {
        let [high, low] = it.age_hours.to_be_bytes();
        [it.class.code(), it.weight, it.reporters, it.similarity, high, low, 0, 0]
    });
    out.extend_from_slice(&bytes);
}

impl Challenge {
    /// The datagram, [`HEADER_BYTES`] long.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        self.encode_into(&mut out);
        out
    }

    /// The datagram, written over what `out` held.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.clear();
        header(out, TYPE_CHALLENGE, self.id, self.cookie, 0, 0);
    }
}

impl Reply {
    /// Reads what a server sent.
    ///
    /// # Errors
    /// [`Malformed`]: the peer's fault; go on waiting.
    pub fn decode(datagram: &[u8]) -> Result<Self, Malformed> {
        let (head, body) = split_header(datagram)?;
        let length = Lengths { whole: datagram.len() };
        match head.kind {
            TYPE_ANSWER => wire::answer(&head, body, &length).map(Self::Answer),
            TYPE_CHALLENGE => {
                head.is_bare()?;
                length.end(body)?;
                let cookie = wire::proof(head.word)?;
                Ok(Self::Challenge(Challenge { id: head.id, cookie }))
            }
            TYPE_SESSION => Session::read(&head, body, &length).map(Self::Session),
            other => Err(Malformed::Type(other)),
        }
    }

    /// The number of the question that it answers.
    #[must_use]
    pub const fn id(&self) -> u64 {
        match self {
            Self::Answer(answer) => answer.id,
            Self::Challenge(challenge) => challenge.id,
            Self::Session(session) => session.id,
        }
    }

    /// The number of the question that a datagram answers, for handing it to the right asker. Nothing else is
    /// checked.
    #[must_use]
    pub fn id_of(datagram: &[u8]) -> Option<u64> {
        datagram.get(4..12)?.try_into().ok().map(u64::from_be_bytes)
    }
}

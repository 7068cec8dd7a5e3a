//! The only place that knows the byte layout. Every number is big-endian; `docs/reputation-packet.md` is the text.
//!
//! ```text
//!  0      2         3      4           12                        20      21      22         24
//!  | 'TM' | version | type | id (u64)  | cookie | epoch (u64)    | flags | count | reserved | ...
//! ```
//!
//! Parsing is strict: exact length, reserved bytes zero, nothing unknown let through, so that every valid datagram has
//! exactly one reading and re-encodes to the same bytes.

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::limits::SIGNATURES_MAX;
use tamis_domain::reputation::{Class, Listing};

/// Bytes of the longest datagram in either direction: the IPv6 minimum MTU of 1280 (RFC 8200 section 5) less 40 of
/// IPv6 and 8 of UDP, so that none is ever fragmented.
pub const DATAGRAM_BYTES_MAX: usize = 1232;

/// Bytes of the header that every datagram starts with.
pub const HEADER_BYTES: usize = 24;

/// Bytes of an item that is asked for by its exact value: kind and value.
pub const EXACT_ITEM_BYTES: usize = 17;

/// Bytes of a text item with its sketch.
pub const TEXT_ITEM_BYTES: usize = EXACT_ITEM_BYTES + 64;

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
/// Question: a trace context follows the header.
const FLAG_TRACE: u8 = 0x01;
/// Answer: a fresh cookie follows the header.
const FLAG_FRESH_COOKIE: u8 = 0x01;
/// Kind byte: a sketch follows the value.
const WITH_SKETCH: u8 = 0x80;

/// One thing asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Its exact name.
    pub signature: Signature,
    /// The similarity name of a text. Only for [`SignatureKind::Text`]; elsewhere it is not sent.
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
        if self.travelling_sketch().is_some() { TEXT_ITEM_BYTES } else { EXACT_ITEM_BYTES }
    }

    fn travelling_sketch(&self) -> Option<&Sketch> {
        self.sketch.as_ref().filter(|_| self.signature.kind == SignatureKind::Text)
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

/// What a server may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer.
    Answer(Answer),
    /// A demand for proof.
    Challenge(Challenge),
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

    /// The datagram. A question that does not [`Question::fits`] encodes to what every server ignores.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_bytes());
        let flags = if self.trace.is_some() { FLAG_TRACE } else { 0 };
        header(&mut out, TYPE_QUESTION, self.id, self.cookie, flags, self.items.len());
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
        out
    }

    /// Reads a question.
    ///
    /// # Errors
    /// [`Malformed`]: the peer's fault; say nothing.
    pub fn decode(datagram: &[u8]) -> Result<Self, Malformed> {
        let mut question = Self { id: 0, cookie: 0, trace: None, items: Vec::new() };
        question.decode_again(datagram)?;
        Ok(question)
    }

    /// Reads a question into this one, keeping its memory: what a server under load calls.
    ///
    /// # Errors
    /// As [`Question::decode`]; this question is then of no use.
    pub fn decode_again(&mut self, datagram: &[u8]) -> Result<(), Malformed> {
        let (head, mut body) = split_header(datagram)?;
        if head.kind != TYPE_QUESTION {
            return Err(Malformed::Type(head.kind));
        }
        if head.flags & !FLAG_TRACE != 0 {
            return Err(Malformed::Flags(head.flags));
        }
        if head.count == 0 || usize::from(head.count) > SIGNATURES_MAX {
            return Err(Malformed::Count(head.count));
        }
        let length = Lengths { whole: datagram.len() };
        self.id = head.id;
        self.cookie = head.word;
        self.trace = None;
        if head.flags & FLAG_TRACE != 0 {
            self.trace = Some(trace(length.take(&mut body, TRACE_BYTES)?)?);
        }
        self.items.clear();
        for _ in 0..head.count {
            self.items.push(item(&length, &mut body)?);
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

    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_bytes());
        begin_answer(&mut out, self.id, self.epoch, self.fresh_cookie, self.listings.len());
        for listing in &self.listings {
            push_listing(&mut out, *listing);
        }
        out
    }
}

/// Starts an answer of `count` listings in `out`, which is cleared first; [`push_listing`] adds each.
pub fn begin_answer(
    out: &mut Vec<u8>,
    id: u64,
    epoch: u64,
    fresh_cookie: Option<u64>,
    count: usize,
) {
    out.clear();
    let flags = if fresh_cookie.is_some() { FLAG_FRESH_COOKIE } else { 0 };
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
            TYPE_ANSWER => answer(&head, body, &length).map(Self::Answer),
            TYPE_CHALLENGE => {
                if head.flags != 0 {
                    return Err(Malformed::Flags(head.flags));
                }
                if head.count != 0 {
                    return Err(Malformed::Count(head.count));
                }
                length.end(body)?;
                let cookie = proof(head.word)?;
                Ok(Self::Challenge(Challenge { id: head.id, cookie }))
            }
            other => Err(Malformed::Type(other)),
        }
    }

    /// The number of the question that a datagram answers, for handing it to the right asker. Nothing else is
    /// checked.
    #[must_use]
    pub fn id_of(datagram: &[u8]) -> Option<u64> {
        datagram.get(4..12)?.try_into().ok().map(u64::from_be_bytes)
    }
}

struct Header {
    kind: u8,
    id: u64,
    word: u64,
    flags: u8,
    count: u8,
}

fn header(out: &mut Vec<u8>, kind: u8, id: u64, word: u64, flags: u8, count: usize) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&word.to_be_bytes());
    // More items than a byte counts cannot be sent: such a count is refused by the reader.
    out.extend_from_slice(&[flags, u8::try_from(count).unwrap_or(u8::MAX), 0, 0]);
}

fn split_header(datagram: &[u8]) -> Result<(Header, &[u8]), Malformed> {
    if datagram.len() > DATAGRAM_BYTES_MAX {
        return Err(Malformed::Long(datagram.len()));
    }
    let Some((head, body)) = datagram.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Malformed::Short(datagram.len()));
    };
    let [m0, m1, version, kind, i0, i1, i2, i3, i4, i5, i6, i7, rest @ ..] = *head;
    let [w0, w1, w2, w3, w4, w5, w6, w7, flags, count, r0, r1] = rest;
    if [m0, m1] != MAGIC {
        return Err(Malformed::Magic);
    }
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    if [r0, r1] != [0, 0] {
        return Err(Malformed::Reserved);
    }
    let id = u64::from_be_bytes([i0, i1, i2, i3, i4, i5, i6, i7]);
    let word = u64::from_be_bytes([w0, w1, w2, w3, w4, w5, w6, w7]);
    Ok((Header { kind, id, word, flags, count }, body))
}

/// Keeps the whole length at hand for the error message.
struct Lengths {
    whole: usize,
}

impl Lengths {
    fn take<'a>(&self, body: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = body.split_at_checked(count) else {
            let expected = self.whole - body.len() + count;
            return Err(Malformed::Length { expected, found: self.whole });
        };
        *body = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&self, body: &mut &[u8]) -> Result<[u8; N], Malformed> {
        let taken = self.take(body, N)?;
        taken.try_into().map_err(|_| Malformed::Length { expected: N, found: taken.len() })
    }

    fn end(&self, body: &[u8]) -> Result<(), Malformed> {
        if body.is_empty() {
            return Ok(());
        }
        Err(Malformed::Length { expected: self.whole - body.len(), found: self.whole })
    }
}

fn item(length: &Lengths, body: &mut &[u8]) -> Result<Item, Malformed> {
    let [mark] = length.array(body)?;
    let kind = SignatureKind::from_code(mark & !WITH_SKETCH).ok_or(Malformed::Kind(mark))?;
    let value = length.array(body)?;
    let sketch = match (mark & WITH_SKETCH != 0, kind) {
        (false, _) => None,
        (true, SignatureKind::Text) => Some(Sketch::from_bytes(&length.array(body)?)),
        (true, _) => return Err(Malformed::Kind(mark)),
    };
    Ok(Item { signature: Signature { kind, value }, sketch })
}

fn trace(bytes: &[u8]) -> Result<Trace, Malformed> {
    let (trace_id, parent) = bytes.split_first_chunk::<16>().ok_or(Malformed::Trace)?;
    let parent_span_id: [u8; 8] = parent.try_into().map_err(|_| Malformed::Trace)?;
    if *trace_id == [0; 16] || parent_span_id == [0; 8] {
        return Err(Malformed::Trace);
    }
    Ok(Trace { trace_id: *trace_id, parent_span_id })
}

fn answer(head: &Header, mut body: &[u8], length: &Lengths) -> Result<Answer, Malformed> {
    if head.flags & !FLAG_FRESH_COOKIE != 0 {
        return Err(Malformed::Flags(head.flags));
    }
    if head.count == 0 || usize::from(head.count) > SIGNATURES_MAX {
        return Err(Malformed::Count(head.count));
    }
    let mut fresh_cookie = None;
    if head.flags & FLAG_FRESH_COOKIE != 0 {
        fresh_cookie = Some(proof(u64::from_be_bytes(length.array(&mut body)?))?);
    }
    let mut listings = Vec::with_capacity(usize::from(head.count));
    for _ in 0..head.count {
        listings.push(listing(length.array(&mut body)?)?);
    }
    length.end(body)?;
    Ok(Answer { id: head.id, epoch: head.word, fresh_cookie, listings })
}

fn proof(cookie: u64) -> Result<u64, Malformed> {
    if cookie == 0 { Err(Malformed::Cookie) } else { Ok(cookie) }
}

fn listing(bytes: [u8; LISTING_BYTES]) -> Result<Option<Listing>, Malformed> {
    if bytes == [0; LISTING_BYTES] {
        return Ok(None);
    }
    let [code, weight, reporters, similarity, high, low, r0, r1] = bytes;
    if [r0, r1] != [0, 0] {
        return Err(Malformed::Reserved);
    }
    let in_range = (1..=100).contains(&weight)
        && reporters > 0
        && usize::from(similarity) <= Sketch::LANES
        && similarity > 0;
    let class = Class::from_code(code).filter(|_| in_range).ok_or(Malformed::Listing(code))?;
    let age_hours = u16::from_be_bytes([high, low]);
    Ok(Some(Listing { class, weight, reporters, age_hours, similarity }))
}

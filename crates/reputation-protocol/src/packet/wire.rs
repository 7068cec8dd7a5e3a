//! Bytes of headers, items and listings.

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::limits::SIGNATURES_MAX;
use tamis_domain::reputation::{Class, Listing};

use super::{
    Answer, DATAGRAM_BYTES_MAX, FLAG_ELSEWHERE, FLAG_FRESH_COOKIE, FLAG_STALE, HEADER_BYTES, Item,
    LISTING_BYTES, MAGIC, Malformed, Marks, Trace, VERSION, WITH_SKETCH,
};

pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) id: u64,
    pub(super) word: u64,
    pub(super) flags: u8,
    pub(super) count: u8,
}

impl Header {
    /// Without flags and items.
    pub(super) const fn is_bare(&self) -> Result<(), Malformed> {
        if self.flags != 0 {
            return Err(Malformed::Flags(self.flags));
        }
        if self.count != 0 {
            return Err(Malformed::Count(self.count));
        }
        Ok(())
    }
}

pub(super) fn header(out: &mut Vec<u8>, kind: u8, id: u64, word: u64, flags: u8, count: usize) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&word.to_be_bytes());
    // More items than a byte counts cannot be sent: such a count is refused by the reader.
    out.extend_from_slice(&[flags, u8::try_from(count).unwrap_or(u8::MAX), 0, 0]);
}

pub(super) fn split_header(datagram: &[u8]) -> Result<(Header, &[u8]), Malformed> {
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
pub(super) struct Lengths {
    pub(super) whole: usize,
}

impl Lengths {
    pub(super) fn take<'a>(
        &self,
        body: &mut &'a [u8],
        count: usize,
    ) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = body.split_at_checked(count) else {
            let expected = self.whole - body.len() + count;
            return Err(Malformed::Length { expected, found: self.whole });
        };
        *body = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&self, body: &mut &[u8]) -> Result<[u8; N], Malformed> {
        let taken = self.take(body, N)?;
        taken.try_into().map_err(|_| Malformed::Length { expected: N, found: taken.len() })
    }

    pub(super) fn end(&self, body: &[u8]) -> Result<(), Malformed> {
        if body.is_empty() {
            return Ok(());
        }
        Err(Malformed::Length { expected: self.whole - body.len(), found: self.whole })
    }
}

pub(super) fn item(length: &Lengths, body: &mut &[u8]) -> Result<Item, Malformed> {
    let [mark] = length.array(body)?;
    let kind = SignatureKind::from_code(mark & !WITH_SKETCH).ok_or(Malformed::Kind(mark))?;
    let value = length.array(body)?;
    let sketch = match (mark & WITH_SKETCH != 0, kind.has_sketch()) {
        (false, _) => None,
        (true, true) => Some(Sketch::from_bytes(&length.array(body)?)),
        (true, false) => return Err(Malformed::Kind(mark)),
    };
    Ok(Item { signature: Signature { kind, value }, sketch })
}

pub(super) fn trace(bytes: &[u8]) -> Result<Trace, Malformed> {
    let (trace_id, parent) = bytes.split_first_chunk::<16>().ok_or(Malformed::Trace)?;
    let parent_span_id: [u8; 8] = parent.try_into().map_err(|_| Malformed::Trace)?;
    if *trace_id == [0; 16] || parent_span_id == [0; 8] {
        return Err(Malformed::Trace);
    }
    Ok(Trace { trace_id: *trace_id, parent_span_id })
}

pub(super) fn answer(
    head: &Header,
    mut body: &[u8],
    length: &Lengths,
) -> Result<Answer, Malformed> {
    if head.flags & !(FLAG_FRESH_COOKIE | FLAG_STALE | FLAG_ELSEWHERE) != 0 {
        return Err(Malformed::Flags(head.flags));
    }
    let mut fresh_cookie = None;
    if head.flags & FLAG_FRESH_COOKIE != 0 {
        fresh_cookie = Some(proof(u64::from_be_bytes(length.array(&mut body)?))?);
    }
    let listings = listings(head.count, body, length)?;
    let Marks { is_stale, is_elsewhere } = Marks::of(head.flags);
    Ok(Answer { id: head.id, epoch: head.word, fresh_cookie, is_stale, is_elsewhere, listings })
}

/// Exactly `count` listings.
pub(super) fn listings(
    count: u8,
    mut body: &[u8],
    length: &Lengths,
) -> Result<Vec<Option<Listing>>, Malformed> {
    if count == 0 || usize::from(count) > SIGNATURES_MAX {
        return Err(Malformed::Count(count));
    }
    let mut listings = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        listings.push(listing(length.array(&mut body)?)?);
    }
    length.end(body)?;
    Ok(listings)
}

pub(super) fn proof(cookie: u64) -> Result<u64, Malformed> {
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

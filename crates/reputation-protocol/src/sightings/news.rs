//! What one node tells the others, as bytes. Numbers are big-endian.
//!
//! `1 | count u16 | (kind u8, high bit: a sketch follows | value 16 | copies u32 | clients u64 | sketch 64 or none) ...`

use tamis_domain::digest::{Signature, SignatureKind, Sketch};

use crate::packet::Item;

/// Names told at once; the rest is told the next time.
pub const NEWS_MAX: usize = 1_024;

/// Bytes of the longest message of [`NEWS_MAX`] names.
pub const NEWS_BYTES_MAX: usize = 3 + NEWS_MAX * (1 + 16 + 4 + 8 + 64);

const FORMAT: u8 = 1;
const HAS_SKETCH: u8 = 0x80;

/// Something that another node saw since it last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// What was asked for there.
    pub item: Item,
    /// How often, at least 1.
    pub copies: u32,
    /// By whom: bits as of [`super::client_bit`], at least one.
    pub clients: u64,
}

/// The bytes of what is told; what is beyond [`NEWS_MAX`] is left out.
#[must_use]
pub fn encode_news(all: &[News]) -> Vec<u8> {
    let told = &all[..all.len().min(NEWS_MAX)];
    let mut out = vec![FORMAT];
    out.extend_from_slice(&u16::try_from(told.len()).unwrap_or(u16::MAX).to_be_bytes());
    for news in told {
        let flag = if news.item.sketch.is_some() { HAS_SKETCH } else { 0 };
        out.push(news.item.signature.kind.code() | flag);
        out.extend_from_slice(&news.item.signature.value);
        out.extend_from_slice(&news.copies.to_be_bytes());
        out.extend_from_slice(&news.clients.to_be_bytes());
        if let Some(sketch) = &news.item.sketch {
            out.extend_from_slice(&sketch.to_bytes());
        }
    }
    out
}

/// Reads what [`encode_news`] wrote; none for anything else, the fault of who sent it.
#[must_use]
pub fn decode_news(bytes: &[u8]) -> Option<Vec<News>> {
    let ([FORMAT], rest) = bytes.split_first_chunk()? else { return None };
    let (count, mut rest) = rest.split_first_chunk()?;
    let count = usize::from(u16::from_be_bytes(*count));
    if count > NEWS_MAX {
        return None;
    }
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let (news, left) = one(rest)?;
        all.push(news);
        rest = left;
    }
    rest.is_empty().then_some(all)
}

fn one(bytes: &[u8]) -> Option<(News, &[u8])> {
    let ([tag], rest) = bytes.split_first_chunk()?;
    let kind = SignatureKind::from_code(tag & !HAS_SKETCH)?;
    let (value, rest) = rest.split_first_chunk()?;
    let (copies, rest) = rest.split_first_chunk()?;
    let (clients, mut rest) = rest.split_first_chunk()?;
    let mut sketch = None;
    if tag & HAS_SKETCH != 0 {
        let (lanes, left) = rest.split_first_chunk().filter(|_| kind.has_sketch())?;
        sketch = Some(Sketch::from_bytes(lanes));
        rest = left;
    }
    let (copies, clients) = (u32::from_be_bytes(*copies), u64::from_be_bytes(*clients));
    let item = Item { signature: Signature { kind, value: *value }, sketch };
    (copies > 0 && clients > 0).then_some((News { item, copies, clients }, rest))
}

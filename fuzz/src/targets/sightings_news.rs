//! What reputation nodes tell each other about sightings.

use std::time::{Duration, Instant};

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::sightings::{
    NEWS_BYTES_MAX, News, Settings, Sightings, decode_news, encode_news,
};

use crate::pick::Pick;

/// Bytes -> news -> the same bytes, and into a memory that keeps its size; values -> bytes -> the same values.
pub fn sightings_news(data: &[u8]) {
    let now = Instant::now();
    if let Some(all) = decode_news(data) {
        assert!(data.len() <= NEWS_BYTES_MAX);
        assert_eq!(encode_news(&all), data, "news have one form");
        let settings = Settings { tracked_max: 64, seed: 1, ..Settings::default() };
        let mut memory = Sightings::new(settings, now);
        let bytes = memory.memory_bytes();
        for (after, news) in (0..).zip(&all) {
            memory.merge(news, now + Duration::from_secs(after));
        }
        let _ = memory.bulk(now + Duration::from_secs(5));
        assert_eq!(memory.memory_bytes(), bytes);
    }
    let mut pick = Pick::new(data);
    let mut all = Vec::new();
    while !pick.is_empty() && all.len() < 100 {
        let kind = pick.one(&SignatureKind::ALL);
        let value = [pick.byte(); 16];
        let sketch =
            (kind.has_sketch() && pick.flag()).then(|| Sketch([pick.u16(); Sketch::LANES]));
        let item = Item { signature: Signature { kind, value }, sketch };
        all.push(News { item, copies: pick.u32().max(1), clients: pick.u64().max(1) });
    }
    assert_eq!(decode_news(&encode_news(&all)), Some(all));
}

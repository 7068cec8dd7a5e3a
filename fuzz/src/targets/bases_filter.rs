//! The filter of what is listed.

use tamis_bases::filter::file::{FilterFile, Head};
use tamis_bases::filter::{Filter, build, exact_key};

use crate::pick::Pick;

/// Bytes -> filter -> the same bytes, and every look-up stays inside them. Keys picked from the bytes are all found, before
/// and after the way through a file.
pub fn bases_filter(data: &[u8]) {
    let mut pick = Pick::new(data);
    if let Ok(filter) = Filter::from_bytes(data) {
        assert_eq!(filter.to_bytes(), data, "a filter has one form");
        for at in 0..64 {
            let _ = filter.contains(pick.u64().wrapping_add(at));
            let _ = filter.may_hold(pick.byte(), &pick.array(), Some(&[pick.u16(); 32]));
        }
    }
    if let Ok(file) = FilterFile::from_bytes(data) {
        assert_eq!(file.to_bytes(), data, "a file has one form");
        let _ = file.may_hold(pick.byte(), &pick.array(), Some(&[pick.u16(); 32]));
    }
    let mut pick = Pick::new(data);
    let mut keys = Vec::new();
    while !pick.is_empty() && keys.len() < 500 {
        keys.push(if pick.flag() { pick.u64() } else { exact_key(pick.byte(), &pick.array()) });
    }
    let filter = build(keys.clone()).expect("a filter of few keys");
    let bytes = filter.to_bytes();
    let read = Filter::from_bytes(&bytes).expect("our own filter");
    assert!(keys.iter().all(|key| filter.contains(*key) && read.contains(*key)));
    assert_eq!((read.keys(), read.to_bytes()), (filter.keys(), bytes.clone()));
    let at = usize::from(pick.u16()) % bytes.len();
    assert!(Filter::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    let head = Head { covers_unix_s: keys.len() as u64, epoch: 1, base_generation: 2 };
    let bytes = FilterFile::of(head, filter).to_bytes();
    let read = FilterFile::from_bytes(&bytes).expect("our own file");
    assert_eq!((read.head, read.to_bytes()), (head, bytes));
}

//! Records of verdicts, which people send each other: read, written, replayed and compared.

use tamis_domain::record::{Record, changes};
use tamis_scanner::record::{RECORD_BYTES_MAX, decode, encode};

/// Bytes -> record -> text -> the same record; its replay is the same each time, and whatever it says can be compared.
pub fn verdict_records(data: &[u8]) {
    let Ok(record) = decode(data) else { return };
    let verdict = record.replay();
    assert!(verdict.score.is_finite(), "a score of {}", verdict.score);
    assert_eq!(verdict, record.replay());
    assert!(changes(&verdict.evidence, &verdict.evidence).is_empty());
    let _ = changes(&record.verdict.evidence, &verdict.evidence);
    let replayed = Record { verdict, ..record };
    let Ok(text) = encode(&replayed) else { return };
    assert!(text.len() <= RECORD_BYTES_MAX);
    let again = decode(&text).expect("what was written is read");
    assert_eq!(again.replay(), replayed.verdict);
}

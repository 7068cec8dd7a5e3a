//! Records as text: JSON of one object, a version first, under a limit.

use tamis_domain::record::{Record, Unsound};

/// Bytes of a record. One of a mail with a thousand recipients in as many groups takes 2 MB; a larger file is none.
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A record that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Longer than any record.
    #[error("longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    /// Not the JSON of a record. Whoever made it is at fault.
    #[error("{0}")]
    Unreadable(#[from] serde_json::Error),
    /// The JSON of a record that no scanner wrote.
    #[error("{0}")]
    Unsound(#[from] Unsound),
}

/// The record as text.
///
/// # Errors
/// [`RecordError::TooLong`]: it would not be read again, so it is not written.
pub fn encode(record: &Record) -> Result<Vec<u8>, RecordError> {
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    if text.len() > RECORD_BYTES_MAX { Err(RecordError::TooLong) } else { Ok(text) }
}

/// The record in a text.
///
/// # Errors
/// [`RecordError`]: the text is not what [`encode`] gave.
pub fn decode(text: &[u8]) -> Result<Record, RecordError> {
    if text.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLong);
    }
    let record: Record = serde_json::from_slice(text)?;
    record.check()?;
    Ok(record)
}

//! The bytes of changes and of saved signatures inside frames. Big-endian; a reporter's name is `length u8 | bytes`.
//!
//! Commit: `2 | epoch before u64 | count u32 | change ...`, or with the place in the shared order
//! `3 | epoch before u64 | ms u64 | seq u64 | count u32 | change ...`. Change: `1 (add), 2 (delete) or 3 (retract) | kind u8 |
//! value 16 | time u32 | reporter`, and for an add `class u8 | weight u8 | authority u8 | sketch`, where a sketch is `0` or
//! `1 | 64 bytes`. Saved: `kind | value | sketch | epoch u64 | count u8 | (reporter | class | weight | authority | said |
//! first u32 | last u32 | times u16) ...`, where `said` is what was said of the sketch, 0 to 2, and 4 more when an operator
//! contradicted it. Reporter: `name | confirmed u32 | contradicted u32 | last day u16`.

pub(super) mod fields;
mod raw;

use tamis_domain::digest::{Signature, Sketch};
use tamis_reputation_protocol::signatures::{Change, ReporterRecord, Saved};

use super::Position;
use fields::Fields;
pub(super) use raw::{KEY_BYTES, Key, RawChange, RawChanges, RawSaved, saved_records};

const FORMAT: u8 = 2;
const FORMAT_WITH_POSITION: u8 = 3;
const ADD: u8 = 1;
const DELETE: u8 = 2;
const RETRACT: u8 = 3;

/// Beside the number of what was said of the sketch.
const CONTRADICTED: u8 = 4;

/// Bytes of one change at most: tag, signature, time, a name of any length, class, weight, authority, sketch.
pub(super) const CHANGE_BYTES_MAX: usize = 1 + 17 + 4 + 256 + 3 + 1 + 64;

/// Changes that were committed together.
#[derive(Debug, PartialEq, Eq)]
pub struct Commit {
    /// Epoch of the table before the first of them.
    pub epoch_before: u64,
    /// Place in the shared order after the last of them, where there is such an order.
    pub position: Option<Position>,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// The bytes of a commit.
#[must_use]
pub fn commit(epoch_before: u64, position: Option<Position>, changes: &[Change]) -> Vec<u8> {
    let mut out = vec![if position.is_some() { FORMAT_WITH_POSITION } else { FORMAT }];
    out.extend_from_slice(&epoch_before.to_be_bytes());
    if let Some(position) = position {
        push_position(&mut out, position);
    }
    out.extend_from_slice(&u32::try_from(changes.len()).unwrap_or(u32::MAX).to_be_bytes());
    for change in changes {
        push_change(&mut out, change);
    }
    out
}

/// Whether a payload begins as a commit does. Cheap: it spares checksums where a log is searched byte by byte. No log
/// sees 2^48 changes.
#[must_use]
pub fn may_be_commit(payload: &[u8]) -> bool {
    payload.starts_with(&[FORMAT, 0, 0]) || payload.starts_with(&[FORMAT_WITH_POSITION, 0, 0])
}

fn push_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s } => {
            out.push(ADD);
            push_signature(out, signature);
            out.extend_from_slice(&at_unix_s.to_be_bytes());
            push_name(out, reporter);
            out.extend_from_slice(&[class.code(), *weight, authority.code()]);
            push_sketch(out, sketch.as_ref());
        }
        Change::Delete { signature, reporter, at_unix_s }
        | Change::Retract { signature, reporter, at_unix_s } => {
            let is_deletion = matches!(change, Change::Delete { .. });
            out.push(if is_deletion { DELETE } else { RETRACT });
            push_signature(out, signature);
            out.extend_from_slice(&at_unix_s.to_be_bytes());
            push_name(out, reporter);
        }
    }
}

/// Adds the bytes of one saved signature to `out`.
pub fn push_saved(out: &mut Vec<u8>, saved: &Saved) {
    push_signature(out, &saved.signature);
    push_sketch(out, saved.sketch.as_ref());
    out.extend_from_slice(&saved.changed_epoch.to_be_bytes());
    out.push(u8::try_from(saved.reports.len()).unwrap_or(u8::MAX));
    for report in saved.reports.iter().take(u8::MAX.into()) {
        push_name(out, &report.reporter);
        let said = report.named.code() | if report.is_contradicted { CONTRADICTED } else { 0 };
        let codes = [report.class.code(), report.weight, report.authority.code(), said];
        out.extend_from_slice(&codes);
        out.extend_from_slice(&report.first_unix_s.to_be_bytes());
        out.extend_from_slice(&report.last_unix_s.to_be_bytes());
        out.extend_from_slice(&report.times.to_be_bytes());
    }
}

/// Adds the bytes of what is known of one reporter to `out`.
pub fn push_reporter(out: &mut Vec<u8>, reporter: &ReporterRecord) {
    push_name(out, &reporter.name);
    out.extend_from_slice(&reporter.confirmed.to_be_bytes());
    out.extend_from_slice(&reporter.contradicted.to_be_bytes());
    out.extend_from_slice(&reporter.last_day.to_be_bytes());
}

pub(super) fn push_position(out: &mut Vec<u8>, position: Position) {
    out.extend_from_slice(&position.ms.to_be_bytes());
    out.extend_from_slice(&position.seq.to_be_bytes());
}

fn push_signature(out: &mut Vec<u8>, signature: &Signature) {
    out.push(signature.kind.code());
    out.extend_from_slice(&signature.value);
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    // Checked long before: names have at most 64 characters.
    let kept = name.get(..usize::from(u8::MAX)).unwrap_or(name);
    out.push(u8::try_from(kept.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(kept.as_bytes());
}

fn push_sketch(out: &mut Vec<u8>, sketch: Option<&Sketch>) {
    match sketch {
        None => out.push(0),
        Some(sketch) => {
            out.push(1);
            out.extend_from_slice(&sketch.to_bytes());
        }
    }
}

/// Reads a commit. None: bytes that no version of this code wrote, although their checksum is right.
#[must_use]
pub fn read_commit(bytes: &[u8]) -> Option<Commit> {
    let mut fields = Fields(bytes);
    let (epoch_before, position, count) = fields.commit_head()?;
    let mut changes = Vec::new();
    for _ in 0..count {
        changes.push(fields.change()?);
    }
    fields.0.is_empty().then_some(Commit { epoch_before, position, changes })
}

/// Reads the change at the start of `bytes`, which may go on behind it.
pub(super) fn read_change(bytes: &[u8]) -> Option<Change> {
    Fields(bytes).change()
}

/// Reads the saved signatures of one frame. None as in [`read_commit`].
#[must_use]
pub fn read_saved(bytes: &[u8]) -> Option<Vec<Saved>> {
    let mut fields = Fields(bytes);
    let mut all = Vec::new();
    while !fields.0.is_empty() {
        all.push(fields.saved()?);
    }
    Some(all)
}

/// Reads the reporters of one frame. None as in [`read_commit`].
#[must_use]
pub fn read_reporters(bytes: &[u8]) -> Option<Vec<ReporterRecord>> {
    let mut fields = Fields(bytes);
    let mut all = Vec::new();
    while !fields.0.is_empty() {
        all.push(fields.reporter()?);
    }
    Some(all)
}

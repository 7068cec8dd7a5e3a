//! Wire types of administration to and from the words of the house.

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_proto::reputation as wire;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority, Found, ReportTold, Saved};
use tonic::Status;

use super::SIGNATURES_PER_REQUEST_MAX;
use crate::reporters::Reporter;

/// A class by its number.
///
/// # Errors
/// The caller's: there is none of that number.
pub fn class(number: i32) -> Result<Class, Status> {
    u8::try_from(number)
        .ok()
        .and_then(Class::from_code)
        .ok_or_else(|| Status::invalid_argument(format!("class {number} is unknown")))
}

/// A weight. What is allowed of it, the table knows.
///
/// # Errors
/// The caller's: it is far out of range.
pub fn weight(weight: u32) -> Result<u8, Status> {
    u8::try_from(weight).map_err(|_| Status::invalid_argument("weight is not between 1 and 100"))
}

/// The signatures of a request, at most [`SIGNATURES_PER_REQUEST_MAX`].
///
/// # Errors
/// The caller's: none, too many, or one that is none.
pub fn items(signatures: &[wire::Signature]) -> Result<Vec<Item>, Status> {
    if !(1..=SIGNATURES_PER_REQUEST_MAX).contains(&signatures.len()) {
        let message = format!("signatures: 1 to {SIGNATURES_PER_REQUEST_MAX} are taken at once");
        return Err(Status::invalid_argument(message));
    }
    signatures.iter().map(item).collect()
}

/// One signature, with its sketch if it has one.
///
/// # Errors
/// The caller's: a kind that is unknown, a value or a sketch of another length.
pub fn item(signature: &wire::Signature) -> Result<Item, Status> {
    let kind =
        u8::try_from(signature.kind).ok().and_then(SignatureKind::from_code).ok_or_else(|| {
            Status::invalid_argument(format!("signature.kind {} is unknown", signature.kind))
        })?;
    let value = signature.value.as_slice().try_into().map_err(|_| {
        let found = signature.value.len();
        Status::invalid_argument(format!("signature.value has {found} bytes, not 16"))
    })?;
    let sketch = match signature.sketch.as_slice() {
        [] => None,
        _ if !kind.has_sketch() => {
            let message = format!("signature.sketch: a {} has none", kind.word());
            return Err(Status::invalid_argument(message));
        }
        bytes => {
            let bytes: &[u8; 64] = bytes.try_into().map_err(|_| {
                let found = bytes.len();
                Status::invalid_argument(format!("signature.sketch has {found} bytes, not 64"))
            })?;
            Some(Sketch::from_bytes(bytes))
        }
    };
    Ok(Item { signature: Signature { kind, value }, sketch })
}

pub(super) fn why(found: Found, saved: Saved, epoch: u64, caller: &Reporter) -> wire::WhyResponse {
    let first = saved.reports.iter().map(|report| report.first_unix_s).min();
    let last = saved.reports.iter().map(|report| report.last_unix_s).max();
    wire::WhyResponse {
        listed: true,
        signature: Some(wire::Signature {
            kind: saved.signature.kind.code().into(),
            value: saved.signature.value.to_vec(),
            sketch: saved.sketch.map(|sketch| sketch.to_bytes().to_vec()).unwrap_or_default(),
        }),
        similarity: found.listing.similarity.into(),
        class: found.listing.class.code().into(),
        weight: found.listing.weight.into(),
        reporters: found.listing.reporters.into(),
        reports: saved.reports.into_iter().map(|told| report(told, caller)).collect(),
        first_unix_s: first.unwrap_or_default().into(),
        last_unix_s: last.unwrap_or_default().into(),
        copies_seen: 0,
        clients_seen: 0,
        changed_epoch: saved.changed_epoch,
        epoch,
        ..Default::default()
    }
}

/// Who else reported is the operators' business: a reporter that knew could choose whom to outvote or to imitate.
fn report(told: ReportTold, caller: &Reporter) -> wire::Report {
    let may_know = caller.authority == Authority::Operator || caller.name == told.reporter;
    wire::Report {
        reporter: if may_know { told.reporter } else { String::new() },
        class: told.class.code().into(),
        weight: told.weight.into(),
        first_unix_s: told.first_unix_s.into(),
        last_unix_s: told.last_unix_s.into(),
        times: told.times.into(),
        authority: told.authority.code().into(),
        named: told.named.code().into(),
        contradicted: told.is_contradicted,
    }
}

//! The name of a header: the fields that make a mail the same mail, in a form that every door shows alike.

use tamis_domain::digest::PartDigest;
use tamis_domain::outline::Outline;

use super::{HEADER_CONTEXT, MAIL_CONTEXT};
use crate::fields::fields;

/// Fields that name a mail, in the order of the canonical form, and whether each is a list of addresses.
///
/// MIME fields are left out: gateways rewrite them, and the parts have names of their own. Trace fields, Return-Path,
/// Delivered-To and X-* differ from door to door.
const IDENTITY_FIELDS: [(&str, bool); 6] = [
    ("from", true),
    ("to", true),
    ("cc", true),
    ("subject", false),
    ("date", false),
    ("message-id", false),
];

/// The name of a top header block.
///
/// BLAKE3 in derive-key mode, context [`HEADER_CONTEXT`]. Input: for `from`, `to`, `cc`, `subject`, `date`, `message-id`
/// in this order, for each field of that name (in any case) from top to bottom: the name in lower case, a colon, the
/// canonical value, LF. The canonical value is what stands behind the colon, bytes as they are, without CR and LF, each
/// run of blanks and tabs turned into one blank, blanks at both ends removed; in `from`, `to` and `cc` also every blank
/// next to a comma is removed, since Sendmail rewrites `a,b` to `a, b`.
#[must_use]
pub fn header_digest(block: &[u8]) -> PartDigest {
    let mut canonical = [const { Vec::new() }; IDENTITY_FIELDS.len()];
    for field in fields(block) {
        let known = IDENTITY_FIELDS.iter().position(|(name, _)| field.is(name));
        let Some(at) = known else { continue };
        let (name, is_list) = IDENTITY_FIELDS[at];
        canonical[at].extend_from_slice(name.as_bytes());
        canonical[at].push(b':');
        canonical_value(field.value, is_list, &mut canonical[at]);
        canonical[at].push(b'\n');
    }
    let mut hasher = blake3::Hasher::new_derive_key(HEADER_CONTEXT);
    canonical.iter().for_each(|values| {
        hasher.update(values);
    });
    PartDigest(*hasher.finalize().as_bytes())
}

/// The name of a whole mail: the same at every try and at every edge, since no trace is in it.
///
/// BLAKE3 in derive-key mode, context [`MAIL_CONTEXT`]. Input: 32 bytes of the header's name, then 32 of each part's, in
/// order; zeros where there is none.
#[must_use]
pub fn mail_name(outline: &Outline) -> PartDigest {
    let mut hasher = blake3::Hasher::new_derive_key(MAIL_CONTEXT);
    hasher.update(&outline.header_digest.map_or([0; 32], |digest| digest.0));
    for part in &outline.parts {
        hasher.update(&part.digest.map_or([0; 32], |digest| digest.0));
    }
    PartDigest(*hasher.finalize().as_bytes())
}

fn canonical_value(value: &[u8], is_list: bool, out: &mut Vec<u8>) {
    let mut blank = false;
    let mut last = None;
    for &byte in value.iter().filter(|byte| !b"\r\n".contains(byte)) {
        if byte == b' ' || byte == b'\t' {
            blank = true;
            continue;
        }
        let beside_comma = is_list && (byte == b',' || last == Some(b','));
        if std::mem::take(&mut blank) && last.is_some() && !beside_comma {
            out.push(b' ');
        }
        out.push(byte);
        last = Some(byte);
    }
}

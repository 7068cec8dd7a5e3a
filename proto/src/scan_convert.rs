//! The dialogue's words, from and to the wire. Every field of a hostile peer is checked here, once.

use std::time::Duration;

use tamis_domain::dialogue::{Content, Need, Offer, ScannerWord, Supply};
use tamis_domain::digest::{MailId, PartDigest};
use tamis_domain::envelope::{Client, Envelope};
use tamis_domain::limits::{
    ADDRESS_BYTES_MAX, EVIDENCE_MAX, FILE_NAME_CHARS_MAX, HEADER_BLOCK_BYTES_MAX, INLINE_BYTES_MAX,
    MEDIA_TYPE_CHARS_MAX, PART_DEPTH_MAX, PARTS_MAX, RECIPIENTS_MAX,
};
use tamis_domain::outline::{BodyForm, BodyHash, Oddity, Outline, Part};
use tamis_domain::verdict::Verdict;

use crate::scan;

mod verdict;
mod words;

/// Longest time a peer may claim to have left. Beyond it no MTA waits.
pub const REMAINING_MAX: Duration = Duration::from_secs(600);

/// Bytes of contents that one Offer may carry: what an edge sends by default, with room for edges set higher.
pub const OFFER_INLINE_BYTES_MAX: usize = 32 * INLINE_BYTES_MAX;

/// The peer sent something that has no meaning, or more than the limits allow. Its fault: refuse, do not retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field holds a value that means nothing here.
    #[error("{0} has a value without meaning")]
    Meaningless(&'static str),
    /// A field is longer, or a list has more entries, than its limit.
    #[error("{field} has {found}, more than {max}")]
    OverLimit {
        /// Which field.
        field: &'static str,
        /// What was found.
        found: usize,
        /// What is allowed.
        max: usize,
    },
}

/// What an edge says, read.
#[derive(Clone, Debug, PartialEq)]
pub enum EdgeWord {
    /// Its first word.
    Offer(Box<Offer>),
    /// A piece of content.
    Supply(Supply),
}

/// An Offer for the wire. Takes it whole: contents move, they are not copied.
#[must_use]
pub fn offer_to_wire(offer: Offer) -> scan::ScanRequest {
    let Offer { id, envelope, outline, inline, remaining } = offer;
    let inline = inline
        .into_iter()
        .map(|content| scan::Content { part: content.part.into(), bytes: content.bytes })
        .collect();
    scan::ScanRequest {
        word: Some(scan::scan_request::Word::Offer(scan::Offer {
            mail_id: id.0.to_vec(),
            envelope: Some(envelope_to_wire(envelope)),
            outline: Some(outline_to_wire(outline)),
            inline,
            remaining_ms: u32::try_from(remaining.as_millis()).unwrap_or(u32::MAX),
        })),
    }
}

/// A piece of content for the wire.
#[must_use]
pub fn supply_to_wire(supply: Supply) -> scan::ScanRequest {
    let Supply { part, bytes, last } = supply;
    scan::ScanRequest {
        word: Some(scan::scan_request::Word::Supply(scan::Supply {
            part: part.into(),
            bytes,
            last,
        })),
    }
}

/// A Need for the wire.
#[must_use]
pub fn need_to_wire(need: &Need) -> scan::ScanResponse {
    let parts = need.parts().iter().map(|part| u32::from(*part)).collect();
    scan::ScanResponse { word: Some(scan::scan_response::Word::Need(scan::Need { parts })) }
}

/// A verdict for the wire.
#[must_use]
pub fn verdict_to_wire(verdict: Verdict) -> scan::ScanResponse {
    scan::ScanResponse { word: Some(scan::scan_response::Word::Verdict(verdict::to_wire(verdict))) }
}

/// Reads what an edge said.
///
/// # Errors
/// [`Unreadable`]: the edge's fault.
pub fn edge_word(request: scan::ScanRequest) -> Result<EdgeWord, Unreadable> {
    match request.word.ok_or(Unreadable::Missing("word"))? {
        scan::scan_request::Word::Offer(wire) => Ok(EdgeWord::Offer(Box::new(offer(wire)?))),
        scan::scan_request::Word::Supply(wire) => Ok(EdgeWord::Supply(Supply {
            part: part_number(wire.part, "supply.part")?,
            bytes: wire.bytes,
            last: wire.last,
        })),
    }
}

/// Reads what a scanner said.
///
/// # Errors
/// [`Unreadable`]: the scanner's fault.
pub fn scanner_word(response: scan::ScanResponse) -> Result<ScannerWord, Unreadable> {
    match response.word.ok_or(Unreadable::Missing("word"))? {
        scan::scan_response::Word::Need(wire) => {
            within("need.parts", wire.parts.len(), PARTS_MAX)?;
            let parts = wire.parts.into_iter().map(|part| part_number(part, "need.parts"));
            Ok(ScannerWord::Need(parts.collect::<Result<_, _>>()?))
        }
        scan::scan_response::Word::Verdict(wire) => {
            within("evidence", wire.evidence.len(), EVIDENCE_MAX)?;
            verdict::from_wire(wire).map(|verdict| ScannerWord::Verdict(Box::new(verdict)))
        }
    }
}

fn offer(wire: scan::Offer) -> Result<Offer, Unreadable> {
    within("inline", wire.inline.len(), PARTS_MAX)?;
    let bytes = wire.inline.iter().map(|content| content.bytes.len()).sum();
    within("inline bytes", bytes, OFFER_INLINE_BYTES_MAX)?;
    let content = |wire: scan::Content| {
        Ok(Content { part: part_number(wire.part, "inline.part")?, bytes: wire.bytes })
    };
    Ok(Offer {
        id: mail_id(&wire.mail_id)?,
        envelope: envelope(wire.envelope.ok_or(Unreadable::Missing("envelope"))?)?,
        outline: outline(wire.outline.ok_or(Unreadable::Missing("outline"))?)?,
        inline: wire.inline.into_iter().map(content).collect::<Result<_, _>>()?,
        remaining: Duration::from_millis(wire.remaining_ms.into()).min(REMAINING_MAX),
    })
}

fn envelope_to_wire(envelope: Envelope) -> scan::Envelope {
    let (client_address, client_name) = match envelope.client {
        Some(client) => (client.address.to_string(), client.name.unwrap_or_default()),
        None => (String::new(), String::new()),
    };
    scan::Envelope {
        client_address,
        client_name,
        helo: envelope.helo.unwrap_or_default(),
        sender: envelope.sender,
        recipients: envelope.recipients,
        queue_id: envelope.queue_id.unwrap_or_default(),
        authenticated: envelope.authenticated.unwrap_or_default(),
        door: words::door_to_wire(envelope.door).into(),
        verified: envelope.verified,
    }
}

fn envelope(wire: scan::Envelope) -> Result<Envelope, Unreadable> {
    within("recipients", wire.recipients.len(), RECIPIENTS_MAX)?;
    for address in wire.recipients.iter().chain([&wire.sender]) {
        within("address", address.len(), ADDRESS_BYTES_MAX)?;
    }
    for word in [&wire.helo, &wire.client_name, &wire.queue_id, &wire.authenticated] {
        within("envelope word", word.len(), ADDRESS_BYTES_MAX)?;
    }
    let client = match wire.client_address.as_str() {
        "" => None,
        text => Some(Client {
            address: text.parse().map_err(|_| Unreadable::Meaningless("client_address"))?,
            name: some(wire.client_name),
        }),
    };
    Ok(Envelope {
        client,
        helo: some(wire.helo),
        sender: wire.sender,
        recipients: wire.recipients,
        queue_id: some(wire.queue_id),
        authenticated: some(wire.authenticated),
        door: words::door(wire.door)?,
        verified: wire.verified,
    })
}

fn outline_to_wire(outline: Outline) -> scan::Outline {
    let oddity =
        |(oddity, count): (Oddity, u32)| scan::OddityCount { oddity: oddity.code(), count };
    scan::Outline {
        size: outline.size,
        header: outline.header,
        header_digest: outline.header_digest.map_or_else(Vec::new, |digest| digest.0.to_vec()),
        parts: outline.parts.into_iter().map(part_to_wire).collect(),
        oddities: outline.oddities.into_iter().map(oddity).collect(),
        body_hashes: outline.body_hashes.into_iter().map(body_hash_to_wire).collect(),
    }
}

fn outline(wire: scan::Outline) -> Result<Outline, Unreadable> {
    within("parts", wire.parts.len(), PARTS_MAX)?;
    within("header", wire.header.len(), HEADER_BLOCK_BYTES_MAX)?;
    within("oddities", wire.oddities.len(), PARTS_MAX)?;
    within("body_hashes", wire.body_hashes.len(), BodyForm::ALL.len())?;
    let oddity = |wire: &scan::OddityCount| {
        Oddity::from_code(wire.oddity).map(|oddity| (oddity, wire.count))
    };
    Ok(Outline {
        size: wire.size,
        header: wire.header,
        header_digest: digest(&wire.header_digest, "header_digest")?,
        parts: wire.parts.into_iter().map(part).collect::<Result<_, _>>()?,
        oddities: wire.oddities.iter().filter_map(oddity).collect(),
        body_hashes: wire.body_hashes.iter().map(body_hash).collect::<Result<_, _>>()?,
    })
}

fn body_hash_to_wire(hash: BodyHash) -> scan::BodyHash {
    let form = words::body_form_to_wire(hash.form).into();
    scan::BodyHash { form, sha256: hash.sha256.to_vec() }
}

fn body_hash(wire: &scan::BodyHash) -> Result<BodyHash, Unreadable> {
    let sha256 = wire.sha256.as_slice().try_into();
    Ok(BodyHash {
        form: words::body_form(wire.form)?,
        sha256: sha256.map_err(|_| Unreadable::Meaningless("sha256"))?,
    })
}

fn part_to_wire(part: Part) -> scan::Part {
    scan::Part {
        parent_plus_one: part.parent.map_or(0, |parent| u32::from(parent) + 1),
        depth: part.depth.into(),
        kind: words::kind_to_wire(part.kind).into(),
        media_type: part.media_type,
        charset: part.charset,
        encoding: words::encoding_to_wire(part.encoding).into(),
        disposition: words::disposition_to_wire(part.disposition).into(),
        file_name: part.file_name,
        size: part.size,
        digest: part.digest.map_or_else(Vec::new, |digest| digest.0.to_vec()),
    }
}

fn part(wire: scan::Part) -> Result<Part, Unreadable> {
    within("media_type", wire.media_type.len(), 4 * MEDIA_TYPE_CHARS_MAX)?;
    within("charset", wire.charset.as_deref().map_or(0, str::len), 4 * MEDIA_TYPE_CHARS_MAX)?;
    within("file_name", wire.file_name.as_deref().map_or(0, str::len), 4 * FILE_NAME_CHARS_MAX)?;
    let depth = u8::try_from(wire.depth).ok().filter(|depth| *depth <= PART_DEPTH_MAX);
    let kind = words::kind(wire.kind)?;
    let digest = digest(&wire.digest, "digest")?;
    if digest.is_some() != kind.is_leaf() {
        return Err(Unreadable::Meaningless("digest"));
    }
    Ok(Part {
        parent: match wire.parent_plus_one.checked_sub(1) {
            Some(parent) => Some(part_number(parent, "parent")?),
            None => None,
        },
        depth: depth.ok_or(Unreadable::Meaningless("depth"))?,
        kind,
        media_type: wire.media_type,
        charset: wire.charset,
        encoding: words::encoding(wire.encoding)?,
        disposition: words::disposition(wire.disposition)?,
        file_name: wire.file_name,
        size: wire.size,
        digest,
    })
}

fn mail_id(bytes: &[u8]) -> Result<MailId, Unreadable> {
    bytes.try_into().map(MailId).map_err(|_| Unreadable::Meaningless("mail_id"))
}

fn digest(bytes: &[u8], field: &'static str) -> Result<Option<PartDigest>, Unreadable> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let digest = bytes.try_into().map_err(|_| Unreadable::Meaningless(field))?;
    Ok(Some(PartDigest(digest)))
}

/// A part number, which must be below the number of parts a mail can have.
fn part_number(number: u32, field: &'static str) -> Result<u16, Unreadable> {
    match u16::try_from(number) {
        Ok(small) if usize::from(small) < PARTS_MAX => Ok(small),
        _ => Err(Unreadable::OverLimit { field, found: number as usize, max: PARTS_MAX - 1 }),
    }
}

fn within(field: &'static str, found: usize, max: usize) -> Result<(), Unreadable> {
    if found <= max { Ok(()) } else { Err(Unreadable::OverLimit { field, found, max }) }
}

/// An empty string on the wire is an absent value.
fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;

//! What a mail has to ask of the reputation service: the names of its parts, and how much of them is said.

use std::sync::Arc;

use tamis_checks::domains::is_free_mail;
use tamis_domain::dialogue::Offer;
use tamis_domain::digest::{PartDigest, SignatureKind, Sketch};
use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::outline::{Part, PartKind};
use tamis_domain::reading::{HeaderReading, PartFacts, PartName};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::Item;

/// Bytes below which the exact name of a part is not asked for: "Thanks!" is in everybody's mail.
pub const NAMED_BYTES_MIN: u64 = 64;

/// Links asked for, of all parts together: they are the last to get room in the datagram anyway.
pub const LINKS_ASKED_MAX: usize = 24;

/// Items with a sketch: at 81 bytes each, more would not fit a datagram, and would leave no room for exact names.
/// Texts come first, pictures last; the rest is asked for exactly.
pub const SKETCHED_ASKED_MAX: usize = 12;

/// Senders asked for: the domain of the envelope, and that of the first author where it is another.
pub const SENDERS_ASKED_MAX: usize = 2;

/// One item of a question and the part it came from.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What is asked.
    pub item: Item,
    /// Number of the part.
    pub part: Option<u16>,
}

/// What a mail has to ask: its texts, pages, files and pictures with their sketches, its other parts, its links.
#[must_use]
pub fn questions(offer: &Offer, facts: &[Option<Arc<PartFacts>>]) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut links = Vec::new();
    for (number, part) in (0_u16..).zip(&offer.outline.parts) {
        let known = facts.get(usize::from(number)).and_then(Option::as_deref);
        let ask = |item: Item| Asked { item, part: Some(number) };
        let names = known.map(|known| known.names.as_slice()).unwrap_or_default();
        let known_links = known.map(|known| known.links.as_slice()).unwrap_or_default();
        links.extend(known_links.iter().map(|link| ask(Item::exact(naming::link(link)))));
        if let Some(digest) = named(part) {
            asked.extend(content(&digest, names).map(ask));
        }
    }
    thin_out(&mut asked);
    links.truncate(LINKS_ASKED_MAX);
    asked.extend(links);
    asked
}

/// Who says that he sent the mail: the domain of the envelope's sender, and that of the first address in From.
///
/// Either can be forged, which the weight of an answer takes into account. A provider whose mailboxes anybody can have is
/// not asked for: nothing said of it would be about this sender.
#[must_use]
pub fn senders(envelope: &Envelope, header: &HeaderReading) -> Vec<Asked> {
    let author = header.from.first().map(|author| author.address.as_str());
    let said = [Some(envelope.sender.as_str()), author];
    let mut asked: Vec<Asked> = Vec::with_capacity(SENDERS_ASKED_MAX);
    for domain in said.into_iter().flatten().map(domain_of) {
        let signature = naming::sender(domain);
        let is_new = asked.iter().all(|asked| asked.item.signature != signature);
        if is_new && !domain.is_empty() && !is_free_mail(domain) {
            asked.push(Asked { item: Item::exact(signature), part: None });
        }
    }
    asked
}

/// The digest of a part that is worth asking for.
fn named(part: &Part) -> Option<PartDigest> {
    let counts = !matches!(part.kind, PartKind::HeaderBlock | PartKind::Report);
    part.digest.filter(|_| counts && part.size >= NAMED_BYTES_MIN)
}

/// The exact name of a part, and its names by likeness.
fn content<'a>(
    digest: &'a PartDigest,
    names: &'a [PartName],
) -> impl Iterator<Item = Item> + use<'a> {
    let exact = Item::exact(naming::part(digest));
    std::iter::once(exact).chain(names.iter().filter_map(|name| alike(name, digest)))
}

fn alike(name: &PartName, digest: &PartDigest) -> Option<Item> {
    let signature = match (name.kind, name.material) {
        (SignatureKind::Text, Some(material)) => naming::text(&material),
        (SignatureKind::Html, Some(material)) => naming::html(&material.0),
        (SignatureKind::Image, Some(material)) => naming::image(&material.0),
        (SignatureKind::Attachment, None) => naming::attachment(digest),
        _ => return None,
    };
    Some(Item { signature, sketch: name.sketch })
}

/// Leaves sketches to the first texts, then files, pages and pictures.
fn thin_out(asked: &mut [Asked]) {
    let mut left = SKETCHED_ASKED_MAX;
    for kind in
        [SignatureKind::Text, SignatureKind::Attachment, SignatureKind::Html, SignatureKind::Image]
    {
        let sketches = asked.iter_mut().filter(|asked| asked.item.signature.kind == kind);
        for sketch in sketches.map(|asked| &mut asked.item.sketch).filter(|it| it.is_some()) {
            match left.checked_sub(1) {
                Some(fewer) => left = fewer,
                None => *sketch = None::<Sketch>,
            }
        }
    }
}

#[cfg(test)]
mod tests;

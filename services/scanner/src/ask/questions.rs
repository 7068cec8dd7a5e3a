//! What a mail has to ask of the reputation service: the names of its parts, and how much of them is said.

use std::collections::HashSet;
use std::sync::Arc;

use tamis_checks::domains::is_free_mail;
use tamis_domain::dialogue::Offer;
use tamis_domain::digest::{PartDigest, SignatureKind};
use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::outline::{Part, PartKind};
use tamis_domain::reading::{HeaderReading, PartFacts, PartName};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::Item;

pub mod room;

/// Bytes below which the exact name of a part is not asked for: "Thanks!" is in everybody's mail.
pub const NAMED_BYTES_MIN: u64 = 64;

/// Links named of all parts together: more than any question holds, so that a filter of what is listed may still choose
/// among them. A mail can have two hundred thousand, and naming each costs a hash.
pub const LINKS_NAMED_MAX: usize = 512;

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

/// All names of a mail, those that tell most first among their kind.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// What could be asked.
    pub asked: Vec<Asked>,
    /// Links beyond [`LINKS_NAMED_MAX`].
    pub unnamed: usize,
}

/// What a mail has to ask: its texts, pages, files and pictures with their sketches, its other parts, its links.
///
/// Within each kind the largest part comes first, and the first text of the mail, which is what its reader sees first,
/// second: many small parts push nothing back. What of it finds room is [`room::choose`]'s affair.
#[must_use]
pub fn questions(offer: &Offer, facts: &[Option<Arc<PartFacts>>]) -> Names {
    let parts = in_order(&offer.outline.parts);
    let known = |number: u16| facts.get(usize::from(number)).and_then(Option::as_deref);
    let mut asked = exact_parts(&parts);
    for (number, part) in &parts {
        let Some(digest) = named(part) else { continue };
        let names = known(*number).map(|known| known.names.as_slice()).unwrap_or_default();
        let items = names.iter().filter_map(|name| alike(name, &digest));
        asked.extend(items.map(|item| Asked { item, part: Some(*number) }));
    }
    let (links, unnamed) = links(&parts, known);
    asked.extend(links);
    Names { asked, unnamed }
}

/// The largest part first, the first text second.
fn in_order(parts: &[Part]) -> Vec<(u16, &Part)> {
    let mut order: Vec<(u16, &Part)> = (0_u16..).zip(parts).collect();
    order.sort_by_key(|(_, part)| std::cmp::Reverse(part.size));
    let texts = order.iter().enumerate().filter(|(_, (_, part))| is_text(part));
    if let Some((place, _)) = texts.min_by_key(|(_, (number, _))| *number)
        && place > 1
    {
        order[1..=place].rotate_right(1);
    }
    order
}

const fn is_text(part: &Part) -> bool {
    matches!(part.kind, PartKind::Text | PartKind::Html)
}

/// The exact names of all parts: texts, files and pictures take turns.
fn exact_parts(parts: &[(u16, &Part)]) -> Vec<Asked> {
    let mut turns = [0; 3];
    let mut exact: Vec<(usize, Asked)> = Vec::with_capacity(parts.len());
    for (number, part) in parts {
        let Some(digest) = named(part) else { continue };
        let group = match part.kind {
            kind if kind.is_textual() => 0,
            PartKind::Image => 1,
            _ => 2,
        };
        let item = Item::exact(naming::part(&digest));
        exact.push((turns[group], Asked { item, part: Some(*number) }));
        turns[group] += 1;
    }
    exact.sort_by_key(|(turn, _)| *turn);
    exact.into_iter().map(|(_, asked)| asked).collect()
}

/// One link of each host first, then the rest; the parts take turns, the largest first. How many were not named comes
/// with them.
fn links<'a>(
    parts: &[(u16, &Part)],
    known: impl Fn(u16) -> Option<&'a PartFacts>,
) -> (Vec<Asked>, usize) {
    let mut hosts = HashSet::new();
    let mut links: Vec<(bool, usize, &str, u16)> = Vec::new();
    for (number, _) in parts {
        for (place, link) in known(*number).into_iter().flat_map(|it| &it.links).enumerate() {
            let host = link.split('/').next().unwrap_or_default();
            links.push((!hosts.insert(host), place, link, *number));
        }
    }
    links.sort_by_key(|(is_known_host, place, ..)| (*is_known_host, *place));
    let unnamed = links.len().saturating_sub(LINKS_NAMED_MAX);
    links.truncate(LINKS_NAMED_MAX);
    let name = |(_, _, link, number): (bool, usize, &str, u16)| Asked {
        item: Item::exact(naming::link(link)),
        part: Some(number),
    };
    (links.into_iter().map(name).collect(), unnamed)
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

#[cfg(test)]
mod tests;

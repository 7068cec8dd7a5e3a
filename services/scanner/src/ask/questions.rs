//! What a mail has to ask of the reputation service: the names of its parts, and how much of them is said.

use std::sync::Arc;

use tamis_domain::dialogue::Offer;
use tamis_domain::outline::PartKind;
use tamis_domain::reading::PartFacts;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::Item;

/// Bytes below which the exact name of a part is not asked for: "Thanks!" is in everybody's mail.
pub const NAMED_BYTES_MIN: u64 = 64;

/// Links asked for, of all parts together: they are the last to get room in the datagram anyway.
const LINKS_ASKED_MAX: usize = 24;

/// One item of a question and the part it came from.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What is asked.
    pub item: Item,
    /// Number of the part.
    pub part: Option<u16>,
}

/// What a mail has to ask: its texts with their sketches, its other parts, its links.
#[must_use]
pub fn questions(offer: &Offer, facts: &[Option<Arc<PartFacts>>]) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut links = Vec::new();
    for (number, part) in (0_u16..).zip(&offer.outline.parts) {
        let known = facts.get(usize::from(number)).and_then(Option::as_ref);
        if let Some(known) = known {
            links.extend(
                known.links.iter().map(|link| Asked {
                    item: Item::exact(naming::link(link)),
                    part: Some(number),
                }),
            );
        }
        let Some(digest) = part.digest.filter(|_| part.size >= NAMED_BYTES_MIN) else { continue };
        let item = match part.kind {
            PartKind::HeaderBlock | PartKind::Report => continue,
            PartKind::Text | PartKind::Html => Item {
                signature: naming::text(&digest),
                sketch: known.and_then(|known| known.sketch),
            },
            _ => Item::exact(naming::part(&digest)),
        };
        asked.push(Asked { item, part: Some(number) });
    }
    links.truncate(LINKS_ASKED_MAX);
    asked.extend(links);
    asked
}

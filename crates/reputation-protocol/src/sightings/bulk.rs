//! What is bulk at one moment: small, never changed, read by every answer.

use std::collections::HashMap;

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};

use super::Seen;
use crate::packet::Item;
use crate::signatures::NEAR_MAX;

/// Names answered as bulk at most; beyond, those seen least are left out. A large site sees some hundred campaigns at a
/// time.
pub const BULK_MAX: usize = 4_096;

/// Similar candidates compared for one item.
const CANDIDATES_MAX: usize = 64;

/// What is bulk now.
#[derive(Debug, Default)]
pub struct Bulk {
    exact: HashMap<Signature, Seen>,
    leaders: Vec<(Signature, Sketch, Seen)>,
    /// Places of leaders by kind, band and pair of lanes.
    bands: HashMap<(SignatureKind, u8, u16, u16), Vec<u16>>,
    agreement_min: u8,
}

impl Bulk {
    pub(super) fn of(mut found: Vec<(Signature, Option<Sketch>, Seen)>, agreement_min: u8) -> Self {
        found.sort_unstable_by_key(|(signature, _, seen)| {
            (std::cmp::Reverse(seen.copies), *signature)
        });
        found.truncate(BULK_MAX);
        let mut bulk = Self { agreement_min, ..Self::default() };
        for (signature, sketch, seen) in found {
            bulk.exact.insert(signature, seen);
            let Some(sketch) = sketch else { continue };
            let place = u16::try_from(bulk.leaders.len()).unwrap_or(u16::MAX);
            for key in keys(signature.kind, &sketch) {
                bulk.bands.entry(key).or_default().push(place);
            }
            bulk.leaders.push((signature, sketch, seen));
        }
        bulk
    }

    /// Names that are bulk.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len()
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// The answer about an item that is bulk, or similar to what is.
    #[must_use]
    pub fn ask(&self, item: &Item) -> Option<Listing> {
        if self.exact.is_empty() {
            return None;
        }
        if let Some(seen) = self.exact.get(&item.signature) {
            return Some(listing(*seen, Sketch::LANES as u8));
        }
        let sketch = item.sketch.as_ref()?;
        let places = keys(item.signature.kind, sketch)
            .filter_map(|key| self.bands.get(&key))
            .flatten()
            .take(CANDIDATES_MAX);
        let similar = places.filter_map(|place| {
            let (_, leader, seen) = self.leaders.get(usize::from(*place))?;
            let agreement = leader.agreement(sketch);
            (agreement >= self.agreement_min).then_some((agreement, *seen))
        });
        let (agreement, seen) =
            similar.max_by_key(|(agreement, seen)| (*agreement, seen.copies))?;
        // Equal sketches are not equal bytes.
        Some(listing(seen, agreement.min(NEAR_MAX)))
    }
}

fn keys(
    kind: SignatureKind,
    sketch: &Sketch,
) -> impl Iterator<Item = (SignatureKind, u8, u16, u16)> + '_ {
    (0_u8..).zip(sketch.0.chunks_exact(2)).map(move |(band, pair)| (kind, band, pair[0], pair[1]))
}

/// The weight says how much bulk it is: 7 for each doubling, so that 100 copies weigh 46 and 20,000 weigh 100.
fn listing(seen: Seen, similarity: u8) -> Listing {
    let weight = u8::try_from(7 * seen.copies.max(1).ilog2()).unwrap_or(100).clamp(1, 100);
    Listing { class: Class::Bulk, weight, reporters: seen.clients, age_hours: 0, similarity }
}

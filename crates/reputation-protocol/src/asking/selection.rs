//! Which items of a mail go into its one datagram.

use tamis_domain::digest::SignatureKind;
use tamis_domain::limits::SIGNATURES_MAX;
use tamis_domain::reputation::Listing;

use crate::packet::{DATAGRAM_BYTES_MAX, HEADER_BYTES, Item, SEAL_BYTES, TRACE_BYTES};

/// The places of the items that are asked, out of all.
#[derive(Debug)]
pub(super) struct Selection {
    /// Places in the mail's order of items, in the order of the datagram.
    chosen: Vec<usize>,
    all: usize,
}

impl Selection {
    /// Chooses by kind, within a kind by the mail's order. One too long is skipped, a shorter one after it may fit.
    pub(super) fn of(items: &[Item], traced: bool, sealed: bool) -> Self {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|place| rank(items[*place].signature.kind));
        let trace = if traced { TRACE_BYTES } else { 0 };
        let seal = if sealed { SEAL_BYTES } else { 0 };
        let mut left = DATAGRAM_BYTES_MAX - HEADER_BYTES - trace - seal;
        let mut chosen = Vec::new();
        for place in order {
            let bytes = items[place].wire_bytes();
            if chosen.len() < SIGNATURES_MAX && bytes <= left {
                left -= bytes;
                chosen.push(place);
            }
        }
        Self { chosen, all: items.len() }
    }

    pub(super) fn items(&self, all: &[Item]) -> Vec<Item> {
        self.chosen.iter().map(|place| all[*place]).collect()
    }

    pub(super) const fn left_out(&self) -> usize {
        self.all - self.chosen.len()
    }

    /// Puts the listings of the datagram back into the mail's order.
    pub(super) fn spread(&self, listings: &[Option<Listing>]) -> Vec<Option<Listing>> {
        let mut all = vec![None; self.all];
        for (place, listing) in self.chosen.iter().zip(listings) {
            all[*place] = *listing;
        }
        all
    }
}

/// What tells most comes first: texts are compared by likeness, parts exactly, links are many and short-lived.
const fn rank(kind: SignatureKind) -> u8 {
    match kind {
        SignatureKind::Text => 0,
        SignatureKind::Part => 1,
        SignatureKind::Attachment => 2,
        SignatureKind::Html => 3,
        SignatureKind::Image => 4,
        SignatureKind::Link => 5,
        SignatureKind::Sender => 6,
    }
}

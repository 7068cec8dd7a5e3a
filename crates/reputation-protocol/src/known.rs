//! What one server knows at one moment: its own table over the bases that came from other sites.
//!
//! Of what the table and the bases say, the one that [`Listing::precedence`] puts first is told, as within a table and
//! over shards: a verdict before bulk before a suspicion, what is said of this very name before any likeness, the
//! closest likeness, of equally close ones the allowed. Where both speak of this very name, an operator's word comes
//! before what reporters amount to. What is still equal is told as the site itself says it. So a site's own likeness to
//! something bad does not overrule what another site's operator allows by name.

use tamis_domain::digest::Sketch;
use tamis_domain::reputation::Listing;

use crate::packet::{Item, Marks};
use crate::sightings::Bulk;
use crate::signatures::{Found, Table};

/// All that a question is answered from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What was reported here.
    pub table: &'a Table,
    /// What the bases in force list, if there are any.
    pub base: Option<&'a Table>,
    /// Whether this server is cut off from the order of writes, so that clients had better ask another.
    pub is_stale: bool,
    /// What is seen in bulk just now, where sightings are counted.
    pub bulk: Option<&'a Bulk>,
}

impl<'a> Known<'a> {
    /// A table alone.
    #[must_use]
    pub const fn table(table: &'a Table) -> Self {
        Self { table, base: None, is_stale: false, bulk: None }
    }

    /// What the answer to these items says of this server.
    #[must_use]
    pub fn marks(&self, items: &[Item]) -> Marks {
        let Self { is_stale, table, .. } = *self;
        // What has a sketch is asked of every shard.
        let is_misplaced =
            |item: &Item| item.sketch.is_none() && !table.rules().holds(&item.signature);
        let is_elsewhere = table.rules().shard.is_some() && items.iter().any(is_misplaced);
        Marks { is_stale, is_elsewhere }
    }

    /// What is known of an item at `now_unix_s`.
    #[must_use]
    pub fn ask(&self, item: &Item, now_unix_s: u32) -> Option<Listing> {
        self.listed(item, now_unix_s).or_else(|| self.bulk.and_then(|bulk| bulk.ask(item)))
    }

    fn listed(&self, item: &Item, now_unix_s: u32) -> Option<Listing> {
        let own = self.table.find(item, now_unix_s);
        // Beside a verdict about this very name no likeness counts, and is not searched for.
        let is_exact = own.is_some_and(|own| is_exact_verdict(&own));
        let asked = if is_exact { Item::exact(item.signature) } else { *item };
        let other = self.base.and_then(|base| base.find(&asked, now_unix_s));
        let found = if other.map(rank) > own.map(rank) { other } else { own };
        found.map(|found| found.listing)
    }
}

/// The greater is told.
fn rank(found: Found) -> (u8, u8, bool) {
    let (tier, similarity, is_allowed) = found.listing.precedence();
    (tier, similarity, is_allowed || found.is_operator && is_exact_verdict(&found))
}

fn is_exact_verdict(found: &Found) -> bool {
    found.listing.class.is_verdict() && usize::from(found.listing.similarity) == Sketch::LANES
}

#[cfg(test)]
mod tests {
    use tamis_domain::digest::{Signature, SignatureKind};
    use tamis_domain::reputation::Class;

    use super::*;
    use crate::signatures::{Authority, Change, Rules};

    const NAME: Signature = Signature { kind: SignatureKind::Link, value: [3; 16] };

    fn table(class: Class, authority: Authority) -> Table {
        let mut table = Table::new(Rules { reporters_needed: 2, ..Rules::default() });
        let (signature, reporter) = (NAME, "desk".to_owned());
        let (sketch, weight, at_unix_s) = (None, 9, 0);
        let change =
            Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s };
        table.apply(&change).unwrap();
        table
    }

    #[test]
    fn of_equal_words_the_sites_own_come_first_but_its_suspicions_hide_nothing() {
        let (operator, reporter) = (Authority::Operator, Authority::Reporter);
        for (own, base, expected) in [
            ((Class::Allowed, operator), (Class::Spam, operator), Class::Allowed),
            ((Class::Spam, operator), (Class::Allowed, operator), Class::Spam),
            ((Class::Spam, reporter), (Class::Phishing, operator), Class::Phishing),
            ((Class::Bulk, operator), (Class::Allowed, operator), Class::Allowed),
            ((Class::Bulk, operator), (Class::Spam, reporter), Class::Bulk),
            ((Class::Allowed, reporter), (Class::Spam, reporter), Class::Suspected),
            ((Class::Spam, reporter), (Class::Bulk, operator), Class::Bulk),
        ] {
            let (table, base) = (table(own.0, own.1), table(base.0, base.1));
            let known = Known { table: &table, base: Some(&base), is_stale: false, bulk: None };
            let listing = known.ask(&Item::exact(NAME), 0).unwrap();
            assert_eq!(listing.class, expected, "{own:?}");
        }
    }
}

//! What one server knows at one moment: its own table over the bases that came from other sites.

use tamis_domain::reputation::Listing;

use crate::packet::{Item, Marks};
use crate::sightings::Bulk;
use crate::signatures::Table;

/// All that a question is answered from. Own verdicts come first: a site's `allowed` overrules what other sites list. But
/// a suspicion or bulk of its own does not hide what the bases know better.
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
        let own = self.table.ask(item, now_unix_s);
        let Some(base) = self.base else { return own };
        if own.is_some_and(|own| own.class.is_verdict()) {
            return own;
        }
        let other = base.ask(item, now_unix_s);
        if other.is_some_and(|other| other.class.is_verdict()) {
            return other;
        }
        own.or(other)
    }
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
    fn own_verdicts_come_first_but_own_suspicions_hide_nothing() {
        let (operator, reporter) = (Authority::Operator, Authority::Reporter);
        for (own, base, expected) in [
            ((Class::Allowed, operator), (Class::Spam, operator), Class::Allowed),
            ((Class::Spam, operator), (Class::Allowed, operator), Class::Spam),
            ((Class::Spam, reporter), (Class::Phishing, operator), Class::Phishing),
            ((Class::Bulk, operator), (Class::Allowed, operator), Class::Allowed),
            ((Class::Bulk, operator), (Class::Spam, reporter), Class::Bulk),
            ((Class::Allowed, reporter), (Class::Spam, reporter), Class::Suspected),
        ] {
            let (table, base) = (table(own.0, own.1), table(base.0, base.1));
            let known = Known { table: &table, base: Some(&base), is_stale: false, bulk: None };
            let listing = known.ask(&Item::exact(NAME), 0).unwrap();
            assert_eq!(listing.class, expected, "{own:?}");
        }
    }
}

//! What one server knows at one moment: its own table over the bases that came from other sites.

use tamis_domain::reputation::{Class, Listing};

use crate::packet::Item;
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

    /// What is known of an item at `now_unix_s`.
    #[must_use]
    pub fn ask(&self, item: &Item, now_unix_s: u32) -> Option<Listing> {
        self.listed(item, now_unix_s).or_else(|| self.bulk.and_then(|bulk| bulk.ask(item)))
    }

    fn listed(&self, item: &Item, now_unix_s: u32) -> Option<Listing> {
        let own = self.table.ask(item, now_unix_s);
        let Some(base) = self.base else { return own };
        if own.is_some_and(|own| is_verdict(own.class)) {
            return own;
        }
        let other = base.ask(item, now_unix_s);
        if other.is_some_and(|other| is_verdict(other.class)) {
            return other;
        }
        own.or(other)
    }
}

const fn is_verdict(class: Class) -> bool {
    matches!(class, Class::Allowed | Class::Spam | Class::Phishing | Class::Malware)
}

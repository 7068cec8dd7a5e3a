//! What one server knows at one moment: its own table over the bases that came from other sites.

use tamis_domain::reputation::Listing;

use crate::packet::Item;
use crate::signatures::Table;

/// All that a question is answered from. Own reports come first: a site's `allowed` overrules what other sites list.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What was reported here.
    pub table: &'a Table,
    /// What the bases in force list, if there are any.
    pub base: Option<&'a Table>,
    /// Whether this server is cut off from the order of writes, so that clients had better ask another.
    pub is_stale: bool,
}

impl<'a> Known<'a> {
    /// A table alone.
    #[must_use]
    pub const fn table(table: &'a Table) -> Self {
        Self { table, base: None, is_stale: false }
    }

    /// What is known of an item at `now_unix_s`.
    #[must_use]
    pub fn ask(&self, item: &Item, now_unix_s: u32) -> Option<Listing> {
        self.table
            .ask(item, now_unix_s)
            .or_else(|| self.base.and_then(|base| base.ask(item, now_unix_s)))
    }
}

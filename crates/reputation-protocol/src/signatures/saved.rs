//! What is kept of one signature where memory does not matter: all that was reported of it. The table keeps conclusions.

use tamis_domain::reputation::Class;

use super::change::{Authority, Change, ReportTold, Saved};
use super::near::is_same;
use super::words::{self, Given, Named, Word};

impl Saved {
    /// The history that a first report begins; none for a change that is not a report.
    #[must_use]
    pub fn begun(change: &Change, epoch: u64) -> Option<Self> {
        let Change::Add { signature, .. } = change else { return None };
        let (signature, reports) = (*signature, Vec::new());
        let mut saved = Self { signature, sketch: None, reports, changed_epoch: epoch };
        saved.apply(change, epoch).then_some(saved)
    }

    /// Takes a change of the same signature, the one that made `epoch`; `false` when nothing is left of it.
    ///
    /// A table that took the same changes comes to the same conclusion.
    pub fn apply(&mut self, change: &Change, epoch: u64) -> bool {
        match change {
            Change::Add { sketch, class, weight, reporter, authority, at_unix_s, .. } => {
                let given = match (sketch, &self.sketch) {
                    (None, _) => Given::Nothing,
                    (Some(_), None) => Given::First,
                    (Some(given), Some(stored)) if is_same(given, stored) => Given::Stored,
                    (Some(_), Some(_)) => Given::Other,
                };
                let told = ReportTold {
                    reporter: reporter.clone(),
                    class: *class,
                    weight: *weight,
                    first_unix_s: *at_unix_s,
                    last_unix_s: *at_unix_s,
                    times: 1,
                    authority: *authority,
                    named: Named::Nothing,
                    is_contradicted: false,
                };
                let overrules = told.overrules();
                if words::hear(&mut self.reports, told, given, organisations) {
                    self.sketch = *sketch;
                }
                if overrules {
                    words::contradict(&mut self.reports, |_| ());
                }
                self.changed_epoch = epoch;
            }
            Change::Retract { reporter, .. } => {
                let before = self.reports.len();
                self.reports.retain(|told| told.reporter != *reporter);
                if self.reports.len() < before {
                    self.changed_epoch = epoch;
                }
            }
            Change::Delete { .. } => self.reports.clear(),
        }
        !self.reports.is_empty()
    }
}

/// Organisations that named the sketch so.
fn organisations(reports: &[ReportTold], named: Named) -> usize {
    let mut all: Vec<_> = reports
        .iter()
        .filter(|told| told.named == named)
        .map(|told| super::trust::organisation(&told.reporter))
        .collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

impl Word for ReportTold {
    fn is_by_reporter_of(&self, other: &Self) -> bool {
        self.reporter == other.reporter
    }

    fn class(&self) -> Class {
        self.class
    }

    fn is_operator(&self) -> bool {
        self.authority == Authority::Operator
    }

    fn named(&self) -> Named {
        self.named
    }

    fn name(&mut self, named: Named) {
        self.named = named;
    }

    fn is_contradicted(&self) -> bool {
        self.is_contradicted
    }

    fn set_contradicted(&mut self, is_contradicted: bool) {
        self.is_contradicted = is_contradicted;
    }

    fn renew(&mut self, newer: &Self) {
        self.class = newer.class;
        self.weight = newer.weight;
        self.authority = newer.authority;
        self.times = self.times.saturating_add(1);
        self.prolong(newer);
    }

    fn prolong(&mut self, newer: &Self) {
        self.last_unix_s = self.last_unix_s.max(newer.last_unix_s);
    }
}

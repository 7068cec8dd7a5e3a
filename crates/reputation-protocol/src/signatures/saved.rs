//! What is kept of one signature where memory does not matter: all that was reported of it. The table keeps conclusions.

use super::REPORTERS_KEPT_MAX;
use super::change::{Authority, Change, ReportTold, Saved};

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
                self.sketch = self.sketch.or(*sketch);
                self.changed_epoch = epoch;
                self.report(ReportTold {
                    reporter: reporter.clone(),
                    class: *class,
                    weight: *weight,
                    first_unix_s: *at_unix_s,
                    last_unix_s: *at_unix_s,
                    times: 1,
                    authority: *authority,
                });
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

    /// One report more: a known reporter renews its own; beyond [`REPORTERS_KEPT_MAX`] only an operator's
    /// finds a place, that of the last report that is none.
    fn report(&mut self, report: ReportTold) {
        let own = self.reports.iter_mut().find(|told| told.reporter == report.reporter);
        if let Some(own) = own {
            own.class = report.class;
            own.weight = report.weight;
            own.authority = report.authority;
            own.last_unix_s = own.last_unix_s.max(report.last_unix_s);
            own.times = own.times.saturating_add(1);
            return;
        }
        if self.reports.len() < REPORTERS_KEPT_MAX {
            self.reports.push(report);
            return;
        }
        let is_operator = |told: &ReportTold| told.authority == Authority::Operator;
        if is_operator(&report)
            && let Some(place) = self.reports.iter_mut().rev().find(|told| !is_operator(told))
        {
            *place = report;
        } else if let Some(first) = self.reports.first_mut() {
            first.last_unix_s = first.last_unix_s.max(report.last_unix_s);
        }
    }
}

//! What is kept of one listed signature. 48 bytes while one reporter knows it; more reporters live apart.

use tamis_domain::reputation::{Class, Listing};

use super::change::{Authority, ReportTold};
use super::near::TextId;

/// Reporters kept by name for one signature. Further ones renew its time and are not counted, so that inventing
/// reporters gains nothing beyond this; an `allowed` report always finds a place.
pub const REPORTERS_KEPT_MAX: usize = 16;

/// One reporter's reports of one signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) reporter: u32,
    first_unix_s: u32,
    last_unix_s: u32,
    times: u16,
    class: Class,
    weight: u8,
    authority: Authority,
}

/// One listed signature.
#[derive(Debug)]
pub(super) struct Record {
    first: Report,
    /// All reporters but the first; none for most signatures.
    #[expect(clippy::box_collection, reason = "8 bytes in each record where a vector has 24")]
    more: Option<Box<Vec<Report>>>,
    pub(super) changed_epoch: u64,
    pub(super) text: Option<TextId>,
    /// The conclusion from all reports, kept so that answering reads nothing else.
    pub(super) class: Class,
    weight: u8,
    reporters: u8,
}

impl Report {
    pub(super) const fn new(
        reporter: u32,
        class: Class,
        weight: u8,
        authority: Authority,
        at_unix_s: u32,
    ) -> Self {
        let (first_unix_s, last_unix_s) = (at_unix_s, at_unix_s);
        Self { reporter, first_unix_s, last_unix_s, times: 1, class, weight, authority }
    }

    fn allows(&self) -> bool {
        self.class == Class::Allowed && self.authority == Authority::Operator
    }

    pub(super) const fn restored(reporter: u32, told: &ReportTold) -> Self {
        Self {
            reporter,
            first_unix_s: told.first_unix_s,
            last_unix_s: told.last_unix_s,
            times: told.times,
            class: told.class,
            weight: told.weight,
            authority: told.authority,
        }
    }

    fn renew(&mut self, newer: &Self) {
        self.class = newer.class;
        self.weight = newer.weight;
        self.authority = newer.authority;
        self.last_unix_s = self.last_unix_s.max(newer.last_unix_s);
        self.times = self.times.saturating_add(newer.times);
    }
}

impl Record {
    pub(super) const fn new(first: Report) -> Self {
        Self {
            first,
            more: None,
            changed_epoch: 0,
            text: None,
            class: Class::Suspected,
            weight: 1,
            reporters: 1,
        }
    }

    pub(super) fn reports(&self) -> impl Iterator<Item = &Report> {
        std::iter::once(&self.first).chain(self.more.iter().flat_map(|more| more.iter()))
    }

    /// Takes one more report. [`Record::judge`] draws the conclusion.
    pub(super) fn report(&mut self, report: Report) {
        let same = |known: &&mut Report| known.reporter == report.reporter;
        let mut known = std::iter::once(&mut self.first)
            .chain(self.more.iter_mut().flat_map(|more| more.iter_mut()));
        if let Some(known) = known.find(same) {
            known.renew(&report);
            return;
        }
        let more = self.more.get_or_insert_default();
        if more.len() + 1 < REPORTERS_KEPT_MAX {
            more.push(report);
            return;
        }
        self.first.last_unix_s = self.first.last_unix_s.max(report.last_unix_s);
        if report.allows()
            && let Some(place) = more.iter_mut().rev().find(|known| !known.allows())
        {
            *place = report;
        }
    }

    /// Takes back the reports of one reporter; how many other reporters are left, none when it had not reported.
    pub(super) fn retract(&mut self, reporter: u32) -> Option<usize> {
        let mut all: Vec<Report> = self.reports().copied().collect();
        let place = all.iter().position(|report| report.reporter == reporter)?;
        all.remove(place);
        let left = all.len();
        if left > 0 {
            self.first = all.remove(0);
            self.more = (!all.is_empty()).then(|| Box::new(all));
        }
        Some(left)
    }

    /// Draws the conclusion from all reports, see the rules of [`super`].
    pub(super) fn judge(&mut self, reporters_needed: u8) {
        let count = |class: Class| self.reports().filter(|it| it.class == class).count();
        let strongest = |class: Option<Class>| {
            let named = self.reports().filter(|it| class.is_none_or(|class| it.class == class));
            named.map(|it| it.weight).max().unwrap_or(1)
        };
        let all = self.reports().count();
        let (class, weight) = if self.reports().any(Report::allows) {
            (Class::Allowed, strongest(Some(Class::Allowed)))
        } else if all < usize::from(reporters_needed) {
            (Class::Suspected, strongest(None))
        } else {
            // The last of equals wins: gravest at the end.
            let classes =
                [Class::Bulk, Class::Spam, Class::Phishing, Class::Malware, Class::Allowed];
            let class = classes.into_iter().max_by_key(|class| count(*class));
            (class.unwrap_or(Class::Suspected), strongest(class))
        };
        self.reporters = u8::try_from(all).unwrap_or(u8::MAX);
        self.class = class;
        self.weight = weight;
    }

    pub(super) fn listing(&self, similarity: u8, now_unix_s: u32) -> Listing {
        let last = self.reports().map(|it| it.last_unix_s).max().unwrap_or_default();
        let age_hours = u16::try_from(now_unix_s.saturating_sub(last) / 3600).unwrap_or(u16::MAX);
        Listing {
            class: self.class,
            weight: self.weight,
            reporters: self.reporters,
            age_hours,
            similarity,
        }
    }
}

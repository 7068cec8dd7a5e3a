//! Which organisations are active, by the days of their last reports alone: a table that loads those has the same.

use std::collections::BTreeMap;

/// Days after its last report for which an organisation counts as active: twelve weeks, so that a quiet week makes the
/// quorum no easier to reach for votes that are older.
pub const ACTIVE_DAYS: u16 = 84;

/// Of so many organisations one may have a clock that is ahead, and moves nothing: 2 %, the share of the default quorum.
pub const CLOCKS_PER_WRONG_ONE: usize = 50;

/// Days of last reports, and how many organisations have each.
#[derive(Debug, Default)]
pub(super) struct Activity {
    days: BTreeMap<u16, u32>,
    organisations: usize,
    active: u32,
}

impl Activity {
    /// The last report of an organisation is of `day` and no longer of `before`; 0: of none. Takes as long as there are
    /// days among the latest fiftieth and in the 84 before.
    pub(super) fn moved(&mut self, before: u16, day: u16) {
        if let Some(count) = self.days.get_mut(&before) {
            *count -= 1;
            if *count == 0 {
                self.days.remove(&before);
            }
            self.organisations -= 1;
        }
        *self.days.entry(day).or_default() += 1;
        self.organisations += 1;
        let today = self.today();
        let first = today.saturating_sub(ACTIVE_DAYS - 1);
        self.active = self.days.range(first..).map(|(_, count)| count).sum();
    }

    /// The day of which, and of later ones, so many last reports are that not all of their clocks can be wrong.
    pub(super) fn today(&self) -> u16 {
        let ahead = self.organisations / CLOCKS_PER_WRONG_ONE;
        let mut seen = 0;
        for (day, count) in self.days.iter().rev() {
            seen += *count as usize;
            if seen > ahead {
                return *day;
            }
        }
        0
    }

    /// Organisations whose last report is of the last days before today, or of a later one.
    pub(super) const fn active(&self) -> u32 {
        self.active
    }

    /// An estimate: of the tree each day has a key, a count and its part of the nodes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.days.len() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the words say it.
    fn plain(days: &[u16]) -> (u16, u32) {
        let mut days: Vec<_> = days.iter().copied().filter(|day| *day > 0).collect();
        days.sort_unstable_by(|a, b| b.cmp(a));
        let today = days.get(days.len() / 50).copied().unwrap_or(0);
        let active = days.iter().filter(|day| **day + 84 > today).count();
        (today, active as u32)
    }

    #[test]
    fn it_is_what_the_last_days_say_in_whatever_order_they_came() {
        let mut state = 7_u32;
        let mut days = vec![0; 120];
        let mut activity = Activity::default();
        for step in 0..4_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (who, what) = ((state >> 8) as usize % days.len(), state >> 20);
            let day = if what % 97 == 0 { 60_000 + what as u16 % 9 } else { 1 + step / 20 };
            if day > days[who] {
                activity.moved(days[who], day);
                days[who] = day;
            }
            assert_eq!((activity.today(), activity.active()), plain(&days), "{step}");
        }
        let mut anew = Activity::default();
        days.iter().rev().filter(|day| **day > 0).for_each(|day| anew.moved(0, *day));
        assert_eq!((anew.today(), anew.active()), (activity.today(), activity.active()));
    }

    #[test]
    fn of_a_hundred_organisations_two_with_clocks_ahead_move_nothing_and_three_do() {
        let mut activity = Activity::default();
        (0..98).for_each(|_| activity.moved(0, 20_000));
        for ahead in 1..=3 {
            activity.moved(0, 60_000);
            let is_moved = ahead == 3;
            assert_eq!(activity.today(), if is_moved { 60_000 } else { 20_000 }, "{ahead}");
            assert_eq!(activity.active(), if is_moved { 3 } else { 98 + ahead }, "{ahead}");
        }
    }

    #[test]
    fn an_organisation_is_active_for_84_days_and_not_85() {
        for (later, active) in [(83, 2), (84, 1)] {
            let mut activity = Activity::default();
            activity.moved(0, 20_000);
            activity.moved(0, 20_000 + later);
            assert_eq!(activity.active(), active, "{later}");
        }
    }
}

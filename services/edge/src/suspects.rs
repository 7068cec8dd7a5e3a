//! Mails that were in a scanner's hands when it ended. One of them may be why.
//!
//! In memory and bounded: what two edges know apart is joined by the scanners, who share a list in Redis.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tamis_domain::digest::PartDigest;
use tamis_message::digesting::mail_name;

use crate::mail::Mail;

/// Suspects remembered: all that an edge may have in hand when a scanner ends, several times over. Beyond it the oldest is
/// forgotten; the scanners' own list is not.
pub const SUSPECTS_MAX: usize = 4096;

/// Parts named in one report.
const PARTS_REPORTED_MAX: usize = 50;

/// How many scanners ended over which mail, by its name.
#[derive(Debug, Default)]
pub struct Suspects(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    felled: HashMap<PartDigest, u8>,
    order: VecDeque<PartDigest>,
}

impl Suspects {
    /// How many scanners ended over this mail.
    pub fn felled(&self, name: &PartDigest) -> u8 {
        self.kept().felled.get(name).copied().unwrap_or(0)
    }

    /// One more did than the `seen` before it was offered; gives their number. Equal mails have one name, and all that were in
    /// the hands of one scanner accuse it of one end together.
    pub fn accuse(&self, name: PartDigest, seen: u8) -> u8 {
        let mut kept = self.kept();
        if !kept.felled.contains_key(&name) {
            if kept.order.len() == SUSPECTS_MAX
                && let Some(oldest) = kept.order.pop_front()
            {
                kept.felled.remove(&oldest);
            }
            kept.order.push_back(name);
        }
        let felled = kept.felled.entry(name).or_insert(0);
        *felled = (*felled).max(seen.saturating_add(1));
        *felled
    }

    /// It was judged.
    pub fn acquit(&self, name: &PartDigest) {
        let mut kept = self.kept();
        if kept.felled.remove(name).is_some() {
            kept.order.retain(|other| other != name);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The report of a mail that is set aside: what it takes to find it and to find out, without address and without text.
pub fn report(mail: &Mail, queue_id: &str) {
    let outline = &mail.dissected.outline;
    let parts: Vec<String> = outline
        .parts
        .iter()
        .take(PARTS_REPORTED_MAX)
        .map(|part| {
            let name = part.digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
            format!("{:?}:{}:{name}", part.kind, part.size)
        })
        .collect();
    tracing::error!(
        id = %mail.id,
        queue_id,
        name = %mail_name(outline),
        header = outline.header_digest.map(|digest| digest.to_string()).unwrap_or_default(),
        parts = parts.join(" "),
        size = mail.held.size(),
        "a mail is set aside: scanners ended while they judged it"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> PartDigest {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&number.to_be_bytes());
        PartDigest(name)
    }

    #[test]
    fn n_suspects_are_remembered_and_the_oldest_is_forgotten_for_one_more() {
        let suspects = Suspects::default();
        for number in 0..SUSPECTS_MAX {
            assert_eq!(suspects.accuse(name(number), 0), 1);
        }
        assert_eq!(suspects.accuse(name(0), 1), 2, "still known at the limit");
        suspects.accuse(name(SUSPECTS_MAX), 0);
        assert_eq!(suspects.felled(&name(0)), 0);
        assert_eq!(suspects.felled(&name(1)), 1);
    }

    #[test]
    fn equal_mails_in_the_hands_of_one_scanner_tell_of_one_end() {
        let suspects = Suspects::default();
        assert_eq!([(); 3].map(|()| suspects.accuse(name(1), 0)), [1; 3]);
        assert_eq!([(); 2].map(|()| suspects.accuse(name(1), 1)), [2; 2], "the next one");
        assert_eq!(suspects.accuse(name(1), 0), 2, "whoever is late takes nothing back");
        assert_eq!(suspects.accuse(name(2), u8::MAX), u8::MAX);
    }

    #[test]
    fn who_was_judged_is_suspected_no_more_and_leaves_room() {
        let suspects = Suspects::default();
        suspects.accuse(name(1), 0);
        suspects.acquit(&name(1));
        assert_eq!(suspects.felled(&name(1)), 0);
        for number in 2..SUSPECTS_MAX + 2 {
            suspects.accuse(name(number), 0);
        }
        assert_eq!(suspects.felled(&name(2)), 1, "no empty place was kept");
    }
}

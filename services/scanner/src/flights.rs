//! Single flight: the same part arriving many times at once is read once.
//!
//! A dialogue takes all its unknown parts in one step. It then leads the flights of the parts that nobody else is
//! reading, and follows the others. So a dialogue only ever follows flights that were taken before its own: waits
//! point backwards in time and cannot form a circle.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tamis_domain::reading::PartFacts;
use tokio::sync::watch;

use crate::memory::Key;

type Facts = Option<Arc<PartFacts>>;

/// Parts being read at this moment. At most one entry for each part of each mail in hand.
#[derive(Debug, Default, Clone)]
pub struct Flights(Arc<Mutex<HashMap<Key, watch::Receiver<Facts>>>>);

/// The right, and the duty, to read one part. Dropped without landing, its followers read it themselves.
#[derive(Debug)]
pub struct Lead {
    key: Key,
    flights: Flights,
    land: watch::Sender<Facts>,
}

/// One part that somebody else is reading.
#[derive(Debug)]
pub struct Follow(watch::Receiver<Facts>);

/// What a dialogue has to do for one part.
#[derive(Debug)]
pub enum Seat {
    /// Read it and tell the others.
    Lead(Lead),
    /// Wait for who reads it.
    Follow(Follow),
    /// It is led already, for the same part earlier in the same mail.
    Own,
}

impl Flights {
    /// Takes a seat for each key, all in one step. The same key a second time is the caller's own flight.
    #[must_use]
    pub fn board(&self, keys: &[Key]) -> Vec<Seat> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = HashSet::new();
        keys.iter()
            .map(|key| match flights.get(key) {
                Some(_) if own.contains(key) => Seat::Own,
                Some(flight) => Seat::Follow(Follow(flight.clone())),
                None => {
                    own.insert(*key);
                    let (land, flight) = watch::channel(None);
                    flights.insert(*key, flight);
                    Seat::Lead(Lead { key: *key, flights: self.clone(), land })
                }
            })
            .collect()
    }

    /// Parts being read now.
    #[must_use]
    pub fn in_the_air(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Lead {
    /// Tells the followers what was found.
    pub fn land(self, facts: Arc<PartFacts>) {
        self.land.send_replace(Some(facts));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Follow {
    /// Waits for the facts; `None` when the leader gave up.
    pub async fn landed(mut self) -> Facts {
        match self.0.wait_for(Option::is_some).await {
            Ok(facts) => facts.clone(),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(seat: Seat) -> Lead {
        match seat {
            Seat::Lead(lead) => lead,
            Seat::Follow(_) | Seat::Own => panic!("somebody leads"),
        }
    }

    fn follow(seat: Seat) -> Follow {
        match seat {
            Seat::Follow(follow) => follow,
            Seat::Lead(_) | Seat::Own => panic!("nobody else leads"),
        }
    }

    #[tokio::test]
    async fn one_reads_and_all_know() {
        let flights = Flights::default();
        let leader = lead(flights.board(&[[1; 32]]).remove(0));
        let followers: Vec<_> =
            (0..50).map(|_| follow(flights.board(&[[1; 32]]).remove(0)).landed()).collect();
        let facts = Arc::new(PartFacts { links: vec!["a".into()], ..PartFacts::default() });
        leader.land(Arc::clone(&facts));
        for follower in followers {
            assert_eq!(follower.await, Some(Arc::clone(&facts)));
        }
        assert_eq!(flights.in_the_air(), 0);
    }

    #[tokio::test]
    async fn a_leader_that_gives_up_leaves_nobody_waiting() {
        let flights = Flights::default();
        let leader = lead(flights.board(&[[1; 32]]).remove(0));
        let follower = follow(flights.board(&[[1; 32]]).remove(0));
        drop(leader);
        assert_eq!(follower.landed().await, None);
        lead(flights.board(&[[1; 32]]).remove(0));
    }

    #[test]
    fn a_mail_with_the_same_part_twice_does_not_wait_for_itself() {
        let flights = Flights::default();
        let seats = flights.board(&[[1; 32], [1; 32], [2; 32]]);
        assert!(matches!(seats[..], [Seat::Lead(_), Seat::Own, Seat::Lead(_)]));
    }

    #[test]
    fn crossing_mails_never_wait_in_a_circle() {
        let flights = Flights::default();
        let first = flights.board(&[[1; 32], [2; 32]]);
        let second = flights.board(&[[2; 32], [1; 32], [3; 32]]);
        assert!(first.iter().all(|seat| matches!(seat, Seat::Lead(_))));
        assert!(matches!(second[..], [Seat::Follow(_), Seat::Follow(_), Seat::Lead(_)]));
    }
}

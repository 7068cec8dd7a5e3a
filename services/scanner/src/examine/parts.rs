//! What is known of the parts of a mail: remembered, or read now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::outline::Part;
use tamis_domain::reading::PartFacts;
use tamis_message::digesting::{part_digest, reading_key};
use tamis_message::reading::is_costly;
use tamis_runtime::clock;
use tokio::time::timeout_at;

use super::{Examination, leaves};
use crate::memory::{FarAnswer, Key};
use crate::metrics;
use crate::{Scanner, reading};

impl Examination {
    pub(super) fn recall_near(&mut self, scanner: &Scanner, offer: &Offer) {
        for (number, part) in leaves(offer) {
            let known = scanner.memory.recall_near(&reading_key(part, self.facts_generation()));
            scanner.metrics.recalled(if known.is_some() {
                metrics::Recalled::Near
            } else {
                metrics::Recalled::NotNear
            });
            self.facts[usize::from(number)] = known;
        }
    }

    pub(super) async fn recall_far(&mut self, scanner: &Scanner, offer: &Offer, until: Instant) {
        let wanted = self.missing(offer);
        let keys: Vec<Key> = wanted.iter().filter_map(|number| self.key(offer, *number)).collect();
        if keys.is_empty() {
            return;
        }
        let asked = timeout_at(until.into(), scanner.memory.recall_far(&keys));
        match asked.await.unwrap_or(FarAnswer::Silent) {
            FarAnswer::Absent => {}
            FarAnswer::Silent => scanner.metrics.recalled(metrics::Recalled::Silent),
            FarAnswer::Facts(found) => {
                for (number, facts) in wanted.into_iter().zip(found) {
                    scanner.metrics.recalled(if facts.is_some() {
                        metrics::Recalled::Far
                    } else {
                        metrics::Recalled::NotFar
                    });
                    self.facts[usize::from(number)] = facts;
                }
            }
        }
    }

    /// Reads contents and remembers what was found, under the name of the bytes that were really here.
    ///
    /// Stops before the next part when the time is over: what is unread then lowers the rung.
    pub(super) async fn read(
        &mut self,
        scanner: &Scanner,
        offer: &Offer,
        mut contents: Vec<Content>,
        until: Instant,
    ) {
        reading::put_in_order(&mut contents);
        // What was read here and holds for all who have its bytes: a mail may have one part a thousand times.
        let mut twins: HashMap<Key, Arc<PartFacts>> = HashMap::new();
        for Content { part: number, bytes } in contents {
            if clock::now() >= until {
                return;
            }
            let Some(part) = offer.outline.parts.get(usize::from(number)) else { continue };
            if self.facts[usize::from(number)].is_some() {
                continue;
            }
            let held = Part { digest: Some(part_digest(&bytes)), ..part.clone() };
            if held.digest != part.digest {
                self.own.push(number);
            }
            let key = reading_key(&held, self.facts_generation());
            // The same bytes may come twice in one mail: a picture is decoded once.
            let twin = twins.get(&key).cloned();
            if let Some(known) = twin.or_else(|| scanner.memory.recall_near(&key)) {
                self.facts[usize::from(number)] = Some(known);
                continue;
            }
            let read = self.read_one(scanner, offer, part, bytes, key, until).await;
            let Some((facts, is_everybodys)) = read else { return };
            if is_everybodys {
                twins.insert(key, Arc::clone(&facts));
            } else {
                self.own.push(number);
            }
            self.facts[usize::from(number)] = Some(facts);
        }
    }

    /// Reads one part, and whether its facts hold for all who have its bytes. `None`: there was no reader until the end.
    ///
    /// What the mail's budget had no room for is remembered for this mail: coming again, it is neither slow again nor
    /// judged otherwise.
    async fn read_one(
        &mut self,
        scanner: &Scanner,
        offer: &Offer,
        part: &Part,
        bytes: Vec<u8>,
        key: Key,
        until: Instant,
    ) -> Option<(Arc<PartFacts>, bool)> {
        let own_key = is_costly(&bytes).then(|| self.key_in_this_mail(offer, key));
        if let Some(facts) = own_key.and_then(|key| scanner.memory.recall_near(&key)) {
            self.left_out_before += usize::from(facts.left_out);
            return Some((facts, false));
        }
        let mut reader = None;
        let in_place = reading::cost_in_place(&bytes, self.spent_in_place);
        self.spent_in_place += in_place.unwrap_or_default();
        if in_place.is_none() {
            reader = Some(timeout_at(until.into(), scanner.readers.acquire()).await.ok()?.ok()?);
            // Copies of one newsletter wait for each other here: one of them has read it meanwhile.
            if let Some(known) = scanner.memory.recall_near(&key) {
                return Some((known, true));
            }
        }
        let in_place = in_place.is_some();
        let read =
            reading::read(part, bytes, &self.snapshot, self.key, &mut self.budget, in_place).await;
        drop(reader);
        if read.is_sound {
            scanner.memory.keep(key, Arc::clone(&read.facts));
        } else if let Some(key) = own_key.filter(|_| read.facts.left_out > 0) {
            scanner.memory.keep_near(key, Arc::clone(&read.facts));
        }
        let is_everybodys = read.facts.left_out == 0;
        Some((read.facts, is_everybodys))
    }

    /// The key of facts that a part has in a mail of just these parts, in this order.
    fn key_in_this_mail(&mut self, offer: &Offer, key: Key) -> Key {
        let generation = self.facts_generation();
        let all = self.all_parts.get_or_insert_with(|| {
            let keys = leaves(offer).map(|(_, part)| reading_key(part, generation));
            part_digest(&keys.collect::<Vec<_>>().concat()).0
        });
        part_digest(&[*all, key].concat()).0
    }

    /// Pictures and documents that the budget of the mail had no room for, now or when it came before.
    pub(super) const fn left_out(&self) -> usize {
        self.budget.left_out() + self.left_out_before
    }
}

#[cfg(test)]
mod tests;

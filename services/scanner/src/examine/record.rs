//! What an examination writes down, and what it takes from what was written down before.

use tamis_domain::decide::shares;
use tamis_domain::dialogue::Offer;
use tamis_domain::evidence::Source;
use tamis_domain::outline::Part;
use tamis_domain::record::{Asked, PartNote, RECORD_FORMAT, Record, RecordedShare, Unseen};
use tamis_domain::status::Rung;

use super::{Examination, leaves};
use crate::Scanner;
use crate::ask::reputation::Heard;

impl Examination {
    /// The verdict, and all that it followed from.
    #[must_use]
    pub fn record(mut self, offer: &Offer, now_s: i64) -> Record {
        // All that the verdict will rest on, or the record gives another one.
        self.content = self.content(offer);
        let unseen = self.unseen(offer);
        let answers = self.answers.iter().filter(|it| it.listing.is_some()).copied().collect();
        let (evidence, groups, global) = self.with_input(offer, Rung::Full, |input| {
            let shares = shares(input);
            let groups = shares.iter().map(|it| RecordedShare::of(it, input.evidence)).collect();
            let group = input.policy.global();
            let listed = (input.listed)(&group.rules().lists);
            let global = tamis_domain::decide::Share {
                group: group.name(),
                rules: group.rules(),
                recipients: Vec::new(),
                listed,
            };
            let global = RecordedShare::of(&global, input.evidence);
            (input.evidence.to_vec(), groups, global)
        });
        let named = evidence.iter().filter_map(|found| found.part);
        let mut numbers: Vec<u16> = named.chain(unseen.parts.iter().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let part = |number: &u16| Some((*number, offer.outline.parts.get(usize::from(*number))?));
        let parts = numbers.iter().filter_map(part).map(note).collect();
        let envelope = offer.envelope.clone();
        let verdict = self.verdict(offer);
        Record {
            tamis_record: RECORD_FORMAT,
            now_s,
            envelope,
            evidence,
            global,
            groups,
            answers,
            parts,
            unseen,
            verdict,
        }
    }

    /// Takes what the outside said when the mail was judged before, as far as nobody is asked now: else its findings
    /// would seem to have vanished, and nothing but the network had changed.
    pub fn remember(&mut self, scanner: &Scanner, before: &Record) {
        if scanner.reputation.is_none() {
            self.answers.clone_from(&before.answers);
            self.heard = match before.unseen.reputation {
                Asked::NotAsked => Heard::NotAsked,
                Asked::Spared => Heard::Spared,
                Asked::Silent => Heard::Silent,
                Asked::Partly => Heard::Partly,
                Asked::Answered => Heard::Answered,
            };
            // How much was left out of the question is known from its finding alone.
            let left_out = before.evidence.iter().filter(|it| it.name == "reputation_left_out");
            self.unasked_then = Some(left_out.cloned().collect());
        }
        let is_asked = |source: Source| match source {
            Source::Learned => scanner.learning.is_some(),
            // The findings of the reputation service follow from its answers.
            Source::Reputation => true,
            _ => scanner.authenticator.is_some(),
        };
        let outside = before.evidence.iter().filter(|found| found.source.is_outside());
        self.remembered = outside.filter(|found| !is_asked(found.source)).cloned().collect();
        if scanner.authenticator.is_none() {
            self.is_dns_asked = before.unseen.dns != Asked::NotAsked;
            self.findings.is_silent = before.unseen.dns == Asked::Silent;
        }
    }

    fn unseen(&self, offer: &Offer) -> Unseen {
        let unread = leaves(offer).map(|(number, _)| number);
        Unseen {
            parts: unread.filter(|number| self.facts(*number).is_none()).collect(),
            reputation: match self.heard {
                Heard::NotAsked => Asked::NotAsked,
                Heard::Spared => Asked::Spared,
                Heard::Silent => Asked::Silent,
                Heard::Partly => Asked::Partly,
                Heard::Answered => Asked::Answered,
            },
            dns: match (self.is_dns_asked, self.findings.is_silent) {
                (false, _) => Asked::NotAsked,
                (true, true) => Asked::Silent,
                (true, false) => Asked::Answered,
            },
            is_certain: self.is_certain,
        }
    }
}

fn note((number, part): (u16, &Part)) -> PartNote {
    let (media_type, file_name) = (part.media_type.clone(), part.file_name.clone());
    PartNote { number, media_type, file_name }
}

//! How one mail is judged: read this file to know the scanner.
//!
//! Three rings, each costlier than the one before. A ring is only entered if the mail is still open:
//!
//! 1. **free**: header, structure, names, lists. Nothing is asked, nothing is waited for.
//! 2. **near**: facts remembered by digest (this process, then Redis in one round trip), the contents that came with
//!    the Offer, and one question to the reputation service. All under one budget. Questions to DNS begin here, too, and
//!    run beside everything else until the end.
//! 3. **full**: the contents that nobody knew, supplied by the edge.
//!
//! Then `weigh` and `decide`. The order of waiting is the dialogue's affair and stands in [`crate::serve`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join;
use tamis_checks::bases::Bases;
use tamis_domain::decide::{self, Input};
use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::evidence::{Evidence, Mark};
use tamis_domain::outline::Part;
use tamis_domain::policy::lists::Lists;
use tamis_domain::reading::{HeaderReading, PartFacts};
use tamis_domain::reputation::{Answered, Class, Listing};
use tamis_domain::status::Rung;
use tamis_domain::suffix::owner;
use tamis_domain::verdict::{Timings, Verdict};
use tamis_domain::weigh::heaviest;
use tamis_learning::hashing::SiteKey;
use tamis_learning::{score, tokens};
use tamis_message::digesting::reading_key;
use tamis_message::reading::Budget;
use tamis_message::sketch::image::is_picture;
use tamis_reputation_protocol::naming;
use tamis_runtime::clock;
use tracing::Instrument as _;

use crate::Scanner;
use crate::ask::authentication::{Asking, Authenticator, Findings};
use crate::ask::lists::LINKS_ASKED_MAX;
use crate::ask::questions::room::{choose, with_twins};
use crate::ask::questions::{questions, senders};
use crate::ask::reputation::Heard;
use crate::learning::{Learning, Recalled, common_domain};
use crate::memory::Key;
use crate::snapshot::Snapshot;

mod parts;
mod record;

/// One mail being judged.
#[derive(Debug)]
pub struct Examination {
    snapshot: Arc<Snapshot>,
    bases: Arc<Bases>,
    began: Instant,
    /// The time of the judgement, in seconds since 1970.
    now_s: i64,
    header: HeaderReading,
    /// Findings of the free ring.
    free: Vec<Evidence>,
    /// What is known of each part's content, by part number.
    facts: Vec<Option<Arc<PartFacts>>>,
    /// Parts whose content was not what its name says, or a picture that was left out: facts about them are this mail's
    /// alone.
    own: Vec<u16>,
    /// Pictures that came early and wait until all have come, since the largest are looked at first. They came inline,
    /// so they are few bytes.
    waiting: Vec<Content>,
    /// What looking at pictures and documents may still cost.
    budget: Budget,
    /// What was read where the dialogue is held, by its cost.
    spent_in_place: usize,
    /// Pictures and documents for which there was no room when the same mail came before.
    left_out_before: usize,
    /// Name of all its parts, once it is asked for.
    all_parts: Option<Key>,
    answers: Vec<Answered>,
    heard: Heard,
    /// Names that found no room in the question.
    unasked: usize,
    /// What the outside said of the mail when it was judged before, where nobody is asked now.
    remembered: Vec<Evidence>,
    /// What was found to be left out of the question then, where the reputation service is not asked now.
    unasked_then: Option<Vec<Evidence>>,
    /// Questions to DNS under way: they run beside all else.
    asking: Option<Asking>,
    /// What came of them.
    findings: Findings,
    /// Domains whose ARC seals are believed.
    sealers: Vec<String>,
    is_dns_asked: bool,
    /// The key of the site's learned knowledge, if it learns.
    key: Option<SiteKey>,
    /// What users taught about mail like this.
    recalled: Recalled,
    is_certain: bool,
    /// What the content model says of the mail as a whole, once all of it is here.
    content: Option<Evidence>,
    timings: Timings,
}

impl Examination {
    /// The free ring.
    #[must_use]
    pub fn begin(snapshot: Arc<Snapshot>, offer: &Offer, now_s: i64) -> Self {
        let began = clock::now();
        let header = tamis_message::header::read(&offer.outline.header);
        let mut free = tamis_checks::headers::judge(&offer.envelope, &header, now_s);
        free.extend(tamis_checks::structure::judge(&offer.outline));
        free.extend(tamis_checks::attachments::judge(&offer.outline));
        let bases = Arc::clone(&snapshot.bases);
        let facts = vec![None; offer.outline.parts.len()];
        let mut mail = Self {
            snapshot,
            bases,
            began,
            now_s,
            header,
            free,
            facts,
            own: Vec::new(),
            waiting: Vec::new(),
            budget: Budget::default(),
            spent_in_place: 0,
            left_out_before: 0,
            all_parts: None,
            answers: Vec::new(),
            heard: Heard::NotAsked,
            unasked: 0,
            remembered: Vec::new(),
            unasked_then: None,
            asking: None,
            findings: Findings::default(),
            sealers: Vec::new(),
            is_dns_asked: false,
            key: None,
            recalled: Recalled::NotAsked,
            is_certain: false,
            content: None,
            timings: Timings::default(),
        };
        // Certainty comes from lists alone, so no later ring can bring it.
        mail.is_certain = decide::can_be_certain(&offer.envelope, &mail.snapshot.policy)
            && mail.with_input(offer, Rung::Full, decide::is_certain);
        mail.timings.free_us = micros(began);
        mail
    }

    /// The near ring: what the cluster knows, and what came with the Offer.
    pub async fn near(
        &mut self,
        scanner: &Scanner,
        offer: &Offer,
        inline: Vec<Content>,
        until: Instant,
    ) {
        let began = clock::now();
        if !self.is_certain {
            self.key = scanner.learning.as_ref().and_then(Learning::key);
            let begin = |it: &Authenticator| it.begin(offer, &self.header, self.now_s, until);
            self.asking = scanner.authenticator.as_ref().map(begin);
            self.recall_near(scanner, offer);
            let (pictures, others) =
                inline.into_iter().partition(|content| is_picture(&content.bytes));
            self.waiting = pictures;
            self.read(scanner, offer, others, until).await;
            self.recall_far(scanner, offer, until).await;
            // Any content may bring names by likeness into the question: all of it is waited for.
            if self.missing(offer).is_empty() {
                let pictures = std::mem::take(&mut self.waiting);
                self.read(scanner, offer, pictures, until).await;
                self.ask_reputation(scanner, offer, until).await;
            }
        }
        self.timings.near_us = micros(began);
    }

    /// Numbers of the parts whose content nobody knows. Empty when the decision is certain without them.
    #[must_use]
    pub fn missing(&self, offer: &Offer) -> Vec<u16> {
        if self.is_certain {
            return Vec::new();
        }
        let is_here = |number: u16| self.waiting.iter().any(|content| content.part == number);
        leaves(offer)
            .filter(|(number, _)| self.facts[usize::from(*number)].is_none() && !is_here(*number))
            .map(|(n, _)| n)
            .collect()
    }

    /// The key under which facts about part `number` are remembered.
    #[must_use]
    pub fn key(&self, offer: &Offer, number: u16) -> Option<Key> {
        let part = offer.outline.parts.get(usize::from(number))?;
        Some(reading_key(part, self.facts_generation()))
    }

    /// Facts with tokens for one key are other facts than those without, or for another key.
    fn facts_generation(&self) -> u32 {
        self.bases.generation ^ self.key.map_or(0, |key| key.tag())
    }

    /// Takes facts that somebody else found just now.
    pub fn learn(&mut self, number: u16, facts: Arc<PartFacts>) {
        if let Some(known) = self.facts.get_mut(usize::from(number)) {
            *known = Some(facts);
        }
    }

    /// Facts about part `number` that hold for everybody who offers its name.
    #[must_use]
    pub fn facts_for_others(&self, number: u16) -> Option<&Arc<PartFacts>> {
        self.facts(number).filter(|_| !self.own.contains(&number))
    }

    /// How long the dialogue waited for content.
    pub fn waited(&mut self, waited: std::time::Duration) {
        self.timings.supply_us = u32::try_from(waited.as_micros()).unwrap_or(u32::MAX);
    }

    /// Parts with the same bytes, read the same way, have the same facts: what was supplied once is known of all.
    fn learn_twins(&mut self, offer: &Offer) {
        let missing = self.missing(offer);
        if missing.is_empty() {
            return;
        }
        let known: HashMap<Key, Arc<PartFacts>> = leaves(offer)
            .filter_map(|(number, _)| {
                let facts = self.facts_for_others(number)?;
                Some((self.key(offer, number)?, Arc::clone(facts)))
            })
            .collect();
        for number in missing {
            let twin = self.key(offer, number).and_then(|key| known.get(&key).map(Arc::clone));
            if let Some(facts) = twin {
                self.learn(number, facts);
            }
        }
    }

    /// What is known of part `number`.
    #[must_use]
    pub fn facts(&self, number: u16) -> Option<&Arc<PartFacts>> {
        self.facts.get(usize::from(number))?.as_ref()
    }

    /// The full ring: contents that nobody knew.
    pub async fn full(
        &mut self,
        scanner: &Scanner,
        offer: &Offer,
        mut contents: Vec<Content>,
        until: Instant,
    ) {
        let began = clock::now();
        contents.append(&mut self.waiting);
        let span = tracing::info_span!("scanner.full");
        self.read(scanner, offer, contents, until).instrument(span).await;
        self.learn_twins(offer);
        // Both at once: a mail waits for the slower of the two.
        let recalling = self.recalling(scanner, offer, until);
        let asking = async {
            if !self.is_certain && self.heard == Heard::NotAsked {
                self.ask_reputation(scanner, offer, until).await;
            }
        };
        let (recalled, ()) = join(recalling, asking).await;
        self.recalled = recalled;
        self.hear_dns(scanner).await;
        self.timings.full_us = micros(began);
    }

    /// Weighs and decides.
    #[must_use]
    pub fn verdict(mut self, offer: &Offer) -> Verdict {
        let rung = self.rung(offer);
        self.content = self.content(offer);
        let global = self.snapshot.policy.global().rules();
        let (plan, global) = self.with_input(offer, rung, |input| {
            (decide::decide(input), decide::judged(input, global))
        });
        self.timings.total_us = micros(self.began);
        Verdict {
            id: offer.id,
            status: global.weighed.status,
            score: global.weighed.score,
            evidence: global.evidence,
            rung,
            plan,
            generation: self.bases.generation,
            timings: self.timings,
        }
    }

    /// One question for the whole mail. It waits for missing contents, whose sketches belong into it.
    ///
    /// What found no room in it was not asked: then the answer is part of one, and the verdict says so.
    async fn ask_reputation(&mut self, scanner: &Scanner, offer: &Offer, until: Instant) {
        let Some(service) = &scanner.reputation else { return };
        let mut names = questions(offer, &self.facts);
        names.asked.extend(senders(&offer.envelope, &self.header));
        if names.asked.is_empty() {
            return;
        }
        let sieving = service.sieving();
        let chosen = choose(names, |item| sieving.may_be_listed(item));
        self.unasked = chosen.left_out;
        let span = tracing::info_span!(
            "scanner.reputation",
            items = chosen.asked.len(),
            left_out = chosen.left_out
        );
        let (heard, answers) = service.ask(chosen.asked, &sieving, until).instrument(span).await;
        self.answers = with_twins(answers, &chosen.twins);
        let is_part = chosen.left_out + self.left_out() > 0;
        self.heard = if is_part { heard.in_part() } else { heard };
    }

    /// What users taught about mail like this, asked by the features of what was read.
    fn recalling<'s>(
        &self,
        scanner: &'s Scanner,
        offer: &Offer,
        until: Instant,
    ) -> impl Future<Output = Recalled> + Send + use<'s> {
        let learning = scanner.learning.as_ref().filter(|_| !self.is_certain);
        let wanted = learning.zip(self.key).map(|(learning, key)| {
            let parts = self.facts.iter().flatten().map(|facts| facts.tokens.0.as_slice());
            let (envelope, outline) = (&offer.envelope, &offer.outline);
            let features = tokens::of_mail(&key, envelope, &self.header, outline, parts);
            (learning, features, common_domain(&envelope.recipients))
        });
        let is_keyless = learning.is_some() && self.key.is_none();
        async move {
            match wanted {
                Some((learning, features, domain)) => {
                    learning.recall(&features, domain.as_deref(), until).await
                }
                None if is_keyless => Recalled::Silent,
                None => Recalled::NotAsked,
            }
        }
    }

    /// Waits for what DNS says, which began with the near ring; links are asked about now that they are read.
    async fn hear_dns(&mut self, scanner: &Scanner) {
        let (Some(asking), Some(authenticator)) = (self.asking.take(), &scanner.authenticator)
        else {
            return;
        };
        let links = if authenticator.wants_links() { self.link_owners() } else { Vec::new() };
        self.is_dns_asked = true;
        self.findings = authenticator.end(asking, links).await;
        self.sealers = authenticator.trusted_sealers().to_vec();
    }

    /// Who owns the hosts of the mail's links, each once.
    fn link_owners(&self) -> Vec<String> {
        let mut owners = Vec::new();
        for link in self.facts.iter().flatten().flat_map(|facts| &facts.links) {
            let host = link.split('/').next().unwrap_or_default();
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
            let owner = owner(&host).to_owned();
            if owner.contains('.') && !owners.contains(&owner) {
                owners.push(owner);
                if owners.len() == LINKS_ASKED_MAX {
                    break;
                }
            }
        }
        owners
    }

    /// Whether the reputation service allows the domain that DMARC speaks of.
    fn is_author_allowed(&self) -> bool {
        let author = naming::sender(&self.findings.authentication.dmarc.domain);
        let allows = |it: &Listing| it.class == Class::Allowed;
        let of_author = self.answers.iter().filter(|answer| answer.signature == author);
        of_author.filter_map(|answer| answer.listing.as_ref()).any(allows)
    }

    /// What the content model says of header, outline and all texts together.
    fn content(&self, offer: &Offer) -> Option<Evidence> {
        let base = self.snapshot.content.as_ref()?.base();
        let parts: Vec<_> =
            self.facts.iter().map(|facts| facts.as_ref()?.content.as_ref()).collect();
        let judgement = tamis_classifier::mail::judge(&self.header, &offer.outline, &parts, &base)?;
        tamis_classifier::mail::evidence(&judgement, &self.header, &base)
    }

    /// All findings that are the same for every group.
    fn evidence(&self, offer: &Offer) -> Vec<Evidence> {
        let mut all = self.free.clone();
        for (number, _) in leaves(offer) {
            let facts = self.facts(number).into_iter().flat_map(|facts| &facts.evidence);
            all.extend(facts.map(|evidence| evidence.clone().in_part(number)));
        }
        all.extend(self.content.clone());
        all.extend(tamis_checks::reputation::judge(&self.answers));
        if let Some(before) = &self.unasked_then {
            all.extend(before.iter().cloned());
        } else if self.heard != Heard::NotAsked {
            all.extend(tamis_checks::reputation::left_out(self.unasked, self.left_out()));
        }
        all.extend(tamis_checks::authentication::judge(
            &self.findings.authentication,
            self.is_author_allowed(),
            &self.sealers,
        ));
        all.extend(tamis_checks::dns_lists::judge(&self.findings.lists));
        all.extend(self.remembered.iter().cloned());
        let facts: Vec<Option<&PartFacts>> = self.facts.iter().map(Option::as_deref).collect();
        all.extend(tamis_checks::together::judge(&offer.outline, &facts));
        all.extend(tamis_checks::phishing::judge(&self.header, &self.free, &facts));
        let (envelope, outline) = (&offer.envelope, &offer.outline);
        let formal =
            tamis_checks::formal::judge(envelope, &self.header, outline, &facts, &self.answers);
        let is_formal = formal.iter().any(|found| found.mark == Some(Mark::Formal));
        all.extend(self.learned(is_formal));
        // Whether a signature matches may not be known: then nothing is taken for a mere formality.
        if !self.heard.may_have_missed() {
            all.extend(formal);
        }
        all
    }

    /// What users taught. Bounces that they called spam look like every bounce: that is held against none.
    fn learned(&self, is_formal: bool) -> Option<Evidence> {
        match &self.recalled {
            Recalled::NotAsked => None,
            Recalled::Silent => Some(score::silent()),
            Recalled::Heard(found) => {
                found.clone().filter(|found| !is_formal || found.weight < 0.0)
            }
        }
    }

    /// Puts all that a decision depends on together, and asks it.
    fn with_input<T>(&self, offer: &Offer, rung: Rung, ask: impl FnOnce(&Input<'_>) -> T) -> T {
        // What is kept weighs the same as all, and a record holds no more.
        let evidence = heaviest(&self.evidence(offer));
        let listed =
            |lists: &Lists| tamis_checks::lists::judge(&offer.envelope, &self.header, lists);
        ask(&Input {
            id: offer.id,
            envelope: &offer.envelope,
            policy: &self.snapshot.policy,
            evidence: &evidence,
            listed: &listed,
            rung,
        })
    }

    /// How much of the judgement was possible: `docs/decisions/0005-rungs.md`.
    fn rung(&self, offer: &Offer) -> Rung {
        if self.is_certain {
            return Rung::Full;
        }
        let known = leaves(offer).filter(|(number, _)| self.facts(*number).is_some()).count();
        let is_complete = known == leaves(offer).count();
        // A budget that ended the reading of a part lowers the rung, now and whenever the facts are remembered.
        let oddities = &offer.outline.oddities;
        let is_whole = self.left_out() == 0
            && self.facts.iter().flatten().all(|it| !it.is_cut)
            && oddities.iter().all(|(oddity, _)| !oddity.leaves_unread());
        match self.heard {
            Heard::Silent if is_complete || known == 0 => Rung::Local,
            Heard::Partly => Rung::Cached,
            _ if self.recalled == Recalled::Silent => Rung::Cached,
            _ if is_complete && is_whole && !self.findings.is_silent => Rung::Full,
            _ => Rung::Cached,
        }
    }
}

/// Parts with content, with their numbers.
fn leaves(offer: &Offer) -> impl Iterator<Item = (u16, &Part)> {
    (0_u16..).zip(&offer.outline.parts).filter(|(_, part)| part.kind.is_leaf())
}

fn micros(since: Instant) -> u32 {
    u32::try_from(clock::now().saturating_duration_since(since).as_micros()).unwrap_or(u32::MAX)
}

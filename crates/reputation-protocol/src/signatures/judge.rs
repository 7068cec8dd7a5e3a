//! From what was said to what is answered. The rules stand at the head of [`super`].

use std::collections::BTreeMap;

use tamis_domain::reputation::Class;

use super::trust::{Trust, Voice, WHOLE};
use super::votes::Vote;
use super::words::{Named, Word};

/// The conclusion of one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// None: nothing to accuse of; only ordinary `allowed` reports stand.
    pub(super) class: Option<Class>,
    /// The strongest weight among reports that name the class, 1 to 100.
    pub(super) weight: u8,
    /// Independent organisations that reported.
    pub(super) reporters: u8,
    /// Hour of the last report, since 2020.
    pub(super) hour: u32,
    /// Whether it is listed as spam, phishing or malware and more than one organisation accuses: see [`confirmed`].
    pub(super) is_confirmed: bool,
    /// Whether it is allowed, or listed as spam, phishing or malware, by the word of an operator.
    pub(super) is_operator: bool,
}

/// How many times heavier accusing voices are than those that allow, at least. At the default quorum of 20 thousandths
/// two is what lets a quorum stand against 10 thousandths in league.
const OUTWEIGHS: u64 = 2;

/// Places of [`Class::ALL`].
const CLASSES: usize = Class::ALL.len();

/// The votes of one signature, added up. An organisation counts once in each sum, with its weightiest voice.
#[derive(Default)]
struct Sums {
    classes: [u64; CLASSES],
    accusing: u64,
    accusers: u32,
    organisations: u32,
    has_operator_accusing: bool,
}

/// One organisation's weightiest voice for each class.
#[derive(Default)]
struct Organisation([u64; CLASSES]);

pub(super) fn judge(votes: &[Vote], trust: &Trust) -> Judged {
    let sums = Sums::of(votes, trust);
    let class = class_of(votes, &sums, trust);
    let named = |vote: &&Vote| match class {
        Some(Class::Suspected) | None => vote.class() != Class::Allowed || class.is_none(),
        Some(class) => vote.class() == class,
    };
    let listed = class.is_some_and(|class| class.is_verdict() && class != Class::Allowed);
    Judged {
        class,
        weight: votes.iter().filter(named).map(|vote| vote.weight()).max().unwrap_or(1),
        reporters: u8::try_from(sums.organisations).unwrap_or(u8::MAX),
        hour: votes.iter().map(|vote| vote.hour()).max().unwrap_or_default(),
        is_confirmed: listed && sums.accusers > 1,
        is_operator: class == Some(Class::Allowed) || listed && sums.has_operator_accusing,
    }
}

/// The conclusion about what resembles the stored sketch: from the votes that named it, and from those that allow. Who
/// objects to an accusation has its name alone, from a question why; and to allow accuses nobody.
pub(super) fn judge_near(votes: &[Vote], trust: &Trust) -> Judged {
    let allows = |vote: &Vote| vote.class() == Class::Allowed && !vote.is_operator();
    let names = |vote: &&Vote| vote.named() == Named::Stored || allows(vote);
    if votes.iter().all(|vote| names(&vote)) {
        return judge(votes, trust);
    }
    let mut naming = [Vote::NONE; super::REPORTERS_KEPT_MAX];
    let mut count = 0;
    for (place, vote) in naming.iter_mut().zip(votes.iter().filter(names)) {
        *place = *vote;
        count += 1;
    }
    let naming = &naming[..count];
    // What an operator allows by its name alone accuses no other content either.
    let is_overruled = |votes: &[Vote]| votes.iter().any(Word::overrules);
    if is_overruled(votes) && !is_overruled(naming) {
        return judge(&[], trust);
    }
    judge(naming, trust)
}

fn class_of(votes: &[Vote], sums: &Sums, trust: &Trust) -> Option<Class> {
    if votes.iter().any(|vote| vote.overrules()) {
        return Some(Class::Allowed);
    }
    let listed = lists(sums.accusing, sums.of_class(Class::Allowed), trust);
    if listed || sums.has_operator_accusing {
        // The last of equals wins: the gravest at the end.
        let classes = [Class::Spam, Class::Phishing, Class::Malware];
        return classes.into_iter().max_by_key(|class| sums.of_class(*class));
    }
    if sums.of_class(Class::Bulk) >= trust.needed_for_bulk() * WHOLE {
        return Some(Class::Bulk);
    }
    votes.iter().any(|vote| vote.class() != Class::Allowed).then_some(Class::Suspected)
}

/// Whether voices that accuse are enough, and outweigh those that allow.
fn lists(accusing: u64, allowing: u64, trust: &Trust) -> bool {
    accusing >= trust.needed() * WHOLE && accusing >= OUTWEIGHS * allowing
}

/// Reporters who are confirmed: while something is listed and more than one organisation accuses, those whose accusation
/// stood when it would first have been listed, or made it so. Who agrees with what is listed already gains nothing.
pub(super) fn confirmed(votes: &[Vote], trust: &Trust) -> Vec<u16> {
    if !judge(votes, trust).is_confirmed {
        return Vec::new();
    }
    let mut voices: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    let (mut accusing, mut allowing) = (0, 0);
    let mut confirmed = Vec::new();
    for vote in votes {
        let Voice { organisation, weight } = trust.voice(vote.reporter());
        let (accuses, allows) = voices.entry(organisation).or_default();
        let weight = u64::from(weight).max(1);
        if vote.accuses() {
            accusing += weight.saturating_sub(*accuses);
            *accuses = weight.max(*accuses);
        } else if vote.class() == Class::Allowed {
            allowing += weight.saturating_sub(*allows);
            *allows = weight.max(*allows);
        }
        if vote.accuses() && !vote.is_operator() {
            confirmed.push(vote.reporter());
        }
        if vote.accuses() && (vote.is_operator() || lists(accusing, allowing, trust)) {
            break;
        }
    }
    confirmed
}

impl Sums {
    fn of(votes: &[Vote], trust: &Trust) -> Self {
        let mut sums = Self::default();
        if let [vote] = votes {
            let mut one = Organisation::default();
            one.add(*vote, trust);
            sums.close(&one);
        } else {
            sums.add_by_organisation(votes, trust);
        }
        sums.has_operator_accusing = votes.iter().any(|vote| vote.is_operator() && vote.accuses());
        sums
    }

    fn add_by_organisation(&mut self, votes: &[Vote], trust: &Trust) {
        let mut ordered = [(0, 0); super::REPORTERS_KEPT_MAX];
        let ordered = &mut ordered[..votes.len().min(super::REPORTERS_KEPT_MAX)];
        for (number, place) in ordered.iter_mut().enumerate() {
            *place = (trust.voice(votes[number].reporter()).organisation, number);
        }
        ordered.sort_unstable();
        for voices in ordered.chunk_by(|a, b| a.0 == b.0) {
            let mut one = Organisation::default();
            for (_, number) in voices {
                one.add(votes[*number], trust);
            }
            self.close(&one);
        }
    }

    fn close(&mut self, one: &Organisation) {
        for (sum, weight) in self.classes.iter_mut().zip(one.0) {
            *sum += weight;
        }
        let accusing = [Class::Spam, Class::Phishing, Class::Malware].map(|class| one.0[at(class)]);
        let weight = accusing.into_iter().max().unwrap_or_default();
        // An operator's word is as many in the choice of the class, but one voice among others.
        self.accusing += weight.min(WHOLE);
        self.accusers += u32::from(weight > 0);
        self.organisations += 1;
    }

    const fn of_class(&self, class: Class) -> u64 {
        self.classes[at(class)]
    }
}

impl Organisation {
    fn add(&mut self, vote: Vote, trust: &Trust) {
        let weight = if vote.is_operator() {
            WHOLE * trust.needed()
        } else {
            u64::from(trust.voice(vote.reporter()).weight).max(1)
        };
        let place = &mut self.0[at(vote.class())];
        *place = weight.max(*place);
    }
}

const fn at(class: Class) -> usize {
    class.code() as usize - 1
}

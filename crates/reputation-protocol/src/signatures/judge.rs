//! From what was said to what is answered. The rules stand at the head of [`super`].

use tamis_domain::reputation::Class;

use super::trust::{Trust, WHOLE};
use super::votes::Vote;

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
    /// Whether it is listed as spam, phishing or malware and more than one organisation accuses: then every accusing
    /// report stands confirmed.
    pub(super) is_confirmed: bool,
    /// Whether it is allowed, or listed as spam, phishing or malware, by the word of an operator.
    pub(super) is_operator: bool,
}

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

fn class_of(votes: &[Vote], sums: &Sums, trust: &Trust) -> Option<Class> {
    if votes.iter().any(|vote| vote.overrules()) {
        return Some(Class::Allowed);
    }
    let outweighs = sums.accusing > 3 * sums.of_class(Class::Allowed);
    let listed = sums.accusing >= trust.needed() * WHOLE && outweighs;
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

//! What the reputation service knows of the mail's signatures.
//!
//! False positives are the loudest complaint about such services, so: an allowed exact signature silences every other
//! listing of the same part except malware; a near match weighs less the less alike it is; only malware is a mark.

use std::collections::BTreeSet;

use tamis_domain::digest::{SignatureKind, Sketch};
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::reputation::{Answered, Class, Listing};

/// Lanes of a sketch that must agree for a near match: 16 of 32 is a similarity of one half, and below that
/// common phrases alone can make two texts alike.
pub const LANES_MIN: u8 = 16;

/// Independent reporters from whom on malware is taken as known rather than suspected.
pub const MALWARE_REPORTERS_MIN: u8 = 2;

/// Weight of a full-strength exact listing of content as spam: the threshold of spam by itself.
const SPAM: f32 = 10.0;
/// The same for phishing: does more harm than spam.
const PHISHING: f32 = 12.0;
/// The same for malware, beside its mark.
const MALWARE: f32 = 20.0;
/// Not yet enough reporters: a hint.
const SUSPECTED: f32 = 3.0;
/// Weight of an allowed exact signature. Little: a spammer may add an allowed part to his mail.
const ALLOWED: f32 = -2.0;
/// Share for a link or a sender: they appear in honest mail too (a quoted complaint, a borrowed account).
const INDIRECT: f32 = 0.5;

/// Judges the answers about one mail: one finding a listing.
#[must_use]
pub fn judge(answers: &[Answered]) -> Vec<Evidence> {
    let allowed = allowed_parts(answers);
    let counted = answers.iter().filter(|answer| !is_silenced(answer, &allowed));
    counted.filter_map(evidence).collect()
}

/// Whether any signature of the mail is listed as spam, phishing or malware: then it is no formal answer, whatever
/// its structure (a forged bounce returns the spam it carries).
#[must_use]
pub fn is_matched(answers: &[Answered]) -> bool {
    let allowed = allowed_parts(answers);
    answers.iter().filter(|answer| !is_silenced(answer, &allowed)).any(|answer| {
        answer.listing.is_some_and(|listing| {
            likeness(&listing) > 0.0
                && matches!(listing.class, Class::Spam | Class::Phishing | Class::Malware)
        })
    })
}

/// Parts of which an exact content signature is allowed.
fn allowed_parts(answers: &[Answered]) -> BTreeSet<u16> {
    let allowed = |answer: &&Answered| {
        is_content(answer.signature.kind)
            && answer
                .listing
                .is_some_and(|listing| listing.class == Class::Allowed && likeness(&listing) >= 1.0)
    };
    answers.iter().filter(allowed).filter_map(|answer| answer.part).collect()
}

fn is_silenced(answer: &Answered, allowed: &BTreeSet<u16>) -> bool {
    let harmless = |listing: Listing| !matches!(listing.class, Class::Malware | Class::Allowed);
    answer.part.is_some_and(|part| allowed.contains(&part)) && answer.listing.is_some_and(harmless)
}

fn is_content(kind: SignatureKind) -> bool {
    !matches!(kind, SignatureKind::Link | SignatureKind::Sender)
}

/// Share of the weight that a match of this similarity deserves: all for an exact one, none below `LANES_MIN`.
fn likeness(listing: &Listing) -> f32 {
    match listing.similarity {
        lanes if usize::from(lanes) >= Sketch::LANES => 1.0,
        28.. => 0.9,
        24.. => 0.7,
        20.. => 0.5,
        LANES_MIN.. => 0.3,
        _ => 0.0,
    }
}

fn evidence(answer: &Answered) -> Option<Evidence> {
    let listing = answer.listing?;
    let likeness = likeness(&listing);
    if likeness == 0.0 {
        return None;
    }
    let content = is_content(answer.signature.kind);
    let (name, full) = match (listing.class, content) {
        (Class::Allowed, _) if likeness < 1.0 => return None,
        (Class::Allowed, _) => ("reputation_allowed", ALLOWED),
        (Class::Bulk, _) => ("reputation_bulk", 0.0),
        (Class::Suspected, _) => ("reputation_suspected", SUSPECTED),
        (Class::Spam, true) => ("reputation_spam", SPAM),
        (Class::Spam, false) => ("reputation_spam_link", SPAM * INDIRECT),
        (Class::Phishing, true) => ("reputation_phishing", PHISHING),
        (Class::Phishing, false) => ("reputation_phishing_link", PHISHING * INDIRECT),
        (Class::Malware, true) => ("reputation_malware", MALWARE),
        (Class::Malware, false) => ("reputation_malware_link", PHISHING * INDIRECT),
    };
    let strength = f32::from(listing.weight.min(100)) / 100.0;
    let mut evidence = Evidence::new(
        name,
        full * strength * likeness,
        Source::Reputation,
        detail(answer, &listing),
    );
    evidence.part = answer.part;
    evidence.mark = mark(&listing, content, likeness);
    Some(evidence)
}

/// Malware alone is a mark: known when the bytes are the same and several reported them, suspected otherwise.
fn mark(listing: &Listing, content: bool, likeness: f32) -> Option<Mark> {
    if listing.class != Class::Malware || !content {
        return None;
    }
    let known = likeness >= 1.0 && listing.reporters >= MALWARE_REPORTERS_MIN;
    Some(if known { Mark::Infected } else { Mark::Suspicious })
}

fn detail(answer: &Answered, listing: &Listing) -> String {
    format!(
        "{} listed as {}: {} reporter(s), strength {}, {} of {} alike, {} h ago",
        answer.signature.kind.word(),
        listing.class.word(),
        listing.reporters,
        listing.weight,
        listing.similarity,
        Sketch::LANES,
        listing.age_hours
    )
}

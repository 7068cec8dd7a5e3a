//! What the reputation service knows of the mail's signatures.
//!
//! False positives are the loudest complaint about such services, so:
//! - allowed bytes silence every other listing of the same part except malware; an allowed text, page or picture
//!   silences those of texts, pages and pictures of that part, but not of its links and bytes: who copies an allowed
//!   newsletter's words puts a link of his own behind them;
//! - a near match weighs less the less alike it is, and less by kind ([`trust`]): a page's skeleton is what newsletters
//!   of one tool share, a picture may be a brand's logo, a file may have its program's frame in common with others;
//! - words and build are named without their links and pictures, so a copy of an honest notice with a link of its own has
//!   the notice's names: alone, without a link, bytes, a picture or a sender that is accused too, they weigh at most
//!   [`TEXT_ALONE_MAX`] together and are no mark; else who reports the copy accuses the original;
//! - all names of one part are one observation: the heaviest listing counts, the others are told and weigh nothing;
//! - a sender can be forged by anybody while nothing authenticates it: a bad one weighs little ([`SENDER`]), so that two
//!   of them together are no probable spam, and never makes a match; an allowed one has no weight of its own and silences
//!   no listing but `bulk`, which is what the newsletters of good senders are;
//! - only malware is a mark, and only bytes prove it.

use std::collections::{BTreeMap, BTreeSet};

use tamis_domain::digest::{SignatureKind, Sketch};
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::reputation::{Answered, Class, Listing};

/// Lanes of a sketch that must agree for a near match, whatever a server answers: 17 of 32 is a similarity of one half.
/// At that threshold as many honest mails were taken for copies of spam as by exact names alone; at 14 twice as many
/// (`load-tests/results/near.md`).
pub const LANES_MIN: u8 = 17;

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
/// Share for a link: it appears in honest mail too (a quoted complaint).
const INDIRECT: f32 = 0.5;

/// Share for a sender's domain.
const SENDER: f32 = 0.2;

/// Most that names of words and build weigh together where nothing else of the mail is accused: 0.7 of a verdict. Of the
/// corpus, so many honest mails share the exact name of a text with spam and have other links: see
/// `load-tests/results/near.md`.
pub const TEXT_ALONE_MAX: f32 = 0.7 * SPAM;

/// Judges the answers about one mail: one finding a listing.
#[must_use]
pub fn judge(answers: &[Answered]) -> Vec<Evidence> {
    let allowed = Allowed::of(answers);
    let counted = || answers.iter().filter(|answer| !allowed.silences(answer));
    let mut found: Vec<(SignatureKind, Evidence)> = counted()
        .filter_map(|answer| evidence(answer).map(|found| (answer.signature.kind, found)))
        .collect();
    once_a_part(&mut found);
    if !counted().any(bears_out) {
        words_alone(&mut found);
    }
    found.into_iter().map(|(_, evidence)| evidence).collect()
}

/// Leaves its weight to the heaviest finding about each part's content, the first of equals.
fn once_a_part(found: &mut [(SignatureKind, Evidence)]) {
    let mut heaviest: BTreeMap<u16, (usize, f32)> = BTreeMap::new();
    let content = |kind: SignatureKind, evidence: &Evidence| {
        evidence.part.filter(|_| is_content(kind) && evidence.weight > 0.0)
    };
    for (at, (kind, evidence)) in found.iter().enumerate() {
        let Some(part) = content(*kind, evidence) else { continue };
        let best = heaviest.entry(part).or_insert((at, evidence.weight));
        if evidence.weight > best.1 {
            *best = (at, evidence.weight);
        }
    }
    for (at, (kind, evidence)) in found.iter_mut().enumerate() {
        let counts = content(*kind, evidence).and_then(|part| heaviest.get(&part));
        if counts.is_some_and(|(best, _)| *best != at) {
            evidence.weight = 0.0;
        }
    }
}

/// Whether this accuses the mail of more than its words and build, which an honest original may share.
fn bears_out(answer: &Answered) -> bool {
    !is_of_words(answer.signature.kind)
        && answer.listing.is_some_and(|listing| accuses(&listing) && likeness(&listing) > 0.0)
}

/// Leaves at most [`TEXT_ALONE_MAX`] to all findings about words and build together, the heaviest one, and no mark.
fn words_alone(found: &mut [(SignatureKind, Evidence)]) {
    let of_words =
        found.iter_mut().filter(|(kind, found)| is_of_words(*kind) && found.weight > 0.0);
    let mut of_words: Vec<&mut Evidence> = of_words.map(|(_, evidence)| evidence).collect();
    of_words.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    for (at, evidence) in of_words.into_iter().enumerate() {
        evidence.weight = if at == 0 { evidence.weight.min(TEXT_ALONE_MAX) } else { 0.0 };
    }
    found.iter_mut().filter(|(kind, _)| is_of_words(*kind)).for_each(|(_, it)| it.mark = None);
}

/// Says that not all of the mail was asked for: names that found no room in the question, contents that were not looked
/// at. It weighs nothing, since honest newsletters have many of both.
#[must_use]
pub fn left_out(names: usize, unread: usize) -> Option<Evidence> {
    let detail = format!("{names} name(s) not asked for, {unread} content(s) not looked at");
    (names + unread > 0)
        .then(|| Evidence::new("reputation_left_out", 0.0, Source::Reputation, detail))
}

/// Whether any signature of the mail is listed as spam, phishing or malware: then it is no formal answer, whatever
/// its structure (a forged bounce returns the spam it carries).
#[must_use]
pub fn is_matched(answers: &[Answered]) -> bool {
    let allowed = Allowed::of(answers);
    answers.iter().filter(|answer| !allowed.silences(answer)).any(|answer| {
        answer.listing.is_some_and(|listing| {
            trust(answer.signature.kind, &listing) >= MATCHED_TRUST_MIN && accuses(&listing)
        })
    })
}

const fn accuses(listing: &Listing) -> bool {
    matches!(listing.class, Class::Spam | Class::Phishing | Class::Malware)
}

/// Parts of which something is allowed.
struct Allowed {
    /// Their very bytes.
    bytes: BTreeSet<u16>,
    /// Their words, build or look.
    likeness: BTreeSet<u16>,
    /// A sender of the mail.
    sender: bool,
}

impl Allowed {
    fn of(answers: &[Answered]) -> Self {
        let is_allowed = |answer: &&Answered| {
            answer.listing.is_some_and(|it| it.class == Class::Allowed && is_exact(&it))
        };
        let allowed = || answers.iter().filter(is_allowed);
        let parts = |test: fn(SignatureKind) -> bool| {
            let parts = allowed().filter(|answer| test(answer.signature.kind));
            parts.filter_map(|answer| answer.part).collect()
        };
        let sender = allowed().any(|answer| answer.signature.kind == SignatureKind::Sender);
        Self { bytes: parts(is_bytes), likeness: parts(is_likeness), sender }
    }

    fn silences(&self, answer: &Answered) -> bool {
        let Some(listing) = answer.listing else { return false };
        if self.sender && listing.class == Class::Bulk {
            return true;
        }
        let Some(part) = answer.part else { return false };
        let harmless = !matches!(listing.class, Class::Malware | Class::Allowed);
        let by_likeness = is_likeness(answer.signature.kind) && self.likeness.contains(&part);
        harmless && (by_likeness || self.bytes.contains(&part))
    }
}

const fn is_exact(listing: &Listing) -> bool {
    listing.similarity as usize >= Sketch::LANES
}

/// Names of bytes: nobody can make others of the same name.
const fn is_bytes(kind: SignatureKind) -> bool {
    matches!(kind, SignatureKind::Part | SignatureKind::Attachment)
}

/// Names that say nothing of where the links lead and what is attached.
const fn is_of_words(kind: SignatureKind) -> bool {
    matches!(kind, SignatureKind::Text | SignatureKind::Html)
}

/// Names of what content looks like to a person: others can be made that look the same.
const fn is_likeness(kind: SignatureKind) -> bool {
    matches!(kind, SignatureKind::Text | SignatureKind::Html | SignatureKind::Image)
}

const fn is_content(kind: SignatureKind) -> bool {
    is_bytes(kind) || is_likeness(kind)
}

/// What a listing is about.
#[derive(Clone, Copy)]
enum About {
    Content,
    Link,
    Sender,
}

const fn about(kind: SignatureKind) -> About {
    match kind {
        SignatureKind::Sender => About::Sender,
        kind if is_content(kind) => About::Content,
        _ => About::Link,
    }
}

/// Least trust in a match that takes a mail out of mere formalities: a text half alike. A skeleton alone never does.
const MATCHED_TRUST_MIN: f32 = 0.3;

/// Share of the weight that a match deserves, by kind and likeness.
///
/// Of honest mails some 0.04 % shared a skeleton with a reported spam, none a picture or a file; but spam of the corpus
/// has few of both, and every brand's logo is a picture of honest mail.
fn trust(kind: SignatureKind, listing: &Listing) -> f32 {
    let by_kind = match (kind, is_exact(listing)) {
        (SignatureKind::Sender, _) => SENDER,
        (SignatureKind::Html, _) => 0.2,
        (SignatureKind::Image, true) => 0.5,
        (SignatureKind::Image, false) => 0.3,
        (SignatureKind::Attachment, false) => 0.6,
        _ => 1.0,
    };
    by_kind * likeness(listing)
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
    let trust = trust(answer.signature.kind, &listing);
    let about = about(answer.signature.kind);
    let (name, full) = match (listing.class, about) {
        (Class::Allowed, _) if likeness < 1.0 => return None,
        (Class::Allowed, About::Sender) => ("reputation_allowed_sender", 0.0),
        (Class::Allowed, _) => ("reputation_allowed", ALLOWED),
        (Class::Bulk, _) => ("reputation_bulk", 0.0),
        (Class::Suspected, _) => ("reputation_suspected", SUSPECTED),
        (Class::Spam, About::Content) => ("reputation_spam", SPAM),
        (Class::Spam, About::Link) => ("reputation_spam_link", SPAM * INDIRECT),
        (Class::Spam, About::Sender) => ("reputation_spam_sender", SPAM),
        (Class::Phishing, About::Content) => ("reputation_phishing", PHISHING),
        (Class::Phishing, About::Link) => ("reputation_phishing_link", PHISHING * INDIRECT),
        (Class::Phishing, About::Sender) => ("reputation_phishing_sender", PHISHING),
        (Class::Malware, About::Content) => ("reputation_malware", MALWARE),
        (Class::Malware, About::Link) => ("reputation_malware_link", PHISHING * INDIRECT),
        (Class::Malware, About::Sender) => ("reputation_malware_sender", PHISHING),
    };
    let strength = f32::from(listing.weight.min(100)) / 100.0;
    let mut evidence =
        Evidence::new(name, full * strength * trust, Source::Reputation, detail(answer, &listing));
    evidence.part = answer.part;
    evidence.mark = mark(answer.signature.kind, &listing);
    Some(evidence)
}

/// Malware alone is a mark: known when the bytes are the same and several reported them, suspected otherwise. A page's
/// skeleton or a picture is never a virus.
fn mark(kind: SignatureKind, listing: &Listing) -> Option<Mark> {
    let can_be = is_bytes(kind) || kind == SignatureKind::Text;
    if listing.class != Class::Malware || !can_be {
        return None;
    }
    let known = is_bytes(kind) && is_exact(listing) && listing.reporters >= MALWARE_REPORTERS_MIN;
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

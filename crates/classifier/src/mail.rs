//! A whole mail: what was remembered of its parts, and its header, to one finding.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::outline::{Outline, Part, PartKind};
use tamis_domain::reading::{ContentSums, HeaderReading, PartReading};

use crate::base::Base;
use crate::features::{
    is_discussion, is_signed_bulk, judged, link_owners, read_header, read_links, read_relations,
    read_structure, read_text,
};
use crate::weigh::{Judgement, Sums};

/// Name of the evidence.
pub const EVIDENCE: &str = "content_model";

/// Groups that an explanation names.
const REASONS: usize = 4;

/// Points at the base's threshold: there a mail is `probable_spam` by its content alone.
const POINTS_AT_THRESHOLD: f32 = 5.0;

/// Points for each unit of the sum above the threshold: `spam` by content alone begins 1.4 units above it, where no more
/// than about 0.05 % of the honest mail stands of any source that training never saw.
const POINTS_PER_SUM: f32 = 3.6;

/// Points for each unit of the sum below 0, where honest mail stands: less, but never none, so that order is kept.
const POINTS_PER_SUM_BELOW: f32 = 0.6;

/// Points from which on more of the sum adds little: a page of words must not drown an administrator's own weights.
const POINTS_FULL: f32 = 14.0;

/// Share of the points above [`POINTS_FULL`] that is kept, so that order is kept among spam, too.
const FULL_SHARE: f32 = 0.15;

/// Points at most.
pub const POINTS_MAX: f32 = 16.0;

/// Points at least: content that looks harmless takes back what small signs gave, and no more, since it can be copied.
pub const POINTS_MIN: f32 = -3.5;

/// Points of mail that asks for no trust: it says how to unsubscribe and carries a signature in the sender's name, as
/// honest mail to many does. What is wrong with such mail is for reputation, links and authentication to say.
pub const BULK_POINTS_MAX: f32 = 7.0;

/// Share of the points above the threshold that such mail keeps.
const BULK_SHARE: f32 = 0.4;

/// How much more a sum above 0 counts on discussion lists. Whatever a list distributes carries the list's own fields, which
/// speak for the list and not for the author: honest mail of lists stands lower than other honest mail on every source,
/// and so does spam.
pub const DISCUSSION_FACTOR: f32 = 1.25;

/// Words, about, of which a mail must have as many that what accuses it counts in full. A greeting is no offer: of next
/// to nothing said, only form is left to judge by, and form alone is not held against anybody.
const READ_MIN: f32 = 10.0;

/// Points below which nothing is said: a finding of nearly nothing explains nothing.
const POINTS_TOLD_MIN: f32 = 0.05;

/// What the model makes of one part; `None` where it is no text. Depends on what the part's name covers, and on the base.
#[must_use]
pub fn read_part(part: &Part, reading: &PartReading, base: &Base<'_>) -> Option<ContentSums> {
    if !matches!(part.kind, PartKind::Text | PartKind::Html) {
        return None;
    }
    let text = reading.text.as_ref();
    let mut sums = text.map_or_else(Sums::default, |text| Sums::of(read_text(text), base));
    sums = sums.plus(&Sums::of(read_links(&reading.links), base));
    let (weights, squares) = sums.parts();
    Some(ContentSums {
        visible_bytes: text.map_or(0, |text| u32::try_from(text.visible.len()).unwrap_or(u32::MAX)),
        owners: link_owners(&reading.links),
        weights: weights.to_vec(),
        squares: squares.to_vec(),
    })
}

/// Judges a mail by its header, its outline and what is known of its parts, in the order of the outline. `None` while
/// a text of it is not known: half a mail says little about the other half.
#[must_use]
pub fn judge(
    header: &HeaderReading,
    outline: &Outline,
    parts: &[Option<&ContentSums>],
    base: &Base<'_>,
) -> Option<Judgement> {
    let known = |number: usize| parts.get(number).copied().flatten();
    let visible = |number: usize| known(number).map_or(0, |part| part.visible_bytes as usize);
    let mut all_visible = 0_usize;
    for (number, part) in outline.parts.iter().enumerate() {
        if matches!(part.kind, PartKind::Text | PartKind::Html) {
            all_visible = all_visible.saturating_add(known(number)?.visible_bytes as usize);
        }
    }
    let mut sums = Sums::default();
    let mut owners = Vec::new();
    for number in judged(outline, visible) {
        let content = known(number)?;
        sums = sums.beside(&Sums::from_slices(&content.weights, &content.squares)?);
        owners.extend(&content.owners);
    }
    let rest = [
        read_header(header),
        read_structure(outline, all_visible),
        read_relations(header, owners.into_iter()),
    ];
    let sums = rest.into_iter().fold(sums, |sums, bag| sums.plus(&Sums::of(bag, base)));
    Some(sums.judge(base))
}

/// What a judgement weighs, and why.
#[must_use]
pub fn evidence(
    judgement: &Judgement,
    header: &HeaderReading,
    base: &Base<'_>,
) -> Option<Evidence> {
    let is_bulk = is_signed_bulk(header);
    let is_discussion = is_discussion(header) && judgement.logit > 0.0;
    let sum = judgement.logit * if is_discussion { DISCUSSION_FACTOR } else { 1.0 };
    let points = as_far_as_read(points(sum, base, is_bulk), judgement.read);
    if points.abs() < POINTS_TOLD_MIN {
        return None;
    }
    let percent = 100.0 * judgement.probability;
    let reasons = judgement.explanation(REASONS);
    let manner = match () {
        () if is_bulk && points > 0.0 => "; counts less, since it is signed bulk mail",
        () if is_discussion => "; counts more, since the list's own fields speak for all its mail",
        () => "",
    };
    let detail = format!("content looks {percent:.1} % like spam: {reasons}{manner}");
    Some(Evidence::new(EVIDENCE, points, Source::Text, detail))
}

/// From the model's sum to points of score: straight through 0 and the base's threshold, another slope
/// above it and below 0.
#[must_use]
pub fn points(logit: f32, base: &Base<'_>, is_bulk: bool) -> f32 {
    points_at(logit, base.threshold(), is_bulk)
}

/// As [`points`], for a threshold that is known.
#[must_use]
pub fn points_at(logit: f32, threshold: f32, is_bulk: bool) -> f32 {
    let over = (logit - threshold) * POINTS_PER_SUM;
    let points = match (over > 0.0, is_bulk) {
        (true, true) => (POINTS_AT_THRESHOLD + BULK_SHARE * over).min(BULK_POINTS_MAX),
        (true, false) => POINTS_AT_THRESHOLD + over,
        (false, _) if logit < 0.0 => POINTS_PER_SUM_BELOW * logit,
        (false, _) => POINTS_AT_THRESHOLD * logit / threshold,
    };
    let beyond = (points - POINTS_FULL).max(0.0);
    let points = (points - (1.0 - FULL_SHARE) * beyond).clamp(POINTS_MIN, POINTS_MAX);
    // A hundredth of a point is what people read.
    (points * 100.0).round() / 100.0
}

/// Points that accuse, less of them where there was little to read.
#[must_use]
pub fn as_far_as_read(points: f32, read: f32) -> f32 {
    let share = if points > 0.0 { (read / READ_MIN).min(1.0) } else { 1.0 };
    (points * share * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;

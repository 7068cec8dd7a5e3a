//! How well scores part spam from ham: false positives first.

/// One mail's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Higher is more like spam.
    pub score: f32,
    /// Whether it is spam.
    pub is_spam: bool,
    /// 1 over the number of its near-duplicates: what it counts where clusters count.
    pub share: f64,
}

/// 1 - AUC in percent: how often a ham scores above a spam, ties half. By message, or by cluster (`share`).
/// `None` without both kinds.
#[must_use]
pub fn missed_area(scored: &[Scored], by_cluster: bool) -> Option<f64> {
    let counts = |mail: &Scored| if by_cluster { mail.share } else { 1.0 };
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let ham: f64 = sorted.iter().filter(|mail| !mail.is_spam).map(counts).sum();
    let spam: f64 = sorted.iter().filter(|mail| mail.is_spam).map(counts).sum();
    if ham == 0.0 || spam == 0.0 {
        return None;
    }
    let (mut below, mut wrong) = (0.0, 0.0);
    for group in sorted.chunk_by(|a, b| a.score == b.score) {
        let tied: f64 = group.iter().filter(|mail| !mail.is_spam).map(counts).sum();
        let spam: f64 = group.iter().filter(|mail| mail.is_spam).map(counts).sum();
        wrong += spam * (ham - below - tied / 2.0);
        below += tied;
    }
    Some(100.0 * wrong / (ham * spam))
}

/// The threshold above which at most this share of ham scores.
#[must_use]
pub fn threshold(scored: &[Scored], false_positives: f64) -> f32 {
    let mut ham: Vec<f32> =
        scored.iter().filter(|mail| !mail.is_spam).map(|mail| mail.score).collect();
    ham.sort_by(|a, b| b.total_cmp(a));
    let allowed = (ham.len() as f64 * false_positives).floor() as usize;
    ham.get(allowed).copied().unwrap_or(f32::INFINITY)
}

/// Percent of spam, or of ham, that scores above a threshold. `None` without any.
#[must_use]
pub fn above(scored: &[Scored], is_spam: bool, threshold: f32) -> Option<f64> {
    let of_kind = || scored.iter().filter(|mail| mail.is_spam == is_spam);
    let all = of_kind().count();
    let above = of_kind().filter(|mail| mail.score > threshold).count();
    (all > 0).then(|| 100.0 * above as f64 / all as f64)
}

/// As [`above`], each cluster counting one.
#[must_use]
pub fn clusters_above(scored: &[Scored], is_spam: bool, threshold: f32) -> Option<f64> {
    let of_kind = || scored.iter().filter(|mail| mail.is_spam == is_spam);
    let all: f64 = of_kind().map(|mail| mail.share).sum();
    let above: f64 = of_kind().filter(|mail| mail.score > threshold).map(|mail| mail.share).sum();
    // The sum of nothing is -0.
    (all > 0.0).then(|| 100.0 * above / all + 0.0)
}

/// Points of the curve of recall over false positives, both as shares, from no false positive on. Empty without both
/// kinds.
#[must_use]
pub fn curve(scored: &[Scored]) -> Vec<(f64, f64)> {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let count = |is_spam| sorted.iter().filter(|mail| mail.is_spam == is_spam).count() as f64;
    let (spam, ham) = (count(true), count(false));
    if spam == 0.0 || ham == 0.0 {
        return Vec::new();
    }
    let (mut found, mut wrong) = (0.0, 0.0);
    let mut points = Vec::new();
    for group in sorted.chunk_by(|a, b| a.score == b.score) {
        let spam_here = group.iter().filter(|mail| mail.is_spam).count() as f64;
        found += spam_here;
        wrong += group.len() as f64 - spam_here;
        points.push((wrong / ham, found / spam));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(scores: &[(f32, bool)]) -> Vec<Scored> {
        scores.iter().map(|&(score, is_spam)| Scored { score, is_spam, share: 1.0 }).collect()
    }

    #[test]
    fn the_missed_area_is_the_share_of_pairs_in_wrong_order() {
        let all = scored(&[(0.0, false), (1.0, true), (2.0, false), (3.0, true)]);
        assert_eq!(missed_area(&all, false), Some(25.0));
        assert_eq!(missed_area(&scored(&[(1.0, true), (1.0, false)]), false), Some(50.0));
        assert_eq!(missed_area(&scored(&[(1.0, true)]), false), None);
    }

    #[test]
    fn a_threshold_lets_as_many_ham_above_it_as_allowed_and_not_one_more() {
        let ham: Vec<(f32, bool)> = (0..1000).map(|n| (n as f32, false)).collect();
        let ham = scored(&ham);
        assert_eq!(above(&ham, false, threshold(&ham, 0.001)), Some(0.1));
        assert_eq!(above(&ham, false, threshold(&ham, 0.0)), Some(0.0));
        assert_eq!(threshold(&[], 0.1), f32::INFINITY);
    }

    #[test]
    fn the_curve_ends_where_all_is_taken_for_spam() {
        let all = scored(&[(0.0, false), (1.0, true), (2.0, false), (3.0, true)]);
        assert_eq!(curve(&all), [(0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        assert!(curve(&all[..1]).is_empty());
    }

    #[test]
    fn a_campaign_counts_once_by_cluster() {
        let mut all = scored(&[(5.0, true), (5.0, true), (0.0, true)]);
        all[0].share = 0.5;
        all[1].share = 0.5;
        assert_eq!(clusters_above(&all, true, 1.0), Some(50.0));
    }
}

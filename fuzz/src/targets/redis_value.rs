//! What Redis gives back for a part: facts as JSON.

use tamis_domain::evidence::Evidence;
use tamis_domain::policy::Thresholds;
use tamis_domain::reading::PartFacts;
use tamis_domain::weigh::weigh;

use crate::pick::Pick;
use crate::values;

/// Bytes -> facts -> bytes -> the same facts, and a score that can be said; facts picked from the bytes -> the same.
pub fn redis_value(data: &[u8]) {
    if let Ok(facts) = serde_json::from_slice::<PartFacts>(data) {
        there_and_back(&facts);
        weighed(&facts.evidence);
    }
    let mut pick = Pick::new(data);
    let count = pick.below(4);
    let facts = PartFacts {
        evidence: (0..count).map(|_| values::evidence(&mut pick)).collect(),
        links: (0..pick.below(4)).map(|_| pick.text(40)).collect(),
        ..PartFacts::default()
    };
    there_and_back(&facts);
}

fn there_and_back(facts: &PartFacts) {
    let bytes = serde_json::to_vec(facts).expect("plain values");
    let again = serde_json::from_slice::<PartFacts>(&bytes);
    assert_eq!(again.as_ref().ok(), Some(facts), "{}", String::from_utf8_lossy(&bytes));
}

fn weighed(evidence: &[Evidence]) {
    let score = weigh(evidence, &Thresholds::default()).score;
    assert!(score.is_finite(), "a score of {score}");
}

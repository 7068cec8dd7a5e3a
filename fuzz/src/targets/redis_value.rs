//! What Redis gives back for a part: facts as JSON, and what a scanner asks with them.

use tamis_domain::digest::{PartDigest, SignatureKind, Sketch};
use tamis_domain::evidence::Evidence;
use tamis_domain::policy::Thresholds;
use tamis_domain::reading::{ContentSums, PartFacts, PartName, Tokens};
use tamis_domain::weigh::weigh;

use crate::pick::Pick;
use crate::values;

/// Bytes -> facts -> bytes -> the same facts, and a score that can be said; facts picked from the bytes -> the same.
pub fn redis_value(data: &[u8]) {
    if let Ok(facts) = serde_json::from_slice::<PartFacts>(data) {
        there_and_back(&facts);
        weighed(&facts.evidence);
    }
    #[cfg(feature = "services")]
    decoded(data);
    let mut pick = Pick::new(data);
    let count = pick.below(4);
    let facts = PartFacts {
        evidence: (0..count).map(|_| values::evidence(&mut pick)).collect(),
        names: (0..pick.below(5)).map(|_| name(&mut pick)).collect(),
        links: (0..pick.below(4)).map(|_| pick.text(40)).collect(),
        tokens: tokens(&mut pick),
        content: pick.flag().then(|| content(&mut pick)),
        ..PartFacts::default()
    };
    there_and_back(&facts);
}

fn tokens(pick: &mut Pick<'_>) -> Tokens {
    let mut tokens: Vec<u32> = (0..pick.below(5)).map(|_| pick.u32()).collect();
    tokens.sort_unstable();
    Tokens(tokens)
}

fn content(pick: &mut Pick<'_>) -> ContentSums {
    let mut numbers = || (0..12).map(|_| f32::from(pick.u16()) / 7.0 - 3000.0).collect();
    let (weights, squares) = (numbers(), numbers());
    let owners = (0..pick.below(4)).map(|_| (pick.text(20), u32::from(pick.u16()))).collect();
    ContentSums { visible_bytes: u32::from(pick.u16()), owners, weights, squares }
}

fn name(pick: &mut Pick<'_>) -> PartName {
    PartName {
        kind: pick.one(&SignatureKind::ALL),
        material: pick.flag().then(|| PartDigest(pick.array())),
        sketch: pick.flag().then(|| Sketch(std::array::from_fn(|_| pick.u16()))),
    }
}

/// The scanner's own decoder: what it takes it would have kept, and whatever names stand in it, all that is asked of a
/// mail with it in each part fits one question.
#[cfg(feature = "services")]
fn decoded(data: &[u8]) {
    use tamis_reputation_protocol::packet::{Item, Question};
    use tamis_scanner::ask::questions::{questions, room};
    use tamis_scanner::memory;

    let Some(facts) = memory::decode(data) else { return };
    if let Some(value) = memory::encode(&facts) {
        assert_eq!(memory::decode(&value).as_ref(), Some(&facts));
    }
    let offer = values::offer(&mut Pick::new(data));
    let known = vec![Some(std::sync::Arc::new(facts)); offer.outline.parts.len()];
    let names = questions(&offer, &known);
    let (all, unnamed) = (names.asked.len(), names.unnamed);
    let chosen = room::choose(names, |_| true);
    assert!(chosen.asked.len() + chosen.twins.len() + chosen.left_out >= all + unnamed);
    let items: Vec<Item> = chosen.asked.iter().map(|asked| asked.item).collect();
    let question = Question { id: 1, cookie: 0, trace: None, is_sighting: false, items };
    assert!(question.items.is_empty() || Question::decode(&question.encode()).is_ok());
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

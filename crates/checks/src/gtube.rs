//! GTUBE: the text by which anybody can try whether spam is found (SpamAssassin's "generic test for unsolicited bulk email").

use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::reading::Text;

/// Weight: beyond any threshold a policy is likely to set.
const WEIGHT: f32 = 100.0;

/// The two halves of the text. They stand apart so that no scanner takes this file for spam.
pub const HALVES: [&str; 2] =
    ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"];

/// Looks for the text as a person sees it.
#[must_use]
pub fn judge(text: &Text) -> Option<Evidence> {
    let [head, tail] = HALVES;
    // To ask whether it is there at all is much cheaper than to ask where.
    if !text.visible.contains(tail) {
        return None;
    }
    let found = text
        .visible
        .match_indices(tail)
        .any(|(at, _)| text.visible.get(..at).is_some_and(|before| before.ends_with(head)));
    found.then(|| {
        Evidence::new("gtube", WEIGHT, Source::Text, "the generic test for spam filters")
            .marked(Mark::Spam)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_text_counts() {
        let whole = HALVES.concat();
        for (visible, found) in [
            (whole.clone(), true),
            (format!("before {whole} after"), true),
            (format!("{} {}", HALVES[0], HALVES[1]), false),
            (HALVES[1].to_owned(), false),
            (whole.to_lowercase(), false),
        ] {
            let text = Text { visible, ..Text::default() };
            assert_eq!(judge(&text).is_some(), found, "{}", text.visible);
        }
    }
}

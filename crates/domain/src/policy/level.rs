//! Detection levels: how few signs suffice, in one word instead of two thresholds.
//!
//! | level | `probable_spam` from | `spam` from | for whom |
//! |---|---|---|---|
//! | `minimum` | 8 | 15 | a role address that must miss nothing: only what several heavy signs agree on |
//! | `standard` | 5 | 10 | everybody |
//! | `high` | 4 | 8 | people who look through their spam folder |
//! | `maximum` | 3 | 6 | addresses that get little else; ordinary mail of clumsy senders is marked, too |
//!
//! A level moves thresholds and nothing else, so that the score of a mail means the same for every group and a
//! verdict can be compared between them. The ordinary sign weighs less than 2: at `maximum` two of them are probable
//! spam, at `minimum` it takes five.

use serde::{Deserialize, Serialize};

use super::Thresholds;

/// How few signs suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectionLevel {
    /// Only what many signs agree on.
    Minimum,
    /// The thresholds of somebody who said nothing.
    #[default]
    Standard,
    /// Fewer signs suffice.
    High,
    /// Very few signs suffice; expect ordinary mail among them.
    Maximum,
}

impl DetectionLevel {
    /// All levels, the most lenient first.
    pub const ALL: [Self; 4] = [Self::Minimum, Self::Standard, Self::High, Self::Maximum];

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Standard => "standard",
            Self::High => "high",
            Self::Maximum => "maximum",
        }
    }

    /// Where the statuses begin at this level.
    #[must_use]
    pub const fn thresholds(self) -> Thresholds {
        let (probable_spam, spam) = match self {
            Self::Minimum => (8.0, 15.0),
            Self::Standard => (5.0, 10.0),
            Self::High => (4.0, 8.0),
            Self::Maximum => (3.0, 6.0),
        };
        Thresholds { probable_spam, spam }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_is_what_nobody_said_so_that_old_configurations_mean_what_they_meant() {
        let Thresholds { probable_spam, spam } = DetectionLevel::default().thresholds();
        assert_eq!((probable_spam.to_bits(), spam.to_bits()), (5_f32.to_bits(), 10_f32.to_bits()));
        assert_eq!(Thresholds::default(), DetectionLevel::Standard.thresholds());
    }

    #[test]
    fn each_level_is_stricter_than_the_one_before() {
        for pair in DetectionLevel::ALL.windows(2) {
            let (lenient, strict) = (pair[0].thresholds(), pair[1].thresholds());
            assert!(strict.spam < lenient.spam && strict.probable_spam < lenient.probable_spam);
        }
    }

    #[test]
    fn the_table_says_what_the_code_does() {
        for level in DetectionLevel::ALL {
            let Thresholds { probable_spam, spam } = level.thresholds();
            let row = format!("| `{}` | {probable_spam} | {spam} |", level.word());
            let document = include_str!("../../../../docs/configuration.md");
            assert!(include_str!("level.rs").contains(&row), "{row}");
            assert!(document.contains(&row), "docs/configuration.md: {row}");
        }
    }
}

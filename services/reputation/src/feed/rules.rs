//! How the publisher judges. A table draws its conclusions by its rules: with the site's own, a signature that the
//! publisher only suspects could be spam at the site.

use tamis_reputation_protocol::signatures::{AGREEMENT_LEAST, REPORTERS_KEPT_MAX, Rules};

/// Bytes of the file at most: three short lines.
pub(super) const RULES_BYTES_MAX: u64 = 1024;

/// The file: `name value` on a line each.
pub(super) fn write(rules: &Rules) -> String {
    let Rules { reporters_needed, quorum_permille, agreement_min, .. } = rules;
    format!(
        "reporters_needed {reporters_needed}\nquorum_permille {quorum_permille}\nagreement_min {agreement_min}\n"
    )
}

/// The publisher's rules within this site's limits. Names that are not known are left out: a later publisher may say more.
pub(super) fn read(text: &str, own: Rules) -> Result<Rules, String> {
    let value = |name: &str, least: usize, most: usize| -> Result<usize, String> {
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = values.next().and_then(|value| value.parse().ok());
        value
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| format!("its rules say no {name} between {least} and {most}"))
    };
    let fits = |name: &str| format!("{name} is too large");
    Ok(Rules {
        reporters_needed: value("reporters_needed", 1, REPORTERS_KEPT_MAX)?
            .try_into()
            .map_err(|_| fits("reporters_needed"))?,
        quorum_permille: value("quorum_permille", 0, 1000)?
            .try_into()
            .map_err(|_| fits("quorum_permille"))?,
        agreement_min: value("agreement_min", AGREEMENT_LEAST.into(), 32)?
            .try_into()
            .map_err(|_| fits("agreement_min"))?,
        // Bases are held whole, and count as their publisher does.
        shard: None,
        ..own
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_publishers_rules_arrive_and_the_sites_limits_stay() {
        let rules = Rules {
            reporters_needed: 3,
            quorum_permille: 50,
            agreement_min: 12,
            ..Rules::default()
        };
        let own = Rules { signatures_max: 7, seed: 9, ..Rules::default() };
        let read_back = read(&write(&rules), own).unwrap();
        assert_eq!(read_back, Rules { signatures_max: 7, seed: 9, ..rules });
    }

    #[test]
    fn rules_that_no_table_has_are_refused() {
        let own = Rules::default();
        for (reporters, quorum, agreement, is_good) in [
            (1, 0, 8, true),
            (255, 1000, 32, true),
            (0, 0, 8, false),
            (256, 0, 8, false),
            (1, 1001, 8, false),
            (1, 0, 7, false),
            (1, 0, 33, false),
        ] {
            let text = format!(
                "reporters_needed {reporters}\nquorum_permille {quorum}\nagreement_min {agreement}\n"
            );
            assert_eq!(read(&text, own).is_ok(), is_good, "{text}");
        }
        assert!(read("", own).is_err());
        assert!(read("reporters_needed x\n", own).is_err());
    }
}

use super::*;

fn seen(spam: u16, ham: u16, counts: &[(u16, u16)]) -> Seen {
    let counts = counts.iter().map(|&(spam, ham)| Counts { spam, ham }).collect();
    Seen { totals: Counts { spam, ham }, counts }
}

#[test]
fn nothing_is_said_before_enough_of_both_classes_was_learned() {
    let (n, many) = (MAILS_OF_EACH_MIN, [(20, 0); 50]);
    assert!(judge(&seen(n - 1, 5000, &many), None).is_none());
    assert!(judge(&seen(5000, n - 1, &many), None).is_none());
    assert!(judge(&seen(n, n, &many), None).is_some_and(|found| found.weight > 0.0));
}

#[test]
fn weights_stay_within_their_bounds_however_sure_the_counts_are() {
    for mails in [MAILS_OF_EACH_MIN, 100, MAILS_OF_EACH_FULL - 1, MAILS_OF_EACH_FULL, 60_000] {
        let spam = judge(&seen(mails, mails, &vec![(mails, 0); 1024]), None)
            .map(|found| f64::from(found.weight));
        let ham = judge(&seen(mails, mails, &vec![(0, mails); 1024]), None)
            .map(|found| f64::from(found.weight));
        let most = bound(mails);
        assert_eq!(
            spam,
            Some((most * 100.0).round() / 100.0).map(|most| f64::from(most as f32)),
            "{mails}"
        );
        assert!(ham.is_some_and(|weight| weight >= WEIGHT_MIN.max(-most) - 0.01 && weight < 0.0));
    }
    assert_eq!(bound(MAILS_OF_EACH_MIN), WEIGHT_EARLY);
    assert!((bound(MAILS_OF_EACH_FULL) - WEIGHT_MAX).abs() < 1e-9);
}

#[test]
fn a_domain_that_learned_enough_outweighs_the_others() {
    let global = seen(100, 100, &[(50, 60); 40]);
    let own = seen(30, 30, &[(30, 0); 40]);
    let too_few = seen(MAILS_OF_EACH_MIN - 1, 30, &[(19, 0); 40]);
    assert!(score(&global, None).value < 0.0);
    assert!(score(&global, Some(&own)).value > 0.0);
    let of_others = judge(&global, None);
    assert_eq!(judge(&global, Some(&too_few)), of_others, "a domain with too few says nothing");
}

#[test]
fn no_teaching_alone_makes_spam_at_any_level_or_hides_what_is_spam_by_all_else() {
    use tamis_domain::policy::DetectionLevel as Level;
    for level in Level::ALL {
        let thresholds = level.thresholds();
        assert!(WEIGHT_MAX < f64::from(thresholds.spam), "{level:?}");
        assert!(WEIGHT_EARLY < f64::from(thresholds.probable_spam), "{level:?}");
    }
    let standard = Level::Standard.thresholds();
    assert!(f64::from(standard.spam) + WEIGHT_MIN >= f64::from(standard.probable_spam));
}

#[test]
fn a_domain_has_its_word_even_where_others_taught_much_and_all_of_one_class() {
    let flood = seen(20_000, 0, &[(20_000, 0); 40]);
    assert!(judge(&flood, None).is_none(), "one class tells nothing");
    let own = seen(200, 200, &[(0, 150); 40]);
    let found = judge(&flood, Some(&own)).expect("the domain learned enough by itself");
    assert!(f64::from(found.weight) < -2.0, "{found:?}");
}

#[test]
fn a_mail_of_unknown_features_has_no_evidence_and_the_words_quote_nothing() {
    assert!(judge(&seen(500, 500, &[(0, 0); 100]), None).is_none());
    assert!(judge(&seen(500, 500, &[]), None).is_none());
    let found =
        judge(&seen(500, 400, &[(100, 0); 30]), None).map(|found| found.detail).unwrap_or_default();
    assert!(
        found.contains("30 were seen more in spam") && found.contains("500 spam and 400"),
        "{found}"
    );
}

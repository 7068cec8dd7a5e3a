//! The format: there and back, and hostile input.

use super::*;
use crate::bag::Bag;

fn features(count: usize) -> Vec<u64> {
    let mut bag = Bag::new();
    for number in 0..count {
        let group = Group::ALL[number % GROUPS];
        bag.add_number(group, "feature", number);
    }
    bag.counted().into_iter().map(|(feature, _)| feature).collect()
}

fn head() -> Head {
    Head {
        bias: -0.25,
        slope: 1.5,
        intercept: 0.5,
        threshold: 3.0,
        units: [0.0; GROUPS],
        damping: [2.0; GROUPS],
    }
}

fn group(feature: u64) -> Group {
    crate::bag::group_of(feature).expect("a group")
}

#[test]
fn what_was_written_is_read_back_within_half_a_unit() {
    let weights: Vec<(u64, f32)> = features(1000)
        .into_iter()
        .enumerate()
        .map(|(n, feature)| (feature, (n as f32 / 100.0) - 5.0))
        .collect();
    let bytes = write(&head(), 14, &weights);
    let base = Base::read(&bytes).expect("a base of our own");
    assert_eq!(base.bias(), -0.25);
    assert_eq!(base.damping(Group::Links), 2.0);
    for (feature, weight) in weights {
        let unit = base.head().units[usize::from(group(feature).code())];
        let read = base.weight(group(feature), feature);
        assert!((read - weight).abs() <= unit * 0.501, "{feature:x}: {weight} became {read}");
    }
}

#[test]
fn a_feature_that_was_not_trained_has_no_weight() {
    let all = features(60_000);
    let weights: Vec<(u64, f32)> = all.iter().step_by(2).map(|feature| (*feature, 1.0)).collect();
    let bytes = write(&head(), 14, &weights);
    let base = Base::read(&bytes).expect("a base of our own");
    let strangers = all.iter().skip(1).step_by(2);
    let taken = strangers.filter(|feature| base.weight(group(**feature), **feature) != 0.0).count();
    assert!(taken < 10, "{taken} of 30,000 strangers were taken for somebody else");
}

#[test]
fn the_same_weights_in_any_order_give_the_same_bytes() {
    let mut weights: Vec<(u64, f32)> = features(300)
        .into_iter()
        .enumerate()
        .map(|(n, feature)| (feature, (n % 7) as f32 - 3.0))
        .collect();
    let bytes = write(&head(), 4, &weights);
    weights.reverse();
    assert_eq!(bytes, write(&head(), 4, &weights));
    assert_eq!(bytes.len(), HEAD_BYTES + 12 * 16, "a full table keeps its size and its heaviest");
}

#[test]
fn a_full_bucket_keeps_the_heaviest() {
    let weights: Vec<(u64, f32)> = features(11 * 9)
        .into_iter()
        .filter(|feature| group(*feature) == Group::Words)
        .enumerate()
        .map(|(n, feature)| (feature, n as f32 + 1.0))
        .collect();
    assert_eq!(weights.len(), 9);
    let bytes = write(&head(), 0, &weights);
    let base = Base::read(&bytes).expect("a base of our own");
    let kept = weights.iter().filter(|(feature, _)| base.weight(Group::Words, *feature) != 0.0);
    assert_eq!(kept.map(|(_, weight)| *weight).collect::<Vec<_>>(), [6.0, 7.0, 8.0, 9.0]);
}

#[test]
fn each_fault_of_a_head_is_told() {
    let good = write(&head(), 2, &[]);
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        Base::read(&bad).map(|_| ()).expect_err("a fault")
    };
    assert_eq!(with(0, b"X"), Refusal::NoBase);
    assert_eq!(with(8, &2_u16.to_le_bytes()), Refusal::OtherVersion(2));
    assert_eq!(with(10, &[GROUPS as u8 + 1]), Refusal::OtherGroups(GROUPS as u8 + 1));
    assert_eq!(with(11, &[BITS_MAX + 1]), Refusal::TooLarge);
    assert_eq!(with(11, &[BITS_MAX]), Refusal::WrongLength);
    for number in [f32::NAN, f32::INFINITY, NUMBER_MAX * 1.01] {
        for at in [12, 16, 20, 24, 24 + GROUPS * 4] {
            assert_eq!(with(at, &number.to_le_bytes()), Refusal::BadNumber, "{number} at {at}");
        }
    }
    for at in [16, 24, 24 + GROUPS * 4] {
        assert_eq!(with(at, &(-1.0_f32).to_le_bytes()), Refusal::BadNumber, "negative at {at}");
    }
    assert_eq!(with(16, &0.0_f32.to_le_bytes()), Refusal::BadNumber, "a slope of 0 says nothing");
}

#[test]
fn every_other_length_is_refused() {
    let good = write(&head(), 1, &[]);
    for length in 0..good.len() {
        assert!(Base::read(&good[..length]).is_err(), "{length} bytes");
    }
    assert!(Base::read(&[&good[..], &[0]].concat()).is_err());
    assert!(Base::read(&good).is_ok());
}

/// A generator of numbers (splitmix64), so that a failure can be repeated.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ *state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ z >> 27
}

#[test]
fn any_bytes_are_a_base_with_finite_weights_or_are_refused() {
    let mut state = 42;
    let mut read = 0;
    for round in 0..20_000_u32 {
        let mut bytes = write(&head(), (round % 3) as u8, &[]);
        let cut = draw(&mut state) as usize % 4;
        // Half of the changes spare the first bytes, so that the numbers behind them are reached.
        let from = if round % 2 == 0 { 0 } else { 12 };
        for _ in 0..cut {
            let at = from + draw(&mut state) as usize % (bytes.len() - from);
            bytes[at] = draw(&mut state) as u8;
        }
        for byte in &mut bytes[HEAD_BYTES..] {
            *byte = draw(&mut state) as u8;
        }
        let Ok(base) = Base::read(&bytes) else { continue };
        read += 1;
        for feature in features(GROUPS) {
            assert!(base.weight(group(feature), feature).is_finite());
        }
        let probability = base.calibrated(draw(&mut state) as f32);
        assert!((0.0..=1.0).contains(&probability), "{probability}");
    }
    assert!((5_000..20_000).contains(&read), "{read} were read: both ways are tried");
}

#[test]
fn the_largest_table_stays_below_four_megabytes() {
    assert_eq!(BASE_BYTES_MAX, write(&head(), BITS_MAX, &[]).len());
    const { assert!(BASE_BYTES_MAX < 4 * 1024 * 1024) };
    assert_eq!(write(&head(), BITS_MAX + 1, &[]).len(), BASE_BYTES_MAX);
}

#[test]
fn a_base_that_is_recalibrated_parts_mails_as_before() {
    let weights: Vec<(u64, f32)> =
        features(100).into_iter().map(|feature| (feature, 1.0)).collect();
    let bytes = write(&head(), 8, &weights);
    let again = recalibrated(&bytes, 2.0, -1.0, 4.0).expect("a base");
    let (before, after) =
        (Base::read(&bytes).expect("a base"), Base::read(&again).expect("a base"));
    assert_eq!(
        after.head(),
        &Head { slope: 2.0, intercept: -1.0, threshold: 4.0, ..*before.head() }
    );
    assert_eq!(bytes[28..], again[28..], "the weights and what stands before them");
    assert_eq!(recalibrated(&bytes, 2.0, -1.0, 0.0), Err(Refusal::BadNumber));
    assert_eq!(recalibrated(b"no base", 2.0, -1.0, 4.0), Err(Refusal::NoBase));
}

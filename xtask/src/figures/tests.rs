use super::{Figure, Goal, percentile};

fn line(value: f64, goal: Goal) -> String {
    Figure::new("start", value, "s", goal, "DESIGN-7").to_string()
}

#[test]
fn a_line_is_five_words_and_says_when_a_goal_was_missed() {
    for (value, goal, expected) in [
        (0.25, Goal::None, "start 0.25 s - DESIGN-7"),
        (0.5, Goal::AtMost(0.5), "start 0.5 s <=0.5 DESIGN-7"),
        (0.501, Goal::AtMost(0.5), "start 0.501 s <=0.5 DESIGN-7 MISSED"),
        (50.0, Goal::AtLeast(50.0), "start 50 s >=50 DESIGN-7"),
        (49.0, Goal::AtLeast(50.0), "start 49 s >=50 DESIGN-7 MISSED"),
        (16_384.0, Goal::AtMost(16_384.0), "start 16384 s <=16384 DESIGN-7"),
        (1200.0, Goal::None, "start 1200 s - DESIGN-7"),
        (f64::NAN, Goal::AtMost(1.0), "start NaN s <=1 DESIGN-7 MISSED"),
        (f64::NAN, Goal::AtLeast(1.0), "start NaN s >=1 DESIGN-7 MISSED"),
    ] {
        assert_eq!(line(value, goal), expected);
    }
}

#[test]
fn a_value_just_past_its_goal_is_missed_even_where_rounding_hides_it() {
    assert_eq!(line(0.500_01, Goal::AtMost(0.5)), "start 0.5 s <=0.5 DESIGN-7 MISSED");
}

#[test]
fn percentiles_by_nearest_rank() {
    let mut hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    for (percent, expected) in
        [(50.0, 50.0), (99.0, 99.0), (99.5, 100.0), (100.0, 100.0), (0.0, 1.0)]
    {
        assert_eq!(percentile(&mut hundred, percent), expected, "{percent}");
    }
    assert_eq!(percentile(&mut [3.0, 1.0, 2.0, 5.0, 4.0], 50.0), 3.0, "the median of five runs");
    assert_eq!(percentile(&mut [7.0], 99.0), 7.0);
    assert!(percentile(&mut [], 50.0).is_nan());
}

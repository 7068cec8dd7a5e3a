use super::*;

/// A code of version 2 that says [`SAID`], a row a line.
const CODE: &str = include_str!("code.txt");
const SAID: &str = "https://pay.evil.test/invoice?7";

/// A picture of this side, white but for what `draw` puts there.
fn picture(side: usize, draw: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    (0..side * side).map(|at| draw(at % side, at / side)).collect()
}

fn said(side: usize, luma: &[u8]) -> Vec<String> {
    read(Grey { width: side, height: side, luma })
}

/// The module at a pixel, if the code begins at `from` and each module is `scale` wide.
fn module(x: usize, y: usize, from: usize, scale: usize) -> Option<bool> {
    let (x, y) = (x.checked_sub(from)? / scale, y.checked_sub(from)? / scale);
    Some(*CODE.lines().nth(y)?.as_bytes().get(x)? == b'#')
}

#[test]
fn a_code_is_read_in_any_size_and_place_light_or_dark() {
    for scale in [2, 3, 5, 8] {
        for from in [8, 31] {
            let side = 25 * scale + 2 * from;
            let is_dark = |x, y| module(x, y, from, scale).unwrap_or_default();
            let dark = picture(side, |x, y| if is_dark(x, y) { 20 } else { 240 });
            assert_eq!(said(side, &dark), [SAID], "{scale} {from}");
            let light = picture(side, |x, y| if is_dark(x, y) { 240 } else { 20 });
            assert_eq!(said(side, &light), [SAID], "inverted {scale} {from}");
        }
    }
}

#[test]
fn a_code_is_read_turned_to_each_side_and_a_little() {
    let (scale, from) = (4, 20);
    let side = 25 * scale + 2 * from;
    for turns in 0..4 {
        let luma = picture(side, |x, y| {
            let (x, y) = (0..turns).fold((x, y), |(x, y), _| (y, side - 1 - x));
            if module(x, y, from, scale).unwrap_or_default() { 0 } else { 255 }
        });
        assert_eq!(said(side, &luma), [SAID], "{turns} quarters");
    }
    let (sine, cosine, middle) = (0.17_f32.sin(), 0.17_f32.cos(), side as f32 / 2.0);
    let luma = picture(side, |x, y| {
        let (dx, dy) = (x as f32 - middle, y as f32 - middle);
        let (x, y) = (cosine * dx + sine * dy + middle, cosine * dy - sine * dx + middle);
        let is_dark =
            x >= 0.0 && y >= 0.0 && module(x as usize, y as usize, from, scale) == Some(true);
        if is_dark { 0 } else { 255 }
    });
    assert_eq!(said(side, &luma), [SAID], "ten degrees");
}

#[test]
fn a_heart_that_is_too_small_for_proportions_is_the_cheap_question() {
    for total in 7..60 {
        for heart in 1..total - 3 {
            for first in 1..(total - heart).min(20) {
                let rest = total - heart - first;
                let runs = [first, rest / 3, heart, rest / 3, rest - 2 * (rest / 3)];
                let mut ends = [0; 6];
                (0..5).for_each(|at| ends[at + 1] = ends[at] + runs[at]);
                assert!(has_heart(&ends) || proportioned(runs).is_none(), "{runs:?}");
            }
        }
    }
}

#[test]
fn runs_end_where_samples_change_sides_whatever_the_threshold() {
    let mut state = 3_u64;
    for length in 0..300 {
        for threshold in [0, 1, 126, 127, 128, 129, 254] {
            let row: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let at = state >> 33;
                    [threshold, threshold + 1, 0, 255, (at >> 8) as u8][at as usize % 5]
                })
                .collect();
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            each_run(&row, threshold, |end| found.push(end));
            for at in 1..=length {
                if at == length || (row[at] > threshold) != (row[at - 1] > threshold) {
                    expected.push(at);
                }
            }
            assert_eq!(found, expected, "{row:?} {threshold}");
        }
    }
}

#[test]
fn a_code_whose_timing_is_damaged_is_read_up_to_a_quarter_of_it() {
    let (scale, from) = (4, 20);
    let side = 25 * scale + 2 * from;
    // Between the corners stand nine modules in row 6 and nine in column 6: four wrong ones of eighteen are borne.
    for (wrong, expect) in [(0, 1), (4, 1), (5, 0)] {
        let luma = picture(side, |x, y| {
            let is_dark = module(x, y, from, scale).unwrap_or_default();
            let at = |v: usize| v.checked_sub(from).map(|v| v / scale);
            let is_wrong = at(y) == Some(6) && at(x).is_some_and(|x| (8..8 + wrong).contains(&x));
            if is_dark != is_wrong { 0 } else { 255 }
        });
        assert_eq!(said(side, &luma).len(), expect, "{wrong}");
    }
}

#[test]
fn several_codes_of_one_picture_are_read_once_each() {
    let (scale, side) = (3, 400);
    let is_dark = |x: usize, y: usize| module(x % 200, y % 200, 40, scale).unwrap_or_default();
    let luma = picture(side, |x, y| if is_dark(x, y) { 0 } else { 255 });
    assert_eq!(said(side, &luma), [SAID]);
}

#[test]
fn a_picture_without_a_code_says_nothing_and_one_of_corners_ends() {
    assert!(said(64, &picture(64, |_, _| 255)).is_empty());
    assert!(said(20, &picture(20, |x, _| (x * 9) as u8)).is_empty());
    let stripes = picture(600, |x, _| if x % 2 == 0 { 0 } else { 255 });
    assert!(said(600, &stripes).is_empty());
    // Corner beside corner: 7 modules and a gap.
    let side = 900;
    let luma = picture(side, |x, y| {
        let (x, y) = (x % 9, y % 9);
        let is_ring = x < 7 && y < 7 && (x == 0 || x == 6 || y == 0 || y == 6);
        let is_heart = (2..5).contains(&x) && (2..5).contains(&y);
        if is_ring || is_heart { 0 } else { 255 }
    });
    assert!(said(side, &luma).is_empty());
    let picture = Grey { width: side, height: side, luma: &luma };
    assert_eq!(corners(picture, 9)[0].len(), CORNERS_MAX);
    assert!(read(Grey { width: 100, height: 100, luma: &[0; 99] }).is_empty(), "too few samples");
}

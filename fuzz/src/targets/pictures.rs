//! Pictures to their looks, under the budget of one mail.

use tamis_message::sketch::image::{
    Budget, PICTURES_MAX, PIXELS_MAX, PIXELS_SUM_MAX, is_picture, look, look_within,
};

/// Looks at bytes as a picture until the budget is spent: no more is decoded than it allows, the same bytes look the same
/// each time, and what it does not allow is counted and costs nothing.
pub fn pictures(data: &[u8]) {
    let mut budget = Budget::default();
    let first = look_within(data, &mut budget);
    assert!(first.is_none() || is_picture(data), "a look at something else");
    let pixels = budget.decoded_pixels();
    assert!(pixels <= PIXELS_MAX && budget.left_out() == 0);
    if pixels == 0 {
        assert_eq!((first, budget), (None, Budget::default()), "decoded for nothing");
        return;
    }
    // Decoding large ones again and again would only cost time.
    if pixels > 64 * 64 {
        return;
    }
    assert_eq!(first, look(data), "a budget of its own changes what is seen");
    let fits = PICTURES_MAX.min((PIXELS_SUM_MAX / pixels) as usize);
    for _ in 1..fits {
        assert_eq!(look_within(data, &mut budget), first);
    }
    let spent = budget.decoded_pixels();
    assert_eq!(spent, pixels * fits as u64);
    assert_eq!((look_within(data, &mut budget), budget.left_out()), (None, 1));
    assert_eq!(budget.decoded_pixels(), spent, "left out and decoded all the same");
}

#![expect(clippy::disallowed_methods, reason = "the first instant has to come from somewhere")]

use std::time::Duration;

use super::*;

fn v4(number: u32) -> IpAddr {
    IpAddr::V4(number.into())
}

#[test]
fn a_burst_of_n_passes_and_n_plus_1_does_not() {
    let start = Instant::now();
    let mut rates = Rates::new(Rate { per_second: 10, burst: 5 }, 1, start);
    for _ in 0..5 {
        assert!(rates.take(v4(1), start));
    }
    assert!(!rates.take(v4(1), start));
    assert!(rates.take(v4(2), start), "another source has its own bucket");
    assert!(!rates.take(v4(1), start + Duration::from_millis(99)));
    assert!(rates.take(v4(1), start + Duration::from_millis(100)));
    assert!(!rates.take(v4(1), start + Duration::from_millis(100)));
}

#[test]
fn refused_datagrams_do_not_lengthen_the_wait() {
    let start = Instant::now();
    let mut rates = Rates::new(Rate { per_second: 10, burst: 1 }, 1, start);
    assert!(rates.take(v4(1), start));
    for _ in 0..1000 {
        assert!(!rates.take(v4(1), start));
    }
    assert!(rates.take(v4(1), start + Duration::from_millis(100)));
}

#[test]
fn one_machine_owns_a_slash_64_of_ipv6() {
    let start = Instant::now();
    let mut rates = Rates::new(Rate { per_second: 1, burst: 1 }, 1, start);
    let at = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(rates.take(at("2001:db8:0:1::1"), start));
    assert!(!rates.take(at("2001:db8:0:1:ffff::2"), start));
    assert!(rates.take(at("2001:db8:0:2::1"), start));
}

#[test]
fn more_sources_than_remembered_never_grow_the_table_nor_touch_the_recent() {
    let start = Instant::now();
    let mut rates = Rates::new(Rate { per_second: 1, burst: 1 }, 1, start);
    assert!(rates.take(v4(u32::MAX), start));
    for number in 0..4 * SOURCES_MAX as u32 {
        let now = start + Duration::from_micros(number.into());
        rates.take(v4(number), now);
        if number.is_multiple_of(1000) {
            assert!(!rates.take(v4(u32::MAX), now), "heard recently, so remembered ({number})");
        }
    }
    assert_eq!(rates.buckets.len(), SOURCES_MAX);
}

#[test]
fn no_limit_is_no_limit() {
    let start = Instant::now();
    let mut rates = Rates::new(Rate { per_second: 0, burst: 0 }, 1, start);
    assert!((0..1_000_000).all(|_| rates.take(v4(1), start)));
}

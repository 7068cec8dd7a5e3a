//! The one place where shells read the time; pure rooms get it as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time, for deadlines and durations. It follows tokio's clock, so a test that pauses that clock
/// moves this one too.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day since 1970-01-01 00:00 UTC, for what is written down or sent to others.
/// A clock set before 1970 reads as zero: a wrong date must not stop a program.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// [`unix_time`] in whole seconds.
pub fn unix_seconds() -> u64 {
    unix_time().as_secs()
}

/// [`unix_time`] in whole milliseconds; enough for 580 million years.
pub fn unix_ms() -> u64 {
    u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_readings_agree() {
        let seconds = unix_seconds();
        let ms = unix_ms();
        assert!(seconds > 1_700_000_000, "this code was written after 2023: {seconds}");
        assert!((ms / 1000).abs_diff(seconds) <= 1, "{ms} ms against {seconds} s");
        assert!(now() <= now());
    }
}

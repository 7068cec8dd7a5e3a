//! When mails are due: by chance, or as a trace says. Never by the answers.

use std::time::Duration;

use super::dice::Dice;
use super::scenario::Burst;

/// Due times of a Poisson process whose rate a burst raises for a while; exact at its edges.
#[derive(Clone, Debug)]
pub struct Poisson {
    dice: Dice,
    rate: f64,
    burst: Option<Burst>,
    now_s: f64,
    end_s: f64,
}

impl Poisson {
    /// `rate` mails a second for `time`.
    #[must_use]
    pub fn new(seed: u64, rate: f64, burst: Option<Burst>, time: Duration) -> Self {
        Self { dice: Dice::new(seed), rate, burst, now_s: 0.0, end_s: time.as_secs_f64() }
    }

    /// The rate from now, and until when it holds.
    fn rate_now(&self) -> (f64, f64) {
        let Some(burst) = &self.burst else { return (self.rate, self.end_s) };
        let (from, to) = (burst.from_s, burst.from_s + burst.seconds);
        if self.now_s < from {
            (self.rate, from)
        } else if self.now_s < to {
            (self.rate * burst.factor, to)
        } else {
            (self.rate, self.end_s)
        }
    }
}

impl Iterator for Poisson {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // Time is stretched where the rate is higher: what a waiting time has left passes on to the next stretch.
        let mut wait = self.dice.exponential();
        while self.now_s < self.end_s {
            let (rate, until) = self.rate_now();
            let until = until.min(self.end_s);
            let passed = rate * (until - self.now_s);
            if wait < passed {
                self.now_s += wait / rate;
                return Some(Duration::from_secs_f64(self.now_s));
            }
            wait -= passed;
            self.now_s = until;
        }
        None
    }
}

/// Due times from a trace: seconds since its beginning, one a line, in order; lines that begin with `#` are comments.
///
/// # Errors
/// The number of the line that is no time, or earlier than the one before.
pub fn trace(text: &str, time: Duration) -> Result<Vec<Duration>, usize> {
    let mut due = Vec::new();
    let mut last = Duration::ZERO;
    for (number, line) in (1_usize..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = line.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let at = at.filter(|at| *at >= last).ok_or(number)?;
        last = at;
        if at < time {
            due.push(at);
        }
    }
    Ok(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_come_as_the_rate_says_and_ten_times_as_many_in_the_burst() {
        let burst = Burst { factor: 10.0, from_s: 20.0, seconds: 5.0 };
        let due: Vec<f64> = Poisson::new(3, 40.0, Some(burst), Duration::from_secs(60))
            .map(|at| at.as_secs_f64())
            .collect();
        assert!(due.is_sorted() && due.last().is_some_and(|last| *last < 60.0));
        let within = |from: f64, to: f64| {
            due.iter().filter(|at| (from..to).contains(*at)).count() as f64 / (to - from)
        };
        assert!((36.0..44.0).contains(&within(0.0, 20.0)), "{}", within(0.0, 20.0));
        assert!((375.0..425.0).contains(&within(20.0, 25.0)), "{}", within(20.0, 25.0));
        assert!((36.0..44.0).contains(&within(25.0, 60.0)), "{}", within(25.0, 60.0));
    }

    #[test]
    fn arrivals_are_as_uneven_as_chance_is() {
        let due: Vec<_> = Poisson::new(5, 1_000.0, None, Duration::from_secs(100)).collect();
        let mut counts = vec![0_f64; 1_000];
        due.iter().for_each(|at| counts[(at.as_secs_f64() * 10.0) as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / 1_000.0;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 1_000.0;
        assert!((0.85..1.15).contains(&(variance / mean)), "{}", variance / mean);
    }

    #[test]
    fn a_trace_is_taken_as_written_and_refused_by_the_line() {
        let time = Duration::from_secs(2);
        let due = trace("# begun\n0\n0.5\n\n1.25\n7\n", time).unwrap();
        assert_eq!(due, [0, 500, 1250].map(Duration::from_millis));
        assert_eq!(trace("0\n2\n1\n", time), Err(3));
        assert_eq!(trace("0\nsoon\n", time), Err(2));
        assert_eq!(trace("-1\n", time), Err(1));
    }
}

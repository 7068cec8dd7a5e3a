//! How long the model takes for one mail, once the mail is read.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tamis_classifier::base::Base;
use tamis_classifier::weigh::Sums;

use crate::corpus::{Readings, with_mails};

/// Times of all mails of a folder, in ascending order.
///
/// # Errors
/// When the mails or the base cannot be read.
pub fn times(folder: &Path, base: &[u8]) -> Result<Vec<Duration>> {
    let base = Base::read(base).context("no base")?;
    let mut times = Vec::new();
    with_mails(folder, |mail| {
        let readings = Readings::of(mail);
        let began = Instant::now();
        let bags = readings.bags();
        let sums = bags.into_iter().map(|bag| Sums::of(bag, &base));
        let judgement = sums.fold(Sums::default(), |all, one| all.plus(&one)).judge(&base);
        times.push(began.elapsed());
        // The result is used, so that no compiler leaves the work out.
        assert!(judgement.logit.is_finite());
    })?;
    Ok(sorted(times))
}

/// Times in ascending order.
#[must_use]
pub fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

/// Mean, median and slow times in words.
#[must_use]
pub fn in_words(times: &[Duration]) -> String {
    let at =
        |share: usize| times.get(times.len() * share / 1000).map_or(0, |time| time.as_micros());
    let all: Duration = times.iter().sum();
    format!(
        "{} mails: mean {} us, median {} us, 90 % within {} us, 99 % within {} us, 99.9 % within {} us",
        times.len(),
        all.as_micros() / times.len().max(1) as u128,
        at(500),
        at(900),
        at(990),
        at(999)
    )
}

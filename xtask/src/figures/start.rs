//! From the start of `tamis all` to the first verdict: a client that tries from the first moment on.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::layout::Layout;
use super::sink::Sink;
use super::smtp::Client;
use super::{Binaries, Figure, Goal, mail, percentile};

/// Starts; the median of them counts.
const RUNS: usize = 5;
/// When a start has failed.
const START_MAX: Duration = Duration::from_secs(30);
/// Pause between two tries.
const TRY_AGAIN: Duration = Duration::from_micros(500);
/// The promise.
const SECONDS_MAX: f64 = 0.5;

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let mut seconds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        seconds.push(first_verdict(binaries)?);
    }
    let (value, goal) = (percentile(&mut seconds, 50.0), Goal::AtMost(SECONDS_MAX));
    Ok(vec![Figure::new("start.first_verdict", value, "s", goal, "DESIGN-7")])
}

fn first_verdict(binaries: &Binaries) -> Result<f64> {
    let sink = Sink::open()?;
    let layout = Layout::new(sink.port)?;
    let began = Instant::now();
    let _all = layout.exec(&binaries.tamis, Some("all"))?;
    let seconds = loop {
        // Nobody listens yet, or somebody is not ready: both are part of the start.
        let sent = Client::connect(layout.smtp)
            .and_then(|mut client| client.send(|out| mail::small(out, 1, 1)));
        if matches!(sent, Ok(250)) {
            break began.elapsed().as_secs_f64();
        }
        if began.elapsed() > START_MAX {
            bail!("no verdict in {START_MAX:?}; the last answer was {sent:?}");
        }
        thread::sleep(TRY_AGAIN);
    };
    let header = sink.taken().last_header;
    let rung = header.lines().find_map(|line| line.strip_prefix("X-Tamis-Rung: "));
    if rung.is_none_or(|rung| rung == "not_scanned") {
        bail!("the first mail passed without a verdict: {rung:?}");
    }
    Ok(seconds)
}

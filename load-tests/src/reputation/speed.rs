//! How many answers a second of processor time, ours beside the echo and beside rspamd, in turns.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::asking::{Asking, Language};
use super::load::{self, Pace, Seen};
use super::server::{self, Tamis, Wanted};
use super::{Bench, median};
use crate::peer::Rspamd;
use crate::process::{Program, on_core};
use crate::report::Figure;

/// Questions a second that no server keeps up with: it works without a pause, and what it costs is what it can.
const FLAT_OUT: f64 = 1_000_000.0;
/// A moderate rate, at which times of answers are taken.
const MODERATE: f64 = 20_000.0;
/// The same for rspamd, which does not reach ours.
const MODERATE_FUZZY: f64 = 5_000.0;
/// Questions under way to rspamd: it is asked as fast as it answers, since a flood it cannot take in costs it more.
const FUZZY_UNDER_WAY: u64 = 64;
/// Keys written to Redis in one go: with more, rspamd runs into its time-out for Redis and throws the updates away.
const FUZZY_KEYS_PORTION: u64 = 33_000;
/// Bytes of our answer to one item.
const ANSWER_BYTES: usize = 32;
/// Promised, of what a bare echo does.
const OF_ECHO: f64 = 0.8;

/// Answers for each second of processor time that `cpu` spent meanwhile.
fn rate(
    bench: &Bench,
    address: SocketAddr,
    asking: &mut Asking,
    pace: Pace,
    cpu: impl Fn() -> Result<f64>,
) -> Result<(f64, Seen)> {
    let before = cpu()?;
    let time = Duration::from_secs(bench.seconds);
    let seen = on_core(bench.client_core, || load::run(address, asking, pace, 1, time))??;
    ensure!(seen.answered > 0, "{address} answered nothing");
    Ok((seen.answered as f64 / (cpu()? - before), seen))
}

struct Echoed {
    program: Program,
    address: SocketAddr,
}

/// Exact lookups (`language` 41 bytes) or near ones (105 bytes).
///
/// # Errors
/// A program does not start or answers nothing.
pub fn measure(
    bench: &Bench,
    name: &str,
    language: Language,
    tamis: &Tamis,
    rspamd: Option<&Rspamd>,
) -> Result<Vec<Figure>> {
    let (program, address) = server::echo(ANSWER_BYTES, &bench.folder, bench.server_core)?;
    let echo = Echoed { program, address };
    let known = if language == Language::Near { bench.texts } else { bench.exact };
    let fuzzy = if language == Language::Near { Language::FuzzyNear } else { Language::FuzzyExact };
    let (mut echoes, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut hits = 0.0;
    for round in 0..bench.rounds as u64 {
        let mut asking = Asking::new(language, known, round);
        tamis.prove(&mut asking)?;
        let flat_out = Pace::PerSecond(FLAT_OUT);
        let cpu = || echo.program.cpu_seconds();
        echoes.push(rate(bench, echo.address, &mut asking.clone(), flat_out, cpu)?.0);
        let cpu = || tamis.program.cpu_seconds();
        let (rate_of_ours, seen) = rate(bench, tamis.address, &mut asking, flat_out, cpu)?;
        ours.push(rate_of_ours);
        hits = seen.known as f64 / seen.answered as f64;
        if let Some(peer) = rspamd {
            let mut asking = Asking::new(fuzzy, known, round);
            let pace = Pace::UnderWay(FUZZY_UNDER_WAY);
            let (rate, seen) = rate(bench, peer.address, &mut asking, pace, || peer.cpu_seconds())?;
            let hits = seen.known as f64 / seen.answered as f64;
            ensure!((0.4..0.6).contains(&hits), "rspamd knew {hits} of the questions, not half");
            theirs.push(rate);
        }
    }
    ensure!((0.4..0.6).contains(&hits), "tamis knew {hits} of the questions, not half");
    let times = times(bench, &echo, tamis, rspamd, language, fuzzy)?;
    let mut figures = rates(name, median(echoes), median(ours), theirs, rspamd);
    figures.extend(
        times
            .into_iter()
            .map(|(who, what, us)| Figure::plain(format!("{name}.{who}_{what}"), us, "us")),
    );
    Ok(figures)
}

fn rates(
    name: &str,
    echo: f64,
    ours: f64,
    theirs: Vec<f64>,
    rspamd: Option<&Rspamd>,
) -> Vec<Figure> {
    let unit = "answers/cpu_s";
    let share = Figure::plain(format!("{name}.of_echo"), ours / echo, "share").beside("bare echo");
    let mut figures = vec![
        Figure::plain(format!("{name}.echo"), echo, unit),
        Figure::plain(format!("{name}.tamis"), ours, unit),
        if name == "exact" { share.at_least(OF_ECHO) } else { share },
    ];
    if let Some(peer) = rspamd {
        let theirs = median(theirs);
        let times = if name == "exact" { 4.0 } else { 10.0 };
        figures.push(Figure::plain(format!("{name}.rspamd"), theirs, unit).beside(&peer.version));
        let ratio = Figure::plain(format!("{name}.over_rspamd"), ours / theirs, "times");
        figures.push(ratio.at_least(times).beside(&peer.version));
    }
    figures
}

type Time = (&'static str, &'static str, f64);

fn times(
    bench: &Bench,
    echo: &Echoed,
    tamis: &Tamis,
    rspamd: Option<&Rspamd>,
    language: Language,
    fuzzy: Language,
) -> Result<Vec<Time>> {
    let mut all = Vec::new();
    let mut take = |who, address, asking: &mut Asking, pace| -> Result<()> {
        let (_, seen) = rate(bench, address, asking, Pace::PerSecond(pace), || Ok(0.0))?;
        all.push((who, "p50", seen.times.quantile_us(0.5)));
        all.push((who, "p99", seen.times.quantile_us(0.99)));
        Ok(())
    };
    let mut asking = Asking::new(language, bench.texts.min(bench.exact), 7);
    tamis.prove(&mut asking)?;
    take("echo", echo.address, &mut asking.clone(), MODERATE)?;
    take("tamis", tamis.address, &mut asking, MODERATE)?;
    if let Some(peer) = rspamd {
        let mut asking = Asking::new(fuzzy, bench.texts.min(bench.exact), 7);
        take("rspamd", peer.address, &mut asking, MODERATE_FUZZY)?;
    }
    Ok(all)
}

/// Starts and teaches our server.
///
/// # Errors
/// It does not start, or refuses.
pub fn taught(bench: &Bench) -> Result<(Tamis, Vec<Figure>)> {
    let tamis = Tamis::start(Wanted {
        binary: &bench.binary,
        folder: &bench.folder,
        core: bench.server_core,
        sockets: 1,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        more: "",
    })?;
    tamis.teach(bench.exact, bench.texts)?;
    let resident = tamis.program.resident_bytes()? as f64 / f64::from(1 << 20);
    let figure = Figure::plain("memory.tamis", resident, "MiB");
    Ok((tamis, vec![figure]))
}

/// Starts and teaches rspamd, by its own WRITE command.
///
/// # Errors
/// It is not installed, does not start, or does not keep what it is taught.
pub fn taught_peer(bench: &Bench) -> Result<(Rspamd, Vec<Figure>)> {
    let peer = Rspamd::start(&bench.folder, bench.server_core)?;
    let mut wanted = peer.keys()?;
    for (language, count, keys_each) in
        [(Language::FuzzyTeachExact, bench.exact, 1), (Language::FuzzyTeachNear, bench.texts, 33)]
    {
        let mut asking = Asking::new(language, count, 0);
        let portion = FUZZY_KEYS_PORTION / keys_each;
        for first in (0..count).step_by(portion as usize) {
            let numbers = first..count.min(first + portion);
            wanted += (numbers.end - numbers.start) * keys_each;
            load::all(peer.address, &mut asking, numbers, FUZZY_UNDER_WAY)?;
            peer.wait_for_keys(wanted)?;
        }
    }
    let resident = peer.resident_bytes()? as f64 / f64::from(1 << 20);
    let figure = Figure::plain("memory.rspamd", resident, "MiB").beside(&peer.version);
    Ok((peer, vec![figure]))
}

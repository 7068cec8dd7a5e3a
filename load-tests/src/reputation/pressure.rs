//! More questions than can be answered, for long; and more sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::asking::{Asking, Language};
use super::load::{self, Pace};
use super::server::{Tamis, Wanted};
use super::{Bench, median, probe};
use crate::process::{local, on_core};
use crate::report::Figure;

/// Items of a question under overload: the most that fit, so that one core can ask three times what another can answer.
const ITEMS: usize = 64;
/// Overload, in capacities.
const TIMES: f64 = 3.0;
/// Questions a second of the genuine client.
const PROBES_PER_SECOND: f64 = 100.0;
/// Time until memory is at its level: every buffer was used once.
const WARM: Duration = Duration::from_secs(3);
/// Pause between two looks at the memory.
const LOOK: Duration = Duration::from_millis(500);
/// Sources when several sockets share a port: the kernel spreads sources, not datagrams.
const SOURCES: usize = 16;
/// A rate for several sockets.
const SPREAD: f64 = 400_000.0;

/// Three times what the server can answer, for long: memory, shares, and what a genuine client feels.
///
/// # Errors
/// A program does not start or answers nothing.
pub fn overload(bench: &Bench, tamis: &Tamis) -> Result<Vec<Figure>> {
    let mut asking = Asking::new(Language::Exact(ITEMS), bench.exact, 3);
    tamis.prove(&mut asking)?;
    let pace = Pace::PerSecond(f64::from(1 << 20));
    let time = Duration::from_secs(bench.seconds);
    let most =
        on_core(bench.client_core, || load::run(tamis.address, &mut asking, pace, 1, time))??;
    let capacity = most.answered as f64 / most.seconds;
    let time = Duration::from_secs(bench.overload_seconds);
    let is_over = AtomicBool::new(false);
    let (seen, felt, resident) = thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let pace = Pace::PerSecond(TIMES * capacity);
            let ask = || load::run(tamis.address, &mut asking, pace, 1, time);
            on_core(bench.client_core, ask).and_then(|seen| seen)
        });
        let felt = scope.spawn(|| probe::run(local(0), tamis.address, PROBES_PER_SECOND, time));
        let watched = scope.spawn(|| {
            let mut resident = Vec::new();
            thread::sleep(WARM);
            while !is_over.load(Ordering::Relaxed) {
                resident.push(tamis.program.resident_bytes()? as f64);
                thread::sleep(LOOK);
            }
            anyhow::Ok(resident)
        });
        let seen = asked.join().ok().context("the generator died")??;
        is_over.store(true, Ordering::Relaxed);
        let felt = felt.join().ok().context("the client died")??;
        anyhow::Ok((seen, felt, watched.join().ok().context("the watch died")??))
    })?;
    let (least, most) = resident
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), it| (least.min(*it), most.max(*it)));
    let offered = (seen.sent + seen.left_out) as f64;
    let figure = Figure::plain;
    Ok(vec![
        figure("overload.capacity", capacity, "questions/s of 64 items"),
        figure("overload.offered", seen.sent as f64 / seen.seconds / capacity, "capacities")
            .beside("3 wanted"),
        figure("overload.seconds", seen.seconds, "s"),
        figure("overload.left_out_by_generator", seen.left_out as f64 / offered, "share"),
        figure("overload.answered", seen.answered as f64, "questions"),
        figure("overload.shed", (seen.sent - seen.answered.min(seen.sent)) as f64, "questions"),
        figure("overload.resident", most / f64::from(1 << 20), "MiB"),
        figure("overload.resident_growth", (most - least) / least * 100.0, "%").at_most(2.0),
        figure("overload.probe_answered", felt.answered as f64 / felt.sent as f64, "share"),
        figure("overload.probe_p50", felt.times.quantile_us(0.5), "us"),
        figure("overload.probe_p99", felt.times.quantile_us(0.99), "us"),
    ])
}

/// One socket and two on one port: what an answer costs must not grow.
///
/// # Errors
/// A program does not start or answers nothing.
pub fn sockets(bench: &Bench) -> Result<Vec<Figure>> {
    let (mut costs, mut figures) = (Vec::new(), Vec::new());
    let start = |sockets| {
        let address = Ipv4Addr::LOCALHOST.into();
        let (binary, folder) = (&bench.binary, &bench.folder);
        let server =
            Tamis::start(Wanted { binary, folder, core: None, sockets, address, more: "" })?;
        server.teach(bench.exact.min(100_000), 0)?;
        anyhow::Ok((sockets, server))
    };
    let servers = [start(1)?, start(2)?];
    for (count, server) in &servers {
        let (mut cost, mut speed) = (Vec::new(), Vec::new());
        for round in 0..bench.rounds as u64 {
            let mut asking = Asking::new(Language::Exact(1), bench.exact.min(100_000), round);
            let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            load::prove(from, server.address, &mut asking)?;
            let before = server.program.cpu_seconds()?;
            let time = Duration::from_secs(bench.seconds);
            let pace = Pace::PerSecond(SPREAD);
            let seen = load::run(server.address, &mut asking, pace, SOURCES, time)?;
            cost.push((server.program.cpu_seconds()? - before) / seen.answered as f64 * 1e6);
            speed.push(seen.answered as f64 / seen.seconds);
        }
        costs.push(median(cost));
        let name = |what| format!("sockets.{count}.{what}");
        figures.push(Figure::plain(name("answers"), median(speed), "answers/s"));
        figures.push(Figure::plain(name("cpu"), costs[costs.len() - 1], "us/answer"));
    }
    let growth = Figure::plain("sockets.cpu_growth", costs[1] / costs[0], "times");
    figures.push(growth.at_most(1.1).beside("one socket"));
    Ok(figures)
}

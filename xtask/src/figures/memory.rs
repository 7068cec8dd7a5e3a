//! Resident memory: idle, and of an edge that holds many big mails.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::layout::Layout;
use super::sink::Sink;
use super::smtp::Client;
use super::{Binaries, Figure, Goal, mail};

/// How long a program that has just opened its ports is left alone.
const SETTLE: Duration = Duration::from_secs(1);
/// Mails at the same time.
const MAILS: usize = 50;
/// Bytes of each.
const MAIL_BYTES: usize = 10_000_000;
/// Idle edge.
const IDLE_KIB_MAX: f64 = 16_384.0;
/// Edge under the load.
const LOAD_KIB_MAX: f64 = 65_536.0;

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let kib = |name, value, limit: Option<f64>, anchor| {
        let goal = limit.map_or(Goal::None, Goal::AtMost);
        Figure::new(name, value, "KiB", goal, anchor)
    };
    let mut figures = vec![kib("memory.tamis_all_idle", idle_all(binaries)?, None, "issue:memory")];
    let sink = Sink::open()?;
    let layout = Layout::new(sink.port)?;
    let _scanner = layout.start(&binaries.tamis, Some("scanner"), layout.scanner)?;
    let edge = layout.start(&binaries.tamis_edge, None, layout.smtp)?;
    thread::sleep(SETTLE);
    let idle = edge.memory_kib("VmRSS")?;
    figures.push(kib("memory.tamis_edge_idle", idle, Some(IDLE_KIB_MAX), "DESIGN-7"));
    let taken = load(layout.smtp)?;
    let peak = edge.memory_kib("VmHWM")?;
    figures.push(kib("memory.tamis_edge_50x10MB", peak, Some(LOAD_KIB_MAX), "decision:0003"));
    let (name, goal) = ("memory.tamis_edge_50x10MB_taken", Goal::AtLeast(MAILS as f64));
    figures.push(Figure::new(name, taken as f64, "mails", goal, "decision:0003"));
    Ok(figures)
}

fn idle_all(binaries: &Binaries) -> Result<f64> {
    let sink = Sink::open()?;
    let layout = Layout::new(sink.port)?;
    let all = layout.start(&binaries.tamis, Some("all"), layout.smtp)?;
    thread::sleep(SETTLE);
    all.memory_kib("VmRSS")
}

/// Sends all mails at the same time, each another one; how many were taken.
fn load(port: u16) -> Result<usize> {
    let one = |number: u64| -> Result<u16> {
        Client::connect(port)?.send(|out| mail::with_attachment(out, number, number, MAIL_BYTES))
    };
    let codes: Vec<_> = thread::scope(|scope| {
        let senders: Vec<_> =
            (1..=MAILS as u64).map(|number| scope.spawn(move || one(number))).collect();
        senders.into_iter().map(|sender| sender.join()).collect()
    });
    let mut taken = 0;
    for code in codes {
        match code {
            Ok(Ok(250)) => taken += 1,
            Ok(Ok(code)) => eprintln!("figures: a big mail was answered {code}"),
            Ok(Err(error)) => eprintln!("figures: a big mail was not sent: {error:#}"),
            Err(_) => bail!("a sender panicked"),
        }
    }
    Ok(taken)
}

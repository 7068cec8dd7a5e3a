//! The table alone, without sockets: what one question, one report and one loaded signature cost, and how much memory; for
//! texts with their sketches, and for exact signatures in memory alone.
//!
//! Each size is measured in a process of its own, since memory that was freed does not go back to the system. Questions
//! are those of the `near` load: half of them resemble a listed text in 24 lanes, half nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{
    Authority, Change, Named, ReportTold, Rules, SKETCHED_MAX, Saved, Table,
};

use super::asking::{Asking, Language, QUESTION_BYTES_MAX, sketch, value};
use super::median;
use crate::process::resident_bytes;
use crate::report::Figure;

/// Texts of the two sizes that are always measured.
pub const SIZES: [u64; 2] = [20_000, 1_000_000];
/// Datagrams that the service takes at once.
const BATCH: usize = tamis_reputation::serve::BATCH_MAX;
/// Questions of one round.
const QUESTIONS: u64 = 400_000;
/// Goals: bytes of a text signature, of an exact one, signatures loaded a second.
pub(super) const BYTES_MAX: f64 = 150.0;
const EXACT_BYTES_MAX: f64 = 24.0;
pub(super) const LOADED_MIN: f64 = 0.5e6;
/// From this size on memory is promised: below, what is there anyway counts more than the texts.
const PROMISED_FROM: u64 = 200_000;
/// Growing tables are looked at so often from one doubling to the next.
const LOOKS: u64 = 8;

const NOW_UNIX_S: u32 = 1_800_000_000;

/// Both ways to a table of texts of each size, and one of as many exact signatures, each in a process of its own.
///
/// # Errors
/// The system's.
pub fn measure(sizes: &[u64], rounds: usize) -> Result<Vec<Figure>> {
    let mut all = Vec::new();
    for texts in sizes {
        for way in ["grown", "loaded", "exact"] {
            let mut command = Command::new(std::env::current_exe()?);
            let said = command
                .args(["table-of", way, &texts.to_string(), &rounds.to_string()])
                .output()?;
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            all.extend(text.lines().map(read).collect::<Result<Vec<_>>>()?);
        }
    }
    Ok(all)
}

/// One table, in this process: `name value unit` a line.
///
/// # Errors
/// The table refuses, or does not know what it was taught.
pub fn table_of(way: &str, texts: u64, rounds: usize) -> Result<()> {
    let before = resident_bytes(std::process::id())?;
    let say = |what: &str, value: f64| println!("table.{texts}.{way}.{what} {value}");
    let table = match way {
        "grown" | "exact" => {
            let change = if way == "exact" { exact } else { change };
            let (table, cost, worst) = grown(texts, before, change)?;
            say("insert_ns", cost);
            say("worst_bytes", worst);
            table
        }
        _ => {
            let (table, cost) = loaded(texts)?;
            say("load_ns", cost);
            table
        }
    };
    let resident = resident_bytes(std::process::id())? - before;
    say("bytes", resident as f64 / texts as f64);
    say("accounted_bytes", table.memory_bytes() as f64 / texts as f64);
    if way != "exact" {
        say("ask_ns", rounds_of(&table, texts, rounds)?);
    }
    Ok(())
}

fn read(line: &str) -> Result<Figure> {
    let (name, value) = line.split_once(' ').with_context(|| format!("no figure: {line}"))?;
    let value = value.parse::<f64>()?;
    let texts: u64 = name.split('.').nth(1).unwrap_or_default().parse()?;
    let plain = |unit| Figure::plain(name, value, unit);
    let bytes_max = if name.contains(".exact.") { EXACT_BYTES_MAX } else { BYTES_MAX };
    let figure = match name.rsplit('.').next() {
        Some("bytes" | "worst_bytes") if texts >= PROMISED_FROM => {
            plain("bytes/signature").at_most(bytes_max)
        }
        Some("bytes" | "worst_bytes" | "accounted_bytes") => plain("bytes/signature"),
        Some("load_ns") => plain("ns").at_most(1e9 / LOADED_MIN),
        _ => plain("ns"),
    };
    Ok(figure)
}

/// A table that took its signatures one report after the other, without room made ahead: nanoseconds for each, and the most
/// bytes a signature that were resident between the last doublings.
fn grown(texts: u64, before: u64, change: fn(u64) -> Change) -> Result<(Table, f64, f64)> {
    let mut table = Table::new(rules());
    let (mut worst, mut next_look, mut spent) = (0_f64, PROMISED_FROM.min(texts), Duration::ZERO);
    let mut changes = Vec::with_capacity(BATCH);
    for first in (0..texts).step_by(BATCH) {
        changes.clear();
        changes.extend((first..texts.min(first + BATCH as u64)).map(change));
        let began = Instant::now();
        for change in &changes {
            table.apply(change)?;
        }
        spent += began.elapsed();
        let count = table.len() as u64;
        if count >= next_look {
            let resident = resident_bytes(std::process::id())? - before;
            worst = worst.max(resident as f64 / count as f64);
            next_look = count + (count / LOOKS).min(texts.saturating_sub(count)).max(1);
        }
    }
    Ok((table, spent.as_nanos() as f64 / texts as f64, worst))
}

/// A table with room made ahead that took sorted histories, as from a snapshot: nanoseconds for each.
fn loaded(texts: u64) -> Result<(Table, f64)> {
    let mut table = Table::new(rules());
    table.reserve(0, usize::try_from(texts)?);
    let mut spent = Duration::ZERO;
    for first in (0..texts).step_by(256) {
        let some: Vec<_> =
            (first..texts.min(first + 256)).map(|number| saved(number, texts)).collect();
        let began = Instant::now();
        for saved in &some {
            table.load(saved)?;
        }
        spent += began.elapsed();
    }
    Ok((table, spent.as_nanos() as f64 / texts as f64))
}

/// Nanoseconds of a question, the median of so many rounds.
fn rounds_of(table: &Table, texts: u64, rounds: usize) -> Result<f64> {
    let mut costs = Vec::new();
    for round in 0..rounds as u64 {
        let asking = Asking::new(Language::Near, texts, round);
        let (mut spent, mut known) = (Duration::ZERO, 0);
        let mut items = Vec::with_capacity(BATCH);
        for first in (0..QUESTIONS).step_by(BATCH) {
            items.clear();
            items.extend((first..first + BATCH as u64).map(|number| item(&asking, number)));
            let began = Instant::now();
            for item in &items {
                known += u64::from(table.ask(item, NOW_UNIX_S).is_some());
            }
            spent += began.elapsed();
        }
        let share = known as f64 / QUESTIONS as f64;
        ensure!((0.4..0.6).contains(&share), "it knew {share} of the questions, not half");
        costs.push(spent.as_nanos() as f64 / QUESTIONS as f64);
    }
    Ok(median(costs))
}

fn rules() -> Rules {
    Rules { quorum_permille: 0, signatures_max: SKETCHED_MAX, seed: 7, ..Rules::default() }
}

/// What a datagram of the load asks for.
fn item(asking: &Asking, number: u64) -> Item {
    let mut datagram = [0; QUESTION_BYTES_MAX];
    asking.write(number, &mut datagram);
    let field = |from: usize| std::array::from_fn(|at| datagram[from + at]);
    let signature = Signature { kind: SignatureKind::Text, value: field(25) };
    let bytes: [u8; 64] = std::array::from_fn(|at| datagram[41 + at]);
    Item { signature, sketch: Some(Sketch::from_bytes(&bytes)) }
}

/// A text with its sketch.
fn change(number: u64) -> Change {
    report(number, SignatureKind::Text, Some(sketch(number)))
}

fn exact(number: u64) -> Change {
    report(number, SignatureKind::Part, None)
}

fn report(number: u64, kind: SignatureKind, sketch: Option<Sketch>) -> Change {
    Change::Add {
        signature: Signature { kind, value: value(number) },
        sketch,
        class: Class::Spam,
        weight: 75,
        reporter: "load".to_owned(),
        authority: Authority::Operator,
        at_unix_s: NOW_UNIX_S,
    }
}

/// Text `number` of so many as a snapshot has it: the values ascend with the numbers.
pub(super) fn saved(number: u64, texts: u64) -> Saved {
    let value = (u128::from(number) * (u128::MAX / u128::from(texts.max(1)))).to_be_bytes();
    let told = ReportTold {
        reporter: "load".to_owned(),
        class: Class::Spam,
        weight: 75,
        first_unix_s: NOW_UNIX_S,
        last_unix_s: NOW_UNIX_S,
        times: 1,
        authority: Authority::Operator,
        named: Named::Stored,
        is_contradicted: false,
    };
    Saved {
        signature: Signature { kind: SignatureKind::Text, value },
        sketch: Some(sketch(number)),
        reports: vec![told],
        changed_epoch: number + 1,
    }
}

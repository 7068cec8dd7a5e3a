//! How fast the thinking is, without sockets: `cargo test --release -p tamis-reputation-protocol --test rates --
//! --ignored --nocapture --test-threads 1 lookups`, and the same for `many_exact` and so on, one process each.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a measurement reads the clock"
)]

use std::net::SocketAddr;
use std::time::Instant;

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::answering::{Action, Answering, Limits, Rate};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::{Item, Question, Reply};
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

fn item(kind: SignatureKind, number: u64) -> Item {
    let mut random = Random(number << 8 | u64::from(kind.code()));
    let mut value = [0; 16];
    value[..8].copy_from_slice(&random.next().to_be_bytes());
    value[8..].copy_from_slice(&random.next().to_be_bytes());
    let text = kind == SignatureKind::Text;
    let sketch = text.then(|| Sketch(std::array::from_fn(|_| random.next() as u16)));
    Item { signature: Signature { kind, value }, sketch }
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    1024 * line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
}

fn add(kind: SignatureKind, number: u64) -> Change {
    let Item { signature, sketch } = item(kind, number);
    let (class, reporter) = (Class::Spam, "desk".to_owned());
    let (authority, at_unix_s) = (Authority::Operator, 1_800_000_000);
    Change::Add { signature, sketch, class, weight: 9, reporter, authority, at_unix_s }
}

/// A table of `count` signatures, with or without room made ahead, and what it cost.
fn table(kind: SignatureKind, count: u64, reserved: bool) -> Table {
    let resident = resident_bytes();
    let mut table = Table::new(Rules { seed: 5, signatures_max: usize::MAX, ..Rules::default() });
    if reserved {
        let (exact, sketched) = if kind.has_sketch() { (0, count) } else { (count, 0) };
        table.reserve(exact as usize, sketched as usize);
    }
    let began = Instant::now();
    let mut longest_us = 0;
    for number in 0..count {
        let change = add(kind, number);
        let one = Instant::now();
        table.apply(&change).unwrap();
        longest_us = longest_us.max(one.elapsed().as_micros());
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{count} {}{}: {:.0} adds/s (longest {longest_us} us), {:.1} B each by capacity, {:.1} B resident, {} evicted",
        kind.word(),
        if reserved { " reserved" } else { "" },
        count as f64 / seconds,
        table.memory_bytes() as f64 / count as f64,
        (resident_bytes() - resident) as f64 / count as f64,
        table.evicted()
    );
    table
}

fn rate(what: &str, rounds: u64, mut work: impl FnMut(u64) -> u64) {
    let began = Instant::now();
    let found: u64 = (0..rounds).map(&mut work).sum();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0}/s ({:.0} ns), {found} listed of {rounds}",
        rounds as f64 / seconds,
        seconds * 1e9 / rounds as f64
    );
}

/// Questions made ahead, each asked once.
fn ask(what: &str, table: &Table, made: impl Fn(u64) -> Item) {
    const QUESTIONS: u64 = 300_000;
    let items: Vec<_> = (0..QUESTIONS).map(made).collect();
    rate(what, QUESTIONS, |n| u64::from(table.ask(&items[n as usize], 1_800_000_000).is_some()));
}

/// A number below `count` without order.
fn any(n: u64, count: u64) -> u64 {
    Random(n).next() % count
}

fn exact(count: u64, reserved: bool) -> Table {
    let kind = SignatureKind::Part;
    let table = table(kind, count, reserved);
    ask("exact hit", &table, |n| item(kind, any(n, count)));
    ask("exact miss", &table, |n| item(kind, count + n));
    table
}

fn texts(count: u64, reserved: bool) -> Table {
    let kind = SignatureKind::Text;
    let table = table(kind, count, reserved);
    ask("text exact hit", &table, |n| item(kind, any(n, count)));
    ask("text miss", &table, |n| item(kind, count + n));
    ask("near text hit (20 of 32)", &table, |n| {
        let mut near = item(kind, any(n, count));
        near.signature.value = [1; 16];
        for lane in near.sketch.iter_mut().flat_map(|sketch| &mut sketch.0[..12]) {
            *lane = !*lane;
        }
        near
    });
    table
}

#[test]
#[ignore = "a measurement, not a test"]
fn lookups() {
    const COUNT: u64 = 1_000_000;
    let table = exact(COUNT, false);
    questions(&table, SignatureKind::Part, 1, COUNT);
    questions(&table, SignatureKind::Part, 10, COUNT);
    drop(table);
    let table = texts(COUNT, false);
    questions(&table, SignatureKind::Text, 1, COUNT);
}

/// `TAMIS_RATES_COUNT` says how many, 10 million by default; run one test at a time, since memory is that of the process.
fn many() -> u64 {
    std::env::var("TAMIS_RATES_COUNT").map_or(10_000_000, |count| count.parse().unwrap())
}

#[test]
#[ignore = "a measurement, not a test"]
fn many_exact() {
    exact(many(), false);
}

#[test]
#[ignore = "a measurement, not a test"]
fn many_exact_reserved() {
    exact(many(), true);
}

#[test]
#[ignore = "a measurement, not a test"]
fn many_texts() {
    texts(many(), false);
}

#[test]
#[ignore = "a measurement, not a test"]
fn many_texts_reserved() {
    texts(many(), true);
}

/// Whole datagrams, cookie and rate limit included.
fn questions(table: &Table, kind: SignatureKind, items: u64, count: u64) {
    let unlimited =
        Limits { answers: Rate { per_second: 2_000_000_000, burst: 1 }, ..Limits::default() };
    let now = Instant::now();
    let mut answering = Answering::new([1; 32], unlimited, now);
    let source = SocketAddr::from(([192, 0, 2, 1], 4000));
    let mut out = Vec::new();
    let of = |first: u64, cookie| {
        let items = (0..items).map(|n| item(kind, (first * 7919 + n) % (2 * count))).collect();
        Question { id: first, cookie, trace: None, is_sighting: false, items }.encode()
    };
    answering.handle(&of(0, 0), source, now, 0, &Known::table(table), &mut out);
    let Ok(Reply::Challenge(challenge)) = Reply::decode(&out) else { panic!("no challenge") };
    let datagrams: Vec<_> = (0..100_000).map(|n| of(n, challenge.cookie)).collect();
    rate(&format!("datagrams of {items} {}", kind.word()), 1_000_000, |n| {
        let datagram = &datagrams[n as usize % datagrams.len()];
        match answering.handle(datagram, source, Instant::now(), 0, &Known::table(table), &mut out)
        {
            Action::Answer(answered) => answered.listed().into(),
            other => panic!("{other:?}"),
        }
    });
}

//! How fast the thinking is, without sockets: `cargo test --release -p tamis-reputation-protocol --test rates -- --ignored --nocapture`.

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

fn table(kind: SignatureKind, count: u64) -> Table {
    let mut table = Table::new(Rules { seed: 5, signatures_max: 10_000_000, ..Rules::default() });
    let began = Instant::now();
    for number in 0..count {
        let Item { signature, sketch } = item(kind, number);
        let (class, reporter) = (Class::Spam, "desk".to_owned());
        let change = Change::Add {
            signature,
            sketch,
            class,
            weight: 9,
            reporter,
            authority: Authority::Operator,
            at_unix_s: 0,
        };
        table.apply(&change).unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{count} {}: {:.0} adds/s, {} B each, {} evicted",
        kind.word(),
        count as f64 / seconds,
        table.memory_bytes() as u64 / count,
        table.evicted()
    );
    table
}

fn rate(what: &str, rounds: u64, mut work: impl FnMut(u64) -> u64) {
    let began = Instant::now();
    let found: u64 = (0..rounds).map(&mut work).sum();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0}/s ({:.0} ns), {found} listed",
        rounds as f64 / seconds,
        seconds * 1e9 / rounds as f64
    );
}

#[test]
#[ignore = "a measurement, not a test"]
fn lookups() {
    const COUNT: u64 = 1_000_000;
    let exact = table(SignatureKind::Part, COUNT);
    let ask = |table: &Table, item: &Item| u64::from(table.ask(item, 0).is_some());
    rate("exact hit", 2_000_000, |n| ask(&exact, &item(SignatureKind::Part, n * 7919 % COUNT)));
    rate("exact miss", 2_000_000, |n| ask(&exact, &item(SignatureKind::Part, COUNT + n)));
    let texts = table(SignatureKind::Text, COUNT);
    rate("text miss", 500_000, |n| ask(&texts, &item(SignatureKind::Text, COUNT + n)));
    rate("near text hit (20 of 32)", 500_000, |n| {
        let mut near = item(SignatureKind::Text, n * 7919 % COUNT);
        near.signature.value = [1; 16];
        if let Some(sketch) = &mut near.sketch {
            sketch.0[..12].fill(0);
        }
        ask(&texts, &near)
    });
    questions(&exact, SignatureKind::Part, 1, COUNT);
    questions(&exact, SignatureKind::Part, 10, COUNT);
    questions(&texts, SignatureKind::Text, 1, COUNT);
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

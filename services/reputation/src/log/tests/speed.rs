//! Figures, for people: `cargo test --release -p tamis-reputation --lib -- --ignored --nocapture speed`.

use std::time::Instant;

use tempfile::tempdir;

use super::snapshots::{saved, write};
use super::*;
use crate::log::histories::Histories;

fn texts() -> u64 {
    std::env::var("TAMIS_TEXTS").ok().and_then(|texts| texts.parse().ok()).unwrap_or(1_000_000)
}

fn resident_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn look(histories: &Histories, count: u64) -> f64 {
    let began = Instant::now();
    for look in 0..1_000 {
        let saved = saved(look * 7_919 % count);
        let found = histories.history(SignatureKind::Text, &prefix(&saved.signature)).unwrap();
        assert!(found.is_some());
    }
    began.elapsed().as_secs_f64() * 1_000.0
}

#[test]
#[ignore = "takes a minute and a gigabyte; prints figures"]
fn a_large_snapshot_is_loaded_looked_up_and_merged() {
    let count = texts();
    let dir = tempdir().unwrap();
    let began = Instant::now();
    let bytes = write(dir.path(), count).bytes();
    let (mb, s) = (bytes / 1_000_000, began.elapsed().as_secs_f64());
    println!("{count} texts written: {mb} MB in {s:.1} s");
    let before_mb = resident_mb();
    let began = Instant::now();
    let (mut opened, mut table) = open(dir.path()).unwrap();
    let s = began.elapsed().as_secs_f64();
    let (rate, grown) = (count as f64 / s / 1e6, resident_mb() - before_mb);
    println!("loaded in {s:.1} s: {rate:.2} million/s, {grown} MB more resident");
    let us = look(&opened.log.histories(), count);
    println!("a history in the snapshot: {us:.1} microseconds");
    let changes: Vec<_> = (0..100_000).map(|n| add_of(n * 13 % (2 * count))).collect();
    let began = Instant::now();
    for group in changes.chunks(100) {
        commit(&mut opened.log, &mut table, group);
    }
    let s = began.elapsed().as_secs_f64();
    println!("100000 changes in 1000 synchronised commits: {s:.2} s");
    let began = Instant::now();
    let found = opened.log.histories().history(SignatureKind::Text, &prefix(&saved(5).signature));
    assert!(found.unwrap().is_some());
    let ms = began.elapsed().as_secs_f64() * 1_000.0;
    println!("a history with 100000 changes behind the snapshot: {ms:.1} ms");
    let began = Instant::now();
    compact(&mut opened.log, &table);
    let s = began.elapsed().as_secs_f64();
    println!("merged in {s:.1} s: {} MB", opened.log.bytes() / 1_000_000);
}

fn add_of(number: u64) -> Change {
    let saved = saved(number);
    Change::Add {
        signature: saved.signature,
        sketch: saved.sketch,
        class: Class::Spam,
        weight: 50,
        reporter: "edge/1".to_owned(),
        authority: Authority::Reporter,
        at_unix_s: 1_800_000_005,
    }
}

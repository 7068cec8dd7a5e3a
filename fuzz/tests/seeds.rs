//! Replays every seed of every target, and mutations of each, on the stable toolchain.
//!
//! A failure names target, seed and mutation. `TAMIS_FUZZ=dissect/nested.eml/17 cargo test -p tamis-fuzz` runs that one
//! alone (0 is the seed as it is), and writes its bytes to standard output in Rust's form; `dissect` or
//! `dissect/nested.eml` run all of it. With `TAMIS_FUZZ_MUTATIONS=100000` each seed gets so many.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "seeds/made.rs"]
mod made;
#[path = "seeds/mutate.rs"]
mod mutate;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tamis_fuzz::Target;

/// Mutations of each small seed: with them all targets together stay under ten seconds in a debug build.
const MUTATIONS: usize = 40;

/// Bytes of a small seed. A larger one has fewer mutations, so that each seed costs about the same.
const SMALL_BYTES: usize = 512;

/// Mutations of the largest seed.
const MUTATIONS_MIN: usize = 4;

/// One run takes milliseconds. So many seconds even on a busy machine mean that time grows faster than the input.
const RUN_TIME_MAX: Duration = Duration::from_secs(2);

/// Bytes of all seeds together: they are read by people, and copied with each checkout.
const SEEDS_BYTES_MAX: usize = 300 * 1024;

/// Seeds of one target, by file name.
type Seeds = BTreeMap<String, Vec<u8>>;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

fn seeds() -> BTreeMap<String, Seeds> {
    let mut all = BTreeMap::new();
    for target in fs::read_dir(folder()).unwrap().map(Result::unwrap) {
        let files = fs::read_dir(target.path()).unwrap().map(Result::unwrap);
        let seed = |file: fs::DirEntry| {
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
        };
        all.insert(target.file_name().into_string().unwrap(), files.map(seed).collect());
    }
    all
}

#[test]
fn every_target_has_seeds_and_every_seed_has_a_target() {
    let seeds = seeds();
    let folders: BTreeSet<&str> = seeds.keys().map(String::as_str).collect();
    let targets: BTreeSet<&str> = tamis_fuzz::all().iter().map(|target| target.name).collect();
    let unseeded: Vec<_> = targets.difference(&folders).collect();
    assert!(unseeded.is_empty(), "targets without seeds: {unseeded:?}");
    // Without the services their targets are not there, their seeds are.
    if cfg!(feature = "services") {
        let orphans: Vec<_> = folders.difference(&targets).collect();
        assert!(orphans.is_empty(), "seeds without a target: {orphans:?}");
    }
    for (name, files) in &seeds {
        assert!(files.len() >= 3, "{name} has {} seeds, several are wanted", files.len());
    }
    let bytes: usize = seeds.values().flat_map(BTreeMap::values).map(Vec::len).sum();
    assert!(bytes <= SEEDS_BYTES_MAX, "{bytes} bytes of seeds");
}

#[test]
fn every_target_has_a_fuzzer() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in tamis_fuzz::all() {
        let file = folder.join(format!("fuzz_targets/{}.rs", target.name));
        let text = fs::read_to_string(&file).unwrap_or_default();
        assert!(text.contains(&format!("targets::{}(", target.name)), "{}", file.display());
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
    }
}

/// `TAMIS_WRITE_SEEDS=1` writes them instead.
#[test]
fn seeds_of_packed_bytes_are_what_their_maker_makes() {
    let mut stale = Vec::new();
    for (target, name, bytes) in made::all() {
        let file = folder().join(target).join(&name);
        if std::env::var_os("TAMIS_WRITE_SEEDS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        if fs::read(&file).ok().as_deref() != Some(&bytes) {
            stale.push(format!("{target}/{name}"));
        }
    }
    assert!(stale.is_empty(), "not as made, write them anew: {stale:?}");
}

#[test]
fn every_decoder_survives_its_seeds_and_their_mutations() {
    let seeds = seeds();
    let only = std::env::var("TAMIS_FUZZ").ok();
    let jobs: Vec<Job> = tamis_fuzz::all()
        .into_iter()
        .filter_map(|target| seeds.get(target.name).map(|seeds| (target, seeds)))
        .flat_map(|(target, seeds)| {
            seeds.keys().map(move |name| Job { target, seeds, name: name.as_str() })
        })
        .collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let times = Mutex::new(BTreeMap::<&str, Duration>::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let failed = job.run(only.as_deref());
                    *times.lock().unwrap().entry(job.target.name).or_default() += began.elapsed();
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    println!("time of each target: {:#?}", times.into_inner().unwrap());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failed:\n  {}", failures.len(), failures.join("\n  "));
}

fn mutations(seed: &[u8]) -> usize {
    let wished = std::env::var("TAMIS_FUZZ_MUTATIONS").ok().and_then(|count| count.parse().ok());
    let usual = (MUTATIONS * SMALL_BYTES / seed.len().max(SMALL_BYTES)).max(MUTATIONS_MIN);
    wished.unwrap_or(usual)
}

/// One seed and its mutations.
struct Job<'a> {
    target: Target,
    seeds: &'a Seeds,
    name: &'a str,
}

impl Job<'_> {
    /// The first failure, named so that it can be run again.
    fn run(&self, only: Option<&str>) -> Option<String> {
        let seed = &self.seeds[self.name];
        for number in 0..=mutations(seed) {
            let place = format!("{}/{}/{number}", self.target.name, self.name);
            if only.is_some_and(|only| place != only && !place.starts_with(&format!("{only}/"))) {
                continue;
            }
            let others: Vec<&[u8]> = self.seeds.values().map(Vec::as_slice).collect();
            let input = match number {
                0 => seed.clone(),
                _ => mutate::mutation(seed, &others, &place),
            };
            if only == Some(&place) {
                println!("b\"{}\"", input.escape_ascii());
            }
            let began = Instant::now();
            if catch_unwind(AssertUnwindSafe(|| (self.target.run)(&input))).is_err() {
                return Some(format!("TAMIS_FUZZ={place}"));
            }
            let took = began.elapsed();
            if took > RUN_TIME_MAX {
                return Some(format!("TAMIS_FUZZ={place} took {took:?} for {} bytes", input.len()));
            }
        }
        None
    }
}

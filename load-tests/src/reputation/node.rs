//! One node with very many texts: how long it loads them, what they take, and how fast it answers meanwhile and while
//! reports come in. The snapshot is written by the service's own writer from made texts.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tamis_reputation::log::snapshot::Writer;

use super::asking::{Asking, Language, QUESTION_BYTES_MAX};
use super::probe::{self, Felt};
use super::server::{Tamis, Wanted};
use super::table::{BYTES_MAX, LOADED_MIN, saved};
use super::{Bench, writing};
use crate::process::{local, on_core};
use crate::report::Figure;

/// Texts of the promise.
pub const TEXTS: u64 = 50_000_000;
/// Seconds of writing of the promise.
pub const WRITING_SECONDS: u64 = 60;
/// Reports a second meanwhile.
const WRITES_PER_SECOND: u64 = 10_000;
/// Questions a second, one rate after the other.
const RATES: [f64; 2] = [1_000.0, 10_000.0];
/// From this many texts on the promises count: below, what is there anyway counts more than the texts.
const PROMISED_FROM: u64 = 200_000;
/// Longest load: a tenth of the promised speed.
const LOADED_MAX: Duration = Duration::from_secs(1_000);
/// Time for an answer at the start, and of the writer before the first question and after the last.
const GLANCE: Duration = Duration::from_millis(20);
const BESIDE: Duration = Duration::from_secs(1);
const TO_GIB: f64 = 1.0 / (1 << 30) as f64;

/// The state directory, gigabytes; gone with the value whatever happens.
struct State(PathBuf);

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the snapshot, starts the node, asks it and reports to it.
///
/// # Errors
/// It does not start, or does not know what it was given; the system's.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let texts = bench.node_texts;
    let name = |what: &str| format!("node.{texts}.{what}");
    let state = State(bench.folder.join("state"));
    let (wrote, bytes) = snapshot(&state.0, texts)?;
    let more = format!(
        "state_dir = {:?}\nsignatures_max = {}\n",
        state.0.display().to_string(),
        texts + (bench.writing_seconds + 2 * BESIDE.as_secs() + 1) * WRITES_PER_SECOND
    );
    let (tamis, loaded) = started(bench, &more)?;
    let resident = tamis.program.resident_bytes()? as f64;
    let promised = |figure: Figure, goal: fn(Figure) -> Figure| {
        if texts < PROMISED_FROM { figure } else { goal(figure) }
    };
    let per_second = Figure::plain(name("load_rate"), texts as f64 / loaded, "texts/s");
    let each = Figure::plain(name("resident_each"), resident / texts as f64, "bytes/text");
    let mut figures = vec![
        Figure::plain(name("snapshot"), bytes as f64 * TO_GIB, "GiB"),
        Figure::plain(name("snapshot_written"), wrote, "s"),
        Figure::plain(name("load"), loaded, "s").beside("start to first answer"),
        promised(per_second, |it| it.at_least(LOADED_MIN)),
        Figure::plain(name("resident"), resident * TO_GIB, "GiB"),
        promised(each, |it| it.at_most(BYTES_MAX)),
    ];
    // The load may use all cores; questions are then answered and reports taken by one, the clients have the other.
    if let Some(core) = bench.server_core {
        tamis.program.stay_on(core)?;
    }
    let time = Duration::from_secs(bench.seconds);
    for rate in RATES {
        let felt = asked(bench, &tamis, rate, time)?;
        figures.extend(shown(&name(&format!("quiet_{rate}")), &felt));
    }
    figures.extend(while_writing(bench, &tamis, &name)?);
    let after = tamis.program.resident_bytes()? as f64;
    let most = tamis.program.resident_bytes_max()? as f64;
    figures.push(Figure::plain(name("resident_after"), after * TO_GIB, "GiB"));
    figures.push(Figure::plain(name("resident_most"), most * TO_GIB, "GiB"));
    Ok(figures)
}

/// Seconds that the snapshot took, and its bytes.
fn snapshot(dir: &Path, texts: u64) -> Result<(f64, u64)> {
    fs::create_dir_all(dir)?;
    let began = Instant::now();
    let mut writer = Writer::begin(dir, texts, None)?;
    for number in 0..texts {
        writer.push(&saved(number, texts))?;
    }
    let snapshot = writer.finish(&[])?;
    Ok((began.elapsed().as_secs_f64(), snapshot.bytes()))
}

/// The node, and the seconds from its start to its first answer.
fn started(bench: &Bench, more: &str) -> Result<(Tamis, f64)> {
    let began = Instant::now();
    let mut tamis = Tamis::begin(Wanted {
        binary: &bench.binary,
        folder: &bench.folder,
        core: None,
        sockets: 1,
        address: Ipv4Addr::LOCALHOST.into(),
        more,
    })?;
    let socket = UdpSocket::bind(local(0))?;
    socket.connect(tamis.address)?;
    socket.set_read_timeout(Some(GLANCE))?;
    let mut question = [0; QUESTION_BYTES_MAX];
    let length = Asking::new(Language::Near, 1, 0).write(0, &mut question);
    tamis.program.wait_for(LOADED_MAX, || {
        // Before its socket is open the send fails, which is no answer either.
        let _ = socket.send(&question[..length]);
        socket.recv(&mut [0; QUESTION_BYTES_MAX]).is_ok()
    })?;
    Ok((tamis, began.elapsed().as_secs_f64()))
}

fn asked(bench: &Bench, tamis: &Tamis, rate: f64, time: Duration) -> Result<Felt> {
    let mut asking = Asking::new(Language::Near, bench.node_texts, rate as u64);
    tamis.prove(&mut asking)?;
    let ask = || probe::proved(asking, local(0), tamis.address, rate, time);
    let felt = on_core(bench.client_core, ask)??;
    let known = felt.known as f64 / felt.answered as f64;
    ensure!((0.4..0.6).contains(&known), "it knew {known} of the questions, not half");
    Ok(felt)
}

fn while_writing(
    bench: &Bench,
    tamis: &Tamis,
    name: &impl Fn(&str) -> String,
) -> Result<Vec<Figure>> {
    let time = Duration::from_secs(bench.writing_seconds);
    let writer =
        writing::begin(tamis.grpc, WRITES_PER_SECOND, time + 2 * BESIDE, bench.client_core)?;
    std::thread::sleep(BESIDE);
    let mut figures = Vec::new();
    for rate in RATES {
        let felt = asked(bench, tamis, rate, time / RATES.len() as u32)?;
        figures.extend(shown(&name(&format!("writing_{rate}")), &felt));
    }
    let written = writing::end(writer).context("while questions were asked")?;
    let [p50, p99] = written.times_ms;
    figures.push(Figure::plain(name("written"), written.per_second, "reports/s"));
    figures.push(Figure::plain(name("written_p50"), p50, "ms"));
    figures.push(Figure::plain(name("written_p99"), p99, "ms"));
    Ok(figures)
}

fn shown(name: &str, felt: &Felt) -> Vec<Figure> {
    let time = |what: &str, share| {
        Figure::plain(format!("{name}.{what}"), felt.times.quantile_us(share), "us")
    };
    let answered = felt.answered as f64 / felt.sent as f64;
    vec![
        Figure::plain(format!("{name}.answered"), answered, "share").at_least(0.99),
        time("p50", 0.5),
        time("p99", 0.99),
        time("p999", 0.999),
    ]
}

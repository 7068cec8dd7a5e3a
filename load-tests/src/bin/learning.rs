//! `cargo run --release -p tamis-load-tests --bin learning FOLDER OUT`: learning on-line, measured as in the spam track of
//! TREC with immediate feedback: each mail of FOLDER (`spam/` and `ham/`, numbers in the names give the order) is judged,
//! then learned with its true class. Writes `learning.md` and `learning.svg` into OUT.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tamis_domain::envelope::Envelope;
use tamis_learning::hashing::SiteKey;
use tamis_learning::knowledge::{Bounds, Class, MAILS_MAX, Scope};
use tamis_learning::record::{self, Lesson};
use tamis_learning::score::{self, Seen};
use tamis_learning::tokens::{self, Token};
use tamis_load_tests::process::resident_bytes;
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_message::header;
use tamis_message::reading::read_part;

/// The key of the run: another one collides elsewhere, and nothing else.
const KEY: SiteKey = SiteKey([7; 16]);

/// Points of the curve.
const CURVE_POINTS: usize = 25;

/// Points of the table.
const TENTHS: usize = 10;

/// Colours of the curves, in the order of the protocols.
const COLOURS: [&str; 4] = ["#06c", "#c30", "#393", "#888"];

/// Who is told what.
#[derive(Clone, Copy)]
struct Protocol {
    name: &'static str,
    /// Learned only where the score is on the wrong side, or nearer than this; none: always.
    margin: Option<f64>,
    bounds: Bounds,
}

struct Mail {
    name: [u8; 16],
    is_spam: bool,
    tokens: Arc<[Token]>,
}

struct Outcome {
    /// Score and truth, in the order of arrival.
    judged: Vec<(f64, bool)>,
    learned: usize,
    tokens: usize,
    file_bytes: usize,
    memory_bytes: u64,
    judging: Vec<Duration>,
    learning: Duration,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().context("usage: learning FOLDER OUT")?);
    let out = PathBuf::from(words.next().context("usage: learning FOLDER OUT")?);
    let (mails, reading, tokenising) = read(&folder)?;
    let wide = Bounds { mails_max: MAILS_MAX, ..Bounds::default() };
    let few = Bounds { mails_max: 5_000, ..wide };
    let protocols = [
        Protocol { name: "every mail", margin: None, bounds: wide },
        Protocol { name: "errors and near ones (margin 20)", margin: Some(20.0), bounds: wide },
        Protocol { name: "every mail, 5,000 remembered", margin: None, bounds: few },
        Protocol { name: "errors alone", margin: Some(0.0), bounds: wide },
    ];
    let spam = mails.iter().filter(|mail| mail.is_spam).count();
    let mut report = format!(
        "# Learning on-line\n\nWritten by `cargo run --release -p tamis-load-tests --bin learning`: {} mails ({spam} spam) in \
         the order of their arrival, each judged, then taught with its true class (immediate feedback, as in the spam track \
         of TREC). What is measured is what users taught alone, without any other sign. The way of making \
         tokens was chosen on these mails. Memory is what the process grew by, in the first row alone from nothing.\n\n\
         A mail has {:.0} tokens. Reading it takes {:.0} us, of which making tokens {:.0} us.\n\n",
        mails.len(),
        mails.iter().map(|mail| mail.tokens.len()).sum::<usize>() as f64 / mails.len() as f64,
        micros(reading, mails.len()),
        micros(tokenising, mails.len()),
    );
    report.push_str(
        "| taught | 1-AUC % | recall at 0.1 % FP | taught mails | tokens | file MB | memory of counts MB | bytes a token | \
         looking up and scoring, median us | 99th of 100, us | teaching us |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let done: Vec<(Protocol, Outcome)> = protocols
        .into_iter()
        .map(|protocol| Ok((protocol, run(&mails, protocol)?)))
        .collect::<Result<_>>()?;
    for (protocol, done) in &done {
        row(&mut report, protocol, done)?;
    }
    report.push_str("\n![1-AUC % so far over mails](learning.svg)\n");
    for (protocol, done) in &done {
        tenths(&mut report, protocol, done)?;
    }
    print!("{report}");
    std::fs::write(out.join("learning.md"), &report).context("learning.md")?;
    std::fs::write(out.join("learning.svg"), svg(&done)?).context("learning.svg")
}

fn row(report: &mut String, protocol: &Protocol, done: &Outcome) -> Result<()> {
    writeln!(
        report,
        "| {} | {:.4} | {:.2} % | {} | {} | {:.1} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} |",
        protocol.name,
        one_minus_auc(&done.judged),
        recall(&done.judged, 0.001),
        done.learned,
        done.tokens,
        done.file_bytes as f64 / 1e6,
        done.memory_bytes as f64 / 1e6,
        done.memory_bytes as f64 / done.tokens.max(1) as f64,
        micros(percentile(&done.judging, 0.5), 1),
        micros(percentile(&done.judging, 0.99), 1),
        micros(done.learning, done.learned),
    )?;
    Ok(())
}

/// 1-AUC % and recall of each tenth by itself.
fn tenths(report: &mut String, protocol: &Protocol, done: &Outcome) -> Result<()> {
    writeln!(
        report,
        "\n## {}: each tenth by itself\n\n| mails | 1-AUC % | recall at 0.1 % FP |\n|---|---|---|",
        protocol.name
    )?;
    let mut end = 0;
    for part in done.judged.chunks(done.judged.len().div_ceil(TENTHS)) {
        end += part.len();
        writeln!(
            report,
            "| to {end} | {:.4} | {:.1} % |",
            one_minus_auc(part),
            recall(part, 0.001)
        )?;
    }
    Ok(())
}

fn percentile(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or_default()
}

/// 1-AUC % of all mails so far, over their number; decades from 10 % down to 0.001 %.
fn svg(all: &[(Protocol, Outcome)]) -> Result<String> {
    let (width, height) = (560.0, 240.0);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"680\" height=\"380\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"680\" height=\"380\" fill=\"white\"/>\n<g transform=\"translate(70,30)\">\n\
         <text y=\"-10\">1-AUC % of all mails so far, over their number</text>\n\
         <path d=\"M0 0V240H560\" fill=\"none\" stroke=\"black\"/>\n",
    );
    for (decade, label) in ["10", "1", "0.1", "0.01", "0.001"].iter().enumerate() {
        let y = height / 4.0 * decade as f64;
        writeln!(
            svg,
            "<path d=\"M0 {y}H{width}\" stroke=\"#ddd\"/><text x=\"-50\" y=\"{}\">{label} %</text>",
            y + 4.0
        )?;
    }
    for (at, (protocol, done)) in all.iter().enumerate() {
        let count = done.judged.len();
        write!(
            svg,
            "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"{}\" points=\"",
            COLOURS[at % COLOURS.len()]
        )?;
        for point in 1..=CURVE_POINTS {
            let end = count * point / CURVE_POINTS;
            let percent = one_minus_auc(&done.judged[..end]).clamp(0.001, 10.0);
            let (x, y) =
                (width * end as f64 / count as f64, height / 4.0 * (1.0 - percent.log10()));
            write!(svg, "{x:.0},{y:.1} ")?;
        }
        let y = height + 40.0 + 18.0 * at as f64;
        writeln!(
            svg,
            "\"/>\n<text y=\"{y}\" fill=\"{}\">{}</text>",
            COLOURS[at % COLOURS.len()],
            protocol.name
        )?;
    }
    let count = all.first().map_or(0, |(_, done)| done.judged.len());
    writeln!(
        svg,
        "<text y=\"258\">0</text><text x=\"520\" y=\"258\">{count}</text>\n</g>\n</svg>"
    )?;
    Ok(svg)
}

fn micros(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

/// All mails in the order of their numbers, and the times that reading and tokens alone took.
fn read(folder: &Path) -> Result<(Vec<Mail>, Duration, Duration)> {
    let mut files = Vec::new();
    for (label, is_spam) in [("ham", false), ("spam", true)] {
        let folder = folder.join(label);
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let digits: String = name.chars().filter(char::is_ascii_digit).collect();
            files.push((digits.parse::<u64>().unwrap_or(0), is_spam, path));
        }
    }
    ensure!(!files.is_empty(), "no mails in {}", folder.display());
    files.sort();
    let (mut mails, mut reading, mut tokenising) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for (_, is_spam, path) in files {
        let bytes = std::fs::read(path)?;
        let began = Instant::now();
        let (name, tokens, of_tokens) = tokens_of(&bytes);
        reading += began.elapsed();
        tokenising += of_tokens;
        mails.push(Mail { name, is_spam, tokens: tokens.into() });
    }
    Ok((mails, reading, tokenising))
}

fn tokens_of(bytes: &[u8]) -> ([u8; 16], Vec<Token>, Duration) {
    let read = dissect(bytes);
    let header = header::read(&read.outline.header);
    let (mut parts, mut time) = (Vec::new(), Duration::ZERO);
    for (part, span) in read.outline.parts.iter().zip(&read.spans) {
        let Some(span) = span else { continue };
        let reading = read_part(part, &decode(span, span.of(bytes)));
        let began = Instant::now();
        parts.push(tokens::of_part(&KEY, part, &reading));
        time += began.elapsed();
    }
    let began = Instant::now();
    let envelope = Envelope::default();
    let parts = parts.iter().map(Vec::as_slice);
    let all = tokens::of_mail(&KEY, &envelope, &header, &read.outline, parts);
    let name = tokens::identity(&KEY, &read.outline);
    (name, all, time + began.elapsed())
}

fn run(mails: &[Mail], protocol: Protocol) -> Result<Outcome> {
    let before = resident_bytes(std::process::id())?;
    let mut scope = Scope::default();
    let (mut judged, mut learned) = (Vec::with_capacity(mails.len()), 0);
    let (mut judging, mut learning) = (Vec::with_capacity(mails.len()), Duration::ZERO);
    for mail in mails {
        let began = Instant::now();
        let counts = mail.tokens.iter().map(|token| scope.counts(*token)).collect();
        let value = score::score(&Seen { totals: scope.totals(), counts }, None).value;
        judging.push(began.elapsed());
        judged.push((value, mail.is_spam));
        let on_its_side = if mail.is_spam { value } else { -value };
        if protocol.margin.is_none_or(|margin| on_its_side <= margin) {
            let class = if mail.is_spam { Class::Spam } else { Class::Ham };
            let began = Instant::now();
            scope.learn(mail.name, class, &mail.tokens, &protocol.bounds);
            learning += began.elapsed();
            learned += 1;
        }
    }
    let memory_bytes = resident_bytes(std::process::id())?.saturating_sub(before);
    let mut file = Vec::new();
    for (name, class, tokens) in scope.mails() {
        let tokens = Arc::clone(tokens);
        Lesson { class: Some(class), name: *name, domain: String::new(), is_apart: false, tokens }
            .push(&mut file);
    }
    let file_bytes = file.len() + record::HEAD_BYTES;
    let tokens = scope.len();
    Ok(Outcome { judged, learned, tokens, file_bytes, memory_bytes, judging, learning })
}

/// The area above the ROC curve, in percent: how likely a ham scores above a spam; ties count half.
fn one_minus_auc(judged: &[(f64, bool)]) -> f64 {
    let mut sorted = judged.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut spam, mut ham, mut above) = (0.0, 0.0, 0.0);
    for same in sorted.chunk_by(|a, b| a.0 == b.0) {
        let of_spam = same.iter().filter(|(_, is_spam)| *is_spam).count() as f64;
        let of_ham = same.len() as f64 - of_spam;
        above += of_ham * (spam + of_spam / 2.0);
        spam += of_spam;
        ham += of_ham;
    }
    100.0 * above / f64::max(spam * ham, 1.0)
}

/// Spam above the score that this share of ham reaches, in percent.
fn recall(judged: &[(f64, bool)], false_positives: f64) -> f64 {
    let of = |wanted: bool| {
        judged.iter().filter(move |(_, is_spam)| *is_spam == wanted).map(|(score, _)| *score)
    };
    let mut ham: Vec<f64> = of(false).collect();
    ham.sort_by(|a, b| b.total_cmp(a));
    let allowed = (ham.len() as f64 * false_positives) as usize;
    let threshold = ham.get(allowed).copied().unwrap_or(f64::NEG_INFINITY);
    let caught = of(true).filter(|score| *score > threshold).count();
    100.0 * caught as f64 / of(true).count().max(1) as f64
}

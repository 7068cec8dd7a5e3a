//! `cargo run --release -p tamis-load-tests --bin learning FOLDER [REPORT]`: learning on-line, measured as in the spam track
//! of TREC: each mail of FOLDER (`spam/` and `ham/`, numbers in the names give the order) is judged, then learned with its
//! true class.

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
const CURVE_POINTS: usize = 10;

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
    judging: Duration,
    learning: Duration,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().context("usage: learning FOLDER [REPORT]")?);
    let (mails, reading, tokenising) = read(&folder)?;
    let wide = Bounds { mails_max: MAILS_MAX, ..Bounds::default() };
    let protocols = [
        Protocol { name: "every mail is taught", margin: None, bounds: wide },
        Protocol {
            name: "every mail, 5,000 remembered",
            margin: None,
            bounds: Bounds { mails_max: 5_000, ..wide },
        },
        Protocol { name: "errors and near ones (margin 20)", margin: Some(20.0), bounds: wide },
        Protocol { name: "errors alone", margin: Some(0.0), bounds: wide },
    ];
    let mut report = format!(
        "{} mails, {:.0} tokens a mail; reading {:.0} us a mail, of which tokens {:.0} us\n\n",
        mails.len(),
        mails.iter().map(|mail| mail.tokens.len()).sum::<usize>() as f64 / mails.len() as f64,
        micros(reading, mails.len()),
        micros(tokenising, mails.len()),
    );
    report.push_str("| taught | 1-AUC % | recall at 0.1 % FP | learned | tokens | file MB | memory MB | judging us | learning us |\n|---|---|---|---|---|---|---|---|---|\n");
    let mut curves = String::new();
    for protocol in protocols {
        let done = run(&mails, protocol)?;
        let (auc, recall) = (one_minus_auc(&done.judged), recall(&done.judged, 0.001));
        writeln!(
            report,
            "| {} | {auc:.4} | {recall:.2} % | {} | {} | {:.1} | {:.0} | {:.1} | {:.1} |",
            protocol.name,
            done.learned,
            done.tokens,
            done.file_bytes as f64 / 1e6,
            done.memory_bytes as f64 / 1e6,
            micros(done.judging, mails.len()),
            micros(done.learning, done.learned),
        )?;
        writeln!(curves, "\n{}: 1-AUC % and recall at 0.1 % FP of each tenth", protocol.name)?;
        for part in done.judged.chunks(done.judged.len().div_ceil(CURVE_POINTS)) {
            write!(curves, "  {:.4} ({:.1} %)", one_minus_auc(part), self::recall(part, 0.001))?;
        }
        curves.push('\n');
    }
    report.push_str(&curves);
    print!("{report}");
    if let Some(file) = words.next() {
        std::fs::write(&file, &report).with_context(|| file.clone())?;
    }
    Ok(())
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
    let (mut judging, mut learning) = (Duration::ZERO, Duration::ZERO);
    for mail in mails {
        let began = Instant::now();
        let counts = mail.tokens.iter().map(|token| scope.counts(*token)).collect();
        let value = score::score(&Seen { totals: scope.totals(), counts }, None).value;
        judging += began.elapsed();
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
    let mut file = Vec::new();
    for (name, class, tokens) in scope.mails() {
        let tokens = Arc::clone(tokens);
        Lesson { class: Some(class), name: *name, domain: String::new(), is_apart: false, tokens }
            .push(&mut file);
    }
    let memory_bytes = resident_bytes(std::process::id())?.saturating_sub(before);
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

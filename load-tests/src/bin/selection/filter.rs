//! What a scanner saves that holds a filter of all listed signatures: mails that need no datagram, bytes, time.
//!
//! Takes the folder of unpacked mails (`CORPUS/FILE`) and its index (`corpus,file,label,cluster,...` in order of
//! arrival). Listed are the first copy of each campaign of spam, and random texts and parts to make the set as large as
//! it would be; asked is every other mail. Nothing leaves this process.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tamis_bases::filter::{self, Filter};
use tamis_domain::dialogue::Offer;
use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_message::digesting::dissect;
use tamis_message::{content, reading::read_part};
use tamis_reputation_protocol::packet::Item;
use tamis_scanner::ask::questions::questions;
use tamis_scanner::ask::questions::room::choose;
use tamis_scanner::reading::facts;
use tamis_scanner::snapshot::Snapshot;

use crate::world::Random;

/// How large the listed set is, and the part of it that has a sketch.
const SETS: [(&str, usize, usize); 4] = [
    ("1 M parts", 1_000_000, 0),
    ("1 M texts", 0, 1_000_000),
    ("10 M parts", 10_000_000, 0),
    ("9 M parts, 1 M texts", 9_000_000, 1_000_000),
];

/// The largest set is made only when asked for: 170 million keys take 1.4 GB to sort.
const LARGE_SET: (&str, usize, usize) = ("10 M texts", 0, 10_000_000);

/// Mails longer than this are left out: what they ask is like that of the others.
const MAIL_BYTES_MAX: u64 = 1 << 20;

/// One mail of the corpus, as a scanner would ask about it.
struct Mail {
    label: &'static str,
    items: Vec<Item>,
    bytes: usize,
}

struct Corpus {
    /// First copies of campaigns.
    listed: Vec<Mail>,
    asked: Vec<Mail>,
}

/// Prints a table.
pub fn run(folder: &Path, index: &Path, with_large: bool) -> Result<()> {
    let corpus = read(folder, index)?;
    println!(
        "{} first copies of campaigns listed, {} other mails asked about",
        corpus.listed.len(),
        corpus.asked.len()
    );
    let items: usize = corpus.asked.iter().map(|mail| mail.items.len()).sum();
    println!(
        "{:.1} items and {:.0} B of question a mail\n",
        mean(items, &corpus),
        mean(corpus.asked.iter().map(|mail| mail.bytes).sum(), &corpus)
    );
    println!(
        "| listed | keys | filter MiB | B a signature | built s | label | mails | no datagram % | items asked % | ns a mail |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, parts, texts) in SETS.into_iter().chain(with_large.then_some(LARGE_SET)) {
        let signatures =
            parts + texts + corpus.listed.iter().map(|it| it.items.len()).sum::<usize>();
        let began = Instant::now();
        let filter = filter::build(keys(&corpus.listed, parts, texts))?;
        let built = began.elapsed();
        measure(name, &filter, signatures, built, &corpus.asked);
    }
    Ok(())
}

fn mean(sum: usize, corpus: &Corpus) -> f64 {
    sum as f64 / corpus.asked.len().max(1) as f64
}

fn keys(listed: &[Mail], parts: usize, texts: usize) -> Vec<u64> {
    let mut random = Random(7);
    let mut keys = Vec::with_capacity(parts + 17 * texts + 64 * listed.len());
    for item in listed.iter().flat_map(|mail| &mail.items) {
        let kind = item.signature.kind;
        keys.push(filter::exact_key(kind.code(), &item.signature.value));
        if let Some(sketch) = item.sketch.filter(|_| kind.has_sketch()) {
            keys.extend(filter::band_keys(kind.code(), &sketch.0));
        }
    }
    let mut value = || (u128::from(random.next()) << 64 | u128::from(random.next())).to_be_bytes();
    keys.extend((0..parts).map(|_| filter::exact_key(1, &value())));
    for _ in 0..texts {
        keys.push(filter::exact_key(2, &value()));
        let lanes: Vec<u16> = (0..4)
            .flat_map(|_| value())
            .collect::<Vec<u8>>()
            .chunks(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect();
        let lanes: [u16; 32] = std::array::from_fn(|lane| lanes[lane]);
        keys.extend(filter::band_keys(2, &lanes));
    }
    keys
}

#[derive(Default)]
struct Sum {
    mails: usize,
    spared: usize,
    items: usize,
    items_asked: usize,
}

fn measure(name: &str, filter: &Filter, signatures: usize, built: Duration, asked: &[Mail]) {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    let began = Instant::now();
    for mail in asked {
        let may_be = mail.items.iter().filter(|item| may_be_listed(filter, item)).count();
        let sum = sums.entry(mail.label).or_default();
        sum.mails += 1;
        sum.spared += usize::from(may_be == 0);
        sum.items += mail.items.len();
        sum.items_asked += may_be;
    }
    let ns = began.elapsed().as_nanos() as f64 / asked.len().max(1) as f64;
    let bytes = filter.memory_bytes() as f64;
    for (label, sum) in sums {
        let part = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
        println!(
            "| {name} | {} | {:.1} | {:.2} | {:.1} | {label} | {} | {:.2} | {:.2} | {ns:.0} |",
            filter.keys(),
            bytes / f64::from(1 << 20),
            bytes / signatures as f64,
            built.as_secs_f64(),
            sum.mails,
            part(sum.spared, sum.mails),
            part(sum.items_asked, sum.items),
        );
    }
}

/// As the scanner does.
fn may_be_listed(filter: &Filter, item: &Item) -> bool {
    let kind = item.signature.kind;
    let lanes = item.sketch.as_ref().filter(|_| kind.has_sketch()).map(|sketch| &sketch.0);
    filter.may_hold(kind.code(), &item.signature.value, lanes)
}

fn read(folder: &Path, index: &Path) -> Result<Corpus> {
    let index = std::fs::read_to_string(index).context("the index")?;
    let policy = tamis_domain::policy::Policy::default();
    let snapshot = Snapshot::load(policy, None)?;
    let mut seen = HashSet::new();
    let mut corpus = Corpus { listed: Vec::new(), asked: Vec::new() };
    for line in index.lines().skip(1) {
        let mut fields = line.split(',');
        let [Some(source), Some(file), Some(label), Some(cluster)] =
            [(); 4].map(|()| fields.next())
        else {
            continue;
        };
        // Archives bring a folder of their own name along.
        let unpacked = [folder.join(source), folder.join(source).join(source)];
        let Some(path) = unpacked.iter().map(|it| it.join(file)).find(|it| it.is_file()) else {
            continue;
        };
        let is_there = path.metadata().is_ok_and(|about| about.len() <= MAIL_BYTES_MAX);
        if !is_there {
            continue;
        }
        let mail = Mail { label: kind(label), ..ask(&std::fs::read(&path)?, &snapshot) };
        let is_first = label == "spam" && !cluster.is_empty() && seen.insert((source, cluster));
        if is_first { &mut corpus.listed } else { &mut corpus.asked }.push(mail);
    }
    Ok(corpus)
}

fn kind(label: &str) -> &'static str {
    match label {
        "ham" | "reduced_ham" => "ham",
        "spam" | "reduced_spam" => "spam",
        _ => "bounces",
    }
}

/// What a scanner would ask about this mail.
fn ask(mail: &[u8], snapshot: &Snapshot) -> Mail {
    let dissected = dissect(mail);
    let parts = dissected.outline.parts.iter().zip(&dissected.spans);
    let known = parts.map(|(part, span)| {
        let span = span.as_ref()?;
        let bytes = content::decode(span, span.of(mail));
        Some(Arc::new(facts(part, &read_part(part, &bytes), snapshot)))
    });
    let known: Vec<_> = known.collect();
    let offer = Offer {
        id: MailId([0; 16]),
        envelope: Envelope::default(),
        outline: dissected.outline,
        inline: Vec::new(),
        remaining: Duration::ZERO,
    };
    let chosen = choose(questions(&offer, &known), |_| true);
    let items: Vec<Item> = chosen.asked.iter().map(|asked| asked.item).collect();
    let bytes = items.iter().map(Item::wire_bytes).sum();
    Mail { label: "", items, bytes }
}

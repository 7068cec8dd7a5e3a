//! Whole verdicts: mail of the corpus through the rings of the scanner, offline, as it is shipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tamis_classifier::model::Model;
use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_domain::policy::Policy;
use tamis_domain::status::Status;
use tamis_domain::verdict::Verdict;
use tamis_message::content::decode;
use tamis_message::digesting::{dissect, part_digest};
use tamis_scanner::Scanner;
use tamis_scanner::config::Typed;
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;

use crate::corpus::{Corpus, Mail, Unpacked};
use crate::measure::Scored;

/// Threads that judge mails. The result does not depend on them.
const THREADS: usize = 2;

/// Time that a mail may take: nobody waits for it.
const REMAINING: Duration = Duration::from_secs(600);

/// The clock of a judgement. A mail from a file is held against its own trace, so no verdict depends on it.
const NOW_S: i64 = 1_790_000_000;

/// Where a verdict stands that a mark decided and not the score: above or below all scores.
pub const BEYOND: f32 = 1000.0;

/// What became of one mail.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its place among all: by score, save where a mark decided.
    pub scored: Scored,
    /// The status under the default thresholds.
    pub status: Status,
    /// Names and weights of what was found, each name once.
    pub found: Vec<(String, f32)>,
    /// Number of the mail's source.
    pub source: usize,
    /// Time for one mail from bytes to verdict.
    pub took: Duration,
}

/// Judges these mails of the corpus by a scanner with this model.
///
/// # Errors
/// When a mail is missing.
pub fn judge(
    unpacked: &Unpacked,
    corpus: &Corpus,
    mails: &[&Mail],
    model: Option<&Model>,
) -> Result<Vec<Told>> {
    let shares = shares(mails);
    let some = |mails: &[&Mail]| -> Result<Vec<Told>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let scanner = scanner(model.cloned())?;
            let mut told = Vec::with_capacity(mails.len());
            for mail in mails {
                let bytes = unpacked.mail(&corpus.sources[mail.source], &mail.file)?;
                let began = Instant::now();
                let verdict = verdict(&scanner, &bytes).await?;
                let took = began.elapsed();
                let scored = Scored {
                    score: place(&verdict),
                    is_spam: mail.is_spam,
                    share: shares.get(&mail.cluster).copied().unwrap_or(1.0),
                };
                let (status, source) = (verdict.status, mail.source);
                told.push(Told { scored, status, found: found(&verdict), source, took });
            }
            Ok(told)
        })
    };
    let chunk = mails.len().div_ceil(THREADS).max(1);
    let done: Vec<Result<Vec<Told>>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            mails.chunks(chunk).map(|mails| scope.spawn(|| some(mails))).collect();
        let ended = |_| bail!("a judging thread ended early");
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
    });
    let mut all = Vec::with_capacity(mails.len());
    for some in done {
        all.extend(some?);
    }
    Ok(all)
}

/// For each cluster, what one of its mails counts.
#[must_use]
pub fn shares(mails: &[&Mail]) -> HashMap<u32, f64> {
    let mut sizes: HashMap<u32, f64> = HashMap::new();
    for mail in mails {
        *sizes.entry(mail.cluster).or_default() += 1.0;
    }
    sizes.into_iter().map(|(cluster, size)| (cluster, 1.0 / size)).collect()
}

/// Where a verdict stands among others.
fn place(verdict: &Verdict) -> f32 {
    match verdict.status {
        Status::NotDetected | Status::ProbableSpam | Status::Spam => verdict.score,
        Status::Formal | Status::Trusted => verdict.score - BEYOND,
        _ => verdict.score + BEYOND,
    }
}

/// What was found, each name once with its heaviest weight, as it is weighed.
fn found(verdict: &Verdict) -> Vec<(String, f32)> {
    let mut found: Vec<(String, f32)> = Vec::new();
    for evidence in &verdict.evidence {
        match found.iter_mut().find(|(name, _)| *name == *evidence.name) {
            Some((_, weight)) if weight.abs() < evidence.weight.abs() => *weight = evidence.weight,
            Some(_) => {}
            None => found.push((evidence.name.to_string(), evidence.weight)),
        }
    }
    found
}

/// A scanner as shipped, offline: no reputation, no DNS, no Redis, and no memory of parts, so that each mail is judged whole
/// and the time says what that costs. Must be called inside a tokio runtime.
///
/// # Errors
/// When the defaults cannot be used: our own fault.
pub fn scanner(model: Option<Model>) -> Result<Arc<Scanner>> {
    let typed = Typed { memory_bytes_max: 0, ..Typed::default() };
    let mut config = typed.check().context("the defaults")?;
    config.far = None;
    config.reputation.clear();
    config.authentication = None;
    let snapshot = Snapshot::load(Policy::default(), None)?;
    let snapshot = match model {
        Some(model) => snapshot.with_model(model),
        None => snapshot,
    };
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    Ok(Arc::new(Scanner::new(&config, snapshot, metrics)))
}

/// Judges one mail.
///
/// # Errors
/// When an offer of ours contradicts itself: our own fault.
pub async fn verdict(scanner: &Scanner, mail: &[u8]) -> Result<Verdict> {
    scanner.judge(offer(mail), NOW_S).await.context("an offer of our own")
}

/// A mail with all its contents, as an edge would offer it; the envelope is what the mail's own trace tells.
#[must_use]
pub fn offer(mail: &[u8]) -> Offer {
    let dissected = dissect(mail);
    let content = |(span, part): (&Option<_>, u16)| {
        let span: &tamis_message::content::Span = span.as_ref()?;
        Some(Content { part, bytes: decode(span, span.of(mail)) })
    };
    let inline = dissected.spans.iter().zip(0_u16..).filter_map(content).collect();
    let envelope = Envelope::traced(&tamis_message::header::read(&dissected.outline.header));
    let mut id = [0; 16];
    id.copy_from_slice(&part_digest(mail).0[..16]);
    Offer { id: MailId(id), envelope, outline: dissected.outline, inline, remaining: REMAINING }
}

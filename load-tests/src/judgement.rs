//! Single mails through the scanner as `tamis check --offline` takes them, cold, on the processor's clock.

pub mod paths;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::{Door, Envelope};
use tamis_domain::policy::Policy;
use tamis_domain::status::Rung;
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_runtime::clock;
use tamis_scanner::Scanner;
use tamis_scanner::config::Typed;
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;

/// Time that a mail takes from which on it is taken for slow and judged again: another program may have emptied the
/// caches of the processor, but not each time.
const SLOW: Duration = Duration::from_millis(15);

/// How often a slow mail is judged; its least time counts.
const TIMES: usize = 4;

/// What one mail cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Its file.
    pub file: PathBuf,
    /// Processor time of all threads, from its bytes to its verdict.
    pub time: Duration,
    /// How far it was judged.
    pub rung: Rung,
}

/// A scanner that remembers nothing and asks nobody.
///
/// # Errors
/// What is wrong with the defaults.
pub fn scanner() -> Result<Scanner> {
    let typed = Typed { reputation: Vec::new(), memory_bytes_max: 0, ..Typed::default() };
    let mut config = typed.check().context("the defaults")?;
    config.authentication = None;
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    Ok(Scanner::new(&config, Snapshot::load(Policy::default(), None)?, metrics))
}

/// A mail as it would be offered with all its contents, by nobody in particular.
#[must_use]
pub fn offer(mail: &[u8]) -> Offer {
    let read = dissect(mail);
    let parts = (0_u16..).zip(&read.spans);
    let inline = parts.filter_map(|(part, span)| {
        let span = span.as_ref()?;
        Some(Content { part, bytes: decode(span, span.of(mail)) })
    });
    Offer {
        id: MailId([0; 16]),
        envelope: Envelope { door: Door::File, ..Envelope::default() },
        inline: inline.collect(),
        outline: read.outline,
        remaining: Duration::from_secs(600),
    }
}

/// Judges each file below the folders by itself; the slowest come first.
///
/// # Errors
/// The system's.
pub async fn costs(scanner: &Scanner, folders: &[PathBuf]) -> Result<Vec<Cost>> {
    let mut files = Vec::new();
    for folder in folders {
        walk(folder, &mut files)?;
    }
    files.sort();
    let mut costs = Vec::with_capacity(files.len());
    for file in files {
        let mail = std::fs::read(&file)?;
        let mut cost = cost(scanner, &mail, file).await?;
        for _ in 1..TIMES {
            if cost.time >= SLOW {
                cost.time = cost.time.min(self::cost(scanner, &mail, PathBuf::new()).await?.time);
            }
        }
        costs.push(cost);
    }
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.time));
    Ok(costs)
}

async fn cost(scanner: &Scanner, mail: &[u8], file: PathBuf) -> Result<Cost> {
    let began = processor()?;
    let now_s = i64::try_from(clock::unix_seconds())?;
    let rung = scanner.judge(offer(mail), now_s).await?.rung;
    Ok(Cost { file, time: processor()?.saturating_sub(began), rung })
}

/// Time that all threads of this process have had.
fn processor() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

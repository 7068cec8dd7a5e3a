//! What a judgement costs: cold mails, the slowest mail, text of attachments.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::corpus::{files, mails_per_cpu_second, unpacked};
use super::mail::Numbers;
use super::{Binaries, Figure, Goal, load_tests};

/// The archive of the cold mails: one server, spam and ham of one month.
const COLD: &str = "mail/trec07p-half.tar.xz";
/// Mails drawn from it, and the seed that draws them.
const COLD_MAILS: usize = 5000;
const COLD_SEED: u64 = 2007;
/// Mails for each second of processor time.
const COLD_MIN: f64 = 1500.0;

/// Every source of real mail.
const MAILS: [&str; 7] = [
    "mail/bounces-sisimai.tar.xz",
    "mail/enron-ham.tar.xz",
    "mail/foff.tar.xz",
    "mail/glitchy-spam.tar.xz",
    "mail/spamassassin.tar.xz",
    "mail/trec07p-half.tar.xz",
    "mail/vger-leak.tar.xz",
];
/// Files of other makers' tests: damaged and hostile mail, archives, documents, programs.
const VECTORS: [&str; 1] = ["vectors.tar.xz"];
/// Milliseconds of processor time that a mail may take.
const SLOWEST_MS_MAX: f64 = 50.0;

/// Formats of documents, as the figure is called and as its reader is.
const DOCUMENTS: [(&str, &str); 7] = [
    ("judgement.documents_rtf", "rtf"),
    ("judgement.documents_doc", "doc"),
    ("judgement.documents_docx", "docx"),
    ("judgement.documents_odt", "odt"),
    ("judgement.documents_xlsx", "xlsx"),
    ("judgement.documents_pdf", "pdf"),
    ("judgement.documents_ics", "ics"),
];
/// Megabytes of text for each second.
const DOCUMENTS_MIN: f64 = 10.0;

const ANCHOR: &str = "issue:judgement";

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let [judge, documents] = load_tests(["judge", "documents"], binaries.is_debug)?;
    let mut figures = Vec::new();
    figures.extend(cold(binaries)?);
    figures.extend(slowest(&judge, "judgement.slowest_mail", &MAILS)?);
    figures.extend(slowest(&judge, "judgement.slowest_vector", &VECTORS)?);
    figures.extend(text(&documents)?);
    Ok(figures)
}

/// One thread, and nothing that was found in one mail is remembered for the next.
fn cold(binaries: &Binaries) -> Result<Option<Figure>> {
    let name = "judgement.cold";
    let Some(folder) = unpacked(name, &[COLD])? else { return Ok(None) };
    let mut drawn = files(folder.path())?;
    let mut numbers = Numbers::new(COLD_SEED);
    while drawn.len() > COLD_MAILS {
        let at = numbers.next() as usize % drawn.len();
        drawn.swap_remove(at);
    }
    let nothing_kept = [("TAMIS_SCANNER__MEMORY_BYTES_MAX", "0")];
    let value = mails_per_cpu_second(binaries, &["--jobs", "1"], &nothing_kept, &drawn)?;
    let goal = Goal::AtLeast(COLD_MIN);
    Ok(Some(Figure::new(name, value, "mails/cpu_s", goal, "rspamd:150")))
}

/// The slowest mail of these archives; which file it is, is said beside.
fn slowest(judge: &Path, name: &'static str, archives: &[&str]) -> Result<Option<Figure>> {
    let Some(folder) = unpacked(name, archives)? else { return Ok(None) };
    let told = told(Command::new(judge).arg("slowest").arg(folder.path()))?;
    // The first line is a sum; each other begins with milliseconds and a rung.
    let slow: Vec<&str> = told.lines().skip(1).collect();
    for line in slow.iter().take(5) {
        eprintln!("figures: {name}: {}", line.replace(&folder.path().display().to_string(), ""));
    }
    let ms = slow.first().and_then(|line| line.split(' ').next()?.parse().ok());
    let value = ms.with_context(|| format!("no mail of {name}"))?;
    let goal = Goal::AtMost(SLOWEST_MS_MAX);
    Ok(Some(Figure::new(name, value, "ms", goal, ANCHOR)))
}

/// Megabytes of text that each reader of documents gives in a second.
fn text(documents: &Path) -> Result<Vec<Figure>> {
    let told = told(&mut Command::new(documents))?;
    let figure = |(name, reader): &(&'static str, &str)| {
        let line = told.lines().find(|line| line.split_whitespace().next() == Some(reader));
        let words = line.map(|line| line.split_whitespace().skip_while(|word| *word != "text"));
        let value = words.and_then(|mut words| words.nth(1)?.parse().ok());
        let value = value.with_context(|| format!("no measure of {reader}"))?;
        let goal = Goal::AtLeast(DOCUMENTS_MIN);
        Ok(Figure::new(*name, value, "MB/s", goal, ANCHOR))
    };
    DOCUMENTS.iter().map(figure).collect()
}

/// What a program of ours says.
fn told(command: &mut Command) -> Result<String> {
    let told = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !told.status.success() {
        bail!("{command:?}: {}", told.status);
    }
    Ok(String::from_utf8_lossy(&told.stdout).into_owned())
}

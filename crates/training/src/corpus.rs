//! The labelled mails as numbers of features.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tamis_classifier::bag::Bag;
use tamis_classifier::features::{
    judged, link_owners, read_header, read_links, read_relations, read_structure, read_text,
};
use tamis_domain::outline::{Outline, Part, PartKind};
use tamis_domain::reading::{HeaderReading, PartReading};
use tamis_message::content::{Span, decode};
use tamis_message::digesting::{Dissected, dissect};
use tamis_message::reading::read_part;

use crate::invented::{self, Phrases};

/// Threads that read mails. The result does not depend on them.
const THREADS: usize = 2;

/// One mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Number of its source in [`Corpus::sources`].
    pub source: usize,
    /// Whether people called it spam.
    pub is_spam: bool,
    /// Near-duplicates share one.
    pub cluster: u32,
    /// Its file, for the order of arrival.
    pub file: String,
    /// Year of its Date, 0 if unknown.
    pub year: u16,
    /// Positions in [`Corpus::features`], each with how often it was found; several readings count apart.
    pub found: Vec<(u32, u32)>,
}

/// All mails of a folder.
#[derive(Debug, Default)]
pub struct Corpus {
    /// Names of the archives.
    pub sources: Vec<String>,
    /// The features that occur, in the order they were first seen.
    pub features: Vec<u64>,
    /// In the order of the index. Automatic reports are left out: their structure tells them, not their words.
    pub mails: Vec<Mail>,
    /// Positions of features in `features`.
    numbers: HashMap<u64, u32>,
}

/// A line of the index.
struct Row {
    source: String,
    file: String,
    is_spam: bool,
    cluster: u32,
    year: u16,
}

/// Reads all mails of a folder of archives.
///
/// # Errors
/// When the archives are not there, `tar` is not, or a mail of the index is not.
pub fn read(folder: &Path, unpacked: &Unpacked) -> Result<Corpus> {
    let rows = rows(folder)?;
    let share = rows.len().div_ceil(THREADS).max(1);
    let features =
        |row: &Row| unpacked.mail(&row.source, &row.file).map(|bytes| features_of(&bytes));
    let found: Vec<Result<Vec<Counted>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = rows
            .chunks(share)
            .map(|rows| scope.spawn(|| rows.iter().map(features).collect()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a reading thread ended early")))
            .collect()
    });
    let found = found.into_iter().collect::<Result<Vec<_>>>()?;
    let mut corpus = Corpus::default();
    let first_cluster = rows.iter().map(|row| row.cluster + 1).max().unwrap_or_default();
    for (row, counted) in rows.into_iter().zip(found.into_iter().flatten()) {
        corpus.push(row, counted);
    }
    let phrases = Phrases::built_in();
    for number in 0..invented::COUNT {
        let (mail, is_spam) = invented::mail(&phrases, number);
        let cluster = first_cluster + number as u32;
        corpus.add(INVENTED, &format!("{number:05}"), is_spam, cluster, &mail);
    }
    Ok(corpus)
}

/// Name of the source that holds what was invented.
pub const INVENTED: &str = "invented";

/// Calls `take` with each mail of a folder of archives, in the order of the index.
///
/// # Errors
/// As [`read`].
pub fn with_mails(folder: &Path, mut take: impl FnMut(&[u8])) -> Result<()> {
    let unpacked = Unpacked::of(folder)?;
    for row in rows(folder)? {
        take(&unpacked.mail(&row.source, &row.file)?);
    }
    Ok(())
}

/// A temporary folder with the archives' mails, removed when dropped.
#[derive(Debug)]
pub struct Unpacked(PathBuf);

impl Unpacked {
    /// Unpacks the archives of a folder.
    ///
    /// # Errors
    /// When they are not there, or `tar` is not.
    pub fn of(folder: &Path) -> Result<Self> {
        let unpacked =
            Self(std::env::temp_dir().join(format!("tamis-train-{}", std::process::id())));
        std::fs::create_dir_all(&unpacked.0)?;
        for entry in std::fs::read_dir(folder).context("no corpus")? {
            let archive = entry?.path();
            if archive.to_string_lossy().ends_with(".tar.xz") {
                let mut tar = Command::new("tar");
                let status = tar.arg("-xJf").arg(&archive).arg("-C").arg(&unpacked.0).status();
                if !status.context("tar")?.success() {
                    bail!("tar could not unpack {}", archive.display());
                }
            }
        }
        Ok(unpacked)
    }

    /// The bytes of a mail.
    ///
    /// # Errors
    /// When it is not there.
    pub fn mail(&self, source: &str, file: &str) -> Result<Vec<u8>> {
        let path = self.0.join(source).join(file);
        std::fs::read(path).with_context(|| format!("a mail of {source} is missing"))
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

fn rows(folder: &Path) -> Result<Vec<Row>> {
    let index = std::fs::read_to_string(folder.join("index.csv")).context("index.csv")?;
    let mut rows = Vec::new();
    for line in index.lines().skip(1) {
        rows.extend(row(line)?);
    }
    Ok(rows)
}

/// Features of one mail, each with its count.
type Counted = Vec<(u64, u32)>;

impl Corpus {
    /// Adds a mail.
    pub fn add(&mut self, source: &str, file: &str, is_spam: bool, cluster: u32, mail: &[u8]) {
        let (source, file) = (source.to_owned(), file.to_owned());
        self.push(Row { source, file, is_spam, cluster, year: 0 }, features_of(mail));
    }

    fn push(&mut self, row: Row, counted: Counted) {
        let source = self.sources.iter().position(|source| *source == row.source);
        let source = source.unwrap_or_else(|| {
            self.sources.push(row.source.clone());
            self.sources.len() - 1
        });
        let (features, numbers) = (&mut self.features, &mut self.numbers);
        let mut number = |feature: u64| {
            *numbers.entry(feature).or_insert_with(|| {
                features.push(feature);
                (features.len() - 1) as u32
            })
        };
        let found = counted.into_iter().map(|(feature, count)| (number(feature), count)).collect();
        let Row { file, is_spam, cluster, year, .. } = row;
        self.mails.push(Mail { source, is_spam, cluster, file, year, found });
    }
}

/// `None` for a mail that is neither spam nor ham.
fn row(line: &str) -> Result<Option<Row>> {
    let fields = fields(line);
    let [source, file, label, cluster, year, ..] = fields.as_slice() else {
        bail!("the index has a line of {} fields", fields.len())
    };
    let is_spam = label.ends_with("spam");
    if !is_spam && !label.ends_with("ham") {
        return Ok(None);
    }
    Ok(Some(Row {
        source: source.clone(),
        file: file.clone(),
        is_spam,
        cluster: cluster.parse().context("a cluster is a number")?,
        year: year.parse().unwrap_or(0),
    }))
}

/// Fields of a line of comma-separated values; quotes keep commas together.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        if c == '"' {
            quoted = !quoted;
        } else if c == ',' && !quoted {
            fields.push(String::new());
        } else if let Some(last) = fields.last_mut() {
            last.push(c);
        }
    }
    fields
}

fn features_of(mail: &[u8]) -> Counted {
    Readings::of(mail).bags().into_iter().flat_map(Bag::counted).collect()
}

/// One mail, read as the scanner reads it.
#[derive(Debug)]
pub struct Readings {
    outline: Outline,
    header: HeaderReading,
    parts: Vec<Option<PartReading>>,
}

impl Readings {
    /// Reads a mail.
    #[must_use]
    pub fn of(mail: &[u8]) -> Self {
        let Dissected { outline, spans, .. } = dissect(mail);
        let read = |(part, span): (&Part, &Option<Span>)| {
            let is_read = matches!(part.kind, PartKind::Text | PartKind::Html);
            let span = span.as_ref().filter(|_| is_read)?;
            Some(read_part(part, &decode(span, span.of(mail))))
        };
        let parts = outline.parts.iter().zip(&spans).map(read).collect();
        let header = tamis_message::header::read(&outline.header);
        Self { outline, header, parts }
    }

    /// The features of the readings that count.
    #[must_use]
    pub fn bags(&self) -> Vec<Bag> {
        let visible = |number: usize| {
            let part = self.parts.get(number).and_then(Option::as_ref);
            part.and_then(|part| part.text.as_ref()).map_or(0, |text| text.visible.len())
        };
        let all_visible = (0..self.parts.len()).map(visible).sum();
        let mut bags = vec![read_header(&self.header), read_structure(&self.outline, all_visible)];
        let mut owners = Vec::new();
        for number in judged(&self.outline, visible) {
            let Some(part) = self.parts.get(number).and_then(Option::as_ref) else { continue };
            bags.extend(part.text.as_ref().map(read_text));
            bags.push(read_links(&part.links));
            owners.extend(link_owners(&part.links));
        }
        bags.push(read_relations(&self.header, owners.iter()));
        bags
    }
}

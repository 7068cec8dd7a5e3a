//! The mails beside the project, in the order of their arrival, read by our own reader.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tamis_domain::digest::{SignatureKind, Sketch};
use tamis_domain::outline::{Part, PartKind};
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_message::reading::read_part;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::Item;

/// Sources on which thresholds and limits were chosen; all others were held out.
pub const TUNED_ON: [&str; 2] = ["trec07p-half", "spamassassin"];

/// Bytes below which a part's exact name is not asked for: as the scanner does.
const NAMED_BYTES_MIN: u64 = 64;

/// One mail.
#[derive(Debug)]
pub struct Mail {
    /// Archive it came from.
    pub source: String,
    /// Whether people called it spam.
    pub is_spam: bool,
    /// Whether it is an automatic answer.
    pub is_bounce: bool,
    /// Near-duplicates share one.
    pub cluster: String,
    /// Everything the scanner would ask.
    pub items: Vec<Item>,
    /// Its texts as a person sees them.
    pub texts: Vec<String>,
    /// Bytes of its pictures and other files, of spam alone: what mutations begin with.
    pub files: Vec<Vec<u8>>,
    /// HTML sources, of spam alone.
    pub pages: Vec<String>,
}

impl Mail {
    /// Whether thresholds were chosen on its source.
    #[must_use]
    pub fn is_tuned_on(&self) -> bool {
        TUNED_ON.contains(&self.source.as_str())
    }
}

/// All mails, and how long our reader took.
#[derive(Debug)]
pub struct Corpus {
    /// In the order of the index.
    pub mails: Vec<Mail>,
    /// Time in our reader alone: mails taken apart, parts decoded and read.
    pub reading: Duration,
}

/// Unpacks the archives below `folder` into a temporary folder, reads all mails and removes it again.
///
/// # Errors
/// When the archives are not there, `tar` is not, or a mail of the index is not.
pub fn read(folder: &Path) -> Result<Corpus> {
    let unpacked = std::env::temp_dir().join(format!("tamis-near-{}", std::process::id()));
    std::fs::create_dir_all(&unpacked)?;
    let corpus = read_into(folder, &unpacked);
    std::fs::remove_dir_all(&unpacked)?;
    corpus
}

fn read_into(folder: &Path, unpacked: &Path) -> Result<Corpus> {
    for entry in std::fs::read_dir(folder).context("no corpus beside the project")? {
        let archive = entry?.path();
        if archive.to_string_lossy().ends_with(".tar.xz") {
            unpack(&archive, unpacked)?;
        }
    }
    let index = std::fs::read_to_string(folder.join("index.csv"))?;
    let mut corpus = Corpus { mails: Vec::new(), reading: Duration::ZERO };
    for line in index.lines().skip(1) {
        let fields = fields(line);
        let [source, file, label, cluster, ..] = fields.as_slice() else {
            bail!("the index has a line of {} fields", fields.len())
        };
        let bytes = std::fs::read(unpacked.join(source).join(file))
            .with_context(|| format!("a mail of {source} is missing"))?;
        let began = Instant::now();
        let mut mail = mail(&bytes, label.ends_with("spam"));
        corpus.reading += began.elapsed();
        mail.source.clone_from(source);
        mail.is_bounce = !label.ends_with("spam") && !label.ends_with("ham");
        mail.cluster.clone_from(cluster);
        corpus.mails.push(mail);
    }
    Ok(corpus)
}

fn unpack(archive: &Path, to: &Path) -> Result<()> {
    let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(to).status()?;
    if !status.success() {
        bail!("tar: {status}");
    }
    Ok(())
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

fn mail(bytes: &[u8], is_spam: bool) -> Mail {
    let mut mail = Mail {
        source: String::new(),
        is_spam,
        is_bounce: false,
        cluster: String::new(),
        items: Vec::new(),
        texts: Vec::new(),
        files: Vec::new(),
        pages: Vec::new(),
    };
    let read = dissect(bytes);
    for (part, span) in read.outline.parts.iter().zip(&read.spans) {
        if let Some(span) = span {
            take(&mut mail, part, &decode(span, span.of(bytes)));
        }
    }
    mail
}

/// What the scanner asks of one part (`questions.rs`), without the limits of a datagram.
fn take(mail: &mut Mail, part: &Part, content: &[u8]) {
    if matches!(part.kind, PartKind::HeaderBlock | PartKind::Report) {
        return;
    }
    let reading = read_part(part, content);
    let is_text = matches!(part.kind, PartKind::Text | PartKind::Html);
    if let Some(digest) = part.digest.filter(|_| part.size >= NAMED_BYTES_MIN) {
        mail.items.push(Item::exact(naming::part(&digest)));
        mail.items.extend(reading.names.iter().map(|name| {
            let material = name.material.unwrap_or(digest);
            let signature = match name.kind {
                SignatureKind::Text => naming::text(&material),
                SignatureKind::Html => naming::html(&material.0),
                SignatureKind::Image => naming::image(&material.0),
                _ => naming::attachment(&material),
            };
            Item { signature, sketch: name.sketch }
        }));
    }
    for link in tamis_checks::links::questions(&reading.links) {
        mail.items.push(Item::exact(naming::link(&link)));
    }
    if let Some(text) = reading.text.filter(|_| is_text) {
        mail.texts.push(text.visible);
        if part.kind == PartKind::Html && mail.is_spam {
            mail.pages.push(String::from_utf8_lossy(content).into_owned());
        }
    } else if mail.is_spam && !is_text {
        mail.files.push(content.to_vec());
    }
}

/// The sketches of one kind that a mail brings.
pub fn sketches(mail: &Mail, kind: SignatureKind) -> impl Iterator<Item = &Sketch> {
    let of_kind = mail.items.iter().filter(move |item| item.signature.kind == kind);
    of_kind.filter_map(|item| item.sketch.as_ref())
}

/// Where the mails are: `../shared/corpus/mail` beside the project.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/mail")
}

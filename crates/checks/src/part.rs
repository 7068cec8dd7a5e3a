//! Facts about one part's content: what the cache remembers under the part's digest.
//!
//! Only what the memory key covers may be looked at: content, kind, media type and charset. File names, headers and
//! the place in the mail are judged elsewhere, or the cache would answer for another mail's name.

use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::outline::{Part, PartKind};
use tamis_domain::reading::{PartFacts, PartReading};

use crate::bases::Bases;
use crate::{documents, formal, gtube, links, malware, page, phishing, text};

/// Weight of a program: rare in honest mail, yet software firms do send it.
const PROGRAM: f32 = 3.0;
/// Weight of a program declared as something harmless: nobody does that by accident.
const DISGUISED: f32 = 6.0;

/// Judges one part. Evidence carries no part number: the same facts hold wherever the bytes appear.
#[must_use]
pub fn judge(part: &Part, reading: &PartReading, bases: &Bases) -> PartFacts {
    let mut evidence = Vec::new();
    evidence.extend(malware::judge(part.size, reading, &bases.hashes));
    evidence.extend(program(part, &reading.head));
    if let Some(read) = &reading.text {
        evidence.extend(gtube::judge(read));
        if matches!(part.kind, PartKind::Text | PartKind::Html) {
            evidence.extend(text::judge(read));
            evidence.extend(phishing::told(read, &reading.links));
        } else if reading.document.is_some() {
            evidence.extend(text::judge_document(read));
        }
    }
    evidence.extend(page::judge(&reading.page));
    evidence.extend(links::judge(&reading.links));
    evidence.extend(documents::judge(reading));
    PartFacts {
        evidence,
        names: reading.names.clone(),
        links: links::questions(&reading.links),
        report: formal::report(part, reading),
        is_cut: reading.is_cut,
        ..PartFacts::default()
    }
}

/// Programs by their first bytes, whatever they are called.
fn program(part: &Part, head: &[u8]) -> Option<Evidence> {
    let what = [
        (&b"MZ"[..], "a Windows program"),
        (b"\x7fELF", "an ELF program"),
        (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
        (b"\xce\xfa\xed\xfe", "a Mach-O program"),
        (b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut"),
    ]
    .into_iter()
    .find_map(|(magic, what)| head.starts_with(magic).then_some(what))?;
    // "MZ" alone may begin a text; the header of a program has a NUL among its first bytes.
    if part.size < 64 || !head.contains(&0) {
        return None;
    }
    let harmless = part.kind != PartKind::Other
        || ["image/", "audio/", "video/", "text/", "application/pdf", "application/msword"]
            .iter()
            .any(|kind| part.media_type.starts_with(kind));
    if harmless {
        let detail = format!("{what}, declared as another type");
        return Some(
            Evidence::new("disguised_program", DISGUISED, Source::Attachment, detail)
                .marked(Mark::Suspicious),
        );
    }
    Some(Evidence::new("program", PROGRAM, Source::Attachment, what))
}

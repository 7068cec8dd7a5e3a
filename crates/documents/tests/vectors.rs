//! Every file of the vectors beside the project, and every attachment in its mails, is read within its allowance; what
//! well-known files hold is found. They are read in place and never quoted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tamis_documents::document::{Document, Format, read};
use tamis_documents::work::{Budget, Cut, DOCUMENT_WORK_MAX};
use tamis_testkit::corpus;

/// The archive, decompressed; `None` if the environment says that there is none.
fn archive() -> Option<PathBuf> {
    let archive = corpus::archive("vectors.tar.xz")?;
    Some(corpus::decompressed(&archive, Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

/// Name and content of each file, unpacked in memory (ustar: POSIX.1-1988; long names as GNU and PAX write them).
fn files(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let tar = fs::read(archive).unwrap();
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').trim().to_owned();
    let (mut files, mut long, mut at) = (Vec::new(), None, 0);
    while let Some(head) = tar.get(at..at + 512).filter(|head| head[0] != 0) {
        let size = usize::from_str_radix(&text(&head[124..135]), 8).unwrap();
        let content = &tar[at + 512..at + 512 + size];
        at += 512 + size.next_multiple_of(512);
        match head[156] {
            b'L' => long = Some(text(content)),
            b'x' => {
                let path = text(content)
                    .lines()
                    .find_map(|line| line.split_once(" path=").map(|(_, path)| path.to_owned()));
                long = path.or(long);
            }
            b'0' | 0 => {
                let name = long.take().unwrap_or_else(|| {
                    let name = text(&head[..100]);
                    let folder = text(&head[345..500]);
                    if folder.is_empty() { name } else { format!("{folder}/{name}") }
                });
                files.push((name, content.to_vec()));
            }
            _ => long = None,
        }
    }
    files
}

/// What is expected of a file by the end of its name.
type Expect = (&'static str, Format, fn(&Document) -> bool);

const KNOWN: [Expect; 30] = [
    ("oleobj/embedded-simple-2007.docx", Format::OfficeXml, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.xlsx", Format::OfficeXml, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.xlsb", Format::OfficeXml, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.pptx", Format::OfficeXml, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.odt", Format::OpenDocument, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.ods", Format::OpenDocument, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.odp", Format::OpenDocument, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.doc", Format::Compound, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.xls", Format::Compound, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("oleobj/embedded-simple-2007.ppt", Format::Compound, |it| {
        it.facts.has_embedded_files && it.text.len() > 50
    }),
    ("sample_with_external_link_to_doc.docx", Format::OfficeXml, |it| {
        it.facts.has_external_template
    }),
    ("sample_with_external_link_to_doc.pptx", Format::OfficeXml, |it| {
        it.facts.has_external_template
    }),
    ("msodde/dde-test.docx", Format::OfficeXml, |it| it.facts.has_dde && !it.facts.has_macros),
    ("msodde/dde-test.xlsx", Format::OfficeXml, |it| it.facts.has_dde && !it.facts.has_macros),
    ("msodde/harmless-clean.docx", Format::OfficeXml, |it| {
        !it.facts.has_dde && it.text.len() > 200
    }),
    ("msodde/harmless-clean.doc", Format::Compound, |it| !it.facts.has_dde && it.text.len() > 200),
    ("msodde/RTF-Spec-1.7.rtf", Format::Rtf, |it| {
        it.text.contains("Rich Text Format") && it.cuts == [Cut::Text]
    }),
    ("encrypted/encrypted.docx", Format::Compound, |it| {
        it.facts.is_encrypted && it.text.is_empty()
    }),
    ("encrypted/encrypted.doc", Format::Compound, |it| it.facts.is_encrypted && it.text.is_empty()),
    ("encrypted/encrypted.xls", Format::Compound, |it| it.facts.is_encrypted && it.text.is_empty()),
    ("encrypted/encrypted.ppt", Format::Compound, |it| it.facts.is_encrypted && it.text.is_empty()),
    ("eicar-word-macro-cmd-echo.docm", Format::OfficeXml, |it| it.facts.has_macros),
    ("eicar-excel-macro-cmd-echo.xls", Format::Compound, |it| it.facts.has_macros),
    ("eicar-powerpoint-action-macro-msgbox.ppt", Format::Compound, |it| it.facts.has_macros),
    ("eicar-adobe-acrobat-attachment.pdf", Format::Pdf, |it| {
        it.facts.has_javascript && it.facts.has_embedded_files
    }),
    ("eicar-adobe-acrobat-javascript-alert.pdf", Format::Pdf, |it| {
        it.facts.has_javascript && it.facts.has_auto_action
    }),
    ("excel4_sample_macro.xls", Format::Compound, |it| it.facts.has_macros),
    ("alaveteli-foi/psni.pdf", Format::Pdf, |it| {
        it.text.contains("Request Number:") && it.text.lines().count() > 40
    }),
    ("alaveteli-foi/tfl.pdf", Format::Pdf, |it| {
        it.text.contains("internal review") && it.links.len() == 1
    }),
    ("alaveteli-foi/ical-holidays.ics", Format::Calendar, |it| !it.text.is_empty()),
];

#[test]
fn every_file_ends_within_its_allowance_and_known_ones_say_what_they_hold() {
    let Some(archive) = archive() else {
        println!("skipped: no archive of vectors");
        return;
    };
    let files = files(&archive);
    assert!(files.len() > 5000, "{} files", files.len());
    let mut found: BTreeMap<&str, Document> = BTreeMap::new();
    for (name, content) in &files {
        let mut budget = Budget::default();
        let document = read(content, &mut budget);
        assert!(budget.spent() <= DOCUMENT_WORK_MAX, "{name}");
        found.extend(document.map(|document| (name.as_str(), document)));
    }
    println!("{} documents among {} files", found.len(), files.len());
    let mut missed = Vec::new();
    for (end, format, test) in KNOWN {
        let Some((name, document)) = found.iter().find(|(name, _)| name.ends_with(end)) else {
            missed.push(format!("{end}: not among the documents"));
            continue;
        };
        if document.format != format || !test(document) {
            let Document { text, links, facts, cuts, .. } = document;
            let (text, links) = (text.len(), links.len());
            missed.push(format!("{name}: {text} of text, {links} links, {facts:?} {cuts:?}"));
        }
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

#[test]
fn cut_short_anywhere_a_document_is_still_read_or_refused() {
    let Some(archive) = archive() else {
        println!("skipped: no archive of vectors");
        return;
    };
    for (name, content) in files(&archive) {
        let is_small = content.len() < 40_000;
        if !is_small || !tamis_documents::document::is_document(&content) {
            continue;
        }
        for cut in (1..8).map(|eighth| content.len() * eighth / 8) {
            let mut budget = Budget::default();
            let _ = read(&content[..cut], &mut budget);
            assert!(budget.spent() <= DOCUMENT_WORK_MAX, "{name} at {cut}");
        }
    }
}

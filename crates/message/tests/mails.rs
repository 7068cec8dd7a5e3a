//! Every mail of `corpus/`, read whole and in pieces, against the text beside it. `UPDATE_EXPECT=1` writes the texts anew.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files and clocks, and may fail aloud"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tamis_domain::outline::{Oddity, Part};
use tamis_domain::plan::HeaderEdit;
use tamis_message::content::{Span, decode};
use tamis_message::digesting::{Digesting, Dissected, dissect, part_digest};
use tamis_message::edit::{LineEnd, edited_header, separator};
use tamis_message::{header, reading};

/// SplitMix64: the same pieces in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) % limit as u64) as usize
    }
}

fn mails() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    let mut found = Vec::new();
    for folder in
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "eml") {
                let mail = fs::read(&path).unwrap();
                found.push((path, mail));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 35, "the corpus is not where it was: {} mails", found.len());
    found
}

fn raw<'a>(mail: &'a [u8], span: &Span) -> &'a [u8] {
    &mail[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()]
}

/// Content of each leaf, cut from the raw mail; must be what the outline names.
fn contents(mail: &[u8], read: &Dissected) -> Vec<Option<Vec<u8>>> {
    let parts = read.outline.parts.iter().zip(&read.spans);
    parts
        .map(|(part, span)| {
            assert_eq!(span.is_some(), part.kind.is_leaf());
            let content = decode(span.as_ref()?, raw(mail, span.as_ref()?));
            assert_eq!(part.digest, Some(part_digest(&content)), "{part:?}");
            assert_eq!(part.size, content.len() as u64, "{part:?}");
            Some(content)
        })
        .collect()
}

fn in_pieces(mail: &[u8], mut next: impl FnMut() -> usize) -> Dissected {
    let mut digesting = Digesting::new();
    let mut rest = mail;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(next().clamp(1, rest.len()));
        digesting.push(piece);
        rest = behind;
    }
    digesting.finish()
}

fn describe(mail: &[u8]) -> String {
    let read = dissect(mail);
    let outline = &read.outline;
    let head = header::read(&outline.header);
    let mut out = String::new();
    writeln!(
        out,
        "mail {} bytes, header {:?}, named {}",
        outline.size,
        read.header,
        outline.header_digest.unwrap()
    )
    .unwrap();
    writeln!(out, "from {:?} to {:?}", head.from, head.to).unwrap();
    writeln!(
        out,
        "subject {:?} date {:?} id {:?} return path {:?}",
        head.subject, head.date_s, head.message_id, head.return_path
    )
    .unwrap();
    head.received.iter().for_each(|relay| writeln!(out, "{relay:?}").unwrap());
    writeln!(out, "oddities {:?}", outline.oddities).unwrap();
    for (at, (part, content)) in outline.parts.iter().zip(contents(mail, &read)).enumerate() {
        describe_part(&mut out, at, part, content.as_deref());
    }
    out
}

fn describe_part(out: &mut String, at: usize, part: &Part, content: Option<&[u8]>) {
    let indent = "  ".repeat(usize::from(part.depth));
    let Part { kind, media_type, charset, encoding, disposition, file_name, size, .. } = part;
    writeln!(out, "{indent}{at}: {kind:?} {media_type} in {:?}, charset {charset:?}, {encoding:?}, {disposition:?}, file {file_name:?}", part.parent).unwrap();
    let Some(content) = content else { return };
    writeln!(out, "{indent}   {size} bytes, {}", part.digest.unwrap()).unwrap();
    let read = reading::read_part(part, content);
    if let Some(text) = &read.text {
        writeln!(
            out,
            "{indent}   visible {:?}",
            text.visible.chars().take(300).collect::<String>()
        )
        .unwrap();
        let differs = text.folded != text.visible.to_lowercase();
        if differs {
            writeln!(
                out,
                "{indent}   folded {:?}",
                text.folded.chars().take(300).collect::<String>()
            )
            .unwrap();
        }
        writeln!(
            out,
            "{indent}   hidden {}, invisible {}, homoglyphs {}, broken charset {}",
            text.hidden_chars, text.invisible_chars, text.homoglyphs, text.broken_charset
        )
        .unwrap();
    }
    read.links.iter().for_each(|link| writeln!(out, "{indent}   {link:?}").unwrap());
    if let Some(sketch) = read.sketch(tamis_domain::digest::SignatureKind::Text) {
        writeln!(out, "{indent}   {sketch:?}").unwrap();
    }
    if let Some(found) = tamis_message::magic::file_type(content) {
        writeln!(out, "{indent}   a file of type {found:?}").unwrap();
    }
}

#[test]
fn every_mail_is_read_as_written_beside_it() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for (path, mail) in mails() {
        let beside = path.with_extension("expect");
        let found = describe(&mail);
        if update {
            fs::write(&beside, &found).unwrap();
        } else if fs::read_to_string(&beside).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} mails are read differently:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn pieces_of_any_size_give_the_same_outline() {
    for (path, mail) in mails() {
        let whole = dissect(&mail);
        assert_eq!(in_pieces(&mail, || 1), whole, "{} byte by byte", path.display());
        for seed in 0..20 {
            let mut random = Random(seed);
            let read = in_pieces(&mail, || 1 + random.below(97));
            assert_eq!(read, whole, "{} in pieces, seed {seed}", path.display());
        }
    }
}

#[test]
fn lf_and_crlf_renderings_have_the_same_names() {
    for (path, mail) in mails().into_iter().filter(|(_, mail)| !mail.contains(&b'\r')) {
        let crlf = String::from_utf8_lossy(&mail).replace('\n', "\r\n");
        // Lossy text would change bytes that are no UTF-8: those mails are turned byte by byte instead.
        let crlf = if String::from_utf8(mail.clone()).is_ok() {
            crlf.into_bytes()
        } else {
            mail.iter()
                .flat_map(|&byte| if byte == b'\n' { vec![b'\r', b'\n'] } else { vec![byte] })
                .collect()
        };
        let (lf, crlf_read) = (dissect(&mail), dissect(&crlf));
        contents(&crlf, &crlf_read);
        assert_eq!(lf.outline.parts, crlf_read.outline.parts, "{}", path.display());
        assert_eq!(lf.outline.header_digest, crlf_read.outline.header_digest, "{}", path.display());
        assert_eq!(lf.outline.oddities, crlf_read.outline.oddities, "{}", path.display());
    }
}

#[test]
fn adapters_do_not_change_names() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/adapters").join(name);
        dissect(&fs::read(path).unwrap()).outline
    };
    let (mbox, exim) = (read("mbox.eml"), read("exim.eml"));
    assert_eq!(mbox.header_digest, exim.header_digest);
    assert_eq!(mbox.parts, exim.parts);
    assert_eq!(mbox.header, exim.header);
}

#[test]
fn edits_leave_the_parts_and_their_names_alone() {
    let edits = [
        HeaderEdit::RemoveAll { name: "X-Tamis-Status".into() },
        HeaderEdit::Add { name: "X-Tamis-Status".into(), value: "spam".into() },
        HeaderEdit::PrefixSubject { tag: "[SPAM]".into() },
    ];
    for (path, mail) in mails() {
        let read = dissect(&mail);
        let range =
            usize::try_from(read.header.start).unwrap()..usize::try_from(read.header.end).unwrap();
        let edit = |mail: &[u8], range: std::ops::Range<usize>| {
            let line_end = LineEnd::of(mail);
            let header = edited_header(&mail[range.clone()], &edits, line_end);
            let behind = &mail[range.end..];
            let length = header.len();
            (
                [&mail[..range.start], &header, separator(behind, line_end), behind].concat(),
                range.start + length,
            )
        };
        let (edited, end) = edit(&mail, range.clone());
        let again = dissect(&edited);
        // Where a header was in doubt, ours ends it: then nobody reads otherwise any more.
        let others = read.outline.oddities.iter().find(|(it, _)| *it == Oddity::OtherReading);
        let others = others.map_or(0, |(_, count)| *count as usize);
        let usual = &read.outline.parts[..read.outline.parts.len() - others];
        assert!(again.outline.parts.starts_with(usual), "{}", path.display());
        let head = header::read(&again.outline.header);
        assert_eq!(head.value("x-tamis-status"), Some("spam"), "{}", path.display());
        assert!(head.subject.starts_with("[SPAM]"), "{}: {}", path.display(), head.subject);
        let (twice, _) = edit(&edited, range.start..end);
        assert_eq!(twice, edited, "{}: the same edits twice", path.display());
    }
}

/// Changes some bytes of a mail: flips, cuts, repeats, swaps in markup from another.
fn mutate(random: &mut Random, mail: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = mail.to_vec();
    for _ in 0..1 + random.below(8) {
        if out.is_empty() {
            break;
        }
        let at = random.below(out.len());
        let length = random.below(60).min(out.len() - at);
        match random.below(6) {
            0 => {
                out[at] =
                    [b'\n', b'\r', b'-', b'=', b':', b' ', 0, 0xe9, b'<', b'"'][random.below(10)]
            }
            1 => drop(out.drain(at..at + length)),
            2 => {
                let piece = out[at..at + length].to_vec();
                out.splice(at..at, piece);
            }
            3 if !other.is_empty() => {
                let from = random.below(other.len());
                let piece = other[from..(from + 80).min(other.len())].to_vec();
                out.splice(at..at, piece);
            }
            4 => out.truncate(at),
            _ => {
                let token: &[u8] = [
                    &b"\n\n"[..],
                    b"\r\n\r\n",
                    b"--x\n",
                    b"\n--x--\n",
                    b"message/rfc822",
                    b"multipart/mixed; boundary=x",
                    b"base64",
                    b"=?utf-8?B?",
                    b"<a href=",
                    b"(((",
                    b"From ",
                ][random.below(11)];
                out.splice(at..at, token.iter().copied());
            }
        }
    }
    out
}

#[test]
fn hostile_mutations_never_panic_and_always_name_what_they_deliver() {
    let mails = mails();
    let mut random = Random(2026);
    for round in 0..2000 {
        let (mail, other) =
            (&mails[random.below(mails.len())].1, &mails[random.below(mails.len())].1);
        let mutant = mutate(&mut random, mail, other);
        let whole = dissect(&mutant);
        let pieces = in_pieces(&mutant, || 1 + random.below(31));
        assert_eq!(pieces, whole, "round {round}: {:?}", String::from_utf8_lossy(&mutant));
        let fields = header::read(&whole.outline.header).fields.len();
        assert!(fields <= whole.outline.header.len());
        for (part, content) in whole.outline.parts.iter().zip(contents(&mutant, &whole)) {
            assert!(
                part.parent.is_none_or(|parent| usize::from(parent) < whole.outline.parts.len())
            );
            if let Some(content) = content {
                assert_eq!(reading::read_part(part, &content).digest, part.digest);
            }
        }
    }
}

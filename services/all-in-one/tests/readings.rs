//! What one mail program sees and another does not is looked at, whichever of them the reader has.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// The EICAR test file, put together here so that no scanner quarantines this file.
fn eicar() -> String {
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

/// base64 on one line (RFC 4648 section 4).
fn encoded(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let at = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..=three.len() {
            let value = bits >> (18 - 6 * place) & 63;
            out.push(char::from(alphabet[usize::try_from(value).unwrap()]));
        }
        out.push_str(&"=".repeat(3 - three.len()));
    }
    out
}

/// uuencode of at most 45 bytes a line (POSIX `uuencode`).
fn uuencoded(bytes: &[u8]) -> String {
    let letter = |value: u8| char::from(if value == 0 { b'`' } else { value + 32 });
    let mut out = String::from("begin 644 a.com\n");
    for line in bytes.chunks(45) {
        out.push(letter(u8::try_from(line.len()).unwrap()));
        for three in line.chunks(3) {
            let at = |at: usize| three.get(at).copied().unwrap_or(0);
            out.push(letter(at(0) >> 2));
            out.push(letter((at(0) << 4 | at(1) >> 4) & 63));
            out.push(letter((at(1) << 2 | at(2) >> 6) & 63));
            out.push(letter(at(2) & 63));
        }
        out.push('\n');
    }
    write!(out, "`\nend\n").unwrap();
    out
}

/// A mail with these fields of MIME and this body.
fn mail(fields: &str, body: &str) -> String {
    let head = "From: a@example.org\nTo: b@example.com\nSubject: oars\nMIME-Version: 1.0\n\
                Date: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <r@example.org>\n";
    format!("{head}{fields}\n{body}")
}

/// A part that is the test file, between delimiters of `boundary`.
fn part(boundary: &str) -> String {
    let file = "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64";
    format!("--{boundary}\n{file}\n\n{}\n--{boundary}--\n", encoded(eicar().as_bytes()))
}

/// A text part whose boundary is `shown` to some and `hidden` to others.
fn split(fields: &str, shown: &str, hidden: &str) -> String {
    mail(fields, &format!("--{shown}\n\nwords\n{}\n--{shown}--\n", part(hidden)))
}

/// Each trick by its name.
fn tricks() -> Vec<(&'static str, String)> {
    let file = eicar();
    let base = encoded(file.as_bytes());
    let mixed = "Content-Type: multipart/mixed; boundary";
    let identity = "Content-Transfer-Encoding: 7bit\n";
    let base64 = "Content-Transfer-Encoding: base64\n";
    let binary = "Content-Type: application/octet-stream\n";
    let mut all = vec![
        ("no trick at all", mail(&format!("{mixed}=b\n"), &part("b"))),
        ("a second type", split(&format!("Content-Type: text/plain\n{mixed}=b\n"), "x", "b")),
        ("a second boundary", split(&format!("{mixed}=a\n{mixed}=b\n"), "a", "b")),
        ("a second boundary in one field", split(&format!("{mixed}=a; boundary=b\n"), "a", "b")),
        ("a boundary in pieces", split(&format!("{mixed}=a; boundary*0=b\n"), "a", "b")),
        ("a boundary in quotes", mail(&format!("{mixed}=\"b b\"\n"), &part("b b"))),
        ("a boundary and a comment", mail(&format!("{mixed}=b (c)\n"), &part("b"))),
        ("a boundary that never closes its quote", mail(&format!("{mixed}=\"b\n"), &part("b"))),
        ("a delimiter with more behind it", split(&format!("{mixed}=a\n"), "a", "a more")),
        ("an end before the end", mail(&format!("{mixed}=b\n"), &format!("--b--\n{}", part("b")))),
        ("no boundary", mail("Content-Type: multipart/mixed\n", &part("b"))),
        ("a type that is none", mail("Content-Type: multipart mixed; boundary=b\n", &part("b"))),
        ("a broken line in the header", mail(&format!("no field\n{mixed}=b\n"), &part("b"))),
        ("a lone return in the header", mail(&format!("X-A: b\r{mixed}=b\n"), &part("b"))),
        ("lone returns", mail(&format!("{mixed}=b\n"), &part("b").replace('\n', "\r"))),
        ("a NUL in the header", mail(&format!("{}=b\n", mixed.replace("-T", "-\0T")), &part("b"))),
        ("a second encoding", mail(&format!("{binary}{identity}{base64}"), &base)),
        ("the other way round", mail(&format!("{binary}{base64}{identity}"), &file)),
        (
            "an unknown encoding",
            mail(&format!("{binary}Content-Transfer-Encoding: x-base64\n"), &base),
        ),
        (
            "a blank before the colon",
            mail(&format!("{binary}{}", base64.replace(':', " :")), &file),
        ),
        (
            "an encoded multipart",
            mail(&format!("{mixed}=b\n{base64}"), &encoded(part("b").as_bytes())),
        ),
        ("padding and more", mail(&format!("{binary}{base64}"), &format!("{base}\nAAAA\n"))),
        ("junk and more", mail(&format!("{binary}{base64}"), &format!("{base}\n-- \nour list\n"))),
        ("junk within", mail(&format!("{binary}{base64}"), &base.replace('Q', "Q!"))),
        ("uuencode in a text", mail("", &format!("words\n{}words\n", uuencoded(file.as_bytes())))),
        (
            "uuencode in an encoded text",
            mail(base64, &encoded(format!("words\n{}", uuencoded(file.as_bytes())).as_bytes())),
        ),
        ("NUL bytes within", mail(binary, &file.replace("EICAR", "EI\0CAR"))),
        ("no end", mail(&format!("{mixed}=b\n"), part("b").trim_end_matches("\n--b--\n"))),
    ];
    // Two tricks at once are those of a program that has all habits.
    let both = format!("Content-Type: text/plain\n{mixed}=b\n");
    all.push(("two tricks", mail(&both, &part("b").replacen("--b\n", "--b more\n", 1))));
    let enclosed = encoded(split(&format!("{mixed}=a\n{mixed}=b\n"), "a", "b").as_bytes());
    all.push((
        "in an encoded mail",
        mail(&format!("Content-Type: message/rfc822\n{base64}"), &enclosed),
    ));
    all
}

#[test]
fn a_file_that_only_some_programs_see_is_found_whichever_of_them_the_reader_has() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readings");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let tricks = tricks();
    for (name, mail) in &tricks {
        std::fs::write(folder.join(name.replace(' ', "-")), mail).unwrap();
        // Line ends as they come over the network, where the trick is not about them.
        if !mail.contains('\r') {
            let name = format!("{}-crlf", name.replace(' ', "-"));
            std::fs::write(folder.join(name), mail.replace('\n', "\r\n")).unwrap();
        }
    }
    let clean = std::env::vars().filter(|(name, _)| !name.starts_with("TAMIS_"));
    let output = Command::new(env!("CARGO_BIN_EXE_tamis"))
        .env_clear()
        .envs(clean)
        .args(["check", "--offline"])
        .arg(&folder)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let missed: Vec<&str> = text.lines().filter(|line| !line.contains(": infected ")).collect();
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
    assert!(text.lines().count() >= 2 * tricks.len() - 2, "{text}");
    std::fs::remove_dir_all(&folder).unwrap();
}

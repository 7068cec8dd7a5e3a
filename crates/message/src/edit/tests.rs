use super::*;
use crate::digesting::dissect;

fn remove(name: &str) -> HeaderEdit {
    HeaderEdit::RemoveAll { name: name.to_owned() }
}

fn add(name: &str, value: &str) -> HeaderEdit {
    HeaderEdit::Add { name: name.to_owned(), value: value.to_owned() }
}

fn prefix(tag: &str) -> HeaderEdit {
    HeaderEdit::PrefixSubject { tag: tag.to_owned() }
}

/// Checked in both styles of line end.
#[track_caller]
fn check(header: &str, edits: &[HeaderEdit], expect: &str) {
    let edited = edited_header(header.as_bytes(), edits, LineEnd::of(header.as_bytes()));
    if header.contains('\n') {
        assert_eq!(String::from_utf8_lossy(&edited), expect);
    }
    let crlf = header.replace('\n', "\r\n");
    let edited = edited_header(crlf.as_bytes(), edits, LineEnd::CrLf);
    assert_eq!(String::from_utf8_lossy(&edited), expect.replace('\n', "\r\n"));
}

#[test]
fn edits_touch_what_they_name_alone() {
    check(
        "A:  x\t\nX-Old: 1\n 2\nbroken\nx-OLD : 3\nB:y\n",
        &[remove("X-Old")],
        "A:  x\t\nbroken\nB:y\n",
    );
    check("A: x\n", &[add("B", "1"), add("C", "2")], "C: 2\nB: 1\nA: x\n");
    check("A: x\n", &[remove("B"), add("B", "1"), remove("B"), add("B", "2")], "B: 2\nA: x\n");
    check("A: x\n", &[add("bad name", "1"), add("", "2"), add("a:b", "3")], "A: x\n");
    check("A: x", &[add("B", "1")], "B: 1\nA: x");
    check("", &[add("B", "1")], "B: 1\n");
}

#[test]
fn a_subject_is_prefixed_once_and_encoded_words_stay_whole() {
    check("Subject: hi\nA: b\n", &[prefix("[SPAM]")], "Subject: [SPAM] hi\nA: b\n");
    check("Subject: [SPAM] hi\n", &[prefix("[SPAM]")], "Subject: [SPAM] hi\n");
    check("Subject: hi\n", &[prefix("[SPAM]"), prefix("[SPAM]")], "Subject: [SPAM] hi\n");
    check(
        "SUBJECT:=?utf-8?Q?=C3=A9?=\n",
        &[prefix("[SPAM]")],
        "SUBJECT: [SPAM] =?utf-8?Q?=C3=A9?=\n",
    );
    check(
        "Subject: =?utf-8?Q?[SPAM]_x?=\n",
        &[prefix("[SPAM]")],
        "Subject: =?utf-8?Q?[SPAM]_x?=\n",
    );
    check(
        "Subject:\n =?utf-8?Q?a?=\n b\n",
        &[prefix("[SPAM]")],
        "Subject: [SPAM]\n =?utf-8?Q?a?=\n b\n",
    );
    check("Subject:\n", &[prefix("[SPAM]")], "Subject: [SPAM]\n");
    check("A: b\n", &[prefix("[SPAM]")], "A: b\nSubject: [SPAM]\n");
    check("A: b", &[prefix("[S]\r\nX: y")], "A: b\nSubject: [S]??X: y\n");
    check("A: b\n", &[prefix(" ")], "A: b\n");
}

#[test]
fn a_prefixed_line_is_folded_at_n_plus_1() {
    for (length, folded) in [
        (LINE_BYTES_MAX - "Subject: [S] ".len(), false),
        (LINE_BYTES_MAX - "Subject: [S] ".len() + 1, true),
    ] {
        let header = format!("Subject: {}\r\n", "x".repeat(length));
        let edited = edited_header(header.as_bytes(), &[prefix("[S]")], LineEnd::CrLf);
        assert_eq!(edited.windows(3).any(|window| window == b"\r\n "), folded);
        assert!(edited.split(|&byte| byte == b'\n').all(|line| line.len() <= LINE_BYTES_MAX + 1));
    }
    let tag = |length: usize| "t".repeat(length);
    let subject = |length| edited_header(b"", &[prefix(&tag(length))], LineEnd::Lf);
    assert_eq!(subject(TAG_BYTES_MAX), subject(TAG_BYTES_MAX + 1));
    assert_ne!(subject(TAG_BYTES_MAX), subject(TAG_BYTES_MAX - 1));
}

#[test]
fn nothing_can_be_injected() {
    check(
        "A: b\n",
        &[add("X", "1\r\nEvil: 2\n\nbody\0é\u{7f}")],
        "X: 1\n Evil: 2\n body??\nA: b\n",
    );
    check("A: b\n", &[add("X", "\n\n \n")], "X:\nA: b\n");
}

#[test]
fn added_values_are_folded() {
    let words = "word ".repeat(60);
    let long = format!("{words}{}", "x".repeat(3000));
    let edited = edited_header(b"", &[add("X-Test", &long)], LineEnd::CrLf);
    let text = String::from_utf8(edited).unwrap();
    assert!(text.ends_with("\r\n"));
    for line in text.trim_end().split("\r\n") {
        assert!(line.len() <= LINE_BYTES_MAX && !line.trim().is_empty());
        assert!(line.len() <= LINE_BYTES_WISHED || !line.trim().contains(' '));
    }
    assert_eq!(text.matches("word").count(), 60);
    assert_eq!(text.matches('x').count(), 3000);
}

#[test]
fn fields_are_counted_for_doors_that_delete_by_number() {
    assert_eq!(occurrences(b"X-A: 1\r\nx-a : 2\r\nX-AB: 3\r\n\r\nX-A: 4", "X-A"), 2);
}

#[test]
fn a_header_without_an_empty_line_behind_it_gets_one() {
    for (mail, separated) in [
        ("A: b\r\n\r\nbody", false),
        ("body at once", true),
        ("A: b\r\nno field\r\n", true),
        ("A: b\r\n", false),
    ] {
        let read = dissect(mail.as_bytes());
        let header = usize::try_from(read.header.end).unwrap();
        let (head, behind) = mail.as_bytes().split_at(header);
        let edited = edited_header(head, &[add("X", "y")], LineEnd::CrLf);
        let between = separator(behind, LineEnd::CrLf);
        assert_eq!(!between.is_empty(), separated, "{mail}");
        let again = dissect(&[&edited, between, behind].concat());
        assert_eq!(again.outline.parts, read.outline.parts, "{mail}");
    }
}

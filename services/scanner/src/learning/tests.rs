#![allow(clippy::unwrap_used, reason = "a test may fail aloud")]
use std::time::Duration;

use super::*;

fn letter(kind: &str, number: usize) -> Vec<u8> {
    let text = match kind {
        "spam" => "cheap watches and pills, order now, best price guaranteed",
        _ => "the minutes of the meeting are attached, see you on Monday",
    };
    format!(
        "From: {kind}{number}@{kind}.test\r\nTo: bob@example.com\r\nSubject: {kind} {number}\r\n\
         Message-Id: <{kind}{number}@example.org>\r\n\r\n{text} {number}\r\n"
    )
    .into_bytes()
}

fn open(directory: &std::path::Path, mails_max: usize) -> Result<Learning, OpenError> {
    Learning::start(&Settings {
        place: Place::Directory(directory.to_path_buf()),
        token: None,
        mails_max,
    })
}

async fn teach(learning: &Learning, kind: &str, number: usize, domain: &str) -> Outcome {
    let class = if kind == "spam" { Class::Spam } else { Class::Ham };
    learning.teach(letter(kind, number), Some(class), domain).await.unwrap().0
}

async fn weight(learning: &Learning, mail: &[u8], domain: Option<&str>) -> Option<f32> {
    let taught = lesson(&learning.key().unwrap(), mail, Some(Class::Spam), String::new());
    let until = tamis_runtime::clock::now() + Duration::from_secs(5);
    match learning.recall(&taught.tokens, domain, until).await {
        Recalled::Heard(found) => found.map(|found| found.weight),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_taught_is_known_after_a_restart_and_unlearned_to_nothing() {
    let directory = tempfile::tempdir().unwrap();
    {
        let learning = open(directory.path(), 1000).unwrap();
        for number in 0..30 {
            assert_eq!(teach(&learning, "spam", number, "bob@example.com").await, Outcome::Learned);
            assert_eq!(teach(&learning, "ham", number, "bob@example.com").await, Outcome::Learned);
        }
        assert_eq!(teach(&learning, "ham", 1, "example.com").await, Outcome::Known);
        let moved = learning.teach(letter("ham", 1), Some(Class::Spam), "example.com").await;
        assert_eq!(moved.unwrap().0, Outcome::Moved);
        assert_eq!(teach(&learning, "ham", 1, "example.com").await, Outcome::Moved);
        assert!(open(directory.path(), 1000).is_err(), "one process alone learns here");
    }
    let learning = open(directory.path(), 1000).unwrap();
    assert!(weight(&learning, &letter("spam", 99), None).await.unwrap() > 1.0);
    assert!(weight(&learning, &letter("ham", 99), Some("example.com")).await.unwrap() < -1.0);
    for number in 0..30 {
        for kind in ["spam", "ham"] {
            let gone = learning.teach(letter(kind, number), None, "example.com").await.unwrap().0;
            assert_eq!(gone, Outcome::Unlearned);
        }
    }
    assert_eq!(learning.teach(letter("ham", 1), None, "").await.unwrap().0, Outcome::Unknown);
    assert_eq!(weight(&learning, &letter("spam", 99), None).await, None);
    let Store::File(store) = &learning.store else { panic!("a file") };
    let (global, own) = store.seen(&[0], Some("example.com"));
    assert_eq!(
        (global, own),
        (Seen { totals: Default::default(), counts: vec![Default::default()] }, None)
    );
}

#[tokio::test]
async fn a_torn_end_is_cut_and_a_damaged_file_kept_aside_with_what_stands_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(file::FILE_NAME);
    {
        let learning = open(directory.path(), 1000).unwrap();
        for number in 0..40 {
            teach(&learning, "spam", number, "").await;
        }
    }
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    {
        let learning = open(directory.path(), 1000).unwrap();
        assert_eq!(teach(&learning, "spam", 38, "").await, Outcome::Known);
        assert_eq!(teach(&learning, "spam", 39, "").await, Outcome::Learned, "it was torn off");
    }
    assert_eq!(std::fs::read(&path).unwrap(), whole, "written again as it was");
    let mut damaged = whole.clone();
    damaged[whole.len() / 4] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    {
        let learning = open(directory.path(), 1000).unwrap();
        assert_eq!(teach(&learning, "spam", 1, "").await, Outcome::Known);
        assert_eq!(teach(&learning, "spam", 39, "").await, Outcome::Learned);
    }
    assert_eq!(std::fs::read(directory.path().join("learned.damaged")).unwrap(), damaged);
    std::fs::write(&path, b"something else that is quite long").unwrap();
    assert!(matches!(open(directory.path(), 1000), Err(OpenError::Strange(..))));
}

#[tokio::test]
async fn a_file_that_says_much_of_what_is_forgotten_is_written_anew_however_often_it_was_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(file::FILE_NAME);
    let mut learning = open(directory.path(), 2).unwrap();
    let long = |number: usize| {
        let words: String = (0..400).map(|word| format!("w{}x{word} ", number % 7)).collect();
        [letter("spam", number), words.into_bytes()].concat()
    };
    let mut longest = 0;
    for number in 0..3500 {
        learning.teach(long(number), Some(Class::Spam), "").await.unwrap();
        let bytes = std::fs::metadata(&path).unwrap().len();
        if bytes < longest {
            assert!(bytes < 20_000, "{bytes}");
            assert!(longest < (4 << 20) + 100_000, "{longest}");
            drop(learning);
            let learning = open(directory.path(), 2).unwrap();
            assert_eq!(learning.teach(long(number), None, "").await.unwrap().0, Outcome::Unlearned);
            return;
        }
        longest = bytes;
        if number % 300 == 299 {
            drop(learning);
            learning = open(directory.path(), 2).unwrap();
        }
    }
    panic!("it grew to {longest} bytes");
}

/// A file of this many lessons: longer than what is read at once.
#[tokio::test]
async fn a_long_file_is_read_in_pieces_to_its_last_lesson_and_to_the_byte_where_it_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(file::FILE_NAME);
    drop(open(directory.path(), 10_000).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let head = bytes.len();
    let mut ends = Vec::new();
    for number in 0_u32..2600 {
        let mut name = [0; 16];
        name[..4].copy_from_slice(&number.to_le_bytes());
        let tokens = (0..500 + number % 3).collect();
        let domain = String::new();
        Lesson { class: Some(Class::Ham), name, domain, is_apart: false, tokens }.push(&mut bytes);
        ends.push(bytes.len());
    }
    assert!(bytes.len() - head > 5 << 20, "{}", bytes.len());
    std::fs::write(&path, &bytes).unwrap();
    let totals = |learning: &Learning| {
        let Store::File(store) = &learning.store else { panic!("a file") };
        store.seen(&[0], None).0.totals.ham
    };
    assert_eq!(totals(&open(directory.path(), 10_000).unwrap()), 2600);
    for damaged in [2_200, 2_599] {
        let mut bytes = bytes.clone();
        bytes[ends[damaged] - 1] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(usize::from(totals(&open(directory.path(), 10_000).unwrap())), damaged);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), ends[damaged - 1] as u64);
    }
    assert!(directory.path().join("learned.damaged").exists());
}

#[test]
fn the_domain_of_a_mail_is_what_all_its_recipients_have_in_common() {
    let common = |all: &[&str]| {
        common_domain(&all.iter().map(|&address| address.to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(common(&["a@Example.org", "b@example.ORG"]), Some("example.org".to_owned()));
    assert_eq!(common(&["a@example.org", "b@example.com"]), None);
    assert_eq!(common(&["postmaster"]), None);
    assert_eq!(common(&[]), None);
    for (recipient, domain) in [
        ("ann@Example.org", Some("example.org")),
        ("example.org.", Some("example.org")),
        ("ann", Some("")),
        ("", Some("")),
    ] {
        assert_eq!(domain_named(recipient).as_deref(), domain, "{recipient}");
    }
    for strange in
        ["a.b}:t", "ann@a b.test", "ann@../x.test", "a.b\r\n", "a.{x}", "ann@[192.0.2.1]"]
    {
        let strange = strange.replace("\r\n", "\r\nx");
        assert_eq!(domain_named(&strange), None, "{strange}");
    }
    let of = |bytes: usize| domain_named(&format!("{}.test", "d".repeat(bytes - 5)));
    assert!(of(DOMAIN_BYTES_MAX).is_some() && of(DOMAIN_BYTES_MAX + 1).is_none());
}

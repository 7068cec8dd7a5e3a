//! Invented mails are mails, and the same for everybody.

use super::*;

#[test]
fn every_name_that_a_phrase_takes_has_phrases() {
    let phrases = Phrases::built_in();
    for number in 0..200 {
        let (mail, _) = mail(&phrases, number);
        let text = String::from_utf8_lossy(&mail);
        assert!(text.contains("Subject: ") && text.len() > 300, "{number}");
        assert!(!text.contains("<p></p>"), "a phrase without words in {number}");
    }
}

#[test]
fn the_same_number_gives_the_same_mail_and_both_sides_occur() {
    let phrases = Phrases::built_in();
    assert_eq!(mail(&phrases, 7), mail(&phrases, 7));
    let false_ones = (0..500).filter(|number| mail(&phrases, *number).1).count();
    assert!((100..250).contains(&false_ones), "{false_ones}");
}

#[test]
fn invented_houses_live_under_a_reserved_name() {
    let phrases = Phrases::built_in();
    for number in 0..300 {
        let (mail, _) = mail(&phrases, number);
        for link in String::from_utf8_lossy(&mail).split("https://").skip(1) {
            let host = link.split(['/', '"', '>']).next().unwrap_or_default();
            assert!(host.ends_with(".example"), "{host}");
        }
    }
}

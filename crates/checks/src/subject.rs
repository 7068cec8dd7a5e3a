//! Tricks in the subject.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::HeaderReading;

/// Spaces in a row that push a tracking word out of sight.
const GAP_CHARS_MIN: usize = 6;

/// Letters from which on capitals throughout are shouting and not an abbreviation.
const SHOUTED_LETTERS_MIN: usize = 12;

/// Judges the decoded subject.
#[must_use]
pub fn judge(header: &HeaderReading) -> Vec<Evidence> {
    let subject = header.subject.as_str();
    let signs = [
        (is_false_reply(header), "false_reply", 0.2, "an answer that refers to no mail"),
        (is_shouted(subject), "subject_shouted", 0.2, "the subject is all capitals"),
        (has_gap(subject), "subject_gap", 2.0, "a gap hides the end of the subject"),
        (has_invisible(subject), "subject_invisible", 2.0, "invisible characters in the subject"),
        (
            has_mixed_word(subject),
            "subject_mixed_script",
            2.5,
            "words of two scripts in the subject",
        ),
        (is_excited(subject), "subject_excited", 0.8, "runs of exclamation or money signs"),
        (header.value("Subject").is_none(), "subject_missing", 0.3, "no subject"),
    ];
    let found = signs.into_iter().filter(|(there, ..)| *there);
    found.map(|(_, name, weight, what)| Evidence::new(name, weight, Source::Header, what)).collect()
}

fn is_false_reply(header: &HeaderReading) -> bool {
    let start = header.subject.get(..3).unwrap_or_default().to_ascii_lowercase();
    let refers = ["References", "In-Reply-To", "Thread-Index", "Thread-Topic"];
    start == "re:" && refers.iter().all(|name| header.value(name).is_none())
}

fn is_shouted(subject: &str) -> bool {
    let letters = subject.chars().filter(|c| c.is_alphabetic()).count();
    letters >= SHOUTED_LETTERS_MIN
        && subject.trim().contains(' ')
        && subject.chars().any(char::is_uppercase)
        && !subject.chars().any(char::is_lowercase)
}

fn has_gap(subject: &str) -> bool {
    subject.trim().contains(&" ".repeat(GAP_CHARS_MIN))
}

fn has_invisible(subject: &str) -> bool {
    subject.contains(|c| {
        matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{202a}'..='\u{202e}')
    })
}

/// A word with Latin letters and with Cyrillic or Greek ones: made to pass word filters. Joined words of two
/// languages have a sign between them.
fn has_mixed_word(subject: &str) -> bool {
    subject.split(|c: char| !c.is_alphabetic()).any(|word| {
        let latin = word.contains(|c: char| c.is_ascii_alphabetic());
        let other = word.contains(|c| matches!(c, '\u{370}'..='\u{52f}')) && !word.contains('µ');
        latin && other && word.chars().count() >= 4
    })
}

fn is_excited(subject: &str) -> bool {
    ["!!!", "$$", "!?!", "€€", "?!!"].iter().any(|run| subject.contains(run))
}

//! Words written so that people read them and filters do not: digits and signs for letters, gaps between letters.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::Text;

/// Bytes of text that are searched.
const SEARCHED_BYTES_MAX: usize = 64 * 1024;

/// Letters of a word that is looked at; what is longer is no word.
const WORD_BYTES_MAX: usize = 24;

/// Words that are disguised because filters know them (own selection), in ascending order.
const KNOWN: [&str; 39] = [
    "adipex",
    "ambien",
    "billion",
    "bitcoin",
    "casino",
    "cialis",
    "cocaine",
    "codeine",
    "credit",
    "diploma",
    "doctor",
    "enlarge",
    "erection",
    "girls",
    "hydrocodone",
    "invest",
    "levitra",
    "lottery",
    "medication",
    "million",
    "money",
    "mortgage",
    "orgasm",
    "penis",
    "pharmacy",
    "phentermine",
    "pills",
    "porn",
    "prescription",
    "replica",
    "rolex",
    "soma",
    "software",
    "tramadol",
    "ultram",
    "valium",
    "viagra",
    "vicodin",
    "xanax",
];

/// Judges the text of one part.
#[must_use]
pub fn judge(text: &Text) -> Option<Evidence> {
    let end = text.folded.floor_char_boundary(SEARCHED_BYTES_MAX);
    let count =
        text.folded[..end].split_ascii_whitespace().filter(|word| is_disguised(word)).count();
    (count > 0).then(|| {
        let detail = format!("{count} word(s) with signs in place of letters");
        Evidence::new("disguised_words", 2.5, Source::Text, detail)
    })
}

/// Whether a word of letters and other signs is a known one once these are read as the letters they look like, or left
/// out.
fn is_disguised(word: &str) -> bool {
    if !(4..=WORD_BYTES_MAX).contains(&word.len()) || word.bytes().all(|b| b.is_ascii_lowercase()) {
        return false;
    }
    if word.is_ascii() && !has_signs_within(word.as_bytes()) {
        return false;
    }
    let word = word.trim_matches(|c: char| c.is_ascii_punctuation() && !"@$|!".contains(c));
    // What ends in a sentence's own signs is not disguised by them.
    let word = word.trim_end_matches(['!', '$']);
    let signs = word.chars().filter(|c| !c.is_ascii_lowercase()).count();
    let letters = word.len() - signs.min(word.len());
    // Line ends and joined words have a dash or two.
    let joined = word.chars().filter(|c| !c.is_ascii_lowercase()).all(|c| c == '-' || c == '\'');
    if (joined && signs < 3)
        || signs == 0
        || letters < 3
        || signs > letters
        || word.contains(['/', '.', '%', '=', '&'])
    {
        return false;
    }
    [leet('l'), leet('i')].iter().any(|leet| {
        let read: String = word.chars().filter_map(leet).collect();
        KNOWN.contains(&read.as_str())
    })
}

/// Whether, of ASCII bytes, three are small letters and another one stands where it is not trimmed.
fn has_signs_within(word: &[u8]) -> bool {
    let is_around = |byte: &&u8| byte.is_ascii_punctuation() && !b"@$|!".contains(byte);
    let word = &word[word.iter().take_while(is_around).count()..];
    let word = &word[..word.len() - word.iter().rev().take_while(is_around).count()];
    let letters = word.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    letters >= 3 && letters < word.len()
}

/// Reads a sign as a letter; `1` and `|` are either of two. A dash or a star between letters is nothing.
fn leet(one: char) -> impl Fn(char) -> Option<char> {
    move |c| match c {
        '0' => Some('o'),
        '1' | '|' => Some(one),
        '!' => Some('i'),
        '3' => Some('e'),
        '4' | '@' => Some('a'),
        '5' | '$' => Some('s'),
        '7' => Some('t'),
        '-' | '*' | '_' | '~' | '`' | '\'' | '^' => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disguised_words_are_found() {
        assert!(KNOWN.iter().all(|word| word.len() >= 4));
        for (word, expect) in [
            ("v1agra", true),
            ("vi@gra", true),
            ("v-i-a-gra", true),
            ("c1al1s,", true),
            ("(pi11s)", true),
            ("viagra", false),
            ("viagra!", false),
            ("casino's", false),
            ("credit-card", false),
            ("1000", false),
            ("v1.2", false),
        ] {
            assert_eq!(is_disguised(word), expect, "{word}");
        }
    }

    #[test]
    fn words_are_searched_up_to_the_limit() {
        let text = |before: usize| Text {
            folded: format!("{} v1agra", "x".repeat(before)),
            ..Text::default()
        };
        assert!(judge(&text(SEARCHED_BYTES_MAX - 7)).is_some());
        assert!(judge(&text(SEARCHED_BYTES_MAX)).is_none());
    }
}

//! Names and subjects as a person reads them: letters of other scripts that look Latin, signs that nobody sees.

/// Characters of a name or subject that are read: RFC 5322 lets a line have 998.
const READ_CHARS_MAX: usize = 1024;

/// Letters of other scripts, and Latin ones with marks, beside the letters that they are taken for (own selection).
const LOOK_ALIKES: [(&str, char); 20] = [
    ("аàáâãäåāăąα", 'a'),
    ("ьЬ", 'b'),
    ("сçćĉċč", 'c'),
    ("ԁďđ", 'd'),
    ("еèéêëēĕėęě", 'e'),
    ("ɡĝğġģ", 'g'),
    ("һĥħ", 'h'),
    ("іìíîïĩīĭįıι", 'i'),
    ("јĵ", 'j'),
    ("ӏĺļľŀł", 'l'),
    ("ñńņňŉ", 'n'),
    ("оòóôõöøōŏőο", 'o'),
    ("рρ", 'p'),
    ("ŕŗř", 'r'),
    ("ѕśŝşš", 's'),
    ("ţťŧτ", 't'),
    ("ùúûüũūŭůűųυ", 'u'),
    ("ѵν", 'v'),
    ("хχ", 'x'),
    ("уýÿγ", 'y'),
];

/// A text in lower case, with what nobody sees left out and look-alikes read as what they look like.
#[must_use]
pub(crate) fn as_read(text: &str) -> String {
    let seen = text.chars().take(READ_CHARS_MAX);
    if text.is_ascii() {
        return seen.map(|c| c.to_ascii_lowercase()).collect();
    }
    let lower = seen.filter(|c| !is_unseen(*c)).flat_map(char::to_lowercase);
    lower.map(latin).collect()
}

/// As [`as_read`], but letters keep their script and marks: what words of other languages are searched in.
#[must_use]
pub(crate) fn as_written(text: &str) -> String {
    let seen = text.chars().take(READ_CHARS_MAX).filter(|c| !is_unseen(*c));
    seen.flat_map(char::to_lowercase).collect()
}

fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{300}'..='\u{33f}'
    )
}

fn latin(c: char) -> char {
    let letter = |number: u32| char::from(b'a' + (number % 26) as u8);
    match u32::from(c) {
        0..=0x7f => c,
        0xa0 => ' ',
        // Full-width and mathematical letters, in the order of the alphabet.
        code @ 0xff41..=0xff5a => letter(code - 0xff41),
        code @ 0x1_d400..=0x1_d6a3 => letter(code - 0x1_d400),
        _ => LOOK_ALIKES.iter().find(|(forms, _)| forms.contains(c)).map_or(c, |it| it.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_look() {
        for (text, expect) in [
            ("PayPal", "paypal"),
            ("P\u{430}yP\u{430}l", "paypal"),
            ("Pay\u{200b}Pal\u{ad}", "paypal"),
            ("N\u{e9}tfl\u{ec}x", "netflix"),
            ("\u{1d40f}\u{1d41a}\u{1d432}", "pay"),
            ("\u{ff2e}\u{ff45}t", "net"),
            ("e\u{301}bay", "ebay"),
            ("\u{4f60}\u{597d}", "\u{4f60}\u{597d}"),
        ] {
            assert_eq!(as_read(text), expect, "{text}");
        }
        assert_eq!(as_written("B\u{200b}LOQU\u{c9}"), "bloqu\u{e9}");
    }

    #[test]
    fn texts_are_read_up_to_the_limit() {
        assert_eq!(as_read(&"\u{e9}".repeat(READ_CHARS_MAX + 1)).len(), READ_CHARS_MAX);
        assert_eq!(as_written(&"x".repeat(READ_CHARS_MAX)).len(), READ_CHARS_MAX);
    }
}

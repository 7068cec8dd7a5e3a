//! Visible text to comparable text: what looks alike becomes alike, and what was done to hide it is counted.

use tamis_domain::limits::TEXT_BYTES_MAX;
use unicode_normalization::UnicodeNormalization;

/// Bytes of folded text kept. Compatibility forms can be 11 times longer than the character they replace.
pub const FOLDED_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// Folded text and what folding found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// NFKC, lower case, without invisible characters, posing letters replaced by the Latin ones they pose as.
    pub text: String,
    /// Invisible characters between two letters or digits of scripts that never need them there.
    pub invisible_chars: u32,
    /// Cyrillic and Greek letters replaced.
    pub homoglyphs: u32,
}

/// Folds text. Linear in its length.
#[must_use]
pub fn fold(visible: &str) -> Folded {
    if visible.is_ascii() && visible.len() <= FOLDED_BYTES_MAX {
        return Folded { text: visible.to_ascii_lowercase(), ..Folded::default() };
    }
    let mut folded = Folded { invisible_chars: invisible_in_words(visible), ..Folded::default() };
    // A blank composes with nothing, so each piece between blanks can be folded alone; most are ASCII.
    for piece in visible.split_inclusive([' ', '\n']) {
        if folded.text.len() >= FOLDED_BYTES_MAX {
            break;
        }
        if piece.is_ascii() {
            let start = folded.text.len();
            folded.text.push_str(piece);
            folded.text[start..].make_ascii_lowercase();
        } else {
            folded.piece(piece);
        }
    }
    folded
}

impl Folded {
    fn piece(&mut self, piece: &str) {
        let seen = piece.chars().filter(|&c| !is_invisible(c));
        let mut word = String::new();
        for c in seen.nfkc().flat_map(char::to_lowercase).filter(|&c| !is_invisible(c)) {
            if self.text.len() + word.len() >= FOLDED_BYTES_MAX {
                break;
            }
            if let Some(drawn) = drawn_letter(c) {
                self.homoglyphs = self.homoglyphs.saturating_add(1);
                word.push(drawn);
                continue;
            }
            if c.is_alphabetic() {
                word.push(c);
                continue;
            }
            self.end_word(&mut word);
            self.text.push(c);
        }
        self.end_word(&mut word);
    }

    /// Adds a word; in a mixed word in which all foreign letters pose as Latin ones, or at least no more do than there
    /// are Latin ones, the posing ones become Latin. A word of one script is left alone, whatever it looks like.
    fn end_word(&mut self, word: &mut String) {
        let latin = word.bytes().filter(u8::is_ascii_alphabetic).count();
        let posing = word.chars().filter(|&c| posed_letter(c).is_some()).count();
        let all_pose = || word.chars().all(|c| c.is_ascii() || posed_letter(c).is_some());
        if posing > 0 && latin > 0 && (latin >= posing || all_pose()) {
            self.homoglyphs =
                self.homoglyphs.saturating_add(u32::try_from(posing).unwrap_or(u32::MAX));
            self.text.extend(word.chars().map(|c| posed_letter(c).unwrap_or(c)));
        } else {
            self.text.push_str(word);
        }
        word.clear();
    }
}

/// Characters without a shape of their own: zero-width, direction marks, soft hyphen, variation selectors, tags.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Counts invisible characters between two letters or digits of Latin, Greek or Cyrillic script. Elsewhere they are
/// lawful: joiners in Arabic and Indic scripts and in emoji, padding in the preview line of newsletters.
fn invisible_in_words(visible: &str) -> u32 {
    let (mut count, mut pending, mut after_letter) = (0_u32, 0_u32, false);
    for c in visible.chars() {
        if is_invisible(c) {
            pending += u32::from(after_letter);
            continue;
        }
        let letter = c.is_alphanumeric() && (c as u32) < 0x530;
        if letter {
            count = count.saturating_add(pending);
        }
        (pending, after_letter) = (0, letter);
    }
    count
}

/// The letter that a phonetic sign or small capital draws: no language writes whole words with these, but who wants to
/// be read by people alone does.
const fn drawn_letter(c: char) -> Option<char> {
    Some(match c {
        'ᴀ' | 'ɑ' => 'a',
        'ʙ' => 'b',
        'ᴄ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' => 'e',
        'ꜰ' => 'f',
        'ɢ' | 'ɡ' => 'g',
        'ʜ' => 'h',
        'ɪ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' => 'k',
        'ʟ' => 'l',
        'ᴍ' => 'm',
        'ɴ' => 'n',
        'ᴏ' => 'o',
        'ᴘ' => 'p',
        'ʀ' => 'r',
        'ꜱ' => 's',
        'ᴛ' => 't',
        'ᴜ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ʏ' => 'y',
        'ᴢ' => 'z',
        _ => return None,
    })
}

/// The Latin letter that a lower-case Cyrillic, Greek or Armenian letter looks like (own selection; the idea is that of
/// Unicode Technical Standard 39, confusables).
const fn posed_letter(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' | 'ժ' => 'd',
        'е' | 'ε' | 'ё' => 'e',
        'һ' | 'н' | 'հ' => 'h',
        'і' | 'ι' | 'ї' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' => 'l',
        'м' => 'm',
        'η' | 'ո' => 'n',
        'о' | 'ο' | 'σ' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' | 'զ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        _ => return None,
    })
}

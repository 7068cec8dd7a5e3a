//! Visible text to comparable text: what looks alike becomes alike, and what was done to hide it is counted.

use std::sync::LazyLock;

use tamis_domain::letters::{is_alphabetic, is_alphanumeric};
use tamis_domain::limits::TEXT_BYTES_MAX;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Bytes of folded text kept.
pub const FOLDED_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// Times that a text may grow when it is folded, beyond [`GROWN_BYTES`]. Compatibility forms can be 11 times longer than the
/// character they replace; in a text that somebody wrote they are few.
const GROWTH_MAX: usize = 2;

/// Bytes of folded text that any text may have.
const GROWN_BYTES: usize = 4096;

/// Folded text and what folding found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// NFKC, lower case, without invisible characters, posing letters replaced by the Latin ones they pose as.
    pub text: String,
    /// Invisible characters between two letters or digits of scripts that never need them there.
    pub invisible_chars: u32,
    /// Cyrillic and Greek letters replaced.
    pub homoglyphs: u32,
    /// It grew so long that its end is missing.
    pub is_cut: bool,
}

/// Folds text. Linear in its length.
#[must_use]
pub fn fold(visible: &str) -> Folded {
    if visible.is_ascii() && visible.len() <= FOLDED_BYTES_MAX {
        return Folded { text: visible.to_ascii_lowercase(), ..Folded::default() };
    }
    let invisible_chars = invisible_in_words(visible);
    let mut folding = Folding::within(GROWN_BYTES + GROWTH_MAX * visible.len());
    // A blank composes with nothing, so each piece between blanks can be folded alone; most are ASCII.
    for piece in visible.split_inclusive([' ', '\n']) {
        if folding.folded.is_cut {
            break;
        }
        folding.piece(piece);
    }
    Folded { invisible_chars, ..folding.folded }
}

/// A text while it is folded.
struct Folding {
    folded: Folded,
    word: String,
    /// Bytes that it may become.
    most: usize,
}

impl Folding {
    fn within(bytes: usize) -> Self {
        let most = bytes.min(FOLDED_BYTES_MAX);
        Self { folded: Folded::default(), word: String::new(), most }
    }

    fn piece(&mut self, piece: &str) {
        if piece.is_ascii() {
            let text = &mut self.folded.text;
            let start = text.len();
            text.push_str(piece);
            text[start..].make_ascii_lowercase();
            self.folded.is_cut = text.len() > self.most;
            return;
        }
        let mut rest = piece;
        while !rest.is_empty() {
            let low;
            (low, rest) = rest.split_at(low_length(rest));
            self.take_low(low);
            let high;
            (high, rest) = rest.split_at(high_length(rest));
            let seen = high.chars().filter(|&c| !is_invisible(c));
            if is_nfkc_quick(seen.clone()) == IsNormalized::Yes {
                self.take_all(seen);
            } else {
                self.take_all(seen.nfkc());
            }
        }
        self.end_word();
    }

    /// Takes characters below [`LOW_END`]. No word of these alone is changed, so all but the last goes to the text at once;
    /// the last may go on in letters that pose.
    fn take_low(&mut self, low: &str) {
        let table = &*LOW;
        let room = LOW_GROWTH_MAX * low.len() + self.length() < self.most;
        let ends = |c: char| table[c as usize].steps.iter().flatten().any(|it| it.ends_word());
        let last = low.char_indices().rev().find(|(_, c)| ends(*c));
        let (whole, open) = last.filter(|_| room).map_or(("", low), |(at, _)| low.split_at(at));
        let mut whole = whole.chars();
        if !self.word.is_empty() {
            // What began before is ended in its own way.
            whole.by_ref().find(|c| {
                table[*c as usize].steps.iter().flatten().for_each(|step| self.take(*step));
                self.word.is_empty()
            });
        }
        for c in whole {
            let Low { text, homoglyphs, .. } = &table[c as usize];
            self.folded.text.push_str(text);
            self.folded.homoglyphs = self.folded.homoglyphs.saturating_add(*homoglyphs);
        }
        for c in open.chars() {
            table[c as usize].steps.iter().flatten().for_each(|step| self.take(*step));
        }
    }

    fn take_all(&mut self, normal: impl Iterator<Item = char>) {
        let mut small = normal.flat_map(char::to_lowercase).filter(|&c| !is_invisible(c));
        while !self.folded.is_cut
            && let Some(c) = small.next()
        {
            self.take(Step::of(c));
        }
    }

    const fn length(&self) -> usize {
        self.folded.text.len() + self.word.len()
    }

    fn take(&mut self, step: Step) {
        if self.length() >= self.most {
            self.folded.is_cut = true;
            return;
        }
        match step {
            Step::Drawn(drawn) => {
                self.folded.homoglyphs = self.folded.homoglyphs.saturating_add(1);
                self.word.push(drawn);
            }
            Step::Letter(c) => self.word.push(c),
            Step::Other(c) => {
                self.end_word();
                self.folded.text.push(c);
            }
        }
    }

    /// Adds a word; in a mixed word in which all foreign letters pose as Latin ones, or at least no more do than there
    /// are Latin ones, the posing ones become Latin. A word of one script is left alone, whatever it looks like.
    fn end_word(&mut self) {
        let Self { folded, word, .. } = self;
        if word.bytes().all(|byte| byte < POSING_FROM) {
            folded.text.push_str(word);
            word.clear();
            return;
        }
        let latin = word.bytes().filter(u8::is_ascii_alphabetic).count();
        let posing = word.chars().filter(|&c| posed_letter(c).is_some()).count();
        let all_pose = || word.chars().all(|c| c.is_ascii() || posed_letter(c).is_some());
        if posing > 0 && latin > 0 && (latin >= posing || all_pose()) {
            let replaced = u32::try_from(posing).unwrap_or(u32::MAX);
            folded.homoglyphs = folded.homoglyphs.saturating_add(replaced);
            folded.text.extend(word.chars().map(|c| posed_letter(c).unwrap_or(c)));
        } else {
            folded.text.push_str(word);
        }
        word.clear();
    }
}

/// One character of folded text, before its word is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// What a phonetic sign draws.
    Drawn(char),
    /// Part of a word.
    Letter(char),
    /// The end of one.
    Other(char),
}

impl Step {
    const fn ends_word(self) -> bool {
        matches!(self, Self::Other(_))
    }

    fn of(c: char) -> Self {
        match drawn_letter(c) {
            Some(drawn) => Self::Drawn(drawn),
            None if is_alphabetic(c) => Self::Letter(c),
            None => Self::Other(c),
        }
    }
}

/// The first combining mark. No character below it composes with the one before it.
const LOW_END: char = '\u{300}';

/// First byte of [`LOW_END`] in UTF-8: no character below it has such a byte, each from it on begins with one.
const HIGH_FROM: u8 = 0xcc;

/// First byte of the least of all posing letters, Greek alpha.
const POSING_FROM: u8 = 0xce;

/// Steps that one character below [`LOW_END`] becomes at most: a fraction has three.
const LOW_STEPS_MAX: usize = 3;

/// Bytes that one byte of such characters becomes at most: a fraction of two bytes has three characters of three at most.
const LOW_GROWTH_MAX: usize = 9;

/// What a character below [`LOW_END`] becomes by itself.
struct Low {
    steps: [Option<Step>; LOW_STEPS_MAX],
    /// The same in a word without letters that pose.
    text: String,
    homoglyphs: u32,
}

impl Low {
    fn of(c: char) -> Self {
        let folded = Some(c).filter(|&c| !is_invisible(c)).into_iter().nfkc();
        let mut folded = folded.flat_map(char::to_lowercase).filter(|&c| !is_invisible(c));
        let steps = std::array::from_fn(|_| folded.next().map(Step::of));
        let mut alone = Folding::within(GROWN_BYTES);
        steps.iter().flatten().for_each(|step| alone.take(*step));
        alone.end_word();
        let Folded { text, homoglyphs, .. } = alone.folded;
        Self { steps, text, homoglyphs }
    }
}

/// What each character below [`LOW_END`] becomes: nearly all of a text in Latin letters.
static LOW: LazyLock<Vec<Low>> = LazyLock::new(|| ('\0'..LOW_END).map(Low::of).collect());

/// Letters and digits below this are those of Latin, Greek and Cyrillic scripts.
const LETTERS_END: char = '\u{530}';

/// Bytes at the start that can be folded one character at a time. The last character before a higher one may compose with
/// it, over soft hyphens, which go.
fn low_length(text: &str) -> usize {
    let Some(high) = text.bytes().position(|byte| byte >= HIGH_FROM) else { return text.len() };
    let seen = text[..high].trim_end_matches(is_invisible);
    seen.char_indices().next_back().map_or(0, |(at, _)| at)
}

/// Bytes at the start that must be folded together: up to the next low character behind the higher ones, soft hyphens
/// aside.
fn high_length(text: &str) -> usize {
    let Some(start) = text.bytes().position(|byte| byte >= HIGH_FROM) else { return text.len() };
    let is_low = |c: char| c < LOW_END && !is_invisible(c);
    text[start..].find(is_low).map_or(text.len(), |at| start + at)
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
        let letter = c < LETTERS_END && is_alphanumeric(c);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as it is written: all of a piece at once.
    fn by_the_rule(piece: &str) -> Folded {
        let mut folding = Folding::within(FOLDED_BYTES_MAX);
        folding.take_all(piece.chars().filter(|&c| !is_invisible(c)).nfkc());
        folding.end_word();
        Folded { invisible_chars: invisible_in_words(piece), ..folding.folded }
    }

    #[test]
    fn pieces_are_folded_in_runs_as_they_would_be_at_once() {
        let letters: Vec<char> =
            "aZ9!\u{ad}\u{e9}\u{bd}\u{b4}\u{149}\u{1c4}\u{130}\u{261}\u{300}\u{301}\u{327}\u{345}\u{34f}\u{3b1}\
             \u{391}\u{430}\u{451}\u{44f}\u{5d0}\u{5b0}\u{627}\u{653}\u{1100}\u{1161}\u{11a8}\u{200b}\u{201c}\u{212b}\
             \u{2126}\u{3000}\u{304b}\u{3099}\u{6f22}\u{ac00}\u{d55c}\u{fb01}\u{fdfa}\u{feff}\u{ff21}\u{1d15e}\u{1f600}"
                .chars()
                .collect();
        let mut state = 1_u64;
        for length in (1..12).cycle().take(60_000) {
            let mut letter = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                letters[(state >> 33) as usize % letters.len()]
            };
            let text: String = (0..length).map(|_| letter()).collect();
            if !text.is_ascii() {
                assert_eq!(fold(&text), by_the_rule(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn every_low_character_is_folded_by_itself_as_beside_others() {
        assert_eq!(LOW.len(), LOW_END as usize);
        for c in '\u{80}'..LOW_END {
            let (alone, between) = (c.to_string(), format!("x{c}{c}y"));
            assert_eq!(fold(&alone), by_the_rule(&alone), "{c:?}");
            assert_eq!(fold(&between), by_the_rule(&between), "{c:?}");
        }
        assert!(('\0'..'\u{380}').all(|c| posed_letter(c).is_none()));
        assert!(LOW.iter().flat_map(|low| low.text.chars()).all(|c| posed_letter(c).is_none()));
        let grown = ('\0'..LOW_END).map(|c| LOW[c as usize].text.len().div_ceil(c.len_utf8()));
        assert!(grown.max() <= Some(LOW_GROWTH_MAX));
    }
}

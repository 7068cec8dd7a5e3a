//! Texts changed the way campaigns change them, in steps of strength, seeded.

use tamis_domain::digest::Sketch;
use tamis_message::reading::{fold, render};
use tamis_message::sketch::text::{TextName, text_name};

use super::rival::{Rival, fingerprint};
use super::{Histogram, Random};

/// What is done to a text. The strength is the share of its words, sentences or length that it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A name, a number, an address or a link put in behind so many words.
    Personal,
    /// A word of other mails put in behind so many words.
    Noise,
    /// A word of random letters put in behind so many words.
    Gibberish,
    /// So many words replaced by words of other mails.
    Replaced,
    /// One or two letters of so many words replaced by letters that look alike, digits, accents or unseen characters.
    Homoglyphs,
    /// A mark put into so many words.
    Punctuation,
    /// So many sentences moved to other places.
    Reordered,
    /// So much cut off the end.
    Truncated,
    /// The text as HTML, so many words cut by tags and comments or written as character references.
    Reencoded,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Personal,
        Self::Noise,
        Self::Gibberish,
        Self::Replaced,
        Self::Homoglyphs,
        Self::Punctuation,
        Self::Reordered,
        Self::Truncated,
        Self::Reencoded,
    ];

    /// The word in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Noise => "noise_words",
            Self::Gibberish => "noise_letters",
            Self::Replaced => "replaced_words",
            Self::Homoglyphs => "homoglyphs",
            Self::Punctuation => "punctuation",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Reencoded => "reencoded_html",
        }
    }
}

/// Strengths, in percent.
pub const STRENGTHS: [u8; 6] = [5, 10, 20, 30, 40, 50];

/// One mutation at one strength.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was done.
    pub mutation: Mutation,
    /// To how much, in percent.
    pub strength: u8,
    /// Agreement of our names.
    pub ours: Histogram,
    /// Votes of the rival.
    pub rival: Histogram,
}

/// Mutates each text at each strength and asks whether it is known. `vocabulary` is what noise is drawn from.
#[must_use]
pub fn run(texts: &[&str], vocabulary: &[String], seed: u64) -> Vec<Run> {
    let mut rival = Rival::default();
    let known: Vec<Option<TextName>> = texts.iter().map(|text| named(text)).collect();
    texts.iter().filter_map(|text| fingerprint(text)).for_each(|it| rival.learn(&it));
    let mut runs = Vec::new();
    for mutation in Mutation::ALL {
        for strength in STRENGTHS {
            let mut random = Random(seed ^ u64::from(strength) << 8 ^ mutation as u64);
            let (mut ours, mut theirs) = (Histogram::default(), Histogram::default());
            for (text, known) in texts.iter().zip(&known) {
                let share = f64::from(strength) / 100.0;
                let mutant = mutated(mutation, share, text, vocabulary, &mut random);
                ours.count(known.zip(named(&mutant)).map_or(0, agreement));
                theirs.count(fingerprint(&mutant).map_or(0, |asked| rival.ask(&asked)));
            }
            runs.push(Run { mutation, strength, ours, rival: theirs });
        }
    }
    runs
}

/// Texts that have no name of ours at all, changed or not: too few different words, however long they are.
#[must_use]
pub fn unnamed(texts: &[&str]) -> usize {
    texts.iter().filter(|text| named(text).is_none()).count()
}

fn named(text: &str) -> Option<TextName> {
    text_name(&fold(text).text)
}

fn agreement((known, asked): (TextName, TextName)) -> u8 {
    if known.exact == asked.exact {
        return Sketch::LANES as u8;
    }
    known.sketch.zip(asked.sketch).map_or(0, |(known, asked)| known.agreement(&asked))
}

fn mutated(
    mutation: Mutation,
    share: f64,
    text: &str,
    words: &[String],
    random: &mut Random,
) -> String {
    match mutation {
        Mutation::Personal => behind(text, share, random, personal),
        Mutation::Noise => behind(text, share, random, |random| random.of(words).clone()),
        Mutation::Gibberish => behind(text, share, random, letters),
        Mutation::Replaced => each(text, share, random, |_, random| random.of(words).clone()),
        Mutation::Homoglyphs => each(text, share, random, homoglyphs),
        Mutation::Punctuation => each(text, share, random, punctuated),
        Mutation::Reordered => reordered(text, share, random),
        Mutation::Truncated => {
            let words: Vec<&str> = text.split(' ').collect();
            words[..(words.len() as f64 * (1.0 - share)) as usize].join(" ")
        }
        Mutation::Reencoded => render(&reencoded(text, share, random)).visible,
    }
}

/// Puts something in behind a share of the words.
fn behind(
    text: &str,
    share: f64,
    random: &mut Random,
    new: impl Fn(&mut Random) -> String,
) -> String {
    let mut out = String::with_capacity(2 * text.len());
    for word in text.split_inclusive([' ', '\n']) {
        out.push_str(word);
        if random.chance(share) {
            out.push(' ');
            out.push_str(&new(random));
            out.push(' ');
        }
    }
    out
}

/// Changes a share of the words.
fn each(
    text: &str,
    share: f64,
    random: &mut Random,
    change: impl Fn(&str, &mut Random) -> String,
) -> String {
    let mut out = String::with_capacity(2 * text.len());
    for piece in text.split_inclusive([' ', '\n']) {
        let word = piece.trim_end_matches([' ', '\n']);
        if !word.is_empty() && random.chance(share) {
            out.push_str(&change(word, random));
        } else {
            out.push_str(word);
        }
        out.push_str(&piece[word.len()..]);
    }
    out
}

fn letters(random: &mut Random) -> String {
    (0..4 + random.below(6)).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

fn personal(random: &mut Random) -> String {
    const NAMES: [&str; 16] = [
        "Anna", "Bernhard", "Chloe", "Dmitri", "Elena", "Farid", "Greta", "Hiroshi", "Ines",
        "Jakub", "Katarina", "Lorenzo", "Miriam", "Nikolai", "Oksana", "Priya",
    ];
    let number = random.word();
    match random.below(4) {
        0 => (*random.of(&NAMES)).to_owned(),
        1 => format!("#{}", number % 10_000_000),
        2 => format!("{}{}@example.com", random.of(&NAMES).to_lowercase(), number % 1000),
        _ => format!("http://{}.example.com/{:x}", letters(random), number),
    }
}

/// Letters that look alike: of other scripts, of other widths and styles, digits, with accents.
fn alike(c: char) -> &'static [char] {
    match c.to_ascii_lowercase() {
        'a' => &['а', 'α', 'ａ', 'á', 'ä', '4', '@', '𝐚'],
        'b' => &['ь', 'ｂ', '𝐛', '8'],
        'c' => &['с', 'ϲ', 'ｃ', 'ç', '𝐜'],
        'd' => &['ԁ', 'ｄ', '𝐝', 'đ'],
        'e' => &['е', 'ε', 'ｅ', 'é', 'ë', '3', '𝐞'],
        'g' => &['ɡ', 'ｇ', '𝐠', 'ģ'],
        'h' => &['һ', 'ｈ', '𝐡', 'ĥ'],
        'i' => &['і', 'ι', 'ｉ', 'í', '1', 'l', '𝐢', 'ı'],
        'k' => &['κ', 'ｋ', '𝐤', 'ķ'],
        'l' => &['ӏ', 'ｌ', '1', 'I', '𝐥', 'ł'],
        'm' => &['м', 'ｍ', '𝐦'],
        'n' => &['ո', 'ｎ', 'ñ', '𝐧'],
        'o' => &['о', 'ο', 'օ', 'ｏ', 'ö', '0', '𝐨', 'ø'],
        'p' => &['р', 'ρ', 'ｐ', '𝐩'],
        'r' => &['ｒ', 'ŕ', '𝐫', 'г'],
        's' => &['ѕ', 'ｓ', '5', '$', 'ş', '𝐬'],
        't' => &['т', 'τ', 'ｔ', '7', '𝐭', 'ţ'],
        'u' => &['υ', 'ｕ', 'ü', '𝐮', 'ս'],
        'v' => &['ν', 'ѵ', 'ｖ', '𝐯'],
        'w' => &['ԝ', 'ω', 'ｗ', '𝐰'],
        'x' => &['х', 'χ', 'ｘ', '𝐱'],
        'y' => &['у', 'γ', 'ｙ', 'ý', '𝐲'],
        'z' => &['ｚ', 'ž', '𝐳', '2'],
        _ => &[],
    }
}

fn homoglyphs(word: &str, random: &mut Random) -> String {
    let mut out: Vec<char> = word.chars().collect();
    for _ in 0..1 + random.below(2) {
        let at = random.below(out.len());
        let found = alike(out[at]);
        if found.is_empty() || random.chance(0.15) {
            out.insert(at, *random.of(&['\u{200b}', '\u{ad}', '\u{200d}', '\u{2060}']));
        } else {
            out[at] = *random.of(found);
        }
    }
    out.into_iter().collect()
}

fn punctuated(word: &str, random: &mut Random) -> String {
    let mut out: Vec<char> = word.chars().collect();
    if out.len() > 2 {
        let at = 1 + random.below(out.len() - 1);
        out.insert(at, *random.of(&['.', '-', '_', '*', '\'', '~', '^', ',']));
    }
    out.into_iter().collect()
}

/// Moves sentences: pieces that end with a full stop, a line, or after 15 words.
fn reordered(text: &str, share: f64, random: &mut Random) -> String {
    let mut sentences: Vec<String> = vec![String::new()];
    let mut words = 0;
    for word in text.split_inclusive([' ', '\n']) {
        words += 1;
        if let Some(last) = sentences.last_mut() {
            last.push_str(word);
        }
        if words >= 15 || word.ends_with('\n') || word.trim_end().ends_with(['.', '!', '?']) {
            sentences.push(String::new());
            words = 0;
        }
    }
    for at in 0..sentences.len() {
        if random.chance(share) {
            let other = random.below(sentences.len());
            sentences.swap(at, other);
        }
    }
    sentences.iter().flat_map(|sentence| [sentence.trim_end(), "\n"]).collect()
}

/// The text as a page, with words hidden from simple readers of HTML.
fn reencoded(text: &str, share: f64, random: &mut Random) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let page = each(&escaped, share, random, |word, random| {
        let at = word.char_indices().nth(word.chars().count() / 2).map_or(0, |(at, _)| at);
        let (front, back) = word.split_at(at);
        if word.contains('&') {
            return format!("<b>{word}</b>");
        }
        match random.below(4) {
            0 => format!("{front}<!-- {} -->{back}", letters(random)),
            1 => format!("{front}<b>{back}</b>"),
            2 => format!("{front}<span style='display:none'>{}</span>{back}", letters(random)),
            _ => word.chars().map(|c| format!("&#{};", c as u32)).collect(),
        }
    });
    format!("<html><body><p>{}</p></body></html>", page.replace('\n', "<br>"))
}

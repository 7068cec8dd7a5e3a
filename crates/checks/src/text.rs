//! Text as a person sees it: what is hidden, disguised, or of a fraud that never changes.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::Text;

/// Hidden characters from which on they are a text of their own and not a preview line.
const HIDDEN_CHARS_MIN: u32 = 1500;

/// Hidden characters for each visible one from which on the hidden text is the larger part.
const HIDDEN_SHARE_MIN: u32 = 2;

/// Disguised letters from which on it is no slip of the keyboard.
const HOMOGLYPHS_MIN: u32 = 3;

/// Invisible characters inside the text from which on they break up words; preview lines are padded with some.
const INVISIBLE_CHARS_MIN: u32 = 20;

/// Bytes of a document that may be a letter: about four pages. Wills and insurances have the words of a fraud, and are
/// longer.
const LETTER_BYTES_MAX: usize = 12 * 1024;

/// Bytes of text searched for a password: it stands in the few lines that go with a packed file.
const PASSWORD_BYTES_MAX: usize = 8 * 1024;

/// Words before the password of a packed file, in folded text (own selection).
const PASSWORD_WORDS: [&str; 9] = [
    "archive password",
    "file password",
    "password for the file",
    "password to open",
    "zip password",
    "password: ",
    "passwort: ",
    "mot de passe : ",
    "contraseña: ",
];

/// Judges the text of one part.
#[must_use]
pub fn judge(text: &Text) -> Vec<Evidence> {
    let found = [
        hidden(text),
        invisible(text),
        homoglyphs(text),
        charset(text),
        wallet(text),
        password(text),
        crate::disguised::judge(text),
    ];
    found.into_iter().flatten().chain(crate::phrases::judge(text)).collect()
}

/// Judges the text of an attached document: a letter in a file is a letter, a long report is not.
#[must_use]
pub fn judge_document(text: &Text) -> Vec<Evidence> {
    let found = [homoglyphs(text), wallet(text)].into_iter().flatten();
    let stories = if text.folded.len() <= LETTER_BYTES_MAX {
        crate::phrases::judge(text)
    } else {
        Vec::new()
    };
    found.chain(stories).collect()
}

fn sign(name: &'static str, weight: f32, detail: String) -> Option<Evidence> {
    Some(Evidence::new(name, weight, Source::Text, detail))
}

fn hidden(text: &Text) -> Option<Evidence> {
    let visible = u32::try_from(text.visible.chars().count()).unwrap_or(u32::MAX);
    if text.hidden_chars < HIDDEN_CHARS_MIN || text.hidden_chars / HIDDEN_SHARE_MIN < visible.max(1)
    {
        return None;
    }
    sign("hidden_text", 0.5, format!("{} hidden characters", text.hidden_chars))
}

fn invisible(text: &Text) -> Option<Evidence> {
    let count = text.invisible_chars;
    if count < INVISIBLE_CHARS_MIN {
        return None;
    }
    sign("invisible_characters", 0.2, format!("{count} invisible characters in the text"))
}

fn homoglyphs(text: &Text) -> Option<Evidence> {
    let count = text.homoglyphs;
    if count < HOMOGLYPHS_MIN {
        return None;
    }
    sign("homoglyphs", 2.5, format!("{count} letters of another script pose as Latin ones"))
}

fn charset(text: &Text) -> Option<Evidence> {
    if !text.broken_charset {
        return None;
    }
    sign("broken_charset", 0.1, "bytes that do not fit the declared charset".to_owned())
}

/// A wallet to pay into, and the word for it beside.
fn wallet(text: &Text) -> Option<Evidence> {
    let names = |words: &[&str]| words.iter().any(|word| text.folded.contains(word));
    // Between blanks: inside a link such a word is a tracking code.
    let has = |is_wallet: fn(&str) -> bool| {
        let words = text.visible.split_whitespace();
        let mut bare = words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
        bare.any(is_wallet)
    };
    if names(&["bitcoin", " btc ", "btc:"]) && has(is_wallet) {
        return sign("wallet", 2.5, "the address of a wallet to pay into".to_owned());
    }
    // People who write programs for such coins write such addresses.
    let other = names(&["usdt", "tether", "litecoin", "ethereum", "trc20"]) && has(is_other_wallet);
    if other { sign("wallet", 1.0, "the address of a wallet".to_owned()) } else { None }
}

/// Addresses of Ethereum (`0x` and 40 hexadecimal digits, EIP-55), Tron (base58 of 34 from T) and Litecoin (`ltc1`,
/// BIP 173).
fn is_other_wallet(word: &str) -> bool {
    let is_hex = |data: &str| data.len() == 40 && data.bytes().all(|b| b.is_ascii_hexdigit());
    let is_random = |word: &str| {
        word.bytes().all(|b| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l'))
            && word.contains(|c: char| c.is_ascii_lowercase())
            && word.contains(|c: char| c.is_ascii_digit())
    };
    word.strip_prefix("0x").is_some_and(is_hex)
        || (word.len() == 34 && word.starts_with('T') && is_random(word))
        || (word.strip_prefix("ltc1").is_some_and(|data| data.len() == 39))
}

/// Bitcoin addresses: base58 (26 to 35 characters from 1 or 3) or bech32 (`bc1`, BIP 173).
fn is_wallet(word: &str) -> bool {
    let base58 = |c: char| c.is_ascii_alphanumeric() && !matches!(c, '0' | 'O' | 'I' | 'l');
    let bech32 = |c: char| matches!(c, '0' | '2'..='9' | 'a' | 'c'..='h' | 'j'..='n' | 'p'..='z');
    if let Some(data) = word.strip_prefix("bc1") {
        return matches!(data.len(), 39 | 59) && data.chars().all(bech32);
    }
    // Digits, small and capital letters all occur in a random address; hex digests have no capitals mixed in.
    (26..=35).contains(&word.len())
        && word.starts_with(['1', '3'])
        && word.chars().all(base58)
        && word.contains(|c: char| c.is_ascii_lowercase())
        && word.contains(|c: char| c.is_ascii_uppercase())
}

/// No fault: what it means beside a packed file, [`crate::together`] knows.
fn password(text: &Text) -> Option<Evidence> {
    let end = text.folded.floor_char_boundary(PASSWORD_BYTES_MAX);
    let searched = &text.folded[..end];
    if !searched.contains("pass") && !searched.contains("contrase") {
        return None;
    }
    let told = PASSWORD_WORDS.iter().any(|words| searched.contains(words));
    if told { sign("password_told", 0.0, "a password is told".to_owned()) } else { None }
}

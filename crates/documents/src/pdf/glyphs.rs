//! Names of glyphs that fonts use in their encodings: those of Latin text, and names that say their character.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Names of the Adobe Glyph List that are not built from a letter and an accent.
const NAMES: &str = "exclam !|quotedbl \"|numbersign #|dollar $|percent %|ampersand &|quotesingle '|\
parenleft (|parenright )|asterisk *|plus +|comma ,|hyphen -|period .|slash /|zero 0|one 1|two 2|three 3|four 4|five 5|\
six 6|seven 7|eight 8|nine 9|colon :|semicolon ;|less <|equal =|greater >|question ?|at @|bracketleft [|backslash \\|\
bracketright ]|asciicircum ^|underscore _|grave `|braceleft {|braceright }|asciitilde ~|exclamdown ¡|cent ¢|\
sterling £|currency ¤|yen ¥|brokenbar ¦|section §|dieresis ¨|copyright ©|ordfeminine ª|guillemotleft «|logicalnot ¬|\
registered ®|macron ¯|degree °|plusminus ±|acute ´|mu µ|paragraph ¶|periodcentered ·|cedilla ¸|ordmasculine º|\
guillemotright »|onequarter ¼|onehalf ½|threequarters ¾|questiondown ¿|AE Æ|Oslash Ø|germandbls ß|ae æ|oslash ø|\
multiply ×|divide ÷|Eth Ð|eth ð|Thorn Þ|thorn þ|dotlessi ı|OE Œ|oe œ|Lslash Ł|lslash ł|Euro €|endash –|emdash —|\
quoteleft ‘|quoteright ’|quotesinglbase ‚|quotedblleft “|quotedblright ”|quotedblbase „|dagger †|daggerdbl ‡|bullet •|\
ellipsis …|perthousand ‰|guilsinglleft ‹|guilsinglright ›|fraction ⁄|trademark ™|minus −|fi fi|fl fl|ff ff|ffi ffi|\
ffl ffl|sfthyphen -|florin ƒ|Dcroat Đ|dcroat đ|arrowright →|arrowleft ←|Alpha Α|\
Beta Β|Gamma Γ|Delta Δ|Epsilon Ε|Omega Ω|Pi Π|Sigma Σ|alpha α|beta β|gamma γ|delta δ|epsilon ε|lambda λ|pi π|sigma σ|\
omega ω|onesuperior ¹|twosuperior ²|threesuperior ³|infinity ∞|lessequal ≤|greaterequal ≥|notequal ≠";

/// Letters with accents by the end of their names: the plain letter, then the composed one.
const COMPOSED: [(&str, &str); 12] = [
    ("grave", "AÀEÈIÌOÒUÙaàeèiìoòuù"),
    ("acute", "AÁEÉIÍOÓUÚYÝCĆNŃSŚZŹaáeéiíoóuúyýcćnńsśzź"),
    ("circumflex", "AÂEÊIÎOÔUÛaâeêiîoôuû"),
    ("tilde", "AÃNÑOÕaãnñoõ"),
    ("macron", "AĀEĒIĪUŪaāeēiīuū"),
    ("breve", "AĂGĞaăgğ"),
    ("dotaccent", "ZŻIİEĖzżeė"),
    ("dieresis", "AÄEËIÏOÖUÜYŸaäeëiïoöuüyÿ"),
    ("ring", "AÅUŮaåuů"),
    ("hungarumlaut", "OŐUŰoőuű"),
    ("caron", "CČDĎEĚNŇRŘSŠTŤZŽcčdďeěnňrřsštťzž"),
    ("cedilla", "CÇSŞTŢcçsştţ"),
];

/// Appends what a glyph of this name shows; `false` if the name says nothing.
pub(super) fn put(name: &[u8], out: &mut String) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    // `A.alt` is an A that looks otherwise.
    let name = name
        .split_once('.')
        .map_or(name, |(name, _)| if name.is_empty() { ".notdef" } else { name });
    let mut chars = name.chars();
    if let (Some(letter), None) = (chars.next(), chars.next()) {
        out.push(letter);
        return true;
    }
    if let Some(text) = listed(name) {
        out.push_str(text);
        return true;
    }
    if let Some(c) = accented(name).or_else(|| numbered(name)) {
        out.push(c);
        return true;
    }
    false
}

fn listed(name: &str) -> Option<&'static str> {
    static LISTED: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
        let entries = NAMES.split('|').filter_map(|entry| entry.split_once(' '));
        // A bar ends the entries, a blank their names.
        entries.chain([("bar", "|"), ("space", " "), ("nbspace", " ")]).collect()
    });
    LISTED.get(name).copied()
}

fn accented(name: &str) -> Option<char> {
    let letter = name.chars().next()?;
    let accent = name.get(letter.len_utf8()..)?;
    let (_, pairs) = COMPOSED.iter().find(|(known, _)| *known == accent)?;
    let mut pairs = pairs.chars();
    while let (Some(plain), Some(composed)) = (pairs.next(), pairs.next()) {
        if plain == letter {
            return Some(composed);
        }
    }
    None
}

/// `uni20AC`, `u1F600`, and the Cyrillic letters of older fonts (`afii10017` is U+0410).
fn numbered(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix("afii") {
        let number: u32 = number.parse().ok()?;
        return match number {
            10017..=10022 => char::from_u32(number - 10017 + 0x410),
            10023 => Some('Ё'),
            10024..=10049 => char::from_u32(number - 10024 + 0x416),
            10065..=10070 => char::from_u32(number - 10065 + 0x430),
            10071 => Some('ё'),
            10072..=10097 => char::from_u32(number - 10072 + 0x436),
            _ => None,
        };
    }
    let digits = name.strip_prefix("uni").and_then(|digits| digits.get(..4));
    let digits = digits
        .or_else(|| name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len())))?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_characters() {
        for (name, expect) in [
            ("A", "A"),
            ("space", " "),
            ("bar", "|"),
            ("fi", "fi"),
            ("eacute", "é"),
            ("Scaron", "Š"),
            ("odieresis.alt", "ö"),
            ("uni20AC", "€"),
            ("u1F600", "\u{1f600}"),
            ("afii10017", "А"),
            ("afii10097", "я"),
            ("quotedbl", "\""),
            ("g123", "none"),
            (".notdef", "none"),
            ("uniZZZZ", "none"),
            ("", "none"),
        ] {
            let mut out = String::new();
            let shown = if put(name.as_bytes(), &mut out) { out.as_str() } else { "none" };
            assert_eq!(shown, expect, "{name}");
        }
    }
}

//! Letters by their shape: what a reader takes for the same letter is the same letter.

/// The Latin letter or digit that a lower-case character looks like, or itself.
///
/// Own selection, on the idea of Unicode Technical Standard 39 (confusables). Whole scripts keep their words apart: a
/// Russian text becomes a mixture of letters, and each of its copies the same mixture.
pub(super) const fn shape(c: char) -> char {
    match c {
        // `l`, `1` and a capital `i` are one stroke in most faces.
        'l' | '1' | 'ı' | 'ɩ' | 'ɪ' | 'і' | 'ї' | 'ι' | 'ӏ' | 'ł' | 'ƚ' | 'ɫ' | 'ℓ' | '|' => {
            'i'
        }
        '0' | 'о' | 'ο' | 'σ' | 'օ' | 'ø' | 'ө' | 'ɵ' | 'ഠ' | '०' | '೦' | '୦' | 'ᴏ' | 'ס' => {
            'o'
        }
        'а' | 'α' | 'ɑ' | 'ӕ' | '@' | 'ᴀ' | '4' => 'a',
        'в' | 'β' | 'ƀ' | 'ɓ' | 'ь' | 'ъ' | 'Ꮟ' | 'ʙ' | '8' | 'ß' => 'b',
        'с' | 'ϲ' | 'ƈ' | 'ᴄ' | 'ҫ' | '¢' => 'c',
        'ԁ' | 'đ' | 'ɗ' | 'ժ' | 'ᴅ' | 'ð' => 'd',
        'е' | 'ε' | 'є' | 'э' | 'ҽ' | 'ɛ' | 'ᴇ' | '3' | '€' => 'e',
        'ƒ' | 'ғ' | 'ք' => 'f',
        'ɡ' | 'ց' | 'ɢ' | 'ǥ' | '9' => 'g',
        'һ' | 'н' | 'հ' | 'ħ' | 'ʜ' | 'ң' => 'h',
        'ј' | 'ϳ' | 'ᴊ' => 'j',
        'к' | 'κ' | 'ƙ' | 'ᴋ' | 'қ' | 'ĸ' => 'k',
        'м' | 'ᴍ' => 'm',
        'η' | 'ո' | 'п' | 'ռ' | 'ɴ' | 'ŋ' | 'ƞ' => 'n',
        'р' | 'ρ' | 'þ' | 'ᴘ' | 'ƥ' => 'p',
        'ԛ' | 'գ' | 'զ' => 'q',
        'г' | 'ʀ' | 'ɼ' | 'я' => 'r',
        'ѕ' | 'ꜱ' | 'ʂ' | '5' | '$' | 'ſ' => 's',
        'т' | 'τ' | 'ŧ' | 'ᴛ' | 'ƭ' | '7' | '+' => 't',
        'υ' | 'ս' | 'μ' | 'ᴜ' | 'ц' => 'u',
        'ѵ' | 'ν' | 'ᴠ' => 'v',
        'ԝ' | 'ω' | 'ш' | 'ᴡ' | 'ɯ' => 'w',
        'х' | 'χ' | '×' => 'x',
        'у' | 'γ' | 'ү' | 'ұ' | 'ʏ' | 'ƴ' | '¥' => 'y',
        'ᴢ' | 'ʐ' | 'ƶ' | '2' => 'z',
        _ => c,
    }
}

/// Digits and signs that stand for letters inside of words (`v1agra`, `c@$h`).
pub(super) const fn stands_for_a_letter(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '@' | '$' | '€' | '|' | '+' | '¢' | '¥' | '×')
}

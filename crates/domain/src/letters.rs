//! Letters and digits of all scripts, told by a table.
//!
//! [`char::is_alphabetic`] searches ranges for all but ASCII: a quarter of a microsecond for a syllable of Hangul, of which
//! a text has hundreds of thousands, each asked about several times.

use std::sync::LazyLock;

/// Characters in the table: those of the basic plane, which nearly all texts are written in.
const TABLE_CHARS: usize = 0x1_0000;

/// One bit a character, 8 KiB.
type Bits = Vec<u64>;

static LETTERS: LazyLock<Bits> = LazyLock::new(|| table(char::is_alphabetic));
static LETTERS_AND_DIGITS: LazyLock<Bits> = LazyLock::new(|| table(char::is_alphanumeric));

fn table(is_in: impl Fn(char) -> bool) -> Bits {
    let bit = |number: usize| {
        let c = u32::try_from(number).ok().and_then(char::from_u32);
        u64::from(c.is_some_and(&is_in)) << (number % 64)
    };
    (0..TABLE_CHARS / 64).map(|word| (word * 64..word * 64 + 64).map(bit).sum()).collect()
}

fn holds(bits: &[u64], c: char) -> Option<bool> {
    let number = c as usize;
    bits.get(number / 64).map(|word| word >> (number % 64) & 1 == 1)
}

/// As [`char::is_alphabetic`].
#[must_use]
pub fn is_alphabetic(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    holds(&LETTERS, c).unwrap_or_else(|| c.is_alphabetic())
}

/// As [`char::is_alphanumeric`].
#[must_use]
pub fn is_alphanumeric(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    holds(&LETTERS_AND_DIGITS, c).unwrap_or_else(|| c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_of_every_character_what_the_search_says() {
        for c in '\0'..=char::MAX {
            assert_eq!(is_alphabetic(c), c.is_alphabetic(), "{c:?}");
            assert_eq!(is_alphanumeric(c), c.is_alphanumeric(), "{c:?}");
        }
    }
}

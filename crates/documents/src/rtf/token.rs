//! Rich Text Format as a row of tokens.

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `\word` with its number.
    Word(&'a [u8], Option<i32>),
    /// `\` and one character that is no letter.
    Symbol(u8),
    /// `\'hh`.
    Byte(u8),
    /// Plain text, without line ends, which mean nothing.
    Text(&'a [u8]),
}

/// Bytes of a control word kept apart: the specification allows 32.
const WORD_BYTES_MAX: usize = 32;

/// Digits of a number: the specification allows ten.
const DIGITS_MAX: usize = 10;

/// Walks through the bytes of a document.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Passes over raw bytes (`\bin`).
    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes.min(self.rest.len())..];
    }

    /// What stands behind a backslash.
    fn control(&mut self) -> Option<Token<'a>> {
        let (&first, behind) = self.rest.split_first()?;
        if first == b'\'' {
            let Some(byte) = hex(behind) else {
                self.rest = behind;
                return Some(Token::Symbol(b'\''));
            };
            self.rest = &behind[2..];
            return Some(Token::Byte(byte));
        }
        if !first.is_ascii_alphabetic() {
            self.rest = behind;
            return Some(Token::Symbol(first));
        }
        let letters = self.rest.iter().take(WORD_BYTES_MAX);
        let length = letters.take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, behind) = self.rest.split_at(length);
        let (number, behind) = number(behind);
        self.rest = behind.strip_prefix(b" ").unwrap_or(behind);
        Some(Token::Word(word, number))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (&first, behind) = self.rest.split_first()?;
            match first {
                b'\\' => {
                    self.rest = behind;
                    return self.control();
                }
                b'{' | b'}' => {
                    self.rest = behind;
                    return Some(if first == b'{' { Token::Open } else { Token::Close });
                }
                b'\r' | b'\n' | 0 => self.rest = behind,
                _ => {
                    let is_end =
                        |byte: &u8| matches!(byte, b'\\' | b'{' | b'}' | b'\r' | b'\n' | 0);
                    let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
                    let (text, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    return Some(Token::Text(text));
                }
            }
        }
    }
}

fn hex(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// A number with its sign, and what stands behind it. One beyond the limit is cut.
fn number(bytes: &[u8]) -> (Option<i32>, &[u8]) {
    let (sign, digits) = match bytes.strip_prefix(b"-") {
        Some(digits) => (-1, digits),
        None => (1, bytes),
    };
    let count = digits.iter().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return (None, bytes);
    }
    let value =
        digits[..count].iter().fold(0_i64, |value, byte| 10 * value + i64::from(byte - b'0'));
    (Some(i32::try_from(sign * value).unwrap_or(i32::MAX)), &digits[count..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_their_limits() {
        for (letters, expect) in [(WORD_BYTES_MAX, 1), (WORD_BYTES_MAX + 1, 2)] {
            let text = format!("\\{}", "a".repeat(letters));
            assert_eq!(Tokens::new(text.as_bytes()).count(), expect);
        }
        for (digits, rest) in [(DIGITS_MAX, 0), (DIGITS_MAX + 1, 1)] {
            assert_eq!(number("1".repeat(digits).as_bytes()).1.len(), rest);
        }
    }

    #[test]
    fn damage_has_tokens_too() {
        for (text, expect) in [
            ("", vec![]),
            ("\\", vec![]),
            ("\\'", vec![Token::Symbol(b'\'')]),
            ("\\'4", vec![Token::Symbol(b'\''), Token::Text(b"4")]),
            ("\\'4g", vec![Token::Symbol(b'\''), Token::Text(b"4g")]),
            ("\\b-x", vec![Token::Word(b"b", None), Token::Text(b"-x")]),
            ("\\b-1 x", vec![Token::Word(b"b", Some(-1)), Token::Text(b"x")]),
            ("a\0b\r\nc", vec![Token::Text(b"a"), Token::Text(b"b"), Token::Text(b"c")]),
        ] {
            assert_eq!(Tokens::new(text.as_bytes()).collect::<Vec<_>>(), expect, "{text}");
        }
    }
}

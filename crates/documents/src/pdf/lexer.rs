//! Tokens and objects of PDF (ISO 32000-1, section 7.2 and 7.3), in files and in content streams.

use std::borrow::Cow;

/// Arrays and dictionaries within each other. Real files have ten.
pub const DEPTH_MAX: usize = 40;

/// Items of one object that are kept, all its arrays and dictionaries together. The largest honest arrays hold widths.
pub const ITEMS_MAX: usize = 200_000;

/// A direct object, or a reference to another.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object<'a> {
    Null,
    Bool,
    Number(f32),
    Name(Cow<'a, [u8]>),
    Text(Cow<'a, [u8]>),
    Array(Vec<Object<'a>>),
    Dict(Dict<'a>),
    Ref(u32),
}

/// A dictionary in the order in which it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Dict<'a>(pub(super) Vec<(Cow<'a, [u8]>, Object<'a>)>);

impl<'a> Dict<'a> {
    /// The value of a key; the last one counts, as in most readers.
    pub(super) fn value(&self, key: &str) -> Option<&Object<'a>> {
        self.0.iter().rfind(|(name, _)| **name == *key.as_bytes()).map(|(_, value)| value)
    }

    pub(super) fn name(&self, key: &str) -> Option<&[u8]> {
        self.value(key)?.name()
    }

    pub(super) fn number(&self, key: &str) -> Option<f32> {
        self.value(key)?.number()
    }

    pub(super) fn is(&self, key: &str, name: &str) -> bool {
        self.name(key) == Some(name.as_bytes())
    }
}

impl<'a> Object<'a> {
    pub(super) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) const fn number(&self) -> Option<f32> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) const fn dict(&self) -> Option<&Dict<'a>> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    pub(super) fn array(&self) -> &[Object<'a>] {
        match self {
            Self::Array(array) => array,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What stands next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme<'a> {
    Object(Object<'a>),
    /// An operator, or a word such as `endobj`.
    Word(&'a [u8]),
}

/// One mark of the grammar.
#[derive(Clone, Debug, PartialEq)]
enum Token<'a> {
    Number(f32),
    Name(Cow<'a, [u8]>),
    Text(Cow<'a, [u8]>),
    ArrayStart,
    ArrayEnd,
    DictStart,
    DictEnd,
    Word(&'a [u8]),
}

/// Reads objects one after the other.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether something was nested too deep, or an object had too many items.
    pub(super) is_too_deep: bool,
    /// Items that the object being read may still have.
    items_left: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, is_too_deep: false, items_left: ITEMS_MAX }
    }

    /// Bytes passed so far.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.bytes.len());
    }

    /// The next object or word. Ends of what was not begun are passed over.
    pub(super) fn next(&mut self) -> Option<Lexeme<'a>> {
        self.items_left = ITEMS_MAX;
        loop {
            match self.token()? {
                Token::Word(word) => return Some(Lexeme::Word(word)),
                Token::ArrayEnd | Token::DictEnd => {}
                token => return Some(Lexeme::Object(self.object(token, 0))),
            }
        }
    }

    /// The next object; `Null` for a word.
    pub(super) fn next_object(&mut self) -> Option<Object<'a>> {
        match self.next()? {
            Lexeme::Object(object) => Some(object),
            Lexeme::Word(_) => Some(Object::Null),
        }
    }

    fn object(&mut self, token: Token<'a>, depth: usize) -> Object<'a> {
        match token {
            Token::Number(number) => self.reference(number).unwrap_or(Object::Number(number)),
            Token::Name(name) => Object::Name(name),
            Token::Text(text) => Object::Text(text),
            Token::ArrayStart if depth < DEPTH_MAX => self.array(depth),
            Token::DictStart if depth < DEPTH_MAX => self.dict(depth),
            Token::ArrayStart | Token::DictStart => {
                self.is_too_deep = true;
                Object::Null
            }
            Token::Word(b"true" | b"false") => Object::Bool,
            Token::Word(_) | Token::ArrayEnd | Token::DictEnd => Object::Null,
        }
    }

    fn array(&mut self, depth: usize) -> Object<'a> {
        let mut items = Vec::new();
        loop {
            let before = self.at;
            match self.token() {
                None | Some(Token::ArrayEnd) => break,
                // The array was not closed.
                Some(Token::Word(b"endobj" | b"stream" | b"obj")) => {
                    self.at = before;
                    break;
                }
                Some(token) => {
                    let item = self.object(token, depth + 1);
                    if self.is_room() {
                        items.push(item);
                    }
                }
            }
        }
        Object::Array(items)
    }

    fn dict(&mut self, depth: usize) -> Object<'a> {
        let mut entries = Vec::new();
        loop {
            let before = self.at;
            match self.token() {
                None | Some(Token::DictEnd) => break,
                Some(Token::Name(key)) => {
                    let before = self.at;
                    match self.token() {
                        None => break,
                        Some(Token::DictEnd) => {
                            entries.push((key, Object::Null));
                            break;
                        }
                        Some(Token::Word(b"endobj" | b"stream")) => {
                            self.at = before;
                            break;
                        }
                        Some(token) => {
                            let value = self.object(token, depth + 1);
                            if self.is_room() {
                                entries.push((key, value));
                            }
                        }
                    }
                }
                Some(Token::Word(b"endobj" | b"stream" | b"obj")) => {
                    self.at = before;
                    break;
                }
                Some(_) => {}
            }
        }
        Object::Dict(Dict(entries))
    }

    /// Whether one more item is kept.
    fn is_room(&mut self) -> bool {
        let is_room = self.items_left > 0;
        self.items_left = self.items_left.saturating_sub(1);
        self.is_too_deep |= !is_room;
        is_room
    }

    /// `12 0 R` once its first number is read.
    fn reference(&mut self, number: f32) -> Option<Object<'a>> {
        if !(0.0..8_388_608.0).contains(&number) || number.fract() != 0.0 {
            return None;
        }
        let rest = self.rest();
        let blank = rest.iter().take_while(|byte| is_blank(**byte)).count();
        let digits = rest[blank..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let behind = &rest[blank + digits..];
        let gap = behind.iter().take_while(|byte| is_blank(**byte)).count();
        let is_one = blank > 0
            && digits > 0
            && gap > 0
            && behind.get(gap) == Some(&b'R')
            && behind.get(gap + 1).is_none_or(|byte| is_blank(*byte) || is_delimiter(*byte));
        is_one.then(|| {
            self.at += blank + digits + gap + 1;
            Object::Ref(number as u32)
        })
    }

    fn token(&mut self) -> Option<Token<'a>> {
        self.pass_blanks();
        let rest = self.rest();
        let &first = rest.first()?;
        match first {
            b'(' => Some(Token::Text(self.literal())),
            b'<' if rest.get(1) == Some(&b'<') => self.mark(2, Token::DictStart),
            b'>' if rest.get(1) == Some(&b'>') => self.mark(2, Token::DictEnd),
            b'<' => Some(Token::Text(self.hex())),
            b'[' => self.mark(1, Token::ArrayStart),
            b']' => self.mark(1, Token::ArrayEnd),
            b'/' => Some(Token::Name(self.name())),
            b'{' | b'}' | b')' | b'>' => self.mark(1, Token::Word(&rest[..1])),
            _ => {
                let is_end = |byte: &u8| is_blank(*byte) || is_delimiter(*byte);
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                self.at += end;
                let word = &rest[..end];
                Some(number(word).map_or(Token::Word(word), Token::Number))
            }
        }
    }

    fn mark(&mut self, bytes: usize, token: Token<'a>) -> Option<Token<'a>> {
        self.at += bytes;
        Some(token)
    }

    fn pass_blanks(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte == b'%' {
                let rest = self.rest();
                let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                self.at += end.unwrap_or(rest.len());
            } else if is_blank(byte) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn name(&mut self) -> Cow<'a, [u8]> {
        let rest = &self.bytes[self.at + 1..];
        let is_end = |byte: &u8| is_blank(*byte) || is_delimiter(*byte);
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        self.at += 1 + end;
        let name = &rest[..end];
        if !name.contains(&b'#') {
            return Cow::Borrowed(name);
        }
        let mut out = Vec::with_capacity(end);
        let mut at = 0;
        while at < end {
            let escaped = (name[at] == b'#').then(|| hex_pair(name.get(at + 1..at + 3)?)).flatten();
            out.push(escaped.unwrap_or(name[at]));
            at += if escaped.is_some() { 3 } else { 1 };
        }
        Cow::Owned(out)
    }

    fn hex(&mut self) -> Cow<'a, [u8]> {
        let rest = &self.bytes[self.at + 1..];
        let end = rest.iter().position(|byte| *byte == b'>').unwrap_or(rest.len());
        self.at = (self.at + end + 2).min(self.bytes.len());
        let mut out = Vec::with_capacity(end / 2);
        let mut half = None;
        for digit in rest[..end].iter().filter_map(|byte| char::from(*byte).to_digit(16)) {
            match half.take() {
                None => half = Some(digit as u8),
                Some(high) => out.push(high << 4 | digit as u8),
            }
        }
        out.extend(half.map(|high| high << 4));
        Cow::Owned(out)
    }

    /// A string in parentheses, which may stand within each other.
    fn literal(&mut self) -> Cow<'a, [u8]> {
        let start = self.at + 1;
        let rest = &self.bytes[start..];
        let plain = rest.iter().position(|byte| matches!(byte, b'(' | b')' | b'\\' | b'\r'));
        if let Some(end) = plain.filter(|end| rest[*end] == b')') {
            self.at = start + end + 1;
            return Cow::Borrowed(&rest[..end]);
        }
        let mut out = Vec::new();
        let mut depth = 1;
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            at += 1;
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => {
                    at += escape(&rest[at..], &mut out);
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            out.push(byte);
        }
        self.at = start + at;
        Cow::Owned(out)
    }
}

/// What a backslash stands for; how many bytes behind it that takes.
fn escape(behind: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(&first) = behind.first() else { return 0 };
    match first {
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'\r' => return if behind.get(1) == Some(&b'\n') { 2 } else { 1 },
        b'\n' => {}
        b'0'..=b'7' => {
            let digits = behind.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(*byte));
            let (value, count) = digits.fold((0_u32, 0), |(value, count), byte| {
                (8 * value + u32::from(byte - b'0'), count + 1)
            });
            out.push((value & 0xff) as u8);
            return count;
        }
        other => out.push(other),
    }
    1
}

/// A number, as far as it can be told from a word. Exponents do not exist.
fn number(word: &[u8]) -> Option<f32> {
    let (sign, digits) = match word {
        [b'-', digits @ ..] => (-1.0, digits),
        [b'+', digits @ ..] => (1.0, digits),
        digits => (1.0, digits),
    };
    let (mut value, mut scale, mut seen) = (0.0_f64, 0.0_f64, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                let digit = f64::from(byte - b'0');
                if scale == 0.0 {
                    value = 10.0 * value + digit;
                } else {
                    value += digit * scale;
                    scale /= 10.0;
                }
            }
            b'.' if scale == 0.0 => scale = 0.1,
            b'-' if seen => break, // written by some: 12-34 is 12
            _ => return None,
        }
    }
    seen.then_some((sign * value) as f32)
}

pub(super) fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
    u8::try_from(16 * digit(0)? + digit(1)?).ok()
}

pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0 | 12)
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> String {
        let mut lexer = Lexer::new(bytes);
        std::iter::from_fn(|| lexer.next())
            .map(|next| match next {
                Lexeme::Object(object) => show(&object),
                Lexeme::Word(word) => format!("!{}", word.escape_ascii()),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn show(object: &Object) -> String {
        match object {
            Object::Null => "null".to_owned(),
            Object::Bool => "bool".to_owned(),
            Object::Number(number) => number.to_string(),
            Object::Name(name) => format!("/{}", name.escape_ascii()),
            Object::Text(text) => format!("({})", text.escape_ascii()),
            Object::Array(items) => {
                format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
            }
            Object::Dict(dict) => {
                let entry = |(key, value): &(Cow<[u8]>, Object)| {
                    format!("{}={}", key.escape_ascii(), show(value))
                };
                format!("<{}>", dict.0.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
            Object::Ref(number) => format!("@{number}"),
        }
    }

    #[test]
    fn objects_are_read_damage_included() {
        for (bytes, expect) in [
            ("", ""),
            ("1 -2.5 +.5 4. 1e5", "1 -2.5 0.5 4 !1e5"),
            ("/Name /J#61va /a#zz /", "/Name /Java /a#zz /"),
            ("(a(b)c\\)\\n\\101\\\nd) (\\7)", "(a(b)c)\\nAd) (\\x07)"),
            ("(open", "(open)"),
            ("<48 65 6C6> <zz>", "(Hel`) ()"),
            ("<48", "(H)"),
            ("[1 2 0 R (x) [/y]] 3", "[1 @2 (x) [/y]] 3"),
            ("<</A 1/B<</C 2 0 R>>/D>> x", "<A=1 B=<C=@2> D=null> !x"),
            ("<</A [1 2 endobj", "<A=[1 2]> !endobj"),
            ("<</A endobj", "<> !endobj"),
            ("12 0 Rx", "12 0 !Rx"),
            ("% comment (\n1", "1"),
            (") > } ]", "!) !> !}"),
            ("[true false null]", "[bool bool null]"),
        ] {
            assert_eq!(all(bytes.as_bytes()), expect, "{bytes}");
        }
    }

    #[test]
    fn items_of_an_object_are_kept_up_to_the_limit() {
        for (items, is_cut) in [(ITEMS_MAX, false), (ITEMS_MAX + 1, true)] {
            let bytes = format!("[{}]", "1 ".repeat(items));
            let mut lexer = Lexer::new(bytes.as_bytes());
            assert_eq!(lexer.next_object().unwrap().array().len(), ITEMS_MAX);
            assert_eq!(lexer.is_too_deep, is_cut);
        }
    }

    #[test]
    fn objects_are_nested_up_to_the_limit() {
        for (depth, is_too_deep) in [(DEPTH_MAX, false), (DEPTH_MAX + 1, true)] {
            let bytes = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let mut lexer = Lexer::new(bytes.as_bytes());
            let _ = lexer.next();
            assert_eq!(lexer.is_too_deep, is_too_deep);
        }
    }
}

//! A structured MIME field: one word and parameters (RFC 2045 section 5.1, RFC 2231), read the way mail programs do.

use crate::charset;
use crate::charset::lossy;

/// Parameters read of one field. Real fields have fewer than ten; RFC 2231 pieces count one each.
pub const PARAMETERS_MAX: usize = 128;

/// One word and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structured {
    /// The word before the parameters in lower case, such as `text/html` or `attachment`.
    pub word: String,
    /// Parameters as they stand: name in lower case with RFC 2231 marks (`filename*0*`), value without quotes.
    raw: Vec<(String, Vec<u8>)>,
}

impl Structured {
    /// Reads the value of a field, folded or not.
    #[must_use]
    pub fn read(value: &[u8]) -> Self {
        let value: Vec<u8> = value.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
        let mut reader = Reader { rest: &value };
        reader.skip_blanks_and_comments();
        let word = reader.word();
        let mut raw = Vec::new();
        while raw.len() < PARAMETERS_MAX {
            let Some(parameter) = reader.parameter() else { break };
            raw.push(parameter);
        }
        Self { word: lossy(&word).to_ascii_lowercase(), raw }
    }

    /// The plain value of a parameter; the first one counts. RFC 2231 pieces are joined, percent escapes resolved.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let plain =
            self.raw.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        plain.or_else(|| self.extended(name).map(|(bytes, _)| bytes))
    }

    /// The same to programs to which the last one counts, and RFC 2231 pieces before all.
    #[must_use]
    pub fn last_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let extended = self.extended(name).map(|(bytes, _)| bytes);
        extended.or_else(|| self.last_plain(name).map(<[u8]>::to_vec))
    }

    /// The value of a parameter as text to programs that know no RFC 2231: the last plain one.
    #[must_use]
    pub fn last_text(&self, name: &str) -> Option<String> {
        self.last_plain(name)
            .map_or_else(|| self.text(name), |value| Some(crate::words::decode(value)))
    }

    fn last_plain(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.raw.iter().rev().filter(|(found, _)| found == name);
        named.next().map(|(_, value)| value.as_slice())
    }

    /// Whether the parameter stands in more than one way.
    #[must_use]
    pub fn is_repeated(&self, name: &str) -> bool {
        let is_named = |found: &str| {
            found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('*'))
        };
        self.raw.iter().filter(|(found, _)| is_named(found)).count() > 1
    }

    /// The value of a parameter as text: RFC 2231, else RFC 2047 words (common, though forbidden), else UTF-8 or
    /// windows-1252. The extended form wins over the plain one (RFC 6266 section 4.3), as mail programs do.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        if let Some((bytes, charset)) = self.extended(name) {
            return Some(match charset {
                Some(charset) => charset::decode(&bytes, Some(&charset)).text,
                None => crate::words::decode(&bytes),
            });
        }
        self.bytes(name).map(|bytes| crate::words::decode(&bytes))
    }

    /// Joins `name*`, `name*0`, `name*0*`, `name*1`...: bytes, and the declared character set if there is one.
    fn extended(&self, name: &str) -> Option<(Vec<u8>, Option<String>)> {
        let mut pieces = Vec::new();
        for (found, value) in &self.raw {
            let Some(marks) = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('*'))
            else {
                continue;
            };
            let (number, percent) = match marks.strip_suffix('*') {
                Some(number) => (number, true),
                None => (marks, marks.is_empty()),
            };
            let number =
                if number.is_empty() { 0 } else { number.parse::<u16>().unwrap_or(u16::MAX) };
            pieces.push((number, percent, value));
        }
        pieces.sort_by_key(|(number, ..)| *number);
        pieces.dedup_by_key(|(number, ..)| *number);
        let (mut joined, mut charset) = (Vec::new(), None);
        for (at, &(_, percent, value)) in pieces.iter().enumerate() {
            let mut value = value.as_slice();
            if at == 0 && percent {
                (charset, value) = split_charset(value);
            }
            if percent {
                joined.extend(unpercent(value));
            } else {
                joined.extend_from_slice(value);
            }
        }
        (!pieces.is_empty()).then_some((joined, charset))
    }
}

/// Splits `charset'language'rest`.
fn split_charset(value: &[u8]) -> (Option<String>, &[u8]) {
    let mut marks = value.iter().enumerate().filter(|(_, byte)| **byte == b'\'').map(|(at, _)| at);
    let (Some(first), Some(second)) = (marks.next(), marks.next()) else { return (None, value) };
    let charset = lossy(&value[..first]).into_owned();
    ((!charset.is_empty()).then_some(charset), &value[second + 1..])
}

/// Resolves `%41`; what is no escape stays.
#[must_use]
pub fn unpercent(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        let digit = |at: usize| behind.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        if byte == b'%'
            && let (Some(high), Some(low)) = (digit(0), digit(1))
        {
            out.push((high << 4 | low) as u8);
            rest = &behind[2..];
        } else {
            out.push(byte);
            rest = behind;
        }
    }
    out
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn skip_blanks_and_comments(&mut self) {
        let mut depth = 0_usize;
        while let Some((&byte, behind)) = self.rest.split_first() {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => {
                    self.rest = behind.get(1..).unwrap_or_default();
                    continue;
                }
                b' ' | b'\t' => {}
                _ if depth > 0 => {}
                _ => return,
            }
            self.rest = behind;
        }
    }

    /// The word before the parameters: to a `;`, blank or comment. Quotes around it are dropped, as mail programs do.
    fn word(&mut self) -> Vec<u8> {
        let length = self.rest.iter().take_while(|byte| !b"; \t(".contains(byte)).count();
        let (word, behind) = self.rest.split_at(length);
        self.rest = behind;
        word.iter().copied().filter(|&byte| byte != b'"').collect()
    }

    /// The next `name=value`; a missing `;` before it is forgiven.
    fn parameter(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            self.skip_blanks_and_comments();
            if let Some(behind) = self.rest.strip_prefix(b";") {
                self.rest = behind;
                continue;
            }
            let length = self.rest.iter().take_while(|byte| !b"=; \t(".contains(byte)).count();
            let (name, behind) = self.rest.split_at(length);
            if length == 0 && behind.is_empty() {
                return None;
            }
            self.rest = behind;
            self.skip_blanks_and_comments();
            if let Some(behind) = self.rest.strip_prefix(b"=") {
                self.rest = behind;
                self.skip_blanks_and_comments();
                let name = lossy(name).to_ascii_lowercase();
                let value = self.value(is_file_name(&name));
                return Some((name, value));
            }
        }
    }

    /// A quoted string, or all up to `;` (file names, which often have blanks unquoted) or the first blank.
    fn value(&mut self, blanks_inside: bool) -> Vec<u8> {
        if let Some(behind) = self.rest.strip_prefix(b"\"") {
            self.rest = behind;
            return self.quoted();
        }
        let stops: &[u8] = if blanks_inside { b";" } else { b"; \t" };
        let length = self.rest.iter().take_while(|byte| !stops.contains(byte)).count();
        let (value, behind) = self.rest.split_at(length);
        self.rest = behind;
        value.trim_ascii().to_vec()
    }

    fn quoted(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        while let Some((&byte, behind)) = self.rest.split_first() {
            self.rest = behind;
            match byte {
                b'"' => break,
                b'\\' => {
                    // A backslash before a letter is a Windows path, not a quote: mail programs keep it.
                    match behind.split_first() {
                        Some((&next, after)) if b"\"\\".contains(&next) => {
                            value.push(next);
                            self.rest = after;
                        }
                        _ => value.push(byte),
                    }
                }
                _ => value.push(byte),
            }
        }
        value
    }
}

fn is_file_name(name: &str) -> bool {
    name.starts_with("filename") || name.starts_with("name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, name: &str, expect: Option<&str>) {
        assert_eq!(Structured::read(value.as_bytes()).text(name).as_deref(), expect, "{value}");
    }

    #[test]
    fn boundaries_in_every_dress_are_the_same() {
        for value in [
            "multipart/mixed; boundary=abc",
            "Multipart/Mixed;boundary=\"abc\"",
            "multipart/mixed ; boundary = \"abc\" (a comment)",
            "multipart/mixed (why; boundary=no) ; (really) boundary (so) = (thus) abc (end)",
            "multipart/mixed boundary=abc",
            "multipart/mixed;\r\n\tboundary=\"ab\\\"c\"; x",
            "multipart/mixed; boundary*0=a; boundary*1=bc",
            "multipart/mixed; boundary*=us-ascii'en'a%62c",
            "multipart/mixed; boundary=abc; boundary=def",
            "multipart/mixed; boundary=\"abc",
        ] {
            let read = Structured::read(value.as_bytes());
            assert_eq!(read.word, "multipart/mixed", "{value}");
            let boundary = read.text("boundary").map(|text| text.replace('"', ""));
            assert_eq!(boundary.as_deref(), Some("abc"), "{value}");
        }
    }

    #[test]
    fn file_names_are_read_as_the_recipient_sees_them() {
        check("attachment; filename=my file (1).exe ; size=3", "filename", Some("my file (1).exe"));
        check("attachment; filename*=UTF-8''na%C3%AFve%20a.txt", "filename", Some("naïve a.txt"));
        check("attachment; filename=a.txt; filename*=utf-8''b.exe", "filename", Some("b.exe"));
        check("a; filename*1=\"b.exe\"; filename*0*=iso-8859-1'de'%FC", "filename", Some("üb.exe"));
        check("a; filename=\"=?utf-8?B?w7wuZXhl?=\"", "filename", Some("ü.exe"));
        check("a; filename=\"c:\\tmp\\a.exe\"", "filename", Some("c:\\tmp\\a.exe"));
        check("a; other=1", "filename", None);
    }

    #[test]
    fn parameters_are_bounded_at_n_and_n_plus_1() {
        let many = |count: usize| {
            let fill: String = (1..count).map(|at| format!("; p{at}=v")).collect();
            Structured::read(format!("a{fill}; last=here").as_bytes()).text("last")
        };
        assert!(many(PARAMETERS_MAX).is_some());
        assert!(many(PARAMETERS_MAX + 1).is_none());
    }
}

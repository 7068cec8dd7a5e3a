//! Replies: a code, one or more lines of text, perhaps an enhanced code (RFC 5321 section 4.2, RFC 2034).

use bytes::{BufMut, Bytes, BytesMut};

use super::limits::{REPLY_LINE_BYTES_MAX, REPLY_LINE_BYTES_SENT_MAX, REPLY_LINES_MAX};
use crate::line::{Line, LineReader};

/// One reply. Lines hold the enhanced code as text, so that a reply passed on says what it said.
///
/// Always safe to put on the wire: no line holds a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// A reply of one line, or of several if `text` holds line breaks. An enhanced code, if any, leads the text
    /// (`"5.7.1 refused"`) and is repeated on each line.
    ///
    /// A code outside 200 to 599 would make the peer lose step and becomes 451.
    pub fn new(code: u16, text: &str) -> Self {
        let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let lead = enhanced_of(lines[0]).map(|_| lines[0].split(' ').next().unwrap_or(""));
        let whole = |(at, line): (usize, &&str)| match lead {
            Some(lead) if at > 0 && enhanced_of(line).is_none() => format!("{lead} {line}"),
            _ => (*line).to_owned(),
        };
        Self::of_lines(code, lines.iter().enumerate().map(whole).collect())
    }

    /// A reply of these lines, as they are but for control characters.
    pub fn of_lines(code: u16, lines: Vec<String>) -> Self {
        let code = if (200..=599).contains(&code) { code } else { 451 };
        let clean = |line: String| -> String {
            line.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
        };
        let mut lines: Vec<String> = lines.into_iter().map(clean).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        Self { code, lines }
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text behind each code.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The enhanced status code that leads the text, such as `5.7.1`.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        enhanced_of(&self.lines[0]).filter(|code| u16::from(code.class) == self.code / 100)
    }

    /// 2xx.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx: may be tried again.
    pub fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx: must not be tried again as it is.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The same words under another code.
    pub fn with_code(self, code: u16) -> Self {
        Self::of_lines(code, self.lines)
    }

    /// Appends the reply to `wire`. Text too long for a line is folded into more lines.
    pub fn encode(&self, wire: &mut BytesMut) {
        let room = REPLY_LINE_BYTES_SENT_MAX - "250-\r\n".len();
        let pieces: Vec<&str> = self.lines.iter().flat_map(|line| fold(line, room)).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let mark = if at + 1 == pieces.len() { ' ' } else { '-' };
            wire.put_slice(format!("{}{mark}{piece}\r\n", self.code).as_bytes());
        }
    }

    /// The reply as bytes to send.
    pub fn to_bytes(&self) -> Bytes {
        let mut wire = BytesMut::new();
        self.encode(&mut wire);
        wire.freeze()
    }
}

/// An enhanced status code (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// What in particular.
    pub detail: u16,
}

fn enhanced_of(line: &str) -> Option<EnhancedCode> {
    let mut numbers = line.split(' ').next()?.split('.');
    let mut number = |digits_max: usize| -> Option<u16> {
        let text = numbers.next()?;
        let sound = text.len() <= digits_max && text.bytes().all(|byte| byte.is_ascii_digit());
        if sound { text.parse().ok() } else { None }
    };
    let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
    let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    numbers.next().is_none().then_some(EnhancedCode { class, subject, detail })
}

fn fold(line: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while rest.len() > room {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(room));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Why bytes are no reply. The sides are out of step: the connection is of no more use; the far side's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// No code of three digits, or no space or hyphen behind it.
    #[error("malformed reply")]
    Malformed,
    /// Lines of one reply carry different codes.
    #[error("reply with two codes")]
    MixedCodes,
    /// A line past [`REPLY_LINE_BYTES_MAX`].
    #[error("reply line too long")]
    LineTooLong,
    /// More lines than [`REPLY_LINES_MAX`].
    #[error("reply of too many lines")]
    TooManyLines,
    /// A bare CR or LF in a reply.
    #[error("bare CR or LF in a reply")]
    BareLineEnd,
}

/// Reads replies, whatever the pieces in which they arrive.
#[derive(Clone, Debug)]
pub struct ReplyReader {
    reader: LineReader,
    code: u16,
    lines: Vec<String>,
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self { reader: LineReader::new(REPLY_LINE_BYTES_MAX), code: 0, lines: Vec::new() }
    }
}

impl ReplyReader {
    /// Takes the next reply off `input`; `None` when it is not whole yet.
    ///
    /// # Errors
    /// When what stands there is no reply. The reader is of no more use then.
    pub fn next(&mut self, input: &mut BytesMut) -> Option<Result<Reply, ReplyFault>> {
        loop {
            let step = match self.reader.next(input)? {
                Line::Text(line) => self.take(&line),
                Line::TooLong => Err(ReplyFault::LineTooLong),
                Line::BareCr | Line::BareLf => Err(ReplyFault::BareLineEnd),
            };
            if let Some(result) = step.transpose() {
                return Some(result);
            }
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyFault> {
        let (digits, rest) = line.split_at_checked(3).ok_or(ReplyFault::Malformed)?;
        let code = code_of(digits).ok_or(ReplyFault::Malformed)?;
        let (more, text) = match rest.split_first() {
            None => (false, rest),
            Some((b' ', text)) => (false, text),
            Some((b'-', text)) => (true, text),
            Some(_) => return Err(ReplyFault::Malformed),
        };
        if !self.lines.is_empty() && self.code != code {
            return Err(ReplyFault::MixedCodes);
        }
        if self.lines.len() == REPLY_LINES_MAX {
            return Err(ReplyFault::TooManyLines);
        }
        self.code = code;
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        let whole = !more;
        Ok(whole.then(|| Reply::of_lines(code, std::mem::take(&mut self.lines))))
    }
}

fn code_of(digits: &[u8]) -> Option<u16> {
    let sound = digits.iter().all(u8::is_ascii_digit) && matches!(digits[0], b'2'..=b'5');
    sound.then(|| digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;

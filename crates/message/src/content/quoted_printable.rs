//! quoted-printable (RFC 2045 section 6.7), read the way mail programs do.

/// Blanks held back until it is known whether a line end follows. A well-made line has at most 76 characters.
pub const BLANKS_HELD_MAX: usize = 4096;

/// Decoded bytes collected before they are given out.
const OUT_BYTES: usize = 4096;

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Text,
    /// A CR in text, perhaps the first half of a line end.
    Cr,
    /// A `=` and perhaps blanks.
    Equals,
    /// A `=`, perhaps blanks, and a CR.
    EqualsCr,
    /// A `=` and one digit.
    Digit(u8),
}

/// Removes quoted-printable.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuotedPrintable {
    state: State,
    blanks: Vec<u8>,
    made: Vec<u8>,
    broken: bool,
}

impl QuotedPrintable {
    pub(super) fn push(&mut self, raw: &[u8], out: &mut dyn FnMut(&[u8])) {
        let mut rest = raw;
        while let Some((&byte, behind)) = rest.split_first() {
            if matches!(self.state, State::Text) && self.blanks.is_empty() {
                // Blanks that something follows in the line are as good as letters.
                let run = memchr::memchr3(b'=', b'\r', b'\n', rest).unwrap_or(rest.len());
                let blanks = rest[..run].iter().rev().take_while(|byte| b" \t".contains(byte));
                let run = run - blanks.count();
                if run > 0 {
                    self.made.extend_from_slice(&rest[..run]);
                    rest = &rest[run..];
                    self.give(out);
                    continue;
                }
            }
            self.byte(byte);
            rest = behind;
            self.give(out);
        }
        if !self.made.is_empty() {
            out(&self.made);
            self.made.clear();
        }
    }

    fn give(&mut self, out: &mut dyn FnMut(&[u8])) {
        if self.made.len() >= OUT_BYTES {
            out(&self.made);
            self.made.clear();
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.state {
            State::Text => self.text(byte),
            State::Cr if byte == b'\n' => self.line_end(),
            State::Cr => self.literally(b"", b"\r", byte),
            State::Equals => self.equals(byte),
            State::EqualsCr if byte == b'\n' => self.soft_break(),
            State::EqualsCr => self.broken_literally(b"=", b"\r", byte),
            State::Digit(high) => match (value(high), value(byte)) {
                (Some(high), Some(low)) => {
                    self.made.push(high << 4 | low);
                    self.state = State::Text;
                }
                _ => self.broken_literally(&[b'=', high], b"", byte),
            },
        }
    }

    fn text(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' => self.hold(byte),
            b'\r' => self.state = State::Cr,
            b'\n' => self.line_end(),
            b'=' => {
                self.made.append(&mut self.blanks);
                self.state = State::Equals;
            }
            _ => {
                self.made.append(&mut self.blanks);
                self.made.push(byte);
            }
        }
    }

    fn equals(&mut self, byte: u8) {
        match byte {
            b'\n' => self.soft_break(),
            b'\r' => self.state = State::EqualsCr,
            b' ' | b'\t' if self.blanks.len() < BLANKS_HELD_MAX => self.blanks.push(byte),
            _ if self.blanks.is_empty() && value(byte).is_some() => self.state = State::Digit(byte),
            _ => self.broken_literally(b"=", b"", byte),
        }
    }

    fn hold(&mut self, blank: u8) {
        if self.blanks.len() == BLANKS_HELD_MAX {
            self.made.append(&mut self.blanks);
        }
        self.blanks.push(blank);
    }

    fn line_end(&mut self) {
        self.blanks.clear();
        self.made.push(b'\n');
        self.state = State::Text;
    }

    fn soft_break(&mut self) {
        self.blanks.clear();
        self.state = State::Text;
    }

    fn broken_literally(&mut self, before: &[u8], after: &[u8], byte: u8) {
        self.broken = true;
        self.literally(before, after, byte);
    }

    /// What was held back is content after all: `before`, the blanks, `after`; then `byte` is read as text.
    fn literally(&mut self, before: &[u8], after: &[u8], byte: u8) {
        self.made.extend_from_slice(before);
        self.made.append(&mut self.blanks);
        self.made.extend_from_slice(after);
        self.state = State::Text;
        self.text(byte);
    }

    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&[u8])) -> bool {
        match self.state {
            State::Cr => {
                self.made.append(&mut self.blanks);
                self.made.push(b'\r');
            }
            State::Digit(high) => {
                self.made.extend_from_slice(&[b'=', high]);
                self.broken = true;
            }
            State::Text | State::Equals | State::EqualsCr => {}
        }
        self.blanks.clear();
        out(&self.made);
        self.broken
    }
}

fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

//! uuencode, as old mail programs and some spammers still send it (POSIX `uuencode`, historical algorithm).

/// Bytes of one line kept. A line of uuencode has 62; a longer line than this is passed or cut, never grown.
pub const UUENCODE_LINE_BYTES_MAX: usize = 1024;

/// Removes uuencode line by line. Takes lines that end in LF.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uuencode {
    line: Vec<u8>,
    inside: bool,
    /// The rest of a line that was too long: passed on outside of a block, dropped inside.
    overlong: bool,
    blocks: u32,
    broken: bool,
}

impl Uuencode {
    pub(super) fn push(&mut self, raw: &[u8], out: &mut dyn FnMut(&[u8])) {
        for piece in raw.split_inclusive(|&byte| byte == b'\n') {
            let ended = piece.last() == Some(&b'\n');
            let text = if ended { &piece[..piece.len() - 1] } else { piece };
            self.extend(text, out);
            if ended {
                self.line_end(out);
            }
        }
    }

    fn extend(&mut self, text: &[u8], out: &mut dyn FnMut(&[u8])) {
        let room = UUENCODE_LINE_BYTES_MAX.saturating_sub(self.line.len()).min(text.len());
        let (fits, beyond) = text.split_at(if self.overlong { 0 } else { room });
        self.line.extend_from_slice(fits);
        if beyond.is_empty() {
            return;
        }
        if !self.overlong {
            self.overlong = true;
            self.broken = true;
            if !self.inside {
                out(&self.line);
            }
        }
        if !self.inside {
            out(beyond);
        }
    }

    fn line_end(&mut self, out: &mut dyn FnMut(&[u8])) {
        let overlong = std::mem::take(&mut self.overlong);
        let line = std::mem::take(&mut self.line);
        let text = line.as_slice();
        if overlong && !self.inside {
            out(b"\n");
        } else if self.inside {
            self.inside_line(text, out);
        } else if is_begin(text) {
            self.inside = true;
            self.blocks = self.blocks.saturating_add(1);
        } else if !text.is_empty() {
            out(text);
            out(b"\n");
        }
        self.line = line;
        self.line.clear();
    }

    fn inside_line(&mut self, text: &[u8], out: &mut dyn FnMut(&[u8])) {
        let Some((&count, letters)) = text.split_first() else { return };
        if text.trim_ascii_end() == b"end" {
            self.inside = false;
            return;
        }
        let mut made = Vec::with_capacity(64);
        for four in letters.chunks(4) {
            let value =
                |at: usize| u32::from(four.get(at).copied().unwrap_or(b' ').wrapping_sub(32) & 63);
            let bits = value(0) << 18 | value(1) << 12 | value(2) << 6 | value(3);
            made.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        let wanted = usize::from(count.wrapping_sub(32) & 63);
        self.broken |= !(32..=96).contains(&count);
        // Programs that strip blanks at line ends strip zero bytes, which are given back; but never more than came, so
        // that a line of one letter cannot grow sixtyfold.
        if wanted > made.len().saturating_mul(2) {
            self.broken = true;
        }
        made.resize(wanted.min(made.len().saturating_mul(2)), 0);
        out(&made);
    }

    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&[u8])) -> bool {
        if !self.line.is_empty() || self.overlong {
            self.line_end(out);
        }
        self.broken || self.inside || self.blocks == 0
    }
}

/// `begin`, a mode of three or four octal digits, a name.
pub(crate) fn is_begin(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"begin ") else { return false };
    let digits = rest.iter().take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    (3..=4).contains(&digits) && rest.get(digits) == Some(&b' ')
}

//! Counts what is wrong with the raw bytes themselves, whatever they mean.

use tamis_domain::outline::Oddity;

use super::book::Book;

/// Bytes of one line without its line end (RFC 5322 section 2.1.1).
pub(super) const LINE_BYTES_MAX: u64 = 998;

/// Counters over one text: a mail, or a decoded enclosed message.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    line: u64,
    after_cr: bool,
    pairs: u32,
    lone_line_feeds: u32,
    lone_returns: u32,
    nul_bytes: u32,
    long_lines: u32,
}

impl Census {
    /// Whether a carriage return without a line feed came.
    pub(super) const fn has_lone_returns(&self) -> bool {
        self.lone_returns > 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else { return };
        if self.after_cr && bytes[0] != b'\n' {
            self.lone_returns = self.lone_returns.saturating_add(1);
        }
        let nuls = u32::try_from(count(bytes, 0)).unwrap_or(u32::MAX);
        self.nul_bytes = self.nul_bytes.saturating_add(nuls);
        let has_returns = count(bytes, b'\r') > 0;
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (piece, behind) = rest.split_at(end + 1);
            self.piece(piece, has_returns);
            rest = behind;
        }
        if !rest.is_empty() {
            self.piece(rest, has_returns);
        }
        self.after_cr = last == b'\r';
    }

    /// Bytes of one line, or the first or last of them.
    fn piece(&mut self, piece: &[u8], has_returns: bool) {
        let returns = if has_returns { count(piece, b'\r') } else { 0 };
        let returns = u32::try_from(returns).unwrap_or(u32::MAX);
        self.line += piece.len() as u64;
        let pair = match piece {
            [b'\n'] => self.after_cr,
            [.., b'\r', b'\n'] => true,
            _ => false,
        };
        let ended = piece.last() == Some(&b'\n');
        let undecided = piece.last() == Some(&b'\r');
        let paired = u32::from((pair && piece.len() > 1) || undecided);
        self.lone_returns = self.lone_returns.saturating_add(returns.saturating_sub(paired));
        if ended {
            let total = if pair { &mut self.pairs } else { &mut self.lone_line_feeds };
            *total = total.saturating_add(1);
            self.line_end(if pair { 2 } else { 1 });
        }
        self.after_cr = undecided;
    }

    fn line_end(&mut self, end_bytes: u64) {
        self.long_lines =
            self.long_lines.saturating_add(u32::from(self.line - end_bytes > LINE_BYTES_MAX));
        self.line = 0;
    }

    pub(super) fn finish(mut self, book: &mut Book) {
        self.lone_returns = self.lone_returns.saturating_add(u32::from(self.after_cr));
        self.line_end(0);
        book.note_times(Oddity::BareCr, self.lone_returns);
        book.note_times(Oddity::NulByte, self.nul_bytes);
        book.note_times(Oddity::LongLine, self.long_lines);
        if self.pairs > 0 {
            book.note_times(Oddity::MixedLineEnds, self.lone_line_feeds);
        }
    }
}

/// How often a byte occurs; sums of few bytes are added by the processor in one step.
fn count(bytes: &[u8], wanted: u8) -> usize {
    let few = |few: &[u8]| few.iter().map(|byte| u8::from(*byte == wanted)).sum::<u8>();
    bytes.chunks(128).map(|some| usize::from(few(some))).sum()
}

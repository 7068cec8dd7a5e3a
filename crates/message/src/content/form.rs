//! Second step of content: line ends.

use super::Form;

/// A run of line feeds, given out piece by piece however many are held back.
const LINE_FEEDS: [u8; 256] = [b'\n'; 256];

/// Applies a [`Form`]; holds back line feeds (as a number) until something follows them.
#[derive(Clone, Debug)]
pub(super) struct Shaper {
    form: Form,
    after_cr: bool,
    held_line_feeds: u64,
}

impl Shaper {
    pub(super) const fn new(form: Form) -> Self {
        Self { form, after_cr: false, held_line_feeds: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        if self.form == Form::Exact {
            out(bytes);
            return;
        }
        let text = self.form == Form::Text;
        let mut rest = bytes;
        while text && let Some(cr) = memchr::memchr(b'\r', rest) {
            self.without_returns(&rest[..cr], out);
            let run = rest[cr..].iter().take_while(|byte| **byte == b'\r').count();
            self.held_line_feeds += run as u64;
            self.after_cr = true;
            rest = &rest[cr + run..];
        }
        self.without_returns(rest, out);
    }

    /// Takes bytes in which no CR ends a line: all but the line feeds at their end stays as it is.
    fn without_returns(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        let second_of_pair = usize::from(self.after_cr && bytes.first() == Some(&b'\n'));
        self.after_cr &= bytes.is_empty();
        let bytes = &bytes[second_of_pair..];
        let line_feeds = bytes.iter().rev().take_while(|byte| **byte == b'\n').count();
        let kept = &bytes[..bytes.len() - line_feeds];
        if !kept.is_empty() {
            self.release(out);
            out(kept);
        }
        self.held_line_feeds += line_feeds as u64;
    }

    fn release(&mut self, out: &mut dyn FnMut(&[u8])) {
        while self.held_line_feeds > 0 {
            let piece = self.held_line_feeds.min(LINE_FEEDS.len() as u64);
            out(&LINE_FEEDS[..usize::try_from(piece).unwrap_or(1)]);
            self.held_line_feeds -= piece;
        }
    }
}

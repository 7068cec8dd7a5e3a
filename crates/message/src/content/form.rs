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
        while let Some(&first) = rest.first() {
            let run = rest
                .iter()
                .position(|&byte| byte == b'\n' || (text && byte == b'\r'))
                .unwrap_or(rest.len());
            if run > 0 {
                self.release(out);
                out(&rest[..run]);
                self.after_cr = false;
                rest = &rest[run..];
                continue;
            }
            let second_of_pair = first == b'\n' && self.after_cr;
            self.held_line_feeds += u64::from(!second_of_pair);
            self.after_cr = first == b'\r';
            rest = &rest[1..];
        }
    }

    fn release(&mut self, out: &mut dyn FnMut(&[u8])) {
        while self.held_line_feeds > 0 {
            let piece = self.held_line_feeds.min(LINE_FEEDS.len() as u64);
            out(&LINE_FEEDS[..usize::try_from(piece).unwrap_or(1)]);
            self.held_line_feeds -= piece;
        }
    }
}

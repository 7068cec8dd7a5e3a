//! Where the readers put what they find: bounded text, links, facts.

use crate::document::{Document, Facts, Format, Link};
use crate::field::Instruction;
use crate::work::{Cut, Work};

/// Bytes of text kept of one document. A novel has a million; what is worth judging stands on the first pages.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Links kept of one document.
pub const LINKS_MAX: usize = 300;

/// Bytes of one target kept.
pub const TARGET_BYTES_MAX: usize = 4096;

/// Bytes of the shown text of one link kept.
pub const SHOWN_BYTES_MAX: usize = 512;

/// Packed pictures kept.
pub const PICTURES_MAX: usize = 4;

/// Collects one document.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) text: String,
    pub(crate) facts: Facts,
    pub(crate) is_damaged: bool,
    links: Vec<Link>,
    pictures: Vec<Vec<u8>>,
    hidden_chars: u32,
    is_full: bool,
}

impl Sink {
    /// Adds visible text.
    pub(crate) fn push(&mut self, text: &str) {
        let room = TEXT_BYTES_MAX - self.text.len();
        if text.len() <= room {
            self.text.push_str(text);
        } else {
            self.text.push_str(&text[..text.floor_char_boundary(room)]);
            self.is_full = true;
        }
    }

    /// Adds one visible character.
    pub(crate) fn push_char(&mut self, c: char) {
        self.push(c.encode_utf8(&mut [0; 4]));
    }

    /// Ends a line, a cell or a word, unless one has just ended. The stronger end stays.
    pub(crate) fn end(&mut self, with: char) {
        match self.text.chars().next_back() {
            None | Some('\n') => {}
            Some('\t' | ' ') if with == '\n' => {
                self.text.pop();
                self.push_char('\n');
            }
            Some('\t' | ' ') => {}
            Some(_) => self.push_char(with),
        }
    }

    /// Counts text that a reader does not show.
    pub(crate) fn hide(&mut self, chars: usize) {
        self.hidden_chars =
            self.hidden_chars.saturating_add(u32::try_from(chars).unwrap_or(u32::MAX));
    }

    /// Whether no more text is kept.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Adds a link. What stands in `text` from `shown_from` on is shown for it.
    pub(crate) fn link(&mut self, target: &str, shown_from: Option<usize>) {
        let target = target.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        if target.is_empty() || self.links.len() >= LINKS_MAX {
            return;
        }
        let shown = shown_from.and_then(|from| self.text.get(from..)).map(str::trim);
        let shown = shown.filter(|shown| !shown.is_empty());
        let shown =
            shown.map(|shown| shown[..shown.floor_char_boundary(SHOWN_BYTES_MAX)].to_owned());
        let target = target[..target.floor_char_boundary(TARGET_BYTES_MAX)].to_owned();
        let link = Link { target, shown };
        if self.links.last() != Some(&link) {
            self.links.push(link);
        }
    }

    /// Adds what a field of a word processor does.
    pub(crate) fn instruct(&mut self, field: &str, shown_from: Option<usize>) {
        match Instruction::read(field) {
            Instruction::Link(target) => self.link(&target, shown_from),
            Instruction::Fetch(target) => {
                self.facts.has_external_template = true;
                self.link(&target, None);
            }
            Instruction::Dde => {
                self.facts.has_dde = true;
                self.facts.has_auto_action = true;
            }
            Instruction::Other => {}
        }
    }

    /// Adds something that is fetched when the document is opened.
    pub(crate) fn fetch(&mut self, target: &str) {
        self.facts.has_external_template = true;
        self.link(target, None);
    }

    /// Whether another picture would be kept.
    pub(crate) fn takes_pictures(&self) -> bool {
        self.pictures.len() < PICTURES_MAX
    }

    /// Adds a packed picture.
    pub(crate) fn picture(&mut self, packed: Vec<u8>) {
        if self.takes_pictures() {
            self.pictures.push(packed);
        }
    }

    /// Everything, as a document.
    pub(crate) fn finish(self, format: Format, work: &mut Work) -> Document {
        if self.is_full {
            work.cut(Cut::Text);
        }
        Document {
            format,
            text: self.text,
            links: self.links,
            hidden_chars: self.hidden_chars,
            facts: self.facts,
            cuts: Vec::new(),
            is_damaged: self.is_damaged,
            pictures: self.pictures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_links_are_kept_up_to_their_limits() {
        let mut sink = Sink::default();
        sink.push(&"a".repeat(TEXT_BYTES_MAX));
        assert!(!sink.is_full() && sink.text.len() == TEXT_BYTES_MAX);
        sink.push("é");
        assert!(sink.is_full() && sink.text.len() == TEXT_BYTES_MAX);
        for at in 0..=LINKS_MAX {
            sink.link(&format!("http://{at}.test/"), None);
        }
        assert_eq!(sink.links.len(), LINKS_MAX);
        for (bytes, kept) in
            [(TARGET_BYTES_MAX, TARGET_BYTES_MAX), (TARGET_BYTES_MAX + 1, TARGET_BYTES_MAX)]
        {
            let mut sink = Sink::default();
            sink.link(&"t".repeat(bytes), None);
            assert_eq!(sink.links[0].target.len(), kept);
        }
        for (bytes, kept) in
            [(SHOWN_BYTES_MAX, SHOWN_BYTES_MAX), (SHOWN_BYTES_MAX + 1, SHOWN_BYTES_MAX)]
        {
            let mut sink = Sink::default();
            sink.push(&"s".repeat(bytes));
            sink.link("t", Some(0));
            assert_eq!(sink.links[0].shown.as_deref().map(str::len), Some(kept));
        }
    }

    #[test]
    fn pictures_are_kept_up_to_their_limit() {
        let mut sink = Sink::default();
        for at in 0..=PICTURES_MAX {
            assert_eq!(sink.takes_pictures(), at < PICTURES_MAX);
            sink.picture(vec![0]);
        }
        assert_eq!(sink.pictures.len(), PICTURES_MAX);
    }

    #[test]
    fn ends_do_not_pile_up_and_the_stronger_one_stays() {
        let mut sink = Sink::default();
        sink.end('\n');
        for (text, end) in [("a", ' '), ("b", '\t'), ("", '\n'), ("", '\n'), ("c", '\n')] {
            sink.push(text);
            sink.end(end);
        }
        assert_eq!(sink.text, "a b\nc\n");
    }
}

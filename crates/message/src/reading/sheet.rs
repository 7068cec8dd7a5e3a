//! Style sheets in the page: rules for names, classes and ids of single elements.
//!
//! What a browser does more (rules for elements within elements, for some devices, of other files) is not followed; where
//! such a rule paints a ground, the colours of this page are not known.

use std::collections::HashMap;

use super::style::{STYLE_BYTES_MAX, Style};

use crate::charset::lossy;

/// Bytes of all style sheets of one page looked at. Newsletters have 20 KB.
pub const SHEET_BYTES_MAX: usize = 128 * 1024;

/// Selectors kept. Newsletters have some hundred.
pub const SELECTORS_MAX: usize = 1000;

/// Classes of one element looked up.
pub const CLASSES_MAX: usize = 16;

/// The rules of a page.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    rules: HashMap<String, Style>,
    bytes: usize,
    /// Whether a ground may be painted by a rule that is not followed.
    pub paints_unseen: bool,
}

impl Sheet {
    /// Takes the text of a `style` element.
    pub(super) fn add(&mut self, text: &str) {
        let room = SHEET_BYTES_MAX.saturating_sub(self.bytes);
        let read = &text[..text.floor_char_boundary(room)];
        self.bytes += read.len();
        self.paints_unseen |= read.len() < text.len() || read.contains("@import");
        let plain = without_comments(read);
        let mut rest = plain.as_str();
        let mut open = 0_usize;
        while let Some((selectors, behind)) = rest.split_once('{') {
            let mut selectors = selectors.rsplit(';').next().unwrap_or_default().trim();
            while open > 0
                && let Some(inside) = selectors.strip_prefix('}')
            {
                selectors = inside.trim_start();
                open -= 1;
            }
            if is_for_screens(selectors) {
                // What it holds follows as rules; the bracket that ends it stands before some selector then.
                open += 1;
                rest = behind;
                continue;
            }
            if selectors.starts_with('@') && !selectors.starts_with("@font-face") {
                rest = behind_block(behind);
                continue;
            }
            let (declarations, after) = behind.split_once('}').unwrap_or((behind, ""));
            self.rule(selectors, declarations);
            rest = after;
        }
    }

    fn rule(&mut self, selectors: &str, declarations: &str) {
        let declared = &declarations.as_bytes()[..declarations.len().min(STYLE_BYTES_MAX)];
        let style = Style::read(declared);
        if style == Style::default() {
            return;
        }
        for selector in selectors.split(',') {
            let selector = selector.trim().to_ascii_lowercase();
            let simple = !selector.is_empty()
                && selector.chars().all(|c| c.is_alphanumeric() || "-_.#*".contains(c));
            if !simple || self.rules.len() >= SELECTORS_MAX {
                self.paints_unseen |= style.ground.is_some();
                continue;
            }
            let rule = self.rules.entry(selector).or_default();
            *rule = rule.under(&style);
        }
    }

    /// What the rules say of an element, weakest first: its name, its classes, its id.
    pub(super) fn style(&self, name: &str, classes: Option<&[u8]>, id: Option<&[u8]>) -> Style {
        let mut style = Style::default();
        if self.rules.is_empty() {
            return style;
        }
        let mut take = |selector: &str| {
            if let Some(rule) = self.rules.get(selector) {
                style = style.under(rule);
            }
        };
        take("*");
        take(name);
        let lower =
            |bytes: &[u8]| lossy(&bytes[..bytes.len().min(STYLE_BYTES_MAX)]).to_ascii_lowercase();
        for class in classes.map(lower).unwrap_or_default().split_whitespace().take(CLASSES_MAX) {
            take(&format!(".{class}"));
            take(&format!("{name}.{class}"));
        }
        if let Some(id) = id.map(lower) {
            take(&format!("#{}", id.trim()));
        }
        style
    }
}

/// Whether a block of rules holds for every screen.
fn is_for_screens(selectors: &str) -> bool {
    let Some(media) = selectors.strip_prefix("@media") else { return false };
    let is = |wanted: &str| media.trim().eq_ignore_ascii_case(wanted);
    is("screen") || is("all") || is("only screen")
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("/*") {
        out.push_str(before);
        rest = behind.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.replace("<!--", "").replace("-->", "")
}

/// What follows the block whose opening bracket has been read.
fn behind_block(text: &str) -> &str {
    let mut depth = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    ""
}

//! HTML rendered to the text that a person sees, and to the links behind it.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{EndTag, StartTag, Token, Tokenizer};
use tamis_domain::reading::Link;

use super::style;
use crate::links::{LinkList, find_links};
use crate::sketch::skeleton::{Build, Skeleton, is_frame};

/// Open elements followed. Newsletters nest their tables some sixty deep; what is deeper is shown as its parent is.
pub const ELEMENTS_OPEN_MAX: usize = 128;

/// Bytes of text kept that is shown for one link.
pub const SHOWN_BYTES_MAX: usize = 512;

/// What came of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Visible text; blanks collapsed, a line feed between blocks.
    pub visible: String,
    /// Characters, blanks not counted, in hidden elements and comments.
    pub hidden_chars: u32,
    /// Links in order of appearance, then addresses found in the text outside of anchors.
    pub links: Vec<Link>,
    /// How it is built, if there is enough of it.
    pub skeleton: Option<Skeleton>,
}

/// Renders a page. Linear in its length times [`ELEMENTS_OPEN_MAX`] at worst.
#[must_use]
pub fn render(page: &str) -> Rendered {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut page_state = Page::default();
    for Ok(token) in Tokenizer::new_with_emitter(page, emitter) {
        match token {
            Token::StartTag(tag) => page_state.start(&tag),
            Token::EndTag(tag) => page_state.end(&tag),
            Token::String(text) => page_state.text(&String::from_utf8_lossy(&text.value)),
            Token::Comment(text) => page_state.hide(&String::from_utf8_lossy(&text.value)),
            Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    page_state.finish()
}

#[derive(Debug, Default)]
struct Page {
    visible: Flow,
    /// Visible text outside of anchors, where mail programs find addresses.
    loose: Flow,
    hidden_chars: u32,
    open: Vec<Element>,
    untracked: usize,
    hidden_depth: usize,
    anchor: Option<Anchor>,
    links: LinkList,
    build: Build,
}

#[derive(Debug)]
struct Element {
    name: String,
    hidden: bool,
}

/// An anchor whose text is being collected.
#[derive(Debug)]
struct Anchor {
    target: String,
    shown: Flow,
}

/// Text whose white space is collapsed.
#[derive(Debug, Default)]
struct Flow {
    text: String,
    gap: Option<char>,
}

impl Flow {
    fn push(&mut self, text: &str) {
        for (at, run) in text.split(char::is_whitespace).enumerate() {
            if at > 0 {
                self.gap = self.gap.or(Some(' '));
            }
            if run.is_empty() {
                continue;
            }
            if let Some(gap) = self.gap.take()
                && !self.text.is_empty()
            {
                self.text.push(gap);
            }
            self.text.push_str(run);
        }
    }

    const fn line_break(&mut self) {
        self.gap = Some('\n');
    }
}

impl Page {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        let attribute = |wanted: &str| {
            tag.attributes
                .get(wanted.as_bytes())
                .map(|value| String::from_utf8_lossy(&value.value).into_owned())
        };
        self.close_implied(&name);
        self.break_before(&name);
        let mut parents = self.open.iter().rev().map(|element| element.name.as_str());
        let parent = parents.find(|name| !is_frame(name)).unwrap_or_default();
        let attributes = tag.attributes.iter().map(|(name, value)| (&name[..], &value.value[..]));
        self.build.tag(parent, &name, attributes);
        match name.as_str() {
            "base" => {
                if let Some(base) = attribute("href") {
                    self.links.set_base(&base);
                }
            }
            "a" => {
                self.end_anchor();
                if let Some(target) = attribute("href") {
                    self.anchor = Some(Anchor { target, shown: Flow::default() });
                }
            }
            "area" | "link" => self.link(attribute("href").filter(|_| name == "area")),
            "form" => self.link(attribute("action")),
            "button" | "input" => self.link(attribute("formaction")),
            "img" | "iframe" | "frame" | "embed" => self.image(attribute("src")),
            "object" => self.image(attribute("data")),
            "meta" => self.meta(attribute("http-equiv"), attribute("content")),
            _ => {}
        }
        if is_void(&name) {
            return;
        }
        let style = tag.attributes.get(&b"style"[..]);
        let hidden = style::never_shown(&name)
            || tag.attributes.contains_key(&b"hidden"[..])
            || style.is_some_and(|style| style::hides(&style.value));
        self.push_element(name, hidden);
    }

    fn push_element(&mut self, name: String, hidden: bool) {
        if self.open.len() >= ELEMENTS_OPEN_MAX {
            self.untracked += 1;
            return;
        }
        self.hidden_depth += usize::from(hidden);
        self.open.push(Element { name, hidden });
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        if name == "a" {
            self.end_anchor();
        }
        self.break_before(&name);
        if self.untracked > 0 {
            self.untracked -= 1;
            return;
        }
        if let Some(at) = self.open.iter().rposition(|element| element.name == name) {
            self.pop_to(at);
        }
    }

    fn pop_to(&mut self, length: usize) {
        for element in self.open.drain(length..) {
            self.hidden_depth -= usize::from(element.hidden);
        }
    }

    /// Elements that end where another begins (WHATWG HTML, section 13.1.2.4), so that a forgotten end tag hides
    /// no more in our eyes than in a browser's.
    fn close_implied(&mut self, name: &str) {
        let ends = |open: &str| match name {
            "li" => matches!(open, "li" | "p"),
            "dt" | "dd" => matches!(open, "dt" | "dd" | "p"),
            "td" | "th" => matches!(open, "td" | "th" | "p"),
            "tr" => matches!(open, "tr" | "td" | "th" | "p"),
            "tbody" | "tfoot" => matches!(open, "tr" | "td" | "th" | "p" | "tbody" | "thead"),
            "option" => open == "option",
            "body" => open == "head",
            _ => open == "p" && is_block(name),
        };
        while self.open.last().is_some_and(|element| ends(&element.name)) {
            self.pop_to(self.open.len() - 1);
        }
    }

    fn break_before(&mut self, name: &str) {
        if is_block(name) || name == "br" {
            self.each_flow(Flow::line_break);
        } else if matches!(name, "td" | "th") {
            self.each_flow(|flow| flow.gap = flow.gap.or(Some(' ')));
        }
    }

    fn each_flow(&mut self, change: impl Fn(&mut Flow)) {
        change(&mut self.visible);
        change(&mut self.loose);
        if let Some(anchor) = &mut self.anchor {
            change(&mut anchor.shown);
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden_depth > 0 {
            self.hide(text);
            return;
        }
        self.visible.push(text);
        match &mut self.anchor {
            Some(anchor) if anchor.shown.text.len() < SHOWN_BYTES_MAX => anchor.shown.push(text),
            Some(_) => {}
            None => self.loose.push(text),
        }
    }

    fn hide(&mut self, text: &str) {
        let count = text.chars().filter(|c| !c.is_whitespace()).count();
        self.hidden_chars =
            self.hidden_chars.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn end_anchor(&mut self) {
        let Some(Anchor { target, shown }) = self.anchor.take() else { return };
        self.loose.gap = self.loose.gap.or(Some(' '));
        let shown: String = cut(shown.text, SHOWN_BYTES_MAX);
        self.links.add(&target, Some(shown));
    }

    fn link(&mut self, target: Option<String>) {
        if let Some(target) = target {
            self.links.add(&target, None);
        }
    }

    /// Pictures and frames that are fetched; those that travel inside the mail are no links.
    fn image(&mut self, target: Option<String>) {
        let fetched = |target: &String| {
            let scheme = target.trim_start().get(..5).unwrap_or_default();
            !scheme.eq_ignore_ascii_case("data:")
                && !scheme.to_ascii_lowercase().starts_with("cid:")
        };
        self.link(target.filter(fetched));
    }

    /// `<meta http-equiv=refresh content="0; url=...">`.
    fn meta(&mut self, equivalent: Option<String>, content: Option<String>) {
        let refresh = equivalent.is_some_and(|word| word.trim().eq_ignore_ascii_case("refresh"));
        let Some(content) = content.filter(|_| refresh) else { return };
        let lower = content.to_ascii_lowercase();
        let target = lower.find("url").and_then(|at| {
            let behind = content.get(at + 3..)?.trim_start().strip_prefix('=')?;
            Some(behind.trim().trim_matches(['"', '\'']).to_owned())
        });
        self.link(target);
    }

    fn finish(mut self) -> Rendered {
        self.end_anchor();
        find_links(&self.loose.text, &mut self.links);
        Rendered {
            visible: self.visible.text,
            hidden_chars: self.hidden_chars,
            links: self.links.into_vec(),
            skeleton: self.build.finish(),
        }
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Elements without content (WHATWG HTML, section 13.1.2).
fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Elements that begin and end on lines of their own.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "center"
            | "dd"
            | "details"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hr"
            | "li"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "tfoot"
            | "thead"
            | "tr"
            | "ul"
    )
}

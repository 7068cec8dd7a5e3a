//! HTML rendered to the text that a person sees, and to the links behind it.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{EndTag, StartTag, Token, Tokenizer};
use tamis_domain::reading::{Link, Page};

use super::carried;
use super::elements::{is_block, is_void};
use super::paint::Paint;
use super::sheet::Sheet;
use super::style::{self, Style};
use super::view::{How, View};
use crate::charset::lossy;
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
    /// Characters of words, blanks not counted, in hidden elements and comments. Scripts, style sheets, and comments for
    /// one mail program are no words.
    pub hidden_chars: u32,
    /// What it does besides showing text.
    pub page: Page,
    /// Links in order of appearance, then addresses found in the text outside of anchors.
    pub links: Vec<Link>,
    /// There were more links than are followed.
    pub is_cut: bool,
    /// How it is built, if there is enough of it.
    pub skeleton: Option<Skeleton>,
}

/// Renders a page. Linear in its length times [`ELEMENTS_OPEN_MAX`] at worst.
#[must_use]
pub fn render(page: &str) -> Rendered {
    let mut state = Rendering::default();
    state.read(page, false);
    for carried in std::mem::take(&mut state.carried) {
        state.end_anchor();
        state.open.clear();
        state.untracked = 0;
        // Nobody sees it before a click: what it says counts as hidden, and where it leads as links.
        // No end tag can name this element.
        state.push_element(String::new(), HIDDEN);
        state.read(&carried, false);
    }
    state.finish()
}

/// The style of what is there and not shown.
const HIDDEN: Style = Style { gone: Some(true), ..NEUTRAL };
const NEUTRAL: Style = Style {
    gone: None,
    firm: false,
    faded: None,
    away: None,
    invisible: None,
    tiny: None,
    ink: None,
    ground: None,
};

#[derive(Debug, Default)]
struct Rendering {
    visible: Flow,
    /// Visible text outside of anchors, where mail programs find addresses.
    loose: Flow,
    hidden_chars: u32,
    page: Page,
    open: Vec<Element>,
    untracked: usize,
    anchor: Option<Anchor>,
    links: LinkList,
    build: Build,
    sheet: Sheet,
    carried: Vec<String>,
}

#[derive(Debug)]
struct Element {
    name: String,
    view: View,
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

impl Rendering {
    /// Reads a page, or what stands in its `noscript`: mail programs run no scripts and show it, but the tokenizer hands
    /// it over as it stands.
    fn read(&mut self, page: &str, is_noscript: bool) {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        for Ok(token) in Tokenizer::new_with_emitter(page, emitter) {
            match token {
                Token::StartTag(tag) => self.start(&tag),
                Token::EndTag(tag) => self.end(&tag),
                Token::String(text) => self.words(&lossy(&text.value), is_noscript),
                Token::Comment(text) => self.comment(&lossy(&text.value)),
                Token::Doctype(_) | Token::Error(_) => {}
            }
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = lossy(&tag.name).into_owned();
        self.close_implied(&name);
        self.break_before(&name);
        let mut parents = self.open.iter().rev().map(|element| element.name.as_str());
        let parent = parents.find(|name| !is_frame(name)).unwrap_or_default();
        let attributes = tag.attributes.iter().map(|(name, value)| (&name[..], &value.value[..]));
        self.build.tag(parent, &name, attributes);
        self.addresses(&name, tag);
        self.count(&name, tag);
        if is_void(&name) {
            return;
        }
        let style = self.style(&name, tag);
        self.push_element(name, style);
    }

    /// Where a start tag leads.
    fn addresses(&mut self, name: &str, tag: &StartTag<()>) {
        let attribute = |wanted: &str| text_of(tag, wanted);
        match name {
            "base" => {
                if let Some(base) = attribute("href") {
                    self.links.set_base(&base);
                }
            }
            "a" => {
                self.end_anchor();
                if let Some(target) = attribute("href").or_else(|| attribute("xlink:href")) {
                    self.carry(&target);
                    self.anchor = Some(Anchor { target, shown: Flow::default() });
                }
            }
            "area" => self.link(attribute("href")),
            "form" => self.link(attribute("action")),
            "button" | "input" => self.link(attribute("formaction")),
            "img" | "iframe" | "frame" | "embed" => self.image(attribute("src")),
            "object" => self.image(attribute("data")),
            "meta" => self.meta(attribute("http-equiv"), attribute("content")),
            _ => {}
        }
        if name == "iframe"
            && let Some(inside) = attribute("srcdoc")
            && self.carried.len() < carried::PAGES_MAX
        {
            self.carried.push(inside);
        }
    }

    /// What a start tag does besides.
    fn count(&mut self, name: &str, tag: &StartTag<()>) {
        let is = |wanted: &str, value: &str| {
            let found = tag.attributes.get(wanted.as_bytes());
            found.is_some_and(|found| found.value.eq_ignore_ascii_case(value.as_bytes()))
        };
        let more = |count: &mut u16| *count = count.saturating_add(1);
        match name {
            "form" => more(&mut self.page.forms),
            "input" if is("type", "password") => more(&mut self.page.password_fields),
            "input" if is("type", "submit") || is("type", "button") => {
                let label = text_of(tag, "value").unwrap_or_default();
                self.text(&format!(" {label} "));
            }
            "script" => more(&mut self.page.scripts),
            "img" if is_pixel(tag) => more(&mut self.page.pixels),
            _ => {}
        }
        if tag.attributes.is_empty() {
            return;
        }
        if tag.attributes.keys().any(|name| name.len() > 4 && name.starts_with(b"on")) {
            more(&mut self.page.scripts);
        }
    }

    /// All that is said about how an element looks: by style sheets, by attributes, by its own style.
    fn style(&self, name: &str, tag: &StartTag<()>) -> Style {
        let attribute = |wanted: &[u8]| tag.attributes.get(wanted).map(|value| &value.value[..]);
        if style::never_shown(name) {
            return HIDDEN;
        }
        let paint = |value: &[u8]| Paint::read(&lossy(value).trim().to_ascii_lowercase());
        let mut style = NEUTRAL;
        style.gone = attribute(b"hidden").map(|_| true);
        match name {
            "font" => style.ink = attribute(b"color").map(paint),
            "body" => style.ink = attribute(b"text").map(paint),
            // Blue, unless something else is said.
            "a" => style.ink = Some(Paint::Unknown),
            _ => {}
        }
        style.ground = attribute(b"bgcolor").map(paint);
        if attribute(b"background").is_some() {
            style.ground = Some(Paint::Unknown);
        }
        let style = style.under(&self.sheet.style(name, attribute(b"class"), attribute(b"id")));
        attribute(b"style").map_or(style, |own| style.under(&Style::read(own)))
    }

    fn push_element(&mut self, name: String, style: Style) {
        if self.open.len() >= ELEMENTS_OPEN_MAX {
            self.untracked += 1;
            return;
        }
        let view = self.view().within(&style);
        self.open.push(Element { name, view });
    }

    fn view(&self) -> View {
        self.open.last().map_or(View::PAGE, |element| element.view)
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name = lossy(&tag.name).into_owned();
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
        self.open.truncate(length);
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

    /// Text between tags: words, or what `style`, `script` and `noscript` hold.
    fn words(&mut self, text: &str, is_noscript: bool) {
        match self.open.last().map(|element| element.name.as_str()) {
            Some("script") => {}
            Some("style") => self.sheet.add(text),
            Some("noscript") if !is_noscript => self.read(text, true),
            _ => self.text(text),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(how) = self.view().hides(self.sheet.paints_unseen) {
            self.hide(text, how);
            return;
        }
        self.visible.push(text);
        match &mut self.anchor {
            Some(anchor) if anchor.shown.text.len() < SHOWN_BYTES_MAX => anchor.shown.push(text),
            Some(_) => {}
            None => self.loose.push(text),
        }
    }

    /// Comments hold words for filters, or markup for one mail program (`[if mso]`), which is no trick.
    fn comment(&mut self, text: &str) {
        let start = text.trim_start();
        let markup = start.starts_with("[if") || start.starts_with("[endif") || text.contains('<');
        if !markup {
            self.hide(text, How::Gone);
        }
    }

    fn hide(&mut self, text: &str, how: How) {
        let count = text.chars().filter(|c| !c.is_whitespace()).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let add = |sum: &mut u32| *sum = sum.saturating_add(count);
        add(&mut self.hidden_chars);
        match how {
            How::Gone => {}
            How::Away => add(&mut self.page.away_chars),
            How::Tiny => add(&mut self.page.tiny_chars),
            How::Coloured => add(&mut self.page.coloured_chars),
        }
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

    /// A page within an address (RFC 2397), kept for reading it later.
    fn carry(&mut self, target: &str) {
        if let Some(page) = carried::page(target) {
            self.page.carried = self.page.carried.saturating_add(1);
            if self.carried.len() < carried::PAGES_MAX {
                self.carried.push(page);
            }
        }
    }

    /// Pictures and frames that are fetched; those that travel inside the mail are no links.
    fn image(&mut self, target: Option<String>) {
        if let Some(target) = &target {
            self.carry(target);
        }
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
        self.page.refreshes = true;
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
            page: self.page,
            is_cut: self.links.is_cut(),
            links: self.links.into_vec(),
            skeleton: self.build.finish(),
        }
    }
}

fn text_of(tag: &StartTag<()>, wanted: &str) -> Option<String> {
    let value = tag.attributes.get(wanted.as_bytes())?;
    Some(lossy(&value.value).into_owned())
}

/// A fetched picture that nobody can see: it tells its server that the mail was opened.
fn is_pixel(tag: &StartTag<()>) -> bool {
    let small = |wanted: &[u8]| {
        let value = tag.attributes.get(wanted).map(|value| value.value.trim_ascii());
        value.is_some_and(|value| matches!(value, b"0" | b"1" | b"0px" | b"1px"))
    };
    let fetched = tag.attributes.get(&b"src"[..]).is_some_and(|value| {
        value.value.trim_ascii_start().get(..4).is_some_and(|it| it.eq_ignore_ascii_case(b"http"))
    });
    fetched && small(b"width") && small(b"height")
}

fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

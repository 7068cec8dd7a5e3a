//! What a style makes of an element: whether a person sees its text.

use super::paint::Paint;

use crate::charset::lossy;

/// Bytes of an inline style, or of one rule of a style sheet, looked at.
pub const STYLE_BYTES_MAX: usize = 4096;

/// Elements whose text is never shown as text.
const NEVER_SHOWN: [&str; 11] = [
    "script", "style", "title", "template", "noframes", "noembed", "iframe", "object", "applet",
    "datalist", "select",
];

/// Whether the text in an element of this name is never shown.
pub(super) fn never_shown(name: &str) -> bool {
    NEVER_SHOWN.contains(&name)
}

/// What declarations say. `None` is what they do not speak of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Style {
    /// `display: none`.
    pub gone: Option<bool>,
    /// Whether that is `!important`, which only the same overrides.
    pub firm: bool,
    /// What else takes an element and all within away: `opacity: 0`, a scale of nothing, no extent.
    pub faded: Option<bool>,
    /// Off the screen, or clipped to nothing.
    pub away: Option<bool>,
    /// `visibility`; what is inside may be visible again.
    pub invisible: Option<bool>,
    /// Too small to be read; what is inside may be larger again.
    pub tiny: Option<bool>,
    /// Colour of the text.
    pub ink: Option<Paint>,
    /// Colour behind it.
    pub ground: Option<Paint>,
}

impl Style {
    /// Reads declarations between semicolons. Of two for the same property the later wins.
    pub(super) fn read(style: &[u8]) -> Self {
        let text = normal(&style[..style.len().min(STYLE_BYTES_MAX)]);
        let mut read = Self::default();
        let mut extent = Extent::default();
        for (property, value) in text.split(';').filter_map(|it| it.split_once(':')) {
            read.declare(property, value);
            extent.declare(property, value);
        }
        if extent.is_nothing() {
            read.faded = Some(true);
        }
        // What is cut out of the ground by transparent letters is seen.
        if read.ink == Some(Paint::Nothing) && text.contains("background-clip:text") {
            read.ink = Some(Paint::Unknown);
        }
        read
    }

    fn declare(&mut self, property: &str, value: &str) {
        match property {
            "display" => {
                self.gone = Some(value.starts_with("none"));
                self.firm = value.ends_with("!important");
            }
            "opacity" => self.faded = Some(tiny(value, 0.1)),
            "visibility" => {
                self.invisible = Some(value.starts_with("hidden") || value.starts_with("collapse"));
            }
            "font-size" => self.tiny = Some(tiny(value, 1.5)),
            "font" => self.tiny = font_size(value).map(|size| tiny(size, 1.5)).or(self.tiny),
            "color" => self.ink = Some(Paint::read(value)),
            "-webkit-text-fill-color" if Paint::read(value) == Paint::Nothing => {
                self.ink = Some(Paint::Nothing);
            }
            "background-color" => self.ground = Some(Paint::read(value)),
            "background-image" if !value.starts_with("none") => self.ground = Some(Paint::Unknown),
            "background" => self.ground = ground(value).or(self.ground),
            "text-indent" | "left" | "right" | "top" | "bottom" | "margin" | "margin-left"
            | "margin-top" | "margin-right"
                if far(value) =>
            {
                self.away = Some(true);
            }
            "clip"
                if value.starts_with("rect(0") && !value.contains(|c| ('1'..='9').contains(&c)) =>
            {
                self.away = Some(true);
            }
            "clip-path" if value.starts_with("inset(100%") || value.starts_with("circle(0") => {
                self.away = Some(true);
            }
            "transform" if value.contains("scale(0)") => self.faded = Some(true),
            "transform" | "translate" if translated(value).any(far) => self.away = Some(true),
            "filter" if value.strip_prefix("opacity(").is_some_and(|it| tiny(it, 0.1)) => {
                self.faded = Some(true);
            }
            _ => {}
        }
    }

    /// This style, where `stronger` says nothing else.
    pub(super) fn under(self, stronger: &Self) -> Self {
        Self {
            gone: if self.firm && !stronger.firm { self.gone } else { stronger.gone.or(self.gone) },
            firm: self.firm || stronger.firm,
            faded: stronger.faded.or(self.faded),
            away: stronger.away.or(self.away),
            invisible: stronger.invisible.or(self.invisible),
            tiny: stronger.tiny.or(self.tiny),
            ink: stronger.ink.or(self.ink),
            ground: stronger.ground.or(self.ground),
        }
    }
}

/// A box of no size that cuts off what does not fit.
#[derive(Debug, Default)]
struct Extent {
    clipped: bool,
    nothing: bool,
}

impl Extent {
    fn declare(&mut self, property: &str, value: &str) {
        match property {
            "overflow" => self.clipped = value.starts_with("hidden"),
            "height" | "max-height" | "width" | "max-width" => self.nothing |= tiny(value, 1.5),
            _ => {}
        }
    }

    const fn is_nothing(&self) -> bool {
        self.clipped && self.nothing
    }
}

/// The size in `italic bold 12px/30px arial`, whose blanks are gone: what stands before the first `/` or `p`, `e`, `%`.
fn font_size(value: &str) -> Option<&str> {
    let start = value.find(|c: char| c.is_ascii_digit() || c == '.')?;
    // A weight of hundreds may come first, and then runs into the size; only plain sizes are read.
    (start == 0).then_some(value)
}

/// The colour among the words of `background`; a picture has all colours.
fn ground(value: &str) -> Option<Paint> {
    if value.contains("url(") || value.contains("gradient(") {
        return Some(Paint::Unknown);
    }
    if value.starts_with("none") || value.starts_with("transparent") {
        return None;
    }
    let end = match value.strip_prefix('#') {
        Some(digits) => 1 + digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len()),
        None => value.find(')').map_or(value.len(), |at| at + 1),
    };
    Some(Paint::read(&value[..end]))
}

/// Lower case, without white space and comments.
fn normal(style: &[u8]) -> String {
    let text = lossy(style);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, behind)) = rest.split_once("/*") {
        out.push_str(before);
        rest = behind.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    if out.contains('\\') {
        out = unescaped(&out);
    }
    if out.contains('(') {
        out = with_commas(&out);
    }
    out.retain(|c| !c.is_whitespace());
    out.make_ascii_lowercase();
    out
}

/// Blanks between the numbers of a colour as commas: `rgb(255 255 255)`.
fn with_commas(style: &str) -> String {
    let mut out = String::with_capacity(style.len());
    let (mut is_colour, mut is_after_number) = (false, false);
    for c in style.chars() {
        match c {
            '(' => is_colour = is_colour_function(&out),
            ')' => is_colour = false,
            _ if is_colour && c.is_whitespace() && is_after_number => out.push(','),
            _ => {}
        }
        is_after_number = c.is_ascii_alphanumeric() || c == '%';
        out.push(c);
    }
    out
}

fn is_colour_function(before: &str) -> bool {
    let ends = |name: &str| {
        let at = before.len().checked_sub(name.len());
        at.and_then(|at| before.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(name))
    };
    ["rgb", "rgba", "hsl", "hsla"].into_iter().any(ends)
}

/// What escapes stand for (CSS Syntax 3, section 4.3.7): up to six digits and one blank, or any other character.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = behind.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        let (number, after) = behind.split_at(digits);
        if digits == 0 {
            let mut letters = behind.chars();
            out.extend(letters.next());
            rest = letters.as_str();
            continue;
        }
        let letter = u32::from_str_radix(number, 16).ok().and_then(char::from_u32);
        // What would end a declaration ends none here, as it ends none there.
        out.push(
            letter.filter(|it| it.is_alphanumeric() || "-_".contains(*it)).unwrap_or('\u{fffd}'),
        );
        rest = after.strip_prefix(char::is_whitespace).unwrap_or(after);
    }
    out.push_str(rest);
    out
}

/// Whether a length is a number below `limit`, in no unit, `px`, `pt` or `%`; other units are larger.
fn tiny(value: &str, limit: f32) -> bool {
    number(value).is_some_and(|(number, unit)| {
        let unit = unit.split(['!', '/', ')']).next().unwrap_or_default();
        let absolute = ["", "px", "pt", "%"].contains(&unit);
        number < if absolute { limit } else { 0.1 }
    })
}

/// The lengths in `translate(-9999px,0)`, and those of the property of this name.
fn translated(value: &str) -> impl Iterator<Item = &str> {
    let inside = value.split_once("translate").map_or("", |(_, behind)| behind);
    let inside = inside.split_once('(').map_or("", |(_, behind)| behind);
    let inside = inside.split(')').next().unwrap_or_default();
    let inside = if value.starts_with(['-', '+']) { value } else { inside };
    inside.split([',', '('])
}

/// Whether a length leads off any screen.
fn far(value: &str) -> bool {
    number(value).is_some_and(|(number, unit)| {
        number <= if unit.starts_with("em") || unit.starts_with("rem") { -60.0 } else { -999.0 }
    })
}

/// The number at the start of a value, and what follows.
fn number(value: &str) -> Option<(f32, &str)> {
    let length =
        value.find(|c: char| !(c.is_ascii_digit() || ".+-".contains(c))).unwrap_or(value.len());
    let (digits, unit) = value.split_at(length);
    digits.parse().ok().map(|number| (number, unit))
}

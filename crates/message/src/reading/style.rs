//! Whether a start tag hides its element from a person.

/// Bytes of an inline style looked at.
const STYLE_BYTES_MAX: usize = 4096;

/// Elements whose text is never shown as text.
const NEVER_SHOWN: [&str; 11] = [
    "script", "style", "title", "template", "noframes", "noembed", "iframe", "object", "applet",
    "datalist", "select",
];

/// Whether the text in an element of this name is never shown.
pub(super) fn never_shown(name: &str) -> bool {
    NEVER_SHOWN.contains(&name)
}

/// Whether an inline style hides the element: not displayed, invisible, or too small to be read.
///
/// Only the element's own style is looked at; a style sheet may hide more, which no mail filter can know without
/// being a browser.
pub(super) fn hides(style: &[u8]) -> bool {
    let style = normal(&style[..style.len().min(STYLE_BYTES_MAX)]);
    let (mut clipped, mut no_extent) = (false, false);
    // A later declaration of the same property wins; hiding twice or once is the same to us.
    for (property, value) in style.split(';').filter_map(|declaration| declaration.split_once(':'))
    {
        let hidden = match property {
            "display" => value.starts_with("none"),
            "visibility" => value.starts_with("hidden") || value.starts_with("collapse"),
            "font-size" => tiny(value, 1.5),
            "opacity" => tiny(value, 0.1),
            "text-indent" | "left" | "margin-left" | "top" => {
                number(value).is_some_and(|(n, _)| n <= -999.0)
            }
            "mso-hide" => false, // hides in one program only, and shows everywhere else
            "overflow" => {
                clipped |= value.starts_with("hidden");
                false
            }
            "height" | "max-height" | "width" | "max-width" => {
                no_extent |= tiny(value, 1.5);
                false
            }
            _ => false,
        };
        if hidden {
            return true;
        }
    }
    clipped && no_extent
}

/// Lower case, without white space and comments.
fn normal(style: &[u8]) -> String {
    let text = String::from_utf8_lossy(style);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, behind)) = rest.split_once("/*") {
        out.push_str(before);
        rest = behind.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.retain(|c| !c.is_whitespace());
    out.make_ascii_lowercase();
    out
}

/// Whether a length is a number below `limit`, in no unit, `px`, `pt` or `%`; other units are larger.
fn tiny(value: &str, limit: f32) -> bool {
    number(value).is_some_and(|(number, unit)| {
        let absolute = ["", "px", "pt", "%"].contains(&unit.trim_end_matches("!important"));
        number < if absolute { limit } else { 0.1 }
    })
}

/// The number at the start of a value, and what follows.
fn number(value: &str) -> Option<(f32, &str)> {
    let length =
        value.find(|c: char| !(c.is_ascii_digit() || ".+-".contains(c))).unwrap_or(value.len());
    let (digits, unit) = value.split_at(length);
    digits.parse().ok().map(|number| (number, unit))
}

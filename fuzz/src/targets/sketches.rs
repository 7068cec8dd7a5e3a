//! Texts, pages and files to their names.

use tamis_message::reading::{fold, render};
use tamis_message::sketch::file::file_sketch;
use tamis_message::sketch::skeleton::{ATTRIBUTES, Skeleton};
use tamis_message::sketch::text::text_name;

use crate::pick::Pick;

/// Names bytes as text, page and file, and a page that is picked out of them in two spellings: what a spelling is free to
/// change (blanks, case and order of attributes, quotes, the text between the tags) changes no name.
pub fn sketches(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let folded = fold(&text).text;
    let spaced = folded.split_whitespace().collect::<Vec<_>>().join(" \n\t");
    assert_eq!(text_name(&folded), text_name(&spaced), "blanks are in a name");
    assert_eq!(file_sketch(data), file_sketch(data));
    let _ = render(&text);
    let mut pick = Pick::new(data);
    let tags = tags(&mut pick);
    let (plain, other) = (skeleton(&tags, false), skeleton(&tags, true));
    assert_eq!(plain, other, "a spelling is in a name: {tags:?}");
}

/// Most tags of a picked page.
const TAGS_MAX: usize = 200;

/// What a page may hold that the reader of HTML takes for an element like any other.
const ELEMENTS: [&str; 14] = [
    "table", "/table", "tr", "td", "/td", "p", "div", "/div", "span", "/span", "a", "/a", "img",
    "font",
];

#[derive(Debug)]
struct Tag {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
}

fn tags(pick: &mut Pick<'_>) -> Vec<Tag> {
    let count = pick.below(TAGS_MAX);
    let attribute = |pick: &mut Pick<'_>| {
        let value = pick.text(6).replace(['\0', '\r', '\n'], "");
        (pick.one(&ATTRIBUTES), value)
    };
    let tag = |pick: &mut Pick<'_>| {
        let name = pick.one(&ELEMENTS);
        let mut attributes: Vec<(&str, String)> = Vec::new();
        for _ in 0..pick.below(4) {
            let (name, value) = attribute(pick);
            if attributes.iter().all(|(known, _)| *known != name) {
                attributes.push((name, value));
            }
        }
        Tag { name, attributes }
    };
    (0..count).map(|_| tag(pick)).collect()
}

fn skeleton(tags: &[Tag], is_other: bool) -> Option<Skeleton> {
    let mut page = String::new();
    for Tag { name, attributes } in tags {
        let written = |(name, value): &(&str, String)| {
            let value = value.replace('&', "&amp;");
            if is_other {
                format!("\n\t{}  =  '{}'", name.to_uppercase(), value.replace('\'', "&#39;"))
            } else {
                format!(" {name}=\"{}\"", value.replace('"', "&quot;"))
            }
        };
        let mut attributes: Vec<String> = attributes.iter().map(written).collect();
        if is_other {
            attributes.reverse();
        }
        let attributes = if name.starts_with('/') { String::new() } else { attributes.concat() };
        page += &match is_other {
            true => format!("other words <!-- -->\n<{}{attributes} >", name.to_uppercase()),
            false => format!("<{name}{attributes}>text"),
        };
    }
    render(&page).skeleton
}

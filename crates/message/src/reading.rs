//! One part's canonical content, read: text as a person sees it, links, file head.

mod carried;
mod elements;
mod file;
mod fold;
mod html;
mod paint;
mod sheet;
mod squeeze;
mod style;
mod view;

pub use carried::{CARRIED_BYTES_MAX, PAGES_MAX};
pub use file::{Budget, FOREIGN_COST, TEXT_SUM_BYTES_MAX, Texts, affordable, is_costly};
pub use fold::{FOLDED_BYTES_MAX, Folded, fold, is_invisible};
pub use html::{ELEMENTS_OPEN_MAX, Rendered, SHOWN_BYTES_MAX, render};
pub use sheet::{CLASSES_MAX, SELECTORS_MAX, SHEET_BYTES_MAX};
pub use style::STYLE_BYTES_MAX;

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use tamis_domain::digest::{SignatureKind, hex};
use tamis_domain::limits::{LINKS_MAX, TEXT_BYTES_MAX};
use tamis_domain::outline::{Part, PartKind};
use tamis_domain::reading::{Link, PartName, PartReading, Text};

use crate::charset;
use crate::charset::lossy;
use crate::digesting::part_digest;
use crate::links::{LinkList, find_links, make_room};
use crate::magic::{FileType, file_type};
use crate::sketch::text::text_name;

/// First bytes of a part that are kept for telling file types.
pub const HEAD_BYTES_MAX: usize = 256;

/// Bytes that are read as text of what is none: words and links of a letter, if it is damaged, stand before its files.
pub const BINARY_BYTES_MAX: usize = 96 * 1024;

/// Bytes of those that are read in other ways, too: each way costs as much as the first, and there may be three.
pub const BINARY_OTHER_BYTES_MAX: usize = 16 * 1024;

/// Of a text that is too long, its end is read besides: this part of what is read of it, so that nothing hides behind it.
const END_SHARE: usize = 4;

/// One control character in so many bytes is no text: compressed data has one in eleven.
const BINARY_SHARE: usize = 32;

/// Bytes in which an HTML page may declare its character set (WHATWG HTML, section 13.2.3.2).
const CHARSET_SEARCH_BYTES: usize = 1024;

/// Reads the canonical content of a leaf. Depends on the content and on kind, media type and charset of `part` alone,
/// never on its name: what is remembered under [`crate::digesting::reading_key`] is the same for everybody.
#[must_use]
pub fn read_part(part: &Part, content: &[u8]) -> PartReading {
    read_part_within(part, content, &mut Budget::default())
}

/// The same for one of many parts: their pictures are looked at and their documents read as long as the `budget` of the
/// mail lasts. What a picture or document that was left out ([`Budget::left_out`] grew) shows is not known, and its
/// reading is not the same for everybody.
#[must_use]
pub fn read_part_within(part: &Part, content: &[u8], budget: &mut Budget) -> PartReading {
    let mut reading = PartReading {
        digest: Some(part_digest(content)),
        sha256: hex(&Sha256::digest(content)),
        head: content[..content.len().min(HEAD_BYTES_MAX)].to_vec(),
        ..PartReading::default()
    };
    let is_html = match part.kind {
        PartKind::Html => true,
        PartKind::Text | PartKind::Report | PartKind::HeaderBlock => {
            // Mail programs do not sniff, but browsers that open a saved attachment do.
            part.media_type != "text/plain" && file_type(content) == Some(FileType::Html)
        }
        PartKind::Other => match file_type(content) {
            Some(FileType::Html) => true,
            _ => {
                file::read(&mut reading, content, budget);
                return reading;
            }
        },
        PartKind::Image => {
            file::read(&mut reading, content, budget);
            return reading;
        }
        PartKind::Container | PartKind::Message => return reading,
    };
    // Invitations, and documents that call themselves text: those are not read as they are written.
    if part.kind == PartKind::Text
        && part.media_type != "text/plain"
        && file::read_as_text(&mut reading, content, budget)
    {
        return reading;
    }
    read_text(&mut reading, part, is_html, content, &mut budget.texts);
    reading
}

fn read_text(
    reading: &mut PartReading,
    part: &Part,
    is_html: bool,
    content: &[u8],
    budget: &mut Texts,
) {
    let charset = part.charset.as_deref();
    // Addresses in headers and reports are those of the mail's way, not links that a person follows.
    let finds_links = !matches!(part.kind, PartKind::HeaderBlock | PartKind::Report);
    let is_binary = !charset.is_some_and(charset::is_wide) && is_binary(content);
    let meta = if is_html { meta_charset(content) } else { None };
    let claims = [charset, meta.as_deref()];
    let read = excerpt(content, (is_html, is_binary), claims, budget);
    let Excerpt { start: cut, end, is_all, .. } = &read;
    reading.is_cut = read.is_cut;
    let label = charset.or(meta.as_deref());
    let decoded = charset::decode(cut, label);
    let others = other_texts(cut, claims, is_binary, &decoded.text);
    reading.is_cut |= is_binary && !others.is_empty() && cut.len() > BINARY_OTHER_BYTES_MAX;
    // A character cut in two at the limit is our doing, not the sender's.
    let broken_charset =
        decoded.broken && (*is_all || charset::decode(trim_cut(cut), charset).broken);
    let (visible, hidden_chars, links, skeleton) = if is_html {
        let Rendered { visible, hidden_chars, page, links, is_cut, skeleton } =
            render(&decoded.text);
        reading.page = page;
        reading.is_cut |= is_cut;
        (visible, hidden_chars, links, skeleton)
    } else {
        let (visible, links) = read_plain(&decoded.text, finds_links);
        reading.is_cut |= links.is_cut();
        (visible, 0, links.into_vec(), None)
    };
    let Folded { text: mut folded, invisible_chars, homoglyphs, is_cut } = fold(&visible);
    reading.is_cut |= is_cut;
    reading.names.extend(text_name(&folded).map(|name| PartName {
        kind: SignatureKind::Text,
        material: Some(name.exact),
        sketch: name.sketch,
    }));
    reading.names.extend(skeleton.map(|skeleton| PartName {
        kind: SignatureKind::Html,
        material: Some(skeleton.exact),
        sketch: Some(skeleton.sketch),
    }));
    reading.links = links;
    for other in &others {
        // Each reading costs as much as a text of its own, so it is paid for as one.
        let fits = other.floor_char_boundary(budget.take(other.as_bytes()));
        add_other(reading, &mut folded, &other[..fits], is_html, finds_links);
    }
    if !end.is_empty() {
        let label = charset::marked_label(content).or(label);
        let end = charset::decode(end, label).text;
        add_other(reading, &mut folded, &end, is_html, finds_links);
    }
    reading.text = Some(Text {
        visible,
        folded,
        hidden_chars: hidden_chars.saturating_add(invisible_chars),
        invisible_chars,
        homoglyphs,
        broken_charset,
    });
}

/// What else the bytes say, of those that are no text only at their start.
fn other_texts(cut: &[u8], claims: [Option<&str>; 2], is_binary: bool, usual: &str) -> Vec<String> {
    match cut.get(..BINARY_OTHER_BYTES_MAX).filter(|_| is_binary) {
        None => charset::other_texts(cut, claims, usual),
        Some(start) => {
            let usual = charset::decode(start, claims[0].or(claims[1])).text;
            charset::other_texts(start, claims, &usual)
        }
    }
}

/// What is read of a text.
struct Excerpt<'a> {
    /// Its beginning; of a long one without what says nothing.
    start: Cow<'a, [u8]>,
    /// Its end, where there is more between them.
    end: &'a [u8],
    /// Whether less is read than there is, however much the budget of the mail allows.
    is_cut: bool,
    /// Whether nothing was cut off at all.
    is_all: bool,
}

fn excerpt<'a>(
    content: &'a [u8],
    (is_html, is_binary): (bool, bool),
    claims: [Option<&str>; 2],
    budget: &mut Texts,
) -> Excerpt<'a> {
    let most = if is_binary { BINARY_BYTES_MAX } else { TEXT_BYTES_MAX };
    let fits = |text: &[u8]| affordable(&text[..text.len().min(most)], TEXT_BYTES_MAX).0;
    let (mut start, mut is_squeezed_all) = (Cow::Borrowed(content), true);
    let mut alone = fits(content);
    if alone < content.len() && !is_binary && charset::keeps_ascii(content, claims) {
        let (squeezed, is_all) = budget.squeeze(content, is_html, TEXT_BYTES_MAX);
        (start, is_squeezed_all) = (Cow::Owned(squeezed), is_all);
        alone = fits(&start);
    }
    // What the mail's budget cuts is told by the budget: alone the same text is read further.
    let is_cut = alone < start.len() || !is_squeezed_all;
    let given = budget.take(&start[..alone]);
    let is_all = given == start.len() && !is_cut;
    match &mut start {
        Cow::Borrowed(bytes) => *bytes = &bytes[..given],
        Cow::Owned(bytes) => bytes.truncate(given),
    }
    let end = if is_cut { last_words(content, alone, most / END_SHARE) } else { &[] };
    let end = &end[..budget.take(end)];
    Excerpt { start, end, is_cut, is_all }
}

/// Whether bytes that call themselves text are none: control characters that no text has (but those that switch between
/// the sets of ISO 2022), and no sign of UTF-16, where every other byte may be zero.
fn is_binary(content: &[u8]) -> bool {
    // All of it is asked: containers of files begin with names and properties.
    let head = &content[..content.len().min(TEXT_BYTES_MAX)];
    let (mut controls, mut even, mut odd) = (0_usize, 0_usize, 0_usize);
    // Few enough for sums of a byte, which the processor makes of many at once.
    for few in head.chunks(240) {
        let is_control = |byte: u8| matches!(byte, 0..=8 | 16..=26 | 28..=31);
        controls += usize::from(few.iter().map(|it| u8::from(is_control(*it))).sum::<u8>());
        let zeros: u8 = few.iter().map(|it| u8::from(*it == 0)).sum();
        if zeros > 0 {
            let at_even = few.iter().step_by(2).filter(|it| **it == 0).count();
            even += at_even;
            odd += usize::from(zeros) - at_even;
        }
    }
    let is_wide = even.max(odd) > head.len() / 4 && even.min(odd) < head.len() / 16;
    controls > head.len() / BINARY_SHARE && !is_wide && !head.starts_with(&[0xff, 0xfe])
}

/// Adds what only another reading of the bytes shows: its words to the folded text, its links to the links.
fn add_other(
    reading: &mut PartReading,
    folded: &mut String,
    other: &str,
    is_html: bool,
    finds_links: bool,
) {
    let (visible, links) = if is_html {
        let Rendered { visible, links, .. } = render(other);
        (visible, links)
    } else {
        let (visible, links) = read_plain(other, finds_links);
        (visible, links.into_vec())
    };
    let known = &reading.links;
    let mut new: Vec<Link> = links.into_iter().filter(|link| !known.contains(link)).collect();
    // As much of these as of those: none may push the others out.
    let many = new.len().saturating_sub(LINKS_MAX / 2);
    new.drain(..many.min(new.len()));
    reading.is_cut |= many > 0 || reading.links.len() + new.len() > LINKS_MAX;
    make_room(&mut reading.links, new.len());
    reading.links.extend(new);
    let words = fold(&visible).text;
    let room = FOLDED_BYTES_MAX.saturating_sub(folded.len() + 1);
    if room > 0 {
        folded.push('\n');
        folded.push_str(&words[..words.floor_char_boundary(room)]);
    }
}

/// The last `most` bytes of a text, blanks at its end aside, behind the first `read`; fewer where they cost more.
fn last_words(content: &[u8], read: usize, most: usize) -> &[u8] {
    let behind = content.get(read..).unwrap_or_default().trim_ascii_end();
    let (length, _) = affordable(&behind[behind.len().saturating_sub(most)..], most);
    let last = &behind[behind.len() - length..];
    // A character that was cut in two is left out, where it is one of UTF-8; those of UTF-16 begin at even places.
    let broken = last.iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
    let start = content.len() - content.trim_ascii_end().len() + last.len() - broken;
    let is_wide = last.contains(&0);
    let odd = usize::from(is_wide && (content.len() - start) % 2 == 1);
    last.get(broken + odd..).unwrap_or_default()
}

/// The content without its last few bytes.
fn trim_cut(cut: &[u8]) -> &[u8] {
    let end = cut.iter().rposition(u8::is_ascii).map_or(0, |at| at + 1);
    &cut[..end]
}

/// A text without markup, and the links in it.
fn read_plain(text: &str, finds_links: bool) -> (String, LinkList) {
    let mut links = LinkList::default();
    let visible = collapse(text);
    if finds_links {
        find_links(&visible, &mut links);
    }
    (visible, links)
}

/// White space runs become one blank, or one line feed if they hold a line end.
fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let (blanks, behind) = rest.split_at(length);
        let length = behind.find(char::is_whitespace).unwrap_or(behind.len());
        let (run, behind) = behind.split_at(length);
        if !(blanks.is_empty() || run.is_empty() || out.is_empty()) {
            out.push(if blanks.contains('\n') { '\n' } else { ' ' });
        }
        out.push_str(run);
        rest = behind;
    }
    out
}

/// What `<meta charset=...>` or `<meta ... content="...charset=...">` near the top declares.
fn meta_charset(content: &[u8]) -> Option<String> {
    let top = &content[..content.len().min(CHARSET_SEARCH_BYTES)];
    let top = lossy(top).to_ascii_lowercase();
    let (_, behind) = top.split_once("charset=")?;
    let behind = behind.trim_start_matches(['"', '\'', ' ']);
    let length = behind
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)))
        .unwrap_or(behind.len());
    (length > 0).then(|| behind[..length].to_owned())
}

#[cfg(test)]
mod tests;

//! Features of one part: words as a person sees them, signs of the writing, links.

use tamis_domain::outline::{Part, PartKind};
use tamis_domain::reading::{Link, Text};

use super::Collector;
use crate::limits::{LINKS_MAX, TEXT_BYTES_MAX, WORD_CHARS_MAX};

/// Words of the folded text, in order, paired with their neighbours.
pub(super) fn words(collector: &mut Collector<'_>, folded: &str) {
    collector.pause();
    let text = &folded[..folded.floor_char_boundary(TEXT_BYTES_MAX.min(folded.len()))];
    each_word(text, |word| {
        collector.word("w", word);
        !collector.is_full()
    });
}

/// Calls `take` with each word until it says that it has enough. A sign of a script without blanks is a word.
pub(super) fn each_word(text: &str, mut take: impl FnMut(&str) -> bool) {
    for run in text.split(|c: char| !(c.is_alphanumeric() || "'$%!#-_@".contains(c))) {
        let run = run.trim_matches(['\'', '-', '_']);
        if run.is_empty() {
            continue;
        }
        if run.is_ascii() || !run.chars().any(is_unspaced) {
            if !take(&shortened(run)) {
                return;
            }
            continue;
        }
        for sign in run.chars() {
            if !take(sign.encode_utf8(&mut [0; 4])) {
                return;
            }
        }
    }
}

/// Scripts that are written without blanks: kana, ideographs, Thai, Lao, Khmer, Myanmar.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x9fff | 0x20000..=0x3ffff)
}

/// A word; a very long one as its beginning and its length in eights.
fn shortened(word: &str) -> std::borrow::Cow<'_, str> {
    match word.char_indices().nth(WORD_CHARS_MAX) {
        None => word.into(),
        Some(_) => {
            let start = word.char_indices().nth(4).map_or(word.len(), |(at, _)| at);
            format!("{}*{}", &word[..start], word.len() / 8).into()
        }
    }
}

/// How the part is written.
pub(super) fn signs(collector: &mut Collector<'_>, part: &Part, text: &Text) {
    let kind = match part.kind {
        PartKind::Html => "html",
        PartKind::Text => "text",
        _ => "other",
    };
    collector.add("kind", kind);
    collector.add("length", &magnitude(text.visible.len()));
    collector.add("hidden", &magnitude(text.hidden_chars as usize));
    if text.invisible_chars > 0 {
        collector.add("invisible", &magnitude(text.invisible_chars as usize));
    }
    if text.homoglyphs > 0 {
        collector.add("homoglyphs", &magnitude(text.homoglyphs as usize));
    }
    if text.broken_charset {
        collector.add("charset", "broken");
    }
    if let Some(charset) = &part.charset {
        collector.add("charset", charset);
    }
}

/// Where links lead: host, its endings, and the beginning of the path.
pub(super) fn links(collector: &mut Collector<'_>, links: &[Link]) {
    collector.add("links", &magnitude(links.len()));
    for link in links.iter().take(LINKS_MAX) {
        let host = link.host.as_str();
        if host.is_empty() {
            continue;
        }
        collector.add("host", host);
        for (at, _) in host.match_indices('.').take(4) {
            collector.add("under", &host[at + 1..]);
        }
        let path = link.target.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        if let Some((_, path)) = path {
            for piece in path.split(['/', '?', '&', '=']).filter(|piece| !piece.is_empty()).take(3)
            {
                collector.add("path", &shortened(piece));
            }
        }
        if let Some(shown) = &link.shown
            && (shown.contains("://") || shown.starts_with("www."))
            && !shown.to_ascii_lowercase().contains(host)
        {
            collector.add("link", "shows another host");
        }
    }
}

/// A number by its order of magnitude in base 2.
pub(super) fn magnitude(number: usize) -> String {
    (usize::BITS - number.leading_zeros()).to_string()
}

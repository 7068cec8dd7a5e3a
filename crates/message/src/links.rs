//! Links: found in text, made absolute, and reduced to the host that answers for them.

use std::collections::{HashSet, VecDeque};

use tamis_domain::limits::{LINK_BYTES_MAX, LINKS_MAX};
use tamis_domain::reading::Link;
use unicode_normalization::UnicodeNormalization;

use crate::charset::lossy;
use crate::parameters::unpercent;
use crate::reading::is_invisible;

/// Links offered to one list. Offers beyond `LINKS_MAX` are duplicates or lead nowhere; an honest page repeats its links
/// a few times, and a hostile one must not have each of its hundred thousand joined to a long base.
const ATTEMPTS_MAX: usize = 20 * LINKS_MAX;

/// Links of one part: no two alike, at most `LINKS_MAX`.
#[derive(Debug, Default)]
pub struct LinkList {
    links: Vec<Link>,
    known: HashSet<(String, Option<String>)>,
    attempts: usize,
    is_cut: bool,
    base: Option<Base>,
    /// The last that were offered when the list was full, as they stand.
    last: VecDeque<(String, Option<String>)>,
    /// The first of those that lead elsewhere than they show, or to a bare address.
    telling: Vec<(String, Option<String>)>,
}

/// Links kept of those that come when the list is full: the last, and those that tell the most. They take the places of
/// others, so that two hundred harmless links do not hide the one that matters.
const LAST_MAX: usize = LINKS_MAX / 4;

/// Bytes of a target kept until the end; line ends and blanks go.
const RAW_BYTES_MAX: usize = 2 * LINK_BYTES_MAX;

impl LinkList {
    /// Says from which page relative targets are followed. The first call counts, as in browsers.
    pub fn set_base(&mut self, base: &str) {
        if self.base.is_none() {
            self.base = Some(Base::new(base));
        }
    }

    /// Adds a link as a browser would follow it from the base, unless it is there already, leads nowhere (`#top`,
    /// `cid:`), or the list is full.
    pub fn add(&mut self, target: &str, shown: Option<String>) {
        if self.is_full() {
            return self.add_late(target, shown);
        }
        self.add_now(target, shown);
    }

    fn add_late(&mut self, target: &str, shown: Option<String>) {
        self.is_cut = true;
        let target = target.trim_start();
        let target = &target[..target.floor_char_boundary(RAW_BYTES_MAX)];
        if self.telling.len() < LAST_MAX && is_telling(target, shown.as_deref()) {
            let link = (target.to_owned(), shown);
            if !self.telling.contains(&link) {
                self.telling.push(link);
            }
            return;
        }
        if self.last.len() >= LAST_MAX {
            self.last.pop_front();
        }
        self.last.push_back((target.to_owned(), shown));
    }

    fn add_now(&mut self, target: &str, shown: Option<String>) {
        self.attempts += 1;
        let target = absolute(clean(target), self.base.as_ref());
        let scheme = target.get(..4).unwrap_or_default();
        let within = target.starts_with('#') || scheme.eq_ignore_ascii_case("cid:");
        if target.is_empty() || within {
            return;
        }
        let link = (target, shown);
        if !self.known.contains(&link) {
            let (target, shown) = link.clone();
            self.links.push(Link { host: host(&target), target, shown });
            self.known.insert(link);
        }
    }

    /// Whether nothing more is added.
    const fn is_full(&self) -> bool {
        self.links.len() >= LINKS_MAX || self.attempts >= ATTEMPTS_MAX
    }

    /// Whether some were offered for which there was no room.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The links in the order they were added.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Link> {
        let before = self.links.len();
        let telling = std::mem::take(&mut self.telling);
        let last = std::mem::take(&mut self.last);
        for (target, shown) in telling.into_iter().chain(last) {
            self.add_now(&target, shown);
        }
        let mut late = self.links.split_off(before);
        make_room(&mut self.links, late.len());
        self.links.append(&mut late);
        self.links
    }
}

/// Drops links that tell nothing from the middle, or else the last, until there is room for so many more.
pub(crate) fn make_room(links: &mut Vec<Link>, more: usize) {
    let mut beyond = (links.len() + more).saturating_sub(LINKS_MAX);
    let mut at = 0;
    links.retain(|Link { target, shown, .. }| {
        at += 1;
        let goes = beyond > 0 && at > LINKS_MAX / 2 && !is_telling(target, shown.as_deref());
        beyond -= usize::from(goes);
        !goes
    });
    links.truncate(links.len().saturating_sub(beyond));
}

/// Whether a link leads to a bare address, or seems to lead elsewhere than it shows; cheap, as there may be many.
fn is_telling(target: &str, shown: Option<&str>) -> bool {
    let Some((_, rest)) = target.split_once("//") else { return false };
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_bare = host.starts_with('[')
        || host.starts_with("0x")
        || host.bytes().all(|it| it.is_ascii_digit() || b".:%".contains(&it));
    let shows_other = shown.is_some_and(|shown| {
        let shown = shown.trim();
        let shown = shown.split_once("//").map_or(shown, |(_, rest)| rest);
        let shown = shown.split(['/', ':', '?']).next().unwrap_or_default();
        shown.contains('.') && !shown.contains(char::is_whitespace) && !host.contains(shown)
    });
    !host.is_empty() && (is_bare || shows_other)
}

/// What a browser makes of an attribute: blanks around and line ends and tabs inside go; cut at `LINK_BYTES_MAX`.
fn clean(target: &str) -> String {
    let mut clean = String::new();
    let trimmed = target.trim_matches(|c: char| c <= ' ' || c == '\u{a0}');
    for c in trimmed.chars().filter(|c| !"\t\r\n".contains(*c)) {
        if clean.len() + c.len_utf8() > LINK_BYTES_MAX {
            break;
        }
        clean.push(c);
    }
    clean
}

/// The scheme in lower case and what follows its colon.
fn split_scheme(target: &str) -> Option<(String, &str)> {
    let (scheme, rest) = target.split_once(':')?;
    let mut letters = scheme.chars();
    let first = letters.next()?.is_ascii_alphabetic();
    let well_formed = first && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    well_formed.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// What relative targets need of the page's address, taken apart once.
#[derive(Debug)]
struct Base {
    /// Scheme in lower case, where there is one.
    scheme: Option<String>,
    /// The address up to the first slash of its path, and up to the last; none without `://`.
    origin_and_folder: Option<(String, String)>,
}

impl Base {
    fn new(base: &str) -> Self {
        let base = clean(base);
        let origin_and_folder = base.find("://").map(|at| {
            let start = at + 3;
            let origin_end = base[start..].find('/').map_or(base.len(), |at| start + at);
            let folder_end = base[origin_end..].rfind('/').map_or(origin_end, |at| origin_end + at);
            (base[..origin_end].to_owned(), base[..folder_end].to_owned())
        });
        Self { scheme: split_scheme(&base).map(|(scheme, _)| scheme), origin_and_folder }
    }
}

/// A clean target as a browser would follow it from a page with this base; without a base as it stands.
fn absolute(target: String, base: Option<&Base>) -> String {
    if split_scheme(&target).is_some() || target.starts_with('#') || target.is_empty() {
        return target;
    }
    if target.starts_with("//") || target.starts_with("\\\\") {
        let scheme = base.and_then(|base| base.scheme.as_deref()).unwrap_or("http");
        return cut(format!("{scheme}:{target}"));
    }
    match base.and_then(|base| base.origin_and_folder.as_ref()) {
        None => target,
        Some((origin, _)) if target.starts_with('/') => cut(format!("{origin}{target}")),
        Some((_, folder)) => cut(format!("{folder}/{target}")),
    }
}

fn cut(mut target: String) -> String {
    target.truncate(target.floor_char_boundary(LINK_BYTES_MAX));
    target
}

/// The host of a target in lower case; the domain of a `mailto:` address; empty if there is none.
///
/// As browsers read it (WHATWG URL): any number of slashes of either kind behind `http:`, user and password before the
/// last `@` dropped, port dropped, percent escapes resolved, compatibility forms (full-width letters and dots) folded,
/// invisible characters removed, a number as IPv4 address written with dots. Punycode stays.
#[must_use]
pub fn host(target: &str) -> String {
    let Some((scheme, rest)) = split_scheme(target) else { return String::new() };
    match scheme.as_str() {
        "http" | "https" | "ftp" | "ws" | "wss" => {
            let rest = rest.trim_start_matches(['/', '\\']);
            let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            normal_host(without_port(host))
        }
        "mailto" => {
            let address = rest.split('?').next().unwrap_or_default();
            address.rsplit_once('@').map_or_else(String::new, |(_, domain)| normal_host(domain))
        }
        _ => String::new(),
    }
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    host.split(':').next().unwrap_or_default()
}

fn normal_host(host: &str) -> String {
    let bytes = unpercent(host.as_bytes());
    let text = lossy(&bytes);
    let folded: String = text
        .chars()
        .filter(|&c| !is_invisible(c) && !c.is_whitespace())
        .map(|c| if c == '。' || c == '｡' { '.' } else { c })
        .nfkc()
        .flat_map(char::to_lowercase)
        .take(LINK_BYTES_MAX)
        .collect();
    let folded = folded.trim_end_matches('.');
    dotted(folded).unwrap_or_else(|| folded.to_owned())
}

/// A host that is one number, decimal, octal or hexadecimal, as the IPv4 address it is to browsers.
fn dotted(host: &str) -> Option<String> {
    let number = if let Some(digits) = host.strip_prefix("0x") {
        u32::from_str_radix(digits, 16).ok()?
    } else if host.len() > 1 && host.starts_with('0') {
        u32::from_str_radix(host, 8).ok()?
    } else {
        host.bytes().all(|byte| byte.is_ascii_digit()).then(|| host.parse().ok())??
    };
    Some(std::net::Ipv4Addr::from(number).to_string())
}

/// Adds the addresses that mail programs find in plain text: `http://`, `https://`, `ftp://`, `www.`, `mailto:`, `a@b.c`.
pub fn find_links(text: &str, links: &mut LinkList) {
    for word in text.split(is_link_end) {
        // Nearly all words have none of these inside.
        if !word.trim_end_matches(['.', ':']).bytes().any(|byte| b".:@".contains(&byte)) {
            continue;
        }
        let end = word.char_indices().nth(LINK_BYTES_MAX).map_or(word.len(), |(at, _)| at);
        let lower_start = word[..end].to_ascii_lowercase();
        if let Some(at) = start_of_scheme(&lower_start).filter(|&at| word.is_char_boundary(at)) {
            links.add(trim_link(&word[at..]), None);
        } else if let Some(at) = start_of_www(&lower_start).filter(|&at| word.is_char_boundary(at))
        {
            links.add(&format!("http://{}", trim_link(&word[at..])), None);
        } else if !links.is_full()
            && let Some(address) = mail_address(word)
        {
            links.add(&format!("mailto:{address}"), None);
        }
    }
}

fn is_link_end(c: char) -> bool {
    matches!(
        c,
        '<' | '>' | '"' | '|' | '^' | '`' | '{' | '}' | '「' | '」' | '《' | '》' | '“' | '”'
    ) || c.is_whitespace()
}

/// The first scheme that mail programs know.
fn start_of_scheme(lower: &str) -> Option<usize> {
    // Asking whether is much cheaper than asking where.
    let schemes = ["http://", "https://", "ftp://", "mailto:"].iter();
    let schemes = schemes.filter(|_| lower.contains("://") || lower.contains("mailto:"));
    schemes.filter_map(|scheme| lower.find(scheme)).min()
}

/// `www.` at the start of a word, perhaps behind punctuation.
fn start_of_www(lower: &str) -> Option<usize> {
    let at = if lower.contains("www.") { lower.find("www.")? } else { return None };
    let before = lower[..at].chars().next_back();
    let free = before.is_none_or(|c| !c.is_alphanumeric() && c != '.' && c != '@' && c != '-');
    (free && lower[at + 4..].contains('.')).then_some(at)
}

/// A link without the punctuation of the sentence around it.
fn trim_link(link: &str) -> &str {
    let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '…', '。', '，']);
    match link.strip_suffix([')', ']']) {
        Some(inside) if !inside.contains(['(', '[']) => trim_link_once(inside),
        _ => link,
    }
}

fn trim_link_once(link: &str) -> &str {
    link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']'])
}

/// `local@host.domain` within a word.
fn mail_address(word: &str) -> Option<&str> {
    let at = word.find('@')?;
    let local_bytes = |c: &char| c.is_ascii_alphanumeric() || "._%+-=".contains(*c);
    let local: usize = word[..at].chars().rev().take_while(local_bytes).map(char::len_utf8).sum();
    let host: usize = word[at + 1..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || ".-".contains(*c))
        .map(char::len_utf8)
        .sum();
    let address = word[at - local..at + 1 + host].trim_end_matches(['.', '-']);
    let domain = address.get(local + 1..)?;
    let plausible =
        local > 0 && domain.contains('.') && !domain.starts_with('.') && address.len() <= 320;
    plausible.then_some(address)
}

#[cfg(test)]
mod tests;

//! Links: their shapes and their words, never their hosts.

use tamis_domain::reading::Link;

use super::host::{owner, same_owner, shape, top_level};
use super::magnitude;
use super::words::{is_web_address, words};
use crate::bag::Bag;
use crate::group::Group;

/// Links read of one part. Newsletters have some dozens, all of a kind.
pub const LINKS_READ_MAX: usize = 60;

/// Bytes of one target that are read: what follows is a token of the recipient.
const TARGET_READ_BYTES_MAX: usize = 512;

/// Words shown for one link that are read.
const SHOWN_WORDS_MAX: usize = 6;

/// What is counted over all links of a part.
#[derive(Default)]
struct Count {
    web: usize,
    owners: Vec<String>,
    misleading: usize,
    pictures: usize,
}

/// Features of the links of one part.
#[must_use]
pub fn read_links(links: &[Link]) -> Bag {
    let mut bag = Bag::new();
    let mut count = Count::default();
    for link in links.iter().take(LINKS_READ_MAX) {
        read_link(&mut bag, &mut count, link);
    }
    count.owners.sort_unstable();
    count.owners.dedup();
    bag.add_number(Group::Links, "links", magnitude(count.web).min(7));
    bag.add_number(Group::Links, "owners", magnitude(count.owners.len()).min(5));
    if count.misleading > 0 {
        bag.add(Group::Links, &["misleading"]);
    }
    if count.pictures > 0 {
        bag.add(Group::Links, &["pictures"]);
    }
    bag
}

fn read_link(bag: &mut Bag, count: &mut Count, link: &Link) {
    let target = &link.target[..link.target.floor_char_boundary(TARGET_READ_BYTES_MAX)];
    let (scheme, rest) = target.split_once(':').unwrap_or(("", target));
    let scheme = scheme.trim().to_ascii_lowercase();
    bag.add(Group::Links, &["scheme", if scheme.len() > 10 { "odd" } else { &scheme }]);
    if !scheme.starts_with("http") {
        return;
    }
    count.web += 1;
    count.owners.push(owner(&link.host).to_owned());
    let rest = rest.trim_start_matches(['/', '\\']);
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    read_host(bag, &link.host, authority);
    read_path(bag, path);
    read_shown(bag, count, link);
}

fn read_host(bag: &mut Bag, host: &str, authority: &str) {
    let is_address = host.starts_with('[') || host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_address {
        bag.add(Group::Links, &["host address"]);
    } else {
        let digits = if host.contains(|c: char| c.is_ascii_digit()) { "0" } else { "" };
        let hyphen = if host.contains('-') { "-" } else { "" };
        let labels = ["1", "2", "3", "4", "5", "6"][host.matches('.').count().min(5)];
        bag.add(Group::Links, &["host", labels, digits, hyphen]);
    }
    if let Some(label) = top_level(host) {
        bag.add(Group::Links, &["top level", label]);
    }
    bag.add_number(Group::Links, "host length", magnitude(host.len() / 4));
    for (sign, name) in [("@", "user in host"), (":", "port")] {
        if authority.contains(sign) {
            bag.add(Group::Links, &[name]);
        }
    }
    if host.contains("xn--") {
        bag.add(Group::Links, &["punycode"]);
    }
    // What stands before the owner's domain is a role (`click`, `news`), not a name.
    let before = host.len() - owner(host).len();
    for label in host[..before].split('.').filter(|label| (1..=14).contains(&label.len())) {
        bag.add(Group::LinkWords, &["label", &shape_digits(label)]);
    }
}

/// Digits as `0`, the rest as it is.
fn shape_digits(label: &str) -> String {
    label.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

fn read_path(bag: &mut Bag, path: &str) {
    let (folders, query) = path.split_once('?').unwrap_or((path, ""));
    bag.add_number(Group::Links, "depth", folders.matches('/').count().min(6));
    bag.add_number(Group::Links, "path length", magnitude(folders.len() / 4));
    bag.add_number(Group::Links, "query length", magnitude(query.len() / 4));
    bag.add_number(Group::Links, "query fields", query.matches('&').count().min(6));
    let last = folders.rsplit('/').next().unwrap_or_default();
    if let Some((_, extension)) = last.rsplit_once('.')
        && extension.len() <= 5
    {
        bag.add(Group::Links, &["extension", &extension.to_ascii_lowercase()]);
    }
    if matches!(path, "" | "/") {
        bag.add(Group::Links, &["no path"]);
    }
    for word in path.split(|c: char| !c.is_ascii_alphabetic()) {
        if (3..=16).contains(&word.len()) {
            bag.add(Group::LinkWords, &["path", &word.to_ascii_lowercase()]);
        }
    }
    for name in query.split('&').filter_map(|field| field.split_once('=')).map(|(name, _)| name) {
        if name.len() <= 14 {
            bag.add(Group::LinkWords, &["field", &name.to_ascii_lowercase()]);
        }
    }
}

fn read_shown(bag: &mut Bag, count: &mut Count, link: &Link) {
    let Some(shown) = link.shown.as_deref().map(str::trim) else {
        bag.add(Group::Links, &["bare"]);
        return;
    };
    if shown.is_empty() {
        count.pictures += 1;
        bag.add(Group::Links, &["picture"]);
        return;
    }
    if is_web_address(shown) {
        bag.add(Group::Links, &["shows address"]);
        let host = shown.split_once("://").map_or(shown, |(_, rest)| rest);
        let host = host.split(['/', '?', ':', ' ']).next().unwrap_or_default().to_lowercase();
        count.misleading += usize::from(!same_owner(&host, &link.host));
        return;
    }
    let folded = shown[..shown.floor_char_boundary(TARGET_READ_BYTES_MAX)].to_lowercase();
    let mut found = Vec::new();
    words(&folded, &mut found);
    bag.add_number(Group::Links, "words shown", found.len().min(5));
    for word in found.iter().take(SHOWN_WORDS_MAX) {
        bag.add(Group::LinkWords, &["shown", word]);
    }
    bag.add(Group::Links, &["shown", &shape(shown, 3)]);
}

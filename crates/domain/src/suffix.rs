//! Who owns a name: the public suffix list, which says below which names anybody can register one.
//!
//! The list is embedded as it is published, sections of registries and of private owners alike: below `github.io` each
//! name is somebody else's, as below `co.uk`. Names that no rule knows are owned by their last two labels (the list's
//! own default rule).

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::LazyLock;

/// The list as published (MPL-2.0, see NOTICE).
const LIST: &str = include_str!("../data/public_suffix_list.dat");

/// Labels at the end of a name that rules are looked up for, which bounds the work for hostile names. The longest rule
/// has seven, and the label before it decides whether it holds.
pub const RULE_LABELS_MAX: usize = 8;

/// The name itself is a suffix.
const PLAIN: u8 = 1;
/// Each name one label below is one (`*.ck`).
const BELOW: u8 = 2;
/// This one is not, in spite of `BELOW` of its parent (`!www.ck`).
const NOT: u8 = 4;

static RULES: LazyLock<HashMap<Cow<'static, str>, u8>> = LazyLock::new(|| {
    let mut rules = HashMap::with_capacity(12_000);
    for rule in LIST.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with("//")) {
        let (name, kind) = match (rule.strip_prefix('!'), rule.strip_prefix("*.")) {
            (Some(name), _) => (name, NOT),
            (_, Some(name)) => (name, BELOW),
            _ => (rule, PLAIN),
        };
        if !name.is_ascii() {
            let labels: Vec<Cow<'_, str>> = name.split('.').map(a_label).collect();
            *rules.entry(Cow::Owned(labels.join("."))).or_insert(0) |= kind;
        }
        *rules.entry(Cow::Borrowed(name)).or_insert(0) |= kind;
    }
    rules
});

/// The part of a host name that one owner holds: the public suffix and one label before it. A suffix itself, a single
/// label and an address literal are their own owner. Names are in lower case, in either form of their labels.
#[must_use]
pub fn owner(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    let may_be_v4 = last.starts_with(|c: char| c.is_ascii_digit());
    if host.contains(':') || (may_be_v4 && host.parse::<Ipv4Addr>().is_ok()) {
        return host;
    }
    let suffix = suffix(host);
    match host[..host.len() - suffix.len()].strip_suffix('.') {
        Some(before) => &host[before.rfind('.').map_or(0, |dot| dot + 1)..],
        None => host,
    }
}

/// Whether nobody owns the name itself, but anybody can own one below it.
#[must_use]
pub fn is_public_suffix(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    !host.is_empty() && suffix(host) == host
}

/// The public suffix of a name without a dot at its end: the longest rule that holds, else the last label.
fn suffix(host: &str) -> &str {
    let flags = |name: &str| RULES.get(name).copied().unwrap_or(0);
    // Starts of the last labels, the last one first; the whole name if it has no more labels.
    let mut starts = [0; RULE_LABELS_MAX];
    let mut count = 0;
    let dots = host.rmatch_indices('.').map(|(dot, _)| dot + 1).chain([0]);
    for (place, start) in starts.iter_mut().zip(dots) {
        *place = start;
        count += 1;
    }
    for at in (0..count).rev() {
        let (name, parent) = (&host[starts[at]..], at.checked_sub(1).map(|up| &host[starts[up]..]));
        let own = flags(name);
        if own & NOT != 0 {
            return parent.unwrap_or(name);
        }
        if own & PLAIN != 0 || parent.is_some_and(|parent| flags(parent) & BELOW != 0) {
            return name;
        }
    }
    &host[starts[0]..]
}

/// A label as DNS has it (RFC 5891): `xn--` and Punycode, if it is not ASCII.
fn a_label(label: &str) -> Cow<'_, str> {
    if label.is_ascii() { Cow::Borrowed(label) } else { Cow::Owned(punycode(label)) }
}

/// RFC 3492 section 6.3, for labels of the list alone: short, and known at build time.
fn punycode(label: &str) -> String {
    let code: Vec<u32> = label.chars().map(u32::from).collect();
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut done) = (128, 0, 72, basic);
    while let Some(next) = code.iter().copied().filter(|it| *it >= n).min() {
        delta += (next - n) * (done + 1);
        n = next;
        for one in code.iter().copied() {
            if one < n {
                delta += 1;
            } else if one == n {
                number(delta, bias, &mut out);
                bias = adapt(delta, done + 1, done == basic);
                delta = 0;
                done += 1;
            }
        }
        delta += 1;
        n += 1;
    }
    format!("xn--{out}")
}

/// A number of variable length (section 3.3).
fn number(mut value: u32, bias: u32, out: &mut String) {
    let mut k = 36;
    loop {
        let threshold = k.clamp(bias + 1, bias + 26) - bias;
        let (digit, is_last) = match value.checked_sub(threshold) {
            None => (value, true),
            Some(over) => (threshold + over % (36 - threshold), false),
        };
        let digit = u8::try_from(digit).unwrap_or(0);
        out.push(char::from(if digit < 26 { b'a' + digit } else { b'0' + digit - 26 }));
        if is_last {
            return;
        }
        value = (value - threshold) / (36 - threshold);
        k += 36;
    }
}

/// The next bias (section 6.1).
const fn adapt(delta: u32, points: u32, is_first: bool) -> u32 {
    let mut delta = delta / if is_first { 700 } else { 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_apart_by_the_list() {
        for (host, expect) in [
            ("www.example.org", "example.org"),
            ("example.org.", "example.org"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("a.b.de", "b.de"),
            ("alice.github.io", "alice.github.io"),
            ("www.ck", "www.ck"),
            ("a.www.ck", "www.ck"),
            ("a.b.other.ck", "b.other.ck"),
            ("x.unknown.example", "unknown.example"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("a.公司.cn", "a.公司.cn"),
            ("b.a.xn--55qx5d.cn", "a.xn--55qx5d.cn"),
            ("食狮.公司.cn", "食狮.公司.cn"),
            ("", ""),
            (".", ""),
            ("..", ""),
        ] {
            assert_eq!(owner(host), expect, "{host}");
        }
        assert!(is_public_suffix("github.io") && is_public_suffix("xn--55qx5d.cn"));
        assert!(!is_public_suffix("example.org") && !is_public_suffix(""));
    }

    #[test]
    fn labels_become_what_dns_has() {
        for (label, expect) in
            [("公司", "xn--55qx5d"), ("bücher", "xn--bcher-kva"), ("香港", "xn--j6w193g")]
        {
            assert_eq!(a_label(label), expect);
        }
        assert_eq!(a_label("plain"), "plain");
    }

    #[test]
    fn no_rule_is_longer_than_what_is_looked_up_and_longer_names_cost_no_more() {
        let longest = RULES.keys().map(|name| name.split('.').count()).max();
        assert!(longest.is_some_and(|longest| longest < RULE_LABELS_MAX));
        for labels in [RULE_LABELS_MAX, RULE_LABELS_MAX + 1, 100_000] {
            let host = format!("{}example.co.uk", "a.".repeat(labels - 3));
            assert_eq!(owner(&host), "example.co.uk");
        }
    }
}

//! What the checks know of domain names: which belong together, who gives mailboxes away, what is an address.

use std::net::Ipv4Addr;

/// Labels that stand before a country code as if they were part of it (`co.uk`). The public suffix list knows
/// thousands; these cover what is common, and a miss only makes two domains of one owner look related or not.
const SECOND_LEVELS: [&str; 12] =
    ["ac", "co", "com", "edu", "gob", "gov", "ltd", "net", "ne", "or", "org", "gouv"];

/// Providers that give mailboxes to anybody, first label of the domain only: they have many country domains.
const FREE_MAIL: [&str; 24] = [
    "126",
    "163",
    "aim",
    "aol",
    "consultant",
    "excite",
    "gmail",
    "gmx",
    "googlemail",
    "hotmail",
    "icloud",
    "inbox",
    "live",
    "lycos",
    "mail",
    "msn",
    "naver",
    "outlook",
    "proton",
    "protonmail",
    "qq",
    "rediffmail",
    "yahoo",
    "yandex",
];

/// The part of a host name that one owner holds, by rule of thumb: the last two labels, or three before a country
/// code with a general second level. An address literal is its own owner.
#[must_use]
pub fn owner(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    if host.parse::<Ipv4Addr>().is_ok() || host.contains(':') {
        return host;
    }
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return host };
    let country = host.len() - last == 3;
    if country && SECOND_LEVELS.contains(&&host[second + 1..last]) {
        return dots.next().map_or(host, |third| &host[third + 1..]);
    }
    &host[second + 1..]
}

/// Whether both hosts have the same owner, in any case. Unknown (empty) hosts have none.
#[must_use]
pub fn same_owner(a: &str, b: &str) -> bool {
    let a = a.to_lowercase();
    let b = b.to_lowercase();
    !a.is_empty() && owner(&a) == owner(&b)
}

/// Whether mailboxes of this domain are given to anybody.
#[must_use]
pub fn is_free_mail(domain: &str) -> bool {
    let domain = domain.to_lowercase();
    let owner = owner(&domain);
    owner.split_once('.').is_some_and(|(first, _)| FREE_MAIL.contains(&first))
}

/// Whether this is an IPv4 address in any form that browsers take: `192.0.2.1`, `3221225985`, `0xc0000201`,
/// `0300.0.2.1` (WHATWG URL, "ends in a number").
#[must_use]
pub fn is_ipv4_host(host: &str) -> bool {
    let labels: Vec<&str> = host.trim_end_matches('.').splitn(6, '.').collect();
    labels.len() <= 4 && labels.iter().all(|label| is_number(label))
}

fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x").or_else(|| label.strip_prefix("0X")) {
        Some(hex) => hex.len() <= 8 && hex.chars().all(|c| c.is_ascii_hexdigit()),
        None => (1..=11).contains(&label.len()) && label.chars().all(|c| c.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_apart_by_rule_of_thumb() {
        for (host, expect) in [
            ("www.example.org", "example.org"),
            ("example.org", "example.org"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("x.co.uk", "x.co.uk"),
            ("a.b.de", "b.de"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("", ""),
        ] {
            assert_eq!(owner(host), expect, "{host}");
        }
    }

    #[test]
    fn addresses_are_known_in_every_form_a_browser_takes() {
        for (host, expect) in [
            ("192.0.2.1", true),
            ("3221225985", true),
            ("0xc0000201", true),
            ("0300.0.2.1", true),
            ("192.0.2.1.", true),
            ("192.0.2.1.5", false),
            ("1.example", false),
            ("", false),
            ("0xg", false),
        ] {
            assert_eq!(is_ipv4_host(host), expect, "{host}");
        }
    }

    #[test]
    fn free_mail_is_known_in_every_country() {
        for (domain, expect) in [
            ("gmail.com", true),
            ("Yahoo.co.uk", true),
            ("mail.yahoo.com", true),
            ("example.org", false),
            ("gmail.example.org", false),
            ("gmail", false),
        ] {
            assert_eq!(is_free_mail(domain), expect, "{domain}");
        }
    }
}

//! What the checks know of domain names: which belong together (by the public suffix list), who gives mailboxes away,
//! what is an address.

use tamis_domain::suffix::owner;

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
        || crate::known::gives_mailboxes(&domain)
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

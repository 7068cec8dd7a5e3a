//! What the features know of host names and addresses: shapes, never the names.

/// Labels that stand before a country code as if they were part of it.
const SECOND_LEVEL_CHARS_MAX: usize = 3;

/// Providers that give mailboxes to anybody, first label of the domain only.
const FREE_MAIL: [&str; 34] = [
    "126",
    "163",
    "aim",
    "aol",
    "att",
    "bellsouth",
    "comcast",
    "earthlink",
    "excite",
    "foxmail",
    "free",
    "gmail",
    "gmx",
    "googlemail",
    "hotmail",
    "icloud",
    "juno",
    "libero",
    "live",
    "mail",
    "msn",
    "o2",
    "orange",
    "outlook",
    "proton",
    "protonmail",
    "qq",
    "rediffmail",
    "sbcglobal",
    "seznam",
    "sina",
    "verizon",
    "yahoo",
    "yandex",
];

/// The part of a lower-case host name that one owner holds, by rule of thumb: two labels, or three before a country
/// code with a short second level.
pub(super) fn owner(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return host };
    let country = host.len() - last == 3;
    if country && last - second - 1 <= SECOND_LEVEL_CHARS_MAX {
        return dots.next().map_or(host, |third| &host[third + 1..]);
    }
    &host[second + 1..]
}

/// What stands behind the last `@`, in lower case; empty if there is none.
pub(super) fn domain(address: &str) -> String {
    address.rsplit_once('@').map_or(String::new(), |(_, domain)| domain.trim().to_lowercase())
}

/// Whether mailboxes of this domain are given to anybody.
pub(super) fn is_free_mail(domain: &str) -> bool {
    owner(domain).split_once('.').is_some_and(|(first, _)| FREE_MAIL.contains(&first))
}

/// Whether two addresses or domains belong together.
pub(super) fn same_owner(a: &str, b: &str) -> bool {
    !a.is_empty() && owner(a) == owner(b)
}

/// Names that nobody can own (RFC 2606, RFC 6761): they say nothing.
const RESERVED: [&str; 4] = ["example", "invalid", "localhost", "test"];

/// The last label, if it is made of letters and means something.
pub(super) fn top_level(host: &str) -> Option<&str> {
    let (_, label) = host.rsplit_once('.')?;
    (!label.is_empty()
        && !RESERVED.contains(&label)
        && !label.contains(|c: char| c.is_ascii_digit()))
    .then_some(label)
}

/// Classes of characters in the order they change: `x7-Ab` is `a0-Aa`.
pub(super) fn shape(text: &str, classes_max: usize) -> String {
    let class = |c: char| match c {
        '0'..='9' => '0',
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        c if c.is_ascii() => c,
        _ => 'u',
    };
    let mut shape = String::new();
    let mut last = None;
    for class in text.chars().map(class) {
        if last == Some(class) {
            continue;
        }
        if shape.len() >= classes_max {
            break;
        }
        shape.push(class);
        last = Some(class);
    }
    shape
}

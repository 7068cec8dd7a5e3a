//! Links: where they lead, against what they show.

use std::collections::{BTreeMap, BTreeSet};

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::limits::LINKS_MAX;
use tamis_domain::reading::Link;
use tamis_domain::suffix::owner;

use crate::domains::{is_free_mail, is_ipv4_host, same_owner};
use crate::{brands, known};

/// Labels of a host name from which on it is made to be misread (`www.bank.example.secure.login.evil.example`).
const LABELS_MIN: usize = 7;

/// Ports that web servers of honest mail listen on.
const PORTS: [&str; 5] = ["80", "443", "8080", "8443", "8000"];

/// Bytes of a question about a link: longer paths carry a personal token, which no two mails share. Of those the host is
/// asked about, so that a long path is no way around lists.
const QUESTION_BYTES_MAX: usize = 256;

/// Kinds of faults: name, weight, what the links do, the test.
const KINDS: [(&str, f32, &str, Test); 19] = [
    ("link_to_address", 2.0, "lead to a bare network address", OfLink(to_address)),
    ("link_punycode", 0.5, "have an internationalised host name", OfLink(punycode)),
    ("link_userinfo", 2.0, "put another name before the real host", OfLink(userinfo)),
    ("link_shows_other_host", 0.5, "show another host than they lead to", OfLink(shows_other_host)),
    ("link_names_mailbox", 2.0, "carry a mail address behind the page", OfLink(names_mailbox)),
    (
        "link_mails_elsewhere",
        0.2,
        "write a ready-made mail to a free mailbox",
        OfLink(mails_elsewhere),
    ),
    (
        "link_stored_page",
        1.5,
        "lead to a page in a store where anybody puts files",
        OfLink(stored_page),
    ),
    (
        "link_redirected",
        0.5,
        "go through somebody trusted to an address written behind",
        OfLink(redirected),
    ),
    ("link_many_labels", 0.8, "have a host name of many labels", OfLink(many_labels)),
    ("link_odd_port", 1.0, "lead to an unusual port", OfLink(odd_port)),
    ("link_runs_script", 0.3, "run a script or carry a page", OfLink(runs_script)),
    ("link_disguised_host", 2.0, "hide the host by odd characters", OfLink(disguised_host)),
    ("link_shortened", 0.5, "are shortened and lead who knows where", OfHost(known::is_shortener)),
    (
        "link_free_host",
        0.1,
        "lead to a place that anybody gets for nothing",
        OfHost(known::is_free_host),
    ),
    (
        "link_page_builder",
        0.0,
        "lead to a page that anybody puts up in minutes",
        OfHost(known::is_page_builder),
    ),
    (
        "link_throw_away",
        0.5,
        "have a domain that costs next to nothing",
        OfHost(known::is_throw_away),
    ),
    (
        "link_brand_borrowed",
        0.5,
        "have a trusted name in the host of somebody else",
        OfHost(brands::is_borrowed_by),
    ),
    (
        "link_office_host",
        1.0,
        "have a domain made of the words of a counter",
        OfHost(crate::counters::is_counter),
    ),
    ("link_look_alike", 0.5, "look like a trusted domain", OfHost(brands::is_look_alike)),
];

/// Judges the links of one part: one finding for each kind of fault, with how many links have it.
#[must_use]
pub fn judge(links: &[Link]) -> Vec<Evidence> {
    let links = links.get(..LINKS_MAX).unwrap_or(links);
    let hosts = hosts(links);
    let judge = |(name, weight, what, test): (&'static str, f32, &str, Test)| {
        let count = match test {
            OfLink(test) => links.iter().filter(|link| test(link)).count(),
            OfHost(test) => {
                hosts.iter().filter(|(host, _)| test(host)).map(|(_, count)| count).sum()
            }
        };
        (count > 0)
            .then(|| Evidence::new(name, weight, Source::Link, format!("{count} link(s) {what}")))
    };
    KINDS.into_iter().filter_map(judge).collect()
}

/// What is asked about each link, or once about each host: most links of a page lead to one, and lists are searched.
#[derive(Clone, Copy)]
enum Test {
    OfLink(fn(&Link) -> bool),
    OfHost(fn(&str) -> bool),
}
use Test::{OfHost, OfLink};

/// Hosts of the web links, each with how many lead there.
fn hosts(links: &[Link]) -> BTreeMap<&str, usize> {
    let mut hosts = BTreeMap::new();
    for link in links.iter().filter(|link| authority(link).is_some()) {
        *hosts.entry(link.host.as_str()).or_insert(0) += 1;
    }
    hosts
}

/// `host/path` of the web links, without query, fragment and duplicates: what the reputation service is asked.
#[must_use]
pub fn questions(links: &[Link]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let web = links.iter().take(LINKS_MAX).filter(|link| !link.host.is_empty());
    let questions = web.filter_map(|link| {
        let rest = after_scheme(&link.target)?;
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let question = format!("{}{}", link.host, path.trim_end_matches('/'));
        let question =
            if question.len() <= QUESTION_BYTES_MAX { question } else { link.host.clone() };
        (question.len() <= QUESTION_BYTES_MAX).then_some(question)
    });
    questions.filter(|question| seen.insert(question.clone())).collect()
}

/// What follows `http://` or `https://`, in any case.
fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.trim().split_once(':')?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    web.then(|| rest.trim_start_matches(['/', '\\']))
}

/// `user@host:port` of a web link.
fn authority(link: &Link) -> Option<&str> {
    after_scheme(&link.target)?.split(['/', '\\', '?', '#']).next()
}

fn to_address(link: &Link) -> bool {
    authority(link).is_some() && (is_ipv4_host(&link.host) || link.host.starts_with('['))
}

fn punycode(link: &Link) -> bool {
    authority(link).is_some() && link.host.split('.').any(|label| label.starts_with("xn--"))
}

/// A name with a dot before `@`: `http://www.bank.example@evil.example/`.
fn userinfo(link: &Link) -> bool {
    let user = authority(link).and_then(|authority| authority.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.contains('.'))
}

/// The shown text is itself a link or host name, of another owner.
fn shows_other_host(link: &Link) -> bool {
    let Some(shown) = link.shown.as_deref() else { return false };
    if authority(link).is_none() {
        return false;
    }
    shown_host(shown).is_some_and(|host| !same_owner(&host, &link.host))
}

/// The host that a text claims to lead to, if all of the text is a web address.
fn shown_host(shown: &str) -> Option<String> {
    let shown = shown.trim();
    let rest = after_scheme(shown).or_else(|| shown.starts_with("www.").then_some(shown))?;
    let host = rest.split(['/', '?', '#', ':', ' ']).next()?.trim_end_matches('.').to_lowercase();
    let label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    (!shown.contains(' ') && host.contains('.') && host.split('.').all(label)).then_some(host)
}

/// An address behind `#`, which no server sees: pages that ask for its password fill it in.
fn names_mailbox(link: &Link) -> bool {
    let Some((_, behind)) = link.target.split_once('#').filter(|_| authority(link).is_some())
    else {
        return false;
    };
    let behind = behind.replace("%40", "@");
    is_mailbox_behind(&behind) || packed(&behind).is_some_and(|plain| is_mailbox_behind(&plain))
}

/// Bytes of what is behind `#` that may be an address in base64: addresses have at most 254 (RFC 5321 section 4.5.3).
const PACKED_BYTES_MAX: usize = 344;

/// What the last word behind `#` says in base64 (RFC 4648), if it is text.
fn packed(behind: &str) -> Option<String> {
    let word = behind.rsplit(['/', '#', '&', '!', '?']).next().unwrap_or_default();
    let word = word.trim_end_matches('=');
    let word = word.rsplit_once('=').map_or(word, |(_, last)| last);
    if !(12..=PACKED_BYTES_MAX).contains(&word.len()) {
        return None;
    }
    let mut plain = Vec::with_capacity(word.len());
    let (mut bits, mut count) = (0_u32, 0);
    for byte in word.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            plain.push((bits >> count) as u8);
        }
    }
    String::from_utf8(plain).ok().filter(|plain| plain.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn is_mailbox_behind(behind: &str) -> bool {
    let mailbox = behind.rsplit(['=', '/', '#', '&', '!']).find(|word| word.contains('@'));
    mailbox.and_then(|mailbox| mailbox.split_once('@')).is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !domain.contains('@')
    })
}

/// A link in a page that writes a mail with its subject to a mailbox that anybody can have.
fn mails_elsewhere(link: &Link) -> bool {
    let target = link.target.trim().to_lowercase();
    let Some((to, fields)) = target.strip_prefix("mailto:").and_then(|rest| rest.split_once('?'))
    else {
        return false;
    };
    let domain = to.rsplit_once('@').map_or("", |(_, domain)| domain);
    link.shown.is_some() && fields.contains("subject=") && is_free_mail(domain)
}

/// A page (by its name, or by what is told to it) that anybody has put into a store. Pictures of honest mail stand there,
/// pages hardly.
fn stored_page(link: &Link) -> bool {
    let Some(rest) = after_scheme(&link.target) else { return false };
    if !known::is_store(&link.host) {
        return false;
    }
    let (before, behind) = rest.split_once('#').unwrap_or((rest, ""));
    let path = before.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let is_page = [".html", ".htm", ".shtml", ".php", ".xhtml"].iter().any(|it| path.ends_with(it));
    is_page || !behind.is_empty()
}

/// Addresses of the trusted that send a reader on to whatever stands behind: the owner's first label, the path's
/// beginning, a field of the query (own selection).
const REDIRECTORS: [(&str, &str, &str); 14] = [
    ("baidu", "/link", "url="),
    ("bing", "/ck/a", "u="),
    ("doubleclick", "/", "adurl="),
    ("doubleclick", "/", "url="),
    ("duckduckgo", "/l/", "uddg="),
    ("facebook", "/l.php", "u="),
    ("google", "/amp/s/", ""),
    ("google", "/url", "q="),
    ("google", "/url", "url="),
    ("googleadservices", "/pagead/aclk", "adurl="),
    ("linkedin", "/redir", "url="),
    ("translate", "/", "_x_tr_sl="),
    ("yandex", "/redir", "url="),
    ("youtube", "/redirect", "q="),
];

/// A way through somebody trusted to a place that somebody else chose.
fn redirected(link: &Link) -> bool {
    let Some(rest) = after_scheme(&link.target) else { return false };
    let label = owner(&link.host).split('.').next().unwrap_or_default();
    let mut of_owner = REDIRECTORS.iter().filter(|(owner, ..)| *owner == label).peekable();
    if of_owner.peek().is_none() {
        return false;
    }
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    of_owner.any(|(_, begin, field)| {
        path.starts_with(begin)
            && (field.is_empty() || query.split(['&', ';']).any(|it| it.starts_with(field)))
    })
}

fn many_labels(link: &Link) -> bool {
    authority(link).is_some() && link.host.split('.').count() >= LABELS_MIN
}

fn odd_port(link: &Link) -> bool {
    let host = authority(link).map(|authority| authority.rsplit('@').next().unwrap_or_default());
    let port = host.and_then(|host| host.rsplit_once(':')).map(|(_, port)| port);
    port.is_some_and(|port| {
        !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) && !PORTS.contains(&port)
    })
}

fn runs_script(link: &Link) -> bool {
    let start: String = link.target.trim().chars().filter(|c| !c.is_control()).take(16).collect();
    let start = start.to_ascii_lowercase();
    ["javascript:", "vbscript:", "data:text/html"].iter().any(|scheme| start.starts_with(scheme))
}

fn disguised_host(link: &Link) -> bool {
    authority(link).is_some_and(|authority| {
        let host = authority.rsplit('@').next().unwrap_or_default();
        let invisible = |c: char| {
            c.is_control()
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
        };
        host.contains("%2e")
            || host.contains("%2E")
            || host.contains("%00")
            || host.contains(invisible)
    })
}

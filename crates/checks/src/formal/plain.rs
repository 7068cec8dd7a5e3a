//! Bounces in words: what qmail, Exim, Sendmail of old, Exchange, Notes and a hundred others write as plain text.
//!
//! No wording is believed by itself, for words cost a forger nothing. A text proves something only by its build:
//!
//! - *who*: an address that could not be reached;
//! - *why*: a reply code (RFC 5321 section 4.2), a status code (RFC 3463), or one of the set phrases of mail systems;
//! - *what*: the header of the mail that came back, field under field, behind the mail system's own words;
//! - and nothing to click on before that, but pages on which mail systems explain their refusals ([`super::explaining`]). A
//!   code in front of a link excuses it no more than a returned header behind it: both cost a forger a line.

use tamis_domain::outline::PartKind;
use tamis_domain::reading::{PartReading, Report, Text};

use super::explaining::{is_explaining, is_explaining_link};

/// Bytes that a mail system writes before the mail that it returns. The longest of 120 systems writes 3,500, with the
/// same text in two languages.
const OWN_BYTES_MAX: usize = 8 * 1024;

/// Lines looked through for the returned header.
const LINES_MAX: usize = 400;

/// Lines of a returned header looked at. Long signatures and lists of relays stand between the fields that everybody
/// knows.
const HEADER_LINES_MAX: usize = 60;

/// Bytes of a line in which a field's name or an announcement is looked for.
const LINE_BYTES_MAX: usize = 200;

/// Fields that every mail has some of. So many different ones are a header without an announcement, and with one.
const FIELDS_MIN: usize = 3;
const FIELDS_ANNOUNCED_MIN: usize = 2;
const FIELDS: [&str; 8] =
    ["received", "return-path", "from", "to", "subject", "date", "message-id", "mime-version"];

/// Fields that a mail gets on its way, and no person quotes.
const TRACE: [&str; 3] = ["received", "return-path", "message-id"];

/// What else begins a returned header.
const FIRST_FIELDS: [&str; 12] = [
    "x-",
    "dkim-signature",
    "domainkey-signature",
    "arc-",
    "delivered-to",
    "authentication-results",
    "content-",
    "reply-to",
    "sender",
    "cc",
    "user-agent",
    "in-reply-to",
];

/// Words that announce the returned mail, on a line of their own or among dashes.
const ANNOUNCEMENTS: [&str; 16] = [
    "original message",
    "original mail",
    "copy of the message",
    "copy of the first part",
    "copy of your message",
    "copy of the mail",
    "returned message",
    "unsent message",
    "undelivered message",
    "message header",
    "header of the original",
    "header of your",
    "headers of the",
    "message follows",
    "headers follow",
    "rejected message",
];

/// Set phrases of mail systems about why.
const PHRASES: [&str; 56] = [
    "user unknown",
    "unknown user",
    "unknown recipient",
    "unknown or illegal user",
    "user not found",
    "no such user",
    "no mailbox here by that name",
    "mailbox full",
    "mailbox is full",
    "mailfolder is full",
    "over quota",
    "quota exceeded",
    "exceeded the local limit",
    "size limit exceeded",
    "account is disabled",
    "not listed in",
    "recipient name is not recognized",
    "did not reach the following recipient",
    "was not delivered to",
    "not be delivered",
    "failed permanently",
    "has been delayed",
    "is delayed for more than",
    "following address(es) failed",
    "following address failed",
    "had permanent fatal errors",
    "had delivery errors",
    "had delivery problems",
    "host unknown",
    "unknown host",
    "connection timed out",
    "connection refused",
    "unable to deliver",
    "unable to connect",
    "cannot be delivered",
    "could not deliver",
    "undeliverable to",
    "delivery failed",
    "delivery has failed",
    "rejected by a remote mail server",
    "rejected by a remote",
    "host is not responding",
    "no valid recipients",
    "hosts have been failing",
    "dns lookup failure",
    "domain does not exist",
    "envelope expired",
    "exceeds allowed size",
    "invalid final delivery userid",
    "recipient not found",
    "could not be reached",
    "could not find a gateway",
    "was aborted after",
    "could not be sent",
    "had permanent delivery errors",
    "had fatal errors",
];

/// Reply codes of SMTP that refuse (RFC 5321 section 4.2.3 and its extensions).
const REPLIES: [&str; 38] = [
    "421", "422", "432", "450", "451", "452", "454", "455", "471", "500", "501", "502", "503",
    "504", "510", "511", "512", "513", "521", "523", "525", "530", "531", "534", "535", "538",
    "541", "550", "551", "552", "553", "554", "555", "556", "557", "560", "571", "577",
];

/// What a text proves about the bounce that it is part of.
#[must_use]
pub(super) fn report(kind: PartKind, reading: &PartReading, text: &Text) -> Option<Report> {
    let split = Split::of(&text.visible)?;
    let who = split.own.iter().any(|line| has_address(line));
    if matches!(split.returned, Returned::Nothing) && !who {
        return None; // as nearly all mail, before the costly questions
    }
    let of_page = kind == PartKind::Html && !reading.links.iter().all(is_explaining_link);
    if of_page || split.own.iter().any(|line| has_foreign_link(line)) {
        return None;
    }
    let code = split.own.iter().any(|line| has_code(line));
    let lower = |line: &&str| line.to_lowercase();
    let why =
        code || split.own.iter().map(lower).any(|line| PHRASES.iter().any(|it| line.contains(it)));
    match (why, split.returned, who) {
        (true, Returned::Header | Returned::Announced, _) => Some(Report::PlainBounce),
        (false, Returned::Announced, true) => Some(Report::PlainBounce),
        (false, Returned::Header | Returned::Announced, _) => Some(Report::ReturnedHeader),
        (true, Returned::Nothing, true) if code => Some(Report::BounceText),
        (true, Returned::Nothing, true) => Some(Report::BounceWords),
        _ => None,
    }
}

/// A mail system's own words, and what follows them.
struct Split<'a> {
    own: Vec<&'a str>,
    returned: Returned,
}

/// How a header comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Returned {
    /// It does not.
    Nothing,
    /// By its fields alone.
    Header,
    /// With its trace, and words that say what it is.
    Announced,
}

impl<'a> Split<'a> {
    fn of(visible: &'a str) -> Option<Self> {
        let lines: Vec<&str> = visible.lines().take(LINES_MAX).collect();
        let heads: Vec<&str> = lines.iter().map(|line| head(line)).collect();
        let begins = |at| match returned(&heads, at) {
            Returned::Nothing => None,
            returned => Some((at, returned)),
        };
        let first = (0..heads.len()).find_map(begins);
        let (at, returned) = first.unwrap_or((lines.len(), Returned::Nothing));
        let own: Vec<&str> = lines.get(..at)?.to_vec();
        let bytes: usize = own.iter().map(|line| line.len()).sum();
        (bytes <= OWN_BYTES_MAX).then_some(Self { own, returned })
    }
}

/// The beginning of a line, cut on a character boundary.
fn head(line: &str) -> &str {
    &line[..line.floor_char_boundary(LINE_BYTES_MAX)]
}

/// Whether a returned header begins at this line.
fn returned(lines: &[&str], at: usize) -> Returned {
    let is_first = lines.get(at).and_then(|line| field(line)).is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        FIELDS.contains(&name.as_str()) || FIRST_FIELDS.iter().any(|it| name.starts_with(it))
    });
    if !is_first {
        return Returned::Nothing;
    }
    let known = |name: &str| FIELDS.into_iter().find(|it| it.eq_ignore_ascii_case(name));
    let mut seen: Vec<&str> = Vec::with_capacity(FIELDS.len());
    for line in lines.iter().skip(at).take(HEADER_LINES_MAX) {
        if let Some(name) = field(line).and_then(known)
            && !seen.contains(&name)
        {
            seen.push(name);
        }
    }
    let traced = seen.iter().any(|name| TRACE.contains(name));
    let before = &lines[at.saturating_sub(3)..at];
    let announced = before.iter().any(|line| is_announcement(line) || traced && is_rule(line));
    match (announced, traced) {
        (true, true) => Returned::Announced,
        (true, false) if seen.len() >= FIELDS_ANNOUNCED_MIN => Returned::Header,
        (false, true) if seen.len() >= FIELDS_MIN => Returned::Header,
        _ => Returned::Nothing,
    }
}

fn is_announcement(line: &str) -> bool {
    let lower = line.to_lowercase();
    ANNOUNCEMENTS.iter().any(|words| lower.contains(words))
}

/// A line that only divides: dashes, stars, equals signs.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 5 && line.chars().all(|c| matches!(c, '-' | '=' | '*' | '_'))
}

/// The name in front of a colon, in lower case, if the line may be a field (RFC 5322 section 2.2).
fn field(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!name.is_empty() && name.len() <= 40 && name.chars().all(fine)).then_some(name)
}

/// Whether a text has links, wherever in it, to other pages than those that explain refusals.
#[must_use]
pub(super) fn has_foreign_links(visible: &str) -> bool {
    visible.lines().any(has_foreign_link)
}

/// Whether a line of text has a link to elsewhere than to pages that explain refusals. In any case, and of any scheme,
/// since mail programs make links of them all.
fn has_foreign_link(line: &str) -> bool {
    // Most lines have neither, and no letter of another script becomes one of these.
    let may_be_bare = line.contains(['w', 'W']) && line.contains('.');
    if !may_be_bare && !line.contains("://") {
        return false;
    }
    let line = line.to_lowercase();
    let schemes = line.match_indices("://").map(|(at, colon)| at + colon.len());
    let bare = line.match_indices("www.").map(|(at, _)| at);
    let ends = |c: char| c.is_whitespace() || "<>\"'()[]".contains(c);
    let mut links = schemes.chain(bare);
    links.any(|at| {
        let link = line[at..].split(ends).next().unwrap_or_default();
        !is_explaining(link.trim_end_matches(['.', ',', ';', ':']))
    })
}

/// Whether the line has a status code that refuses, or begins with a reply code. Anywhere else a number of three digits
/// is a price.
fn has_code(line: &str) -> bool {
    // `<address>: 550 ...`, as many systems put both on one line.
    let behind = line.trim_start().strip_prefix('<').and_then(|line| line.split_once(">: "));
    let line_of_code = behind.filter(|(to, _)| to.contains('@')).map_or(line, |(_, rest)| rest);
    let start =
        line_of_code.trim_start_matches(|c: char| c.is_whitespace() || "<>#([*-:".contains(c));
    let reply = REPLIES.iter().any(|code| {
        let rest = start.strip_prefix(code);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '-', '#']))
    });
    let mut numbers = line
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|token| token.trim_matches('.'));
    reply || numbers.any(is_status)
}

/// `4.x.x` or `5.x.x` of RFC 3463.
fn is_status(token: &str) -> bool {
    let mut numbers = token.split('.');
    let class = numbers.next().is_some_and(|class| class == "4" || class == "5");
    let mut detail = || numbers.next().is_some_and(|number| (1..=3).contains(&number.len()));
    let (subject, detail) = (detail(), detail());
    class && subject && detail && numbers.next().is_none()
}

/// Whether something like `local@domain` stands in the line.
fn has_address(line: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || "._-+=/".contains(c);
    line.match_indices('@').any(|(at, _)| {
        line[..at].chars().next_back().is_some_and(|c| word(c) || c == '"')
            && line[at + 1..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '[')
    })
}

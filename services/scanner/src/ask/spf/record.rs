//! One SPF record, read (RFC 7208 sections 4.6, 5, 6 and 12).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::macros::Spec;

/// A record: mechanisms in order, and where to go on if none matches. `exp=` is checked for its form and not
/// followed: what it brings is text of a stranger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<Spec>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) qualifier: Qualifier,
    pub(super) mechanism: Mechanism,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// Lengths of prefixes for both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(Spec),
    A(Option<Spec>, Prefixes),
    Mx(Option<Spec>, Prefixes),
    Ptr(Option<Spec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Spec),
}

/// The record makes no sense: its owner's fault, a permanent error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Terms of one record. More than fit a sensible record cost time for nothing; 512 bytes hold 100 of the shortest.
pub(super) const TERMS_MAX: usize = 500;

/// Whether a text record is one of SPF (section 4.5).
pub(super) fn is_spf(text: &[u8]) -> bool {
    let version = text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"));
    version && text.get(6).is_none_or(|&byte| byte == b' ')
}

impl Record {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let text =
            std::str::from_utf8(text).ok().filter(|text| text.is_ascii()).ok_or(Malformed)?;
        let terms = text.get(6..).unwrap_or_default().split(' ').filter(|term| !term.is_empty());
        let mut record = Self::default();
        let mut explains = false;
        for (number, term) in terms.enumerate() {
            if number >= TERMS_MAX {
                return Err(Malformed);
            }
            match modifier(term) {
                Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                    let twice = record.redirect.replace(Spec::domain(value)?).is_some();
                    if twice {
                        return Err(Malformed);
                    }
                }
                Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                    Spec::domain(value)?;
                    if std::mem::replace(&mut explains, true) {
                        return Err(Malformed);
                    }
                }
                Some((_, value)) => {
                    Spec::string(value)?;
                }
                None => record.directives.push(directive(term)?),
            }
        }
        Ok(record)
    }
}

/// Name and value of a modifier: `name=...` before any sign of a mechanism.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    let rest = chars.all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (first && rest).then_some((name, value))
}

fn directive(term: &str) -> Result<Directive, Malformed> {
    let (qualifier, rest) = match term.as_bytes()[0] {
        b'+' => (Qualifier::Pass, &term[1..]),
        b'-' => (Qualifier::Fail, &term[1..]),
        b'~' => (Qualifier::SoftFail, &term[1..]),
        b'?' => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, arguments) = rest.split_at(end);
    let mechanism = mechanism(&name.to_ascii_lowercase(), arguments)?;
    Ok(Directive { qualifier, mechanism })
}

fn mechanism(name: &str, arguments: &str) -> Result<Mechanism, Malformed> {
    let value = arguments.strip_prefix(':');
    Ok(match name {
        "all" if arguments.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(Spec::domain(value.ok_or(Malformed)?)?),
        "exists" => Mechanism::Exists(Spec::domain(value.ok_or(Malformed)?)?),
        "ptr" if arguments.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(Spec::domain(value.ok_or(Malformed)?)?)),
        "a" | "mx" => {
            let (spec, prefixes) = host(arguments)?;
            if name == "a" { Mechanism::A(spec, prefixes) } else { Mechanism::Mx(spec, prefixes) }
        }
        "ip4" => {
            let (address, prefix) = network(value.ok_or(Malformed)?, 32)?;
            match address {
                IpAddr::V4(address) => Mechanism::Ip4(address, prefix),
                IpAddr::V6(_) => return Err(Malformed),
            }
        }
        "ip6" => {
            let (address, prefix) = network(value.ok_or(Malformed)?, 128)?;
            match address {
                IpAddr::V6(address) => Mechanism::Ip6(address, prefix),
                IpAddr::V4(_) => return Err(Malformed),
            }
        }
        _ => return Err(Malformed),
    })
}

fn network(value: &str, longest: u8) -> Result<(IpAddr, u8), Malformed> {
    let (address, prefix) = match value.split_once('/') {
        Some((address, digits)) => (address, length(digits, longest)?),
        None => (value, longest),
    };
    Ok((address.parse().map_err(|_| Malformed)?, prefix))
}

/// What stands behind `a` and `mx`: perhaps a name, perhaps prefixes. A name may hold slashes, so prefixes are
/// looked for at the end.
fn host(arguments: &str) -> Result<(Option<Spec>, Prefixes), Malformed> {
    let (rest, v6) = match cut(arguments, "//") {
        Some((rest, digits)) => (rest, length(digits, 128)?),
        None => (arguments, 128),
    };
    let (rest, v4) = match cut(rest, "/") {
        Some((rest, digits)) => (rest, length(digits, 32)?),
        None => (rest, 32),
    };
    let spec = match rest.strip_prefix(':') {
        Some(name) => Some(Spec::domain(name)?),
        None if rest.is_empty() => None,
        None => return Err(Malformed),
    };
    Ok((spec, Prefixes { v4, v6 }))
}

/// Cuts `mark` and digits off the end.
fn cut<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &text[head.len()..];
    head.strip_suffix(mark).filter(|_| !digits.is_empty()).map(|rest| (rest, digits))
}

/// A prefix length without leading zeros.
fn length(digits: &str, longest: u8) -> Result<u8, Malformed> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let leads = digits.len() > 1 && digits.starts_with('0');
    let length: u8 = digits.parse().map_err(|_| Malformed)?;
    if plain && !leads && length <= longest { Ok(length) } else { Err(Malformed) }
}

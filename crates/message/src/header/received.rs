//! Received fields (RFC 5321 section 4.4) as Postfix, Sendmail, Exim, Exchange, qmail and others write them.

use std::net::IpAddr;

use tamis_domain::reading::Relay;

use super::date::date_s;

/// Words and comments looked at in one field.
const TOKENS_MAX: usize = 128;

/// A word, or what stands in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Comment(&'a str),
}

/// Reads one unfolded Received field, as far as it can be read.
#[must_use]
pub fn relay(value: &str) -> Relay {
    let (trace, date) =
        value.rsplit_once(';').map_or((value, None), |(trace, date)| (trace, Some(date)));
    let mut relay = Relay { date_s: date.and_then(date_s), ..Relay::default() };
    let tokens = tokens(trace);
    let from = clause(&tokens, "from");
    read_from(from, &mut relay);
    relay.by = first_word(clause(&tokens, "by"));
    relay.with = first_word(clause(&tokens, "with"));
    relay
}

fn tokens(trace: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = trace.trim_start();
    while !rest.is_empty() && found.len() < TOKENS_MAX {
        let length = if rest.starts_with('(') {
            let length = comment_length(rest);
            let inside = &rest[1..length];
            found.push(Token::Comment(inside.strip_suffix(')').unwrap_or(inside)));
            length
        } else {
            let length =
                rest.find(|c: char| c.is_ascii_whitespace() || c == '(').unwrap_or(rest.len());
            found.push(Token::Word(&rest[..length]));
            length
        };
        rest = rest[length..].trim_start();
    }
    found
}

/// Bytes up to the parenthesis that closes the first one, or all.
fn comment_length(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        depth += u32::from(byte == b'(');
        depth -= u32::from(byte == b')' && depth > 0);
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// The tokens behind a keyword, up to the next one.
fn clause<'a>(tokens: &'a [Token<'a>], keyword: &str) -> &'a [Token<'a>] {
    let is = |token: &Token<'_>, word: &str| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word));
    let Some(start) = tokens.iter().position(|token| is(token, keyword)) else { return &[] };
    let behind = &tokens[start + 1..];
    let ends = |token: &Token<'_>| {
        ["from", "by", "with", "id", "for", "via"].iter().any(|word| is(token, word))
    };
    let length = behind.iter().skip(1).position(ends).map_or(behind.len(), |at| at + 1);
    &behind[..length]
}

fn first_word(clause: &[Token<'_>]) -> Option<String> {
    match clause.first()? {
        Token::Word(word) => Some((*word).to_owned()),
        Token::Comment(_) => None,
    }
}

/// What the from clause tells. Four shapes:
/// - `HELO (NAME [ADDRESS])`: Postfix, Sendmail, Gmail; `HELO ([ADDRESS])`; Exchange writes `HELO (ADDRESS)`
/// - `NAME ([ADDRESS] helo=HELO)`, `[ADDRESS] (helo=HELO)`: Exim
/// - `NAME (HELO HELO) (ADDRESS)`: qmail, with `user@` before the address if it asked
/// - `[ADDRESS] (account USER HELO HELO)`: CommuniGate Pro
fn read_from(clause: &[Token<'_>], relay: &mut Relay) {
    let Some(Token::Word(word)) = clause.first() else { return };
    let comments = || {
        clause.iter().filter_map(|token| match token {
            Token::Comment(comment) => Some(*comment),
            Token::Word(_) => None,
        })
    };
    let with_address = comments().find_map(|comment| Some((comment, address_in(comment)?)));
    relay.address = with_address.map(|(_, address)| address).or_else(|| address_in(word));
    if let Some(helo) = comments().find_map(said_helo) {
        relay.helo = Some(helo.to_owned());
        relay.name = host_name(word);
    } else {
        relay.helo = Some((*word).to_owned());
        let before = with_address.and_then(|(comment, _)| comment.split('[').next());
        relay.name =
            before.and_then(|text| text.split_ascii_whitespace().next()).and_then(host_name);
    }
}

/// The greeting that a comment repeats: `helo=NAME`, `HELO NAME`, `EHLO NAME`.
fn said_helo(comment: &str) -> Option<&str> {
    let mut words = comment.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if let Some(("helo" | "HELO" | "ehlo", name)) = word.split_once('=') {
            return Some(name);
        }
        if matches!(word, "HELO" | "EHLO" | "helo" | "ehlo") {
            return words.next();
        }
    }
    None
}

/// A host name, unless it says that there is none.
fn host_name(word: &str) -> Option<String> {
    let name = word.rsplit_once('@').map_or(word, |(_, name)| name);
    let name = name.trim_end_matches(['.', ',']);
    let usable =
        !name.is_empty() && !name.eq_ignore_ascii_case("unknown") && address_in(name).is_none();
    (usable && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)))
        .then(|| name.to_owned())
}

/// The first address in brackets, else the first word that is an address.
fn address_in(text: &str) -> Option<IpAddr> {
    let bracketed = text.split('[').skip(1).find_map(|rest| parse(rest.split(']').next()?));
    bracketed.or_else(|| {
        text.split_ascii_whitespace()
            .find_map(|word| parse(word.rsplit_once('@').map_or(word, |(_, address)| address)))
    })
}

fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let prefix = text.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("ipv6:"));
    let text = prefix.map_or(text, |_| &text[5..]);
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.trim_end_matches(['.', ',']).parse().ok()
}

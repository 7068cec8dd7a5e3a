//! The relays that a mail came through: machines that send no mail of their own, and clocks that disagree.

use tamis_domain::envelope::Envelope;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::HeaderReading;

use crate::domains::is_ipv4_host;

/// Seconds between the Date and the first relay's clock from which on one of them is made up.
const APART_S_MAX: i64 = 36 * 3600;

/// Seconds by which a later relay may be before an earlier one.
const BACKWARDS_S_MAX: i64 = 6 * 3600;

/// Words in the names of lines that providers give to households (own selection).
const LINE_WORDS: [&str; 30] = [
    "abo",
    "adsl",
    "broadband",
    "cable",
    "catv",
    "client",
    "cpe",
    "customer",
    "cust",
    "dhcp",
    "dial",
    "dialin",
    "dialup",
    "dip",
    "dsl",
    "dyn",
    "dynamic",
    "dynamicip",
    "fios",
    "fbx",
    "ftth",
    "hsd",
    "pool",
    "pools",
    "ppp",
    "pppoe",
    "res",
    "user",
    "vdsl",
    "xdsl",
];

/// Beginnings of words in the names of machines that stand in a computer centre (own selection).
const SERVER_WORDS: [&str; 18] = [
    "cloud", "colo", "compute", "ec2", "host", "instance", "mail", "mta", "mx", "node", "out",
    "relay", "server", "smtp", "srv", "static", "vm", "vps",
];

/// Judges the client and Received.
#[must_use]
pub(crate) fn judge(envelope: &Envelope, header: &HeaderReading) -> Vec<Evidence> {
    let sign = |name, weight, what: &str| Evidence::new(name, weight, Source::Header, what);
    let mut found = Vec::new();
    let name = envelope.client.as_ref().and_then(|client| client.name.as_deref());
    if envelope.authenticated.is_none() && name.is_some_and(is_line) {
        found.push(sign("client_household", 2.0, "sent directly from a line of a household"));
    }
    if clocks_disagree(header) {
        found.push(sign("date_against_relay", 0.5, "the Date is not that of the first relay"));
    }
    if runs_backwards(header) {
        found.push(sign("relays_backwards", 0.5, "the relays' times run backwards"));
    }
    if header.value("Date").is_some_and(has_odd_zone) {
        found.push(sign("date_odd_zone", 2.5, "a time zone that does not exist"));
    }
    found
}

/// Whether a name of reverse DNS is made from the address, or says what kind of line it is.
fn is_line(name: &str) -> bool {
    let name = name.to_lowercase();
    if is_ipv4_host(&name) {
        return false;
    }
    let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
    let numbers = words().filter(|word| is_octet(word)).count();
    let spoken = words()
        .any(|word| LINE_WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())));
    // Servers that are let have such names too.
    let serves = words().any(|word| SERVER_WORDS.iter().any(|it| word.starts_with(it)));
    !serves && (numbers >= 4 || (spoken && (numbers >= 1 || name.matches('.').count() >= 3)))
}

fn is_octet(word: &str) -> bool {
    (1..=3).contains(&word.len()) && word.parse::<u16>().is_ok_and(|number| number < 256)
}

fn clocks_disagree(header: &HeaderReading) -> bool {
    let first = header.received.iter().rev().find_map(|relay| relay.date_s);
    header.date_s.zip(first).is_some_and(|(date, first)| date.abs_diff(first) > APART_S_MAX as u64)
}

/// Relays stand latest first.
fn runs_backwards(header: &HeaderReading) -> bool {
    let times: Vec<i64> = header.received.iter().filter_map(|relay| relay.date_s).collect();
    times.windows(2).any(|pair| pair[1].saturating_sub(pair[0]) > BACKWARDS_S_MAX)
}

/// Zones reach from -1200 to +1400, in steps of a quarter of an hour.
fn has_odd_zone(date: &str) -> bool {
    let zone = date.split_whitespace().rev().find(|word| {
        word.len() == 5
            && word.starts_with(['+', '-'])
            && word[1..].bytes().all(|b| b.is_ascii_digit())
    });
    zone.is_some_and(|zone| {
        let number: u32 = zone[1..].parse().unwrap_or(0);
        let (hours, minutes) = (number / 100, number % 100);
        hours > if zone.starts_with('+') { 14 } else { 12 } || minutes % 15 != 0 || minutes > 45
    })
}

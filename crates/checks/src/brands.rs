//! Names that are borrowed: which words mean which owner, and what looks like one without being it.

use std::collections::HashMap;
use std::sync::LazyLock;

use tamis_domain::letters::is_alphanumeric;
use tamis_domain::suffix::owner;

use list::{BRANDS, NATIVE};

use crate::domains::is_free_mail;
use crate::known;

mod list;

/// Letters of a trusted label from which on digits for letters are no accident.
const LOOK_ALIKE_LETTERS_MIN: usize = 6;

/// Letters from which on one wrong letter, the first aside, is none either: shorter names are one letter off from words
/// (plastic, elastic).
const WRONG_LETTER_LETTERS_MIN: usize = 8;

/// Whether a text in lower case names somebody trusted who does not own `host`.
#[must_use]
pub fn is_borrowed_in(text: &str, host: &str) -> bool {
    // A host that belongs to any of them may speak of the others.
    names_brand(text) && !is_owned(host)
}

/// As [`is_borrowed_in`], for the name beside an address at `host`: providers of mailboxes do not write from the mailboxes
/// that they give to everybody.
#[must_use]
pub fn is_borrowed_name(name: &str, host: &str) -> bool {
    names_brand(name) && (is_free_mail(host) || !is_owned(host))
}

/// How labels of the hundreds of houses begin that share a trusted name.
const HOUSES: [&str; 3] = ["sparkasse-", "volksbank-", "vr-bank-"];

/// Whether a host belongs to any of those whom people trust, and not to whoever rented a place there.
#[must_use]
pub fn is_owned(host: &str) -> bool {
    let label = first_label(host);
    let mut all = BRANDS.iter().chain(&NATIVE);
    let is_house = HOUSES.iter().any(|begin| label.starts_with(begin));
    (is_house || all.any(|brand| brand.labels.contains(&label))) && !known::is_rented(host)
}

/// The first name of somebody trusted that a text in lower case has.
#[must_use]
pub fn named_in(text: &str) -> Option<&'static str> {
    first_name(text)
}

/// Words of brands by their first letter, which is a small Latin one.
static WORDS: LazyLock<[Vec<&'static str>; 26]> = LazyLock::new(|| {
    let all = || BRANDS.iter().flat_map(|brand| brand.words);
    let letters = |at: usize| move |words: &&&'static str| words.as_bytes()[0] == b'a' + at as u8;
    std::array::from_fn(|at| all().filter(letters(at)).copied().collect())
});

/// Whether a text has the words of any brand, as whole words.
fn names_brand(text: &str) -> bool {
    first_name(text).is_some()
}

fn first_name(text: &str) -> Option<&'static str> {
    let mut is_inside = false;
    text.char_indices().find_map(|(at, c)| {
        let begins = !std::mem::replace(&mut is_inside, is_alphanumeric(c));
        let starting = WORDS.get(usize::from((c as u32 as u8).wrapping_sub(b'a')));
        let starting = starting.filter(|_| begins && c.is_ascii_lowercase())?;
        starting.iter().copied().find(|words| {
            let behind = text[at..].strip_prefix(words);
            behind.is_some_and(|it| it.chars().next().is_none_or(|c| !c.is_alphanumeric()))
        })
    })
}

/// Whether a name as written, in lower case, is one of a trusted house in a script of its own, and `host` is not its.
#[must_use]
pub fn is_native_borrowed(name: &str, host: &str) -> bool {
    !name.is_ascii()
        && NATIVE.iter().any(|brand| brand.words.iter().any(|words| name.contains(words)))
        && (is_free_mail(host) || !is_owned(host))
}

/// Whether `host` belongs to somebody trusted whom a text in lower case names.
#[must_use]
pub fn is_named_in(text: &str, host: &str) -> bool {
    let label = first_label(host);
    let owned = BRANDS.iter().filter(|brand| brand.labels.contains(&label));
    !known::is_rented(host)
        && owned.into_iter().any(|brand| brand.words.iter().any(|words| has_words(text, words)))
}

/// Whether the words stand in the text, and not within other words.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        free(text[..at].chars().next_back()) && free(text[at + words.len()..].chars().next())
    })
}

/// Whether a host in lower case has a trusted name as one of its words (`paypal.login.example`, `paypal-login.example`)
/// and belongs to somebody else.
#[must_use]
pub fn is_borrowed_by(host: &str) -> bool {
    if !is_whole(host) {
        return false;
    }
    let own = first_label(host);
    let owned = || BRANDS.iter().any(|brand| brand.labels.contains(&own));
    host.split(['.', '-']).any(|word| word.len() >= 5 && LABELS.contains_key(word)) && !owned()
}

/// Single-word names of at least five letters.
static LABELS: LazyLock<HashMap<&'static str, ()>> = LazyLock::new(|| {
    let words = BRANDS.iter().flat_map(|brand| brand.words.first());
    words
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .map(|w| (*w, ()))
        .collect()
});

/// First labels of trusted domains that are long enough to be imitated, in ascending order.
static REAL: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let labels = known::high_trust().map(|domain| domain.split('.').next().unwrap_or_default());
    let mut real: Vec<_> =
        labels.filter(|it| it.len() >= LOOK_ALIKE_LETTERS_MIN && it.is_ascii()).collect();
    real.sort_unstable();
    real.dedup();
    real
});

/// Whether a host in lower case looks like one of a trusted sender without being it: a digit for a letter, one letter
/// more, fewer or other, two letters turned.
#[must_use]
pub fn is_look_alike(host: &str) -> bool {
    let label = first_label(host);
    if !is_whole(host)
        || label.len() + 1 < LOOK_ALIKE_LETTERS_MIN
        || label.len() > 40
        || known::is_high_trust(host)
    {
        return false;
    }
    let plain = plain(label);
    if plain != label && is_label(&plain) {
        return true;
    }
    // The same label below another suffix is mostly the same owner in another country.
    !is_label(label) && is_wrong(label)
}

/// Whether this is a full host name, and not one that damage has cut (`http://www.exam=`).
fn is_whole(host: &str) -> bool {
    host.contains('.') && host.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '-')
}

/// Whether a label is one letter off a real one, the first letter being right.
fn is_wrong(label: &str) -> bool {
    let letters = label.chars().count();
    let Some(first) = label.bytes().next().filter(|_| letters + 1 >= WRONG_LETTER_LETTERS_MIN)
    else {
        return false;
    };
    let from = REAL.partition_point(|real| real.as_bytes()[0] < first);
    let same = REAL[from..].iter().take_while(|real| real.as_bytes()[0] == first);
    let mut near = same
        .filter(|real| real.len() >= WRONG_LETTER_LETTERS_MIN && real.len().abs_diff(letters) <= 1);
    near.any(|real| is_one_off(label, real))
}

fn is_label(label: &str) -> bool {
    REAL.binary_search(&label).is_ok()
}

/// The first label of the owner's domain.
fn first_label(host: &str) -> &str {
    owner(host).split('.').next().unwrap_or_default()
}

/// Digits and pairs of letters as the letters that they look like.
fn plain(label: &str) -> String {
    let letters = label.chars().map(|c| match c {
        '0' => 'o',
        '1' => 'l',
        '3' => 'e',
        '5' => 's',
        other => other,
    });
    letters.collect::<String>().replace("rn", "m").replace("vv", "w")
}

/// Whether two words differ by one letter too many, too few, or wrong, or by two neighbours swapped.
fn is_one_off(a: &str, b: &str) -> bool {
    let start = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8());
    let start: usize = start.sum();
    let (a, b) = (&a[start..], &b[start..]);
    let same = a.chars().rev().zip(b.chars().rev()).take_while(|(x, y)| x == y);
    let same: usize = same.map(|(x, _)| x.len_utf8()).sum();
    let (a, b) = (&a[..a.len() - same], &b[..b.len() - same]);
    let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
    let letters = |rest: &mut std::str::Chars<'_>| [rest.next(), rest.next(), rest.next()];
    match (letters(&mut rest_a), letters(&mut rest_b)) {
        ([Some(_), None, _], [_, None, _]) | ([None, ..], [Some(_), None, _]) => true,
        ([Some(p), Some(q), None], [Some(r), Some(s), None]) => p == s && q == r,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_borrowed_by_whom_it_does_not_belong_to() {
        for (text, host, expect) in [
            ("paypal service", "mail.evil.example", true),
            ("paypal", "paypal.de", false),
            ("paypal", "mail.paypal.co.uk", false),
            ("paypals", "evil.example", false),
            ("your bank of america alert", "evil.example", true),
            ("pay and pal", "evil.example", false),
            ("adobe for microsoft", "microsoft.com", false),
        ] {
            assert_eq!(is_borrowed_in(text, host), expect, "{text} {host}");
        }
        for (name, host, expect) in [
            ("google support", "gmail.com", true),
            ("microsoft", "hotmail.com", true),
            ("microsoft", "a.onmicrosoft.com", true),
            ("microsoft", "email.microsoft.com", false),
            ("anna", "gmail.com", false),
            ("sparkasse am see", "sparkasse-am-see.example", false),
        ] {
            assert_eq!(is_borrowed_name(name, host), expect, "{name} {host}");
        }
        assert!(!is_borrowed_in("google", "gmail.com"), "who has a mailbox there may speak of it");
        assert!(is_named_in("google", "docs.google.com") && !is_named_in("google", "a.web.app"));
        for (host, expect) in [
            ("paypal.com.evil.example", true),
            ("paypal-login.example", true),
            ("www.paypal.com", false),
            ("paypal.fr", false),
            ("mypaypal.example", false),
            ("s3.amazonaws.com", false),
            ("amazon.evil.example", true),
            ("res.adobe-cam=", false),
        ] {
            assert_eq!(is_borrowed_by(host), expect, "{host}");
        }
    }

    #[test]
    fn look_alikes_are_one_letter_off_and_not_the_real_one() {
        for (host, expect) in [
            ("micros0ft.com", true),
            ("rnicrosoft.com", true),
            ("mircosoft.com", true),
            ("microsft.com", true),
            ("microsofft.com", true),
            ("microsott.com", true),
            ("www.microsoft.com", false),
            ("microsoft.de", false),
            ("micros.com", false),
            ("microsof", false),
            ("paypa1.example", true),
            ("netflex.example", false),
            ("dicrosoft.example", false),
            ("example.org", false),
            ("", false),
        ] {
            assert_eq!(is_look_alike(host), expect, "{host}");
        }
    }
}

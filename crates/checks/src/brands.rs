//! Names that are borrowed: which words mean which owner, and what looks like one without being it.

use std::collections::HashMap;
use std::sync::LazyLock;

use tamis_domain::suffix::owner;

use crate::known;

/// A name that people trust: how it is written in lower case, and the first labels of the domains it owns.
struct Brand {
    words: &'static [&'static str],
    labels: &'static [&'static str],
}

const fn brand(words: &'static [&'static str], labels: &'static [&'static str]) -> Brand {
    Brand { words, labels }
}

/// Names that phishing and affiliate spam borrow most (own selection). Names that are also common words, first names or
/// surnames stand here only with a second word.
const BRANDS: [Brand; 66] = [
    brand(&["paypal"], &["paypal", "paypal-communication", "paypalcorp", "xoom"]),
    brand(
        &["amazon", "amazon prime"],
        &[
            "amazon",
            "amazonses",
            "amazonaws",
            "primevideo",
            "audible",
            "amazon-adsystem",
            "media-amazon",
            "ssl-images-amazon",
            "a2z",
        ],
    ),
    brand(
        &["microsoft", "office 365", "office365", "onedrive", "sharepoint", "microsoft account"],
        &[
            "microsoft",
            "microsoftonline",
            "microsoftemail",
            "office",
            "office365",
            "outlook",
            "sharepoint",
            "sharepointonline",
            "live",
            "msn",
            "onmicrosoft",
            "linkedin",
            "xbox",
            "skype",
            "hotmail",
            "microsoftsupport",
        ],
    ),
    brand(&["icloud", "apple id", "itunes", "apple support"], &["apple", "icloud", "itunes", "me"]),
    brand(
        &["google", "gmail team"],
        &[
            "google",
            "gmail",
            "googlemail",
            "youtube",
            "googlegroups",
            "google-analytics",
            "googleusercontent",
            "blogger",
        ],
    ),
    brand(&["netflix"], &["netflix"]),
    brand(&["facebook"], &["facebook", "facebookmail", "meta", "fb"]),
    brand(&["instagram"], &["instagram", "facebookmail", "meta"]),
    brand(&["whatsapp"], &["whatsapp", "facebookmail", "meta"]),
    brand(&["linkedin"], &["linkedin"]),
    brand(&["dhl", "dhl express"], &["dhl", "dhl-news", "deutschepost", "dpdhl", "dhlecommerce"]),
    brand(&["fedex"], &["fedex", "fedexfreight"]),
    brand(&["usps", "us postal service"], &["usps"]),
    brand(&["royal mail"], &["royalmail"]),
    brand(&["ebay"], &["ebay", "ebaymail"]),
    brand(&["docusign"], &["docusign"]),
    brand(&["dropbox"], &["dropbox", "dropboxmail", "hellosign", "docsend"]),
    brand(&["wetransfer"], &["wetransfer"]),
    brand(&["adobe"], &["adobe", "adobesign", "adobe-campaign", "echosign", "behance"]),
    brand(&["bank of america", "bankofamerica"], &["bankofamerica", "bofa", "bofasecurities"]),
    brand(
        &["wells fargo", "wellsfargo"],
        &["wellsfargo", "wellsfargoadvisors", "wellsfargorewards", "wfadvisors"],
    ),
    brand(&["chase bank", "chase online", "jpmorgan chase"], &["chase", "jpmorgan", "jpmchase"]),
    brand(&["citibank"], &["citi", "citibank", "citigroup"]),
    brand(&["hsbc"], &["hsbc", "hsbcnet"]),
    brand(&["barclays"], &["barclays", "barclayscorp", "barclaysus", "barclaycard"]),
    brand(&["santander"], &["santander", "gruposantander", "santanderbank"]),
    brand(&["lloyds bank"], &["lloydsbank", "lloydsbanking"]),
    brand(&["natwest"], &["natwest", "rbs"]),
    brand(&["sparkasse"], &["sparkasse", "sparkassen", "dsgv"]),
    brand(&["volksbank"], &["volksbank", "vr", "volksbanken"]),
    brand(&["commerzbank"], &["commerzbank"]),
    brand(&["deutsche bank"], &["db", "deutschebank", "deutsche-bank"]),
    brand(&["postbank"], &["postbank"]),
    brand(&["credit agricole"], &["credit-agricole", "creditagricole"]),
    brand(&["bnp paribas"], &["bnpparibas"]),
    brand(&["societe generale"], &["societegenerale", "socgen"]),
    brand(&["la banque postale"], &["labanquepostale", "laposte"]),
    brand(&["caixabank"], &["caixabank", "lacaixa"]),
    brand(&["bbva"], &["bbva", "bbvauk"]),
    brand(&["intesa sanpaolo"], &["intesasanpaolo"]),
    brand(&["poste italiane", "posteitaliane"], &["poste", "posteitaliane"]),
    brand(&["american express"], &["americanexpress", "aexp", "amex"]),
    brand(&["mastercard"], &["mastercard", "mastercard-email"]),
    brand(&["western union"], &["westernunion"]),
    brand(&["moneygram"], &["moneygram"]),
    brand(&["coinbase"], &["coinbase"]),
    brand(&["binance"], &["binance"]),
    brand(&["metamask"], &["metamask", "consensys"]),
    brand(&["mcafee"], &["mcafee"]),
    brand(
        &["norton antivirus", "norton lifelock", "nortonlifelock", "norton security"],
        &["norton", "nortonlifelock", "symantec", "gendigital"],
    ),
    brand(&["geek squad"], &["geeksquad", "bestbuy"]),
    brand(&["walmart"], &["walmart", "samsclub"]),
    brand(&["costco"], &["costco"]),
    brand(&["home depot"], &["homedepot"]),
    brand(&["state farm"], &["statefarm"]),
    brand(&["cvs pharmacy"], &["cvs", "cvshealth"]),
    brand(&["verizon"], &["verizon", "verizonwireless", "vzw"]),
    brand(&["xfinity", "comcast"], &["xfinity", "comcast", "xfinitymobile"]),
    brand(&["t-mobile"], &["t-mobile", "telekom"]),
    brand(&["spotify"], &["spotify", "byspotify"]),
    brand(&["roblox"], &["roblox"]),
    brand(&["godaddy"], &["godaddy", "secureserver"]),
    brand(&["coca cola", "coca-cola"], &["coca-cola", "cocacola"]),
    brand(&["revolut"], &["revolut"]),
    brand(&["klarna"], &["klarna"]),
    brand(&["booking.com"], &["booking"]),
];

/// Letters of a trusted label from which on digits for letters are no accident.
const LOOK_ALIKE_LETTERS_MIN: usize = 6;

/// Letters from which on one wrong letter, the first aside, is none either: shorter names are one letter off from words
/// (plastic, elastic).
const WRONG_LETTER_LETTERS_MIN: usize = 8;

/// Whether a text in lower case names somebody trusted who does not own `host`.
#[must_use]
pub fn is_borrowed_in(text: &str, host: &str) -> bool {
    let label = first_label(host);
    let borrowed = |brand: &Brand| {
        brand.words.iter().any(|words| has_words(text, words)) && !brand.labels.contains(&label)
    };
    // A text that names the real owner too speaks about both.
    !BRANDS.iter().any(|brand| brand.labels.contains(&label)) && BRANDS.iter().any(borrowed)
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

/// Trusted first labels, and each with one letter left out, all in plain letters.
static NEAR: LazyLock<HashMap<String, Vec<&'static str>>> = LazyLock::new(|| {
    let mut near: HashMap<String, Vec<&'static str>> = HashMap::new();
    for domain in known::high_trust() {
        let label = domain.split('.').next().unwrap_or_default();
        if label.len() >= LOOK_ALIKE_LETTERS_MIN && label.is_ascii() {
            for variant in variants(label) {
                near.entry(variant).or_default().push(label);
            }
        }
    }
    near
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
    !is_label(label)
        && variants(label).iter().any(|variant| {
            NEAR.get(variant).is_some_and(|labels| labels.iter().any(|real| is_wrong(label, real)))
        })
}

/// Whether this is a full host name, and not one that damage has cut (`http://www.exam=`).
fn is_whole(host: &str) -> bool {
    host.contains('.') && host.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '-')
}

fn is_wrong(label: &str, real: &str) -> bool {
    real.len() >= WRONG_LETTER_LETTERS_MIN
        && label.chars().next() == real.chars().next()
        && is_one_off(label, real)
}

fn is_label(label: &str) -> bool {
    NEAR.get(label).is_some_and(|labels| labels.contains(&label))
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

/// The label, and what is left without each of its letters.
fn variants(label: &str) -> Vec<String> {
    let mut all = vec![label.to_owned()];
    for (at, c) in label.char_indices() {
        all.push(format!("{}{}", &label[..at], &label[at + c.len_utf8()..]));
    }
    all
}

/// Whether one letter more, fewer or other, or two turned, make one from the other.
fn is_one_off(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = |a: &[char], b: &[char]| {
        a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count()
    };
    let (rest_a, rest_b) = (&a[start..], &b[start..]);
    let same = end(rest_a, rest_b);
    let (rest_a, rest_b) = (&rest_a[..rest_a.len() - same], &rest_b[..rest_b.len() - same]);
    match (rest_a, rest_b) {
        ([_], [_] | []) | ([], [_]) => true,
        ([p, q], [r, s]) => p == s && q == r,
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

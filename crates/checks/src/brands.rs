//! Names that are borrowed: which words mean which owner, and what looks like one without being it.

use std::collections::HashMap;
use std::sync::LazyLock;

use tamis_domain::letters::is_alphanumeric;
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
const BRANDS: [Brand; 98] = [
    brand(&["paypal"], &["paypal", "paypal-communication", "paypalcorp", "xoom", "synchrony"]),
    brand(
        &["amazon", "amazon prime"],
        &[
            "amazon",
            "aws",
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
    brand(&["trust wallet", "trustwallet"], &["trustwallet"]),
    brand(&["ledger live", "ledger wallet"], &["ledger"]),
    brand(&["trezor"], &["trezor", "satoshilabs"]),
    brand(&["blockchain.com"], &["blockchain"]),
    brand(&["crypto.com"], &["crypto"]),
    brand(&["opensea"], &["opensea"]),
    brand(&["bradesco"], &["bradesco", "bradescoseguros", "infobradesco", "bradescocartoes"]),
    brand(&["banco do brasil"], &["bb"]),
    brand(&["itau unibanco", "itaú", "banco itau"], &["itau", "itau-unibanco"]),
    brand(&["nubank"], &["nubank"]),
    brand(&["livelo"], &["livelo", "pontoslivelo"]),
    brand(&["serasa"], &["serasa", "serasaexperian", "experian"]),
    brand(
        &["mercado livre", "mercadolivre", "mercado libre", "mercadolibre"],
        &["mercadolivre", "mercadolibre", "mercadopago"],
    ),
    brand(&["mercado pago", "mercadopago"], &["mercadopago", "mercadolivre", "mercadolibre"]),
    brand(&["magazine luiza", "magalu"], &["magazineluiza", "magalu"]),
    brand(&["chronopost"], &["chronopost", "laposte"]),
    brand(&["colissimo"], &["colissimo", "laposte"]),
    brand(&["correos express"], &["correosexpress", "correos"]),
    brand(&["postnl"], &["postnl"]),
    brand(&["inpost"], &["inpost"]),
    brand(&["evri"], &["evri", "hermesworld"]),
    brand(&["lloyds banking", "halifax bank"], &["lloydsbank", "lloydsbanking", "halifax"]),
    brand(&["consorsbank"], &["consorsbank", "bnpparibas"]),
    brand(&["comdirect"], &["comdirect", "commerzbank"]),
    brand(&["ing-diba"], &["ing", "ing-diba"]),
    brand(&["smbc"], &["smbc", "smbc-card", "vpass"]),
    brand(&["mercari"], &["mercari"]),
    brand(&["webroot"], &["webroot", "opentext"]),
    brand(&["totalav"], &["totalav"]),
    brand(&["harbor freight"], &["harborfreight"]),
    brand(&["ace hardware"], &["acehardware"]),
    brand(&["omaha steaks"], &["omahasteaks"]),
];

/// Letters of a trusted label from which on digits for letters are no accident.
const LOOK_ALIKE_LETTERS_MIN: usize = 6;

/// Letters from which on one wrong letter, the first aside, is none either: shorter names are one letter off from words
/// (plastic, elastic).
const WRONG_LETTER_LETTERS_MIN: usize = 8;

/// Whether a text in lower case names somebody trusted who does not own `host`.
#[must_use]
pub fn is_borrowed_in(text: &str, host: &str) -> bool {
    // A host that belongs to any of them may speak of the others.
    names_brand(text) && {
        let label = first_label(host);
        !BRANDS.iter().any(|brand| brand.labels.contains(&label))
    }
}

/// Words of brands by their first letter, which is a small Latin one.
static WORDS: LazyLock<[Vec<&'static str>; 26]> = LazyLock::new(|| {
    let all = || BRANDS.iter().flat_map(|brand| brand.words);
    let letters = |at: usize| move |words: &&&'static str| words.as_bytes()[0] == b'a' + at as u8;
    std::array::from_fn(|at| all().filter(letters(at)).copied().collect())
});

/// Whether a text has the words of any brand, as whole words.
fn names_brand(text: &str) -> bool {
    let mut is_inside = false;
    text.char_indices().any(|(at, c)| {
        let begins = !std::mem::replace(&mut is_inside, is_alphanumeric(c));
        begins
            && c.is_ascii_lowercase()
            && WORDS[usize::from(c as u8 - b'a')].iter().any(|words| {
                let behind = text[at..].strip_prefix(words);
                behind.is_some_and(|it| it.chars().next().is_none_or(|c| !c.is_alphanumeric()))
            })
    })
}

/// Whether `host` belongs to somebody trusted whom a text in lower case names.
#[must_use]
pub fn is_named_in(text: &str, host: &str) -> bool {
    let label = first_label(host);
    let owned = BRANDS.iter().filter(|brand| brand.labels.contains(&label));
    owned.into_iter().any(|brand| brand.words.iter().any(|words| has_words(text, words)))
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

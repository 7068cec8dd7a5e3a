//! Names that others have collected, embedded as sorted lines (`crates/checks/data`, see NOTICE): who shortens links,
//! who gives hosts and mailboxes to anybody, whose names are worth borrowing.

use std::cmp::Ordering;
use std::sync::LazyLock;

/// Labels at the end of a host that are looked up: bounds the work for hostile names.
const LABELS_MAX: usize = 8;

/// Top-level domains whose names cost next to nothing, so that spam uses each of them for a day (own selection).
const THROW_AWAY: [&str; 46] = [
    "autos",
    "bar",
    "beauty",
    "bid",
    "bond",
    "boats",
    "buzz",
    "cam",
    "cf",
    "cfd",
    "click",
    "cyou",
    "date",
    "download",
    "fun",
    "ga",
    "gq",
    "hair",
    "homes",
    "icu",
    "lat",
    "lol",
    "loan",
    "makeup",
    "men",
    "ml",
    "mom",
    "monster",
    "motorcycles",
    "pics",
    "quest",
    "racing",
    "rest",
    "review",
    "sbs",
    "shop",
    "skin",
    "stream",
    "tk",
    "top",
    "trade",
    "vip",
    "win",
    "work",
    "xyz",
    "zip",
];

/// Places where a page with a form stands within minutes under the place's own good name (own selection).
const PAGE_BUILDERS: [&str; 44] = [
    "000webhostapp.com",
    "amplifyapp.com",
    "appspot.com",
    "azurewebsites.net",
    "backblazeb2.com",
    "bubbleapps.io",
    "byethost.com",
    "canva.site",
    "carrd.co",
    "cprapid.com",
    "dweb.link",
    "duckdns.org",
    "firebaseapp.com",
    "fleek.co",
    "framer.website",
    "gitbook.io",
    "glitch.me",
    "godaddysites.com",
    "herokuapp.com",
    "infinityfreeapp.com",
    "ipfs.io",
    "jimdosite.com",
    "mystrikingly.com",
    "netlify.app",
    "ngrok.app",
    "ngrok.io",
    "ngrok-free.app",
    "on-fleek.app",
    "onrender.com",
    "pages.dev",
    "plesk.page",
    "r2.dev",
    "replit.app",
    "repl.co",
    "square.site",
    "surge.sh",
    "translate.goog",
    "trycloudflare.com",
    "vercel.app",
    "web.app",
    "webflow.io",
    "weebly.com",
    "wixsite.com",
    "workers.dev",
];

/// Stores where anybody puts files, by the name that they share (own selection).
const STORES: [&str; 20] = [
    "aliyuncs.com",
    "amazonaws.com",
    "backblazeb2.com",
    "blob.core.windows.net",
    "cloudflare-ipfs.com",
    "cloudflarestorage.com",
    "digitaloceanspaces.com",
    "dweb.link",
    "firebasestorage.googleapis.com",
    "idrivee2.com",
    "ipfs.io",
    "linodeobjects.com",
    "myqcloud.com",
    "oraclecloud.com",
    "r2.dev",
    "storage.googleapis.com",
    "vultrobjects.com",
    "wasabisys.com",
    "web.core.windows.net",
    "your-objectstorage.com",
];

/// Houses below whose names anybody rents one of his own, mailboxes included, as public suffixes do not say.
const RENTED: [&str; 2] = ["firebaseapp.com", "onmicrosoft.com"];

/// Lines in ascending order, each a domain.
struct Lines {
    text: &'static str,
    /// Where each line begins, once it is asked for.
    starts: LazyLock<Vec<u32>>,
}

macro_rules! lines {
    ($file:literal) => {
        Lines {
            text: include_str!(concat!("../data/", $file)),
            starts: LazyLock::new(|| starts(include_str!(concat!("../data/", $file)))),
        }
    };
}

/// Services that hide where a link leads.
static SHORTENERS: Lines = lines!("shorteners.txt");
/// Places where anybody puts a page or file under somebody else's good name.
static FREE_HOSTS: Lines = lines!("free_hosts.txt");
/// Providers of mailboxes for anybody.
static FREE_MAIL: Lines = lines!("free_mail.txt");
/// Providers of mailboxes for some minutes.
static DISPOSABLE: Lines = lines!("disposable.txt");
/// Senders whose name is trusted by many, and therefore borrowed.
static HIGH_TRUST: Lines = lines!("high_trust.txt");

fn starts(text: &str) -> Vec<u32> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let starts = [0].into_iter().chain(ends).filter(|at| *at < text.len());
    starts.filter_map(|at| u32::try_from(at).ok()).collect()
}

impl Lines {
    fn contains(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let bytes = self.text.as_bytes();
        // A line ends at the line feed, which is less than all that may stand in a name.
        let against = |start: &u32| {
            let line = bytes.get(*start as usize..).unwrap_or_default();
            match line.get(..name.len()) {
                Some(begin) if begin == name => match line.get(name.len()) {
                    None | Some(b'\n') => Ordering::Equal,
                    Some(_) => Ordering::Greater,
                },
                Some(begin) => begin.cmp(name),
                None => line.cmp(name),
            }
        };
        let may_stand = !name.is_empty() && !name.contains(&b'\n');
        may_stand && self.starts.binary_search_by(against).is_ok()
    }

    /// Whether the host or a domain above it stands here.
    fn covers(&self, host: &str) -> bool {
        above(host).any(|name| self.contains(name))
    }
}

/// A host and the domains above it, without the last label alone.
fn above(host: &str) -> impl Iterator<Item = &str> {
    let host = host.trim_end_matches('.');
    let starts = host.rmatch_indices('.').map(|(dot, _)| dot + 1).chain([0]);
    starts.skip(usize::from(host.contains('.'))).take(LABELS_MAX).map(|start| &host[start..])
}

/// Whether links of this host lead who knows where.
#[must_use]
pub fn is_shortener(host: &str) -> bool {
    // `www.` aside, a host below a shortener is another service of its owner.
    SHORTENERS.contains(host.strip_prefix("www.").unwrap_or(host))
}

/// Whether anybody can put a page there.
#[must_use]
pub fn is_free_host(host: &str) -> bool {
    FREE_HOSTS.covers(host)
}

/// Whether pages stand there that anybody puts up in minutes.
#[must_use]
pub fn is_page_builder(host: &str) -> bool {
    above(host).any(|name| PAGE_BUILDERS.contains(&name))
}

/// Whether a host is a store where anybody puts files.
#[must_use]
pub fn is_store(host: &str) -> bool {
    above(host).any(|name| STORES.contains(&name))
}

/// Whether a host is a name that its owner rents from a house with a better one.
#[must_use]
pub fn is_rented(host: &str) -> bool {
    above(host).any(|name| RENTED.contains(&name) || PAGE_BUILDERS.contains(&name))
}

/// Whether anybody can have a mailbox of this domain.
#[must_use]
pub fn gives_mailboxes(domain: &str) -> bool {
    FREE_MAIL.covers(domain)
}

/// Whether mailboxes of this domain live for minutes.
#[must_use]
pub fn is_disposable(domain: &str) -> bool {
    DISPOSABLE.covers(domain)
}

/// Whether names of this host's top-level domain are thrown away after use.
#[must_use]
pub fn is_throw_away(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.rsplit_once('.').is_some_and(|(_, top)| THROW_AWAY.contains(&top))
}

/// Domains of senders whose name is trusted by many.
pub fn high_trust() -> impl Iterator<Item = &'static str> {
    HIGH_TRUST.text.lines()
}

/// Whether the owner of this host is one of them.
#[must_use]
pub fn is_high_trust(host: &str) -> bool {
    HIGH_TRUST.covers(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_list_is_found_because_the_lists_are_sorted() {
        for list in [&SHORTENERS, &FREE_HOSTS, &FREE_MAIL, &DISPOSABLE, &HIGH_TRUST] {
            assert!(list.text.lines().is_sorted_by(|a, b| a < b));
            assert!(list.text.lines().all(|line| list.contains(line)));
            for absent in ["", "zzzzzz.zz", "0", "example.org", "\u{10ffff}", "com"] {
                assert!(!list.contains(absent), "{absent}");
            }
        }
    }

    #[test]
    fn hosts_are_found_by_the_domains_above_them() {
        assert!(is_shortener("bit.ly") && is_shortener("www.bit.ly") && !is_shortener("a.bit.ly"));
        assert!(is_free_host("a.b.weebly.com") && !is_free_host("notweebly.com"));
        assert!(is_disposable("x.mailinator.com") && !is_disposable("example.org"));
        assert!(gives_mailboxes("yahoo.com") && !gives_mailboxes("com"));
        assert!(is_throw_away("a.icu") && !is_throw_away("icu") && !is_throw_away("a.org"));
        assert!(is_page_builder("a-b.pages.dev") && !is_page_builder("developers.example"));
        assert!(is_store("bucket.s3.amazonaws.com") && is_store("storage.googleapis.com"));
        assert!(!is_store("googleapis.com") && !is_store("fonts.googleapis.com"));
        assert!(is_rented("a.onmicrosoft.com") && !is_rented("microsoft.com"));
        assert!(is_high_trust("mail.paypal.com") && !is_high_trust("paypal.example"));
    }

    #[test]
    fn long_hosts_are_looked_up_to_the_limit() {
        let host = |labels: usize| format!("{}weebly.com", "a.".repeat(labels - 2));
        assert!(is_free_host(&host(LABELS_MAX)) && is_free_host(&host(LABELS_MAX + 1)));
        assert_eq!(above(&host(LABELS_MAX + 9)).count(), LABELS_MAX);
    }
}

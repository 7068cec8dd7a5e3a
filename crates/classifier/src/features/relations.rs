//! How what a mail says in one place fits what it says in another: who sends, who signs, where its links lead.
//!
//! Such relations hold whatever the year and the language: mail of an organisation leads to that organisation, mail in
//! its name by somebody else does not.

use tamis_domain::reading::{HeaderReading, Link};

use super::host::{domain, owner, same_owner};
use crate::bag::Bag;
use crate::group::Group;

/// Owners of link hosts remembered of one part, in order of appearance. Most mails have fewer than five.
pub const OWNERS_MAX: usize = 12;

/// Bytes of an owner's name: RFC 1035 section 2.3.4 allows 253, names that mean something are shorter.
pub const OWNER_BYTES_MAX: usize = 64;

/// Links counted of one part.
const LINKS_COUNTED_MAX: usize = 200;

/// Signatures of a header that are looked at.
const SIGNATURES_MAX: usize = 6;

/// Whom the web links of a part belong to, each with how many links, in order of appearance.
#[must_use]
pub fn link_owners(links: &[Link]) -> Vec<(String, u32)> {
    let mut owners: Vec<(String, u32)> = Vec::new();
    for link in links.iter().take(LINKS_COUNTED_MAX) {
        let is_web =
            link.target.trim_start().get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http"));
        let name = owner(&link.host);
        if !is_web || name.is_empty() || name.len() > OWNER_BYTES_MAX {
            continue;
        }
        if let Some((_, count)) = owners.iter_mut().find(|(known, _)| known == name) {
            *count += 1;
        } else if owners.len() < OWNERS_MAX {
            owners.push((name.to_owned(), 1));
        }
    }
    owners
}

/// Features of the header beside the owners of all links ([`link_owners`] of every part that is shown).
#[must_use]
pub fn read_relations<'a>(
    header: &HeaderReading,
    links: impl Iterator<Item = &'a (String, u32)>,
) -> Bag {
    let mut bag = Bag::new();
    let known = Known::of(header);
    let mut all: Vec<(&str, u32)> = Vec::new();
    for (name, count) in links {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += count,
            None => all.push((name, *count)),
        }
    }
    where_links_lead(&mut bag, &known, &all);
    signatures(&mut bag, &known);
    if let Some(path) = &known.return_path {
        let whose = if path.is_empty() { "nobody's" } else { known.whose(path) };
        bag.add(Group::Relations, &["return path", whose]);
    }
    unsubscribing(&mut bag, header, &known);
    recipient(&mut bag, header);
    bag
}

/// Domains that the header names.
struct Known {
    from: String,
    return_path: Option<String>,
    message_id: Option<String>,
    signed: Vec<String>,
}

impl Known {
    fn of(header: &HeaderReading) -> Self {
        let signed = header.values("dkim-signature").take(SIGNATURES_MAX).filter_map(signer);
        Self {
            from: header.from.first().map_or(String::new(), |from| domain(&from.address)),
            return_path: header.return_path.as_deref().map(domain),
            message_id: header.message_id.as_deref().map(domain),
            signed: signed.collect(),
        }
    }

    fn whose(&self, name: &str) -> &'static str {
        if same_owner(name, &self.from) { "sender's" } else { "other" }
    }

    /// Whether the header names this owner anywhere but in From.
    fn names(&self, name: &str) -> bool {
        let fields = self.return_path.iter().chain(&self.message_id).chain(&self.signed);
        fields.into_iter().any(|field| same_owner(field, name))
    }
}

/// The domain that a DKIM signature names (RFC 6376 section 3.5, tag `d`).
fn signer(signature: &str) -> Option<String> {
    let tag = signature.split(';').find_map(|tag| tag.trim().strip_prefix("d="))?;
    Some(tag.trim().to_lowercase()).filter(|name| !name.is_empty())
}

fn where_links_lead(bag: &mut Bag, known: &Known, all: &[(&str, u32)]) {
    let total: u32 = all.iter().map(|(_, count)| count).sum();
    let Some((main, _)) = all.iter().rev().max_by_key(|(_, count)| *count) else {
        bag.add(Group::Relations, &["no links"]);
        return;
    };
    let own: u32 =
        all.iter().filter(|(name, _)| same_owner(name, &known.from)).map(|(_, count)| count).sum();
    let share = match own * 4 / total {
        0 if own == 0 => "none",
        0 | 1 => "some",
        2 | 3 => "most",
        _ => "all",
    };
    bag.add(Group::Relations, &["links to sender", share]);
    let owners = ["1", "2", "3", "many"][(all.len() - 1).min(3)];
    bag.add(Group::Relations, &["links to sender", share, "owners", owners]);
    let whose = match () {
        () if same_owner(main, &known.from) => "sender's",
        () if known.names(main) => "named",
        () => "stranger's",
    };
    bag.add(Group::Relations, &["main link", whose]);
    let named = all.iter().any(|(name, _)| same_owner(name, &known.from) || known.names(name));
    bag.add(Group::Relations, &[if named { "links known" } else { "links to strangers" }]);
}

/// Whether a mail is to many and stands by it: it says how to unsubscribe and carries a signature in the name of From's
/// domain. Nothing is verified here.
#[must_use]
pub fn is_signed_bulk(header: &HeaderReading) -> bool {
    let Some(from) = header.from.first().map(|from| domain(&from.address)) else { return false };
    let mut signed = header.values("dkim-signature").take(SIGNATURES_MAX).filter_map(signer);
    header.value("list-unsubscribe").is_some()
        && signed.any(|name| same_owner(&name, &from))
        && !is_to_list(header)
}

/// Whether a discussion list distributed the mail, and it is plain text, as people write to lists: newsletters that name
/// themselves lists are pages.
#[must_use]
pub fn is_discussion(header: &HeaderReading) -> bool {
    let is_list = ["list-post", "x-mailing-list"].iter().any(|name| header.value(name).is_some());
    let is_plain = |value: &str| value.trim_start().to_ascii_lowercase().starts_with("text/plain");
    is_list && header.value("content-type").is_none_or(is_plain)
}

/// Bytes of a field that are searched for an address.
const ADDRESSES_BYTES_MAX: usize = 4096;

/// Whether the list that distributed the mail stands in To or Cc: somebody wrote to the list. What the list adds then, how to
/// unsubscribe from it first of all, is no merit of the author's.
fn is_to_list(header: &HeaderReading) -> bool {
    let fields = ["list-post", "x-mailing-list", "x-beenthere", "mailing-list"];
    let lists = fields.iter().filter_map(|name| header.value(name).and_then(first_address));
    let cut = |value: &str| value[..value.floor_char_boundary(ADDRESSES_BYTES_MAX)].to_lowercase();
    let mut lists = lists.peekable();
    if lists.peek().is_none() {
        return false;
    }
    let to: Vec<String> = ["to", "cc"].iter().filter_map(|it| header.value(it).map(cut)).collect();
    lists.any(|list| to.iter().any(|to| to.contains(&list)))
}

/// The first address that stands in a field, in lower case.
fn first_address(value: &str) -> Option<String> {
    let value = &value[..value.floor_char_boundary(ADDRESSES_BYTES_MAX)];
    let parted =
        |c: char| matches!(c, '<' | '>' | ',' | ';' | ':' | '?' | '"') || c.is_whitespace();
    let word = value.split(parted).find(|word| word.contains('@'))?;
    let (local, host) = word.split_once('@')?;
    (!local.is_empty() && host.contains('.')).then(|| word.to_lowercase())
}

fn signatures(bag: &mut Bag, known: &Known) {
    if known.signed.is_empty() {
        return;
    }
    let aligned = known.signed.iter().any(|name| same_owner(name, &known.from));
    bag.add(Group::Relations, &["signed", if aligned { "sender's" } else { "other" }]);
    bag.add_number(Group::Relations, "signatures", known.signed.len().min(3));
}

fn unsubscribing(bag: &mut Bag, header: &HeaderReading, known: &Known) {
    let Some(value) = header.value("list-unsubscribe") else { return };
    let web = value.split(['<', '>', ',']).map(str::trim).find_map(|item| {
        let rest = item.strip_prefix("https://").or_else(|| item.strip_prefix("http://"))?;
        rest.split(['/', '?', ':', '#']).next().map(str::to_lowercase)
    });
    let whose = match &web {
        None => "by mail",
        Some(host) if same_owner(host, &known.from) => "sender's",
        Some(host) if known.names(host) => "named",
        Some(_) => "other",
    };
    bag.add(Group::Relations, &["unsubscribe", whose]);
    let aligned = known.signed.iter().any(|name| same_owner(name, &known.from));
    let one_click = header.value("list-unsubscribe-post").is_some();
    if aligned {
        bag.add(
            Group::Relations,
            &["bulk signed", whose, if one_click { "one click" } else { "" }],
        );
    }
}

/// Names of the recipient where organisations do not put them.
fn recipient(bag: &mut Bag, header: &HeaderReading) {
    let Some(to) = header.to.first() else { return };
    let address = to.address.to_lowercase();
    let Some((mailbox, domain)) = address.rsplit_once('@') else { return };
    let label = owner(domain).split('.').next().unwrap_or_default();
    let subject = header.subject.to_lowercase();
    let name = header.from.first().map_or(String::new(), |from| from.name.to_lowercase());
    for (place, text) in [("subject", &subject), ("name", &name)] {
        if text.contains(&*address) {
            bag.add(Group::Relations, &["recipient in", place, "address"]);
        } else if mailbox.len() >= 4 && text.contains(mailbox) {
            bag.add(Group::Relations, &["recipient in", place, "mailbox"]);
        }
        if label.len() >= 4 && text.contains(label) {
            bag.add(Group::Relations, &["recipient in", place, "house"]);
        }
    }
    bag.add_number(
        Group::Relations,
        "same owner",
        usize::from({
            let from = header
                .from
                .first()
                .map_or(String::new(), |from| super::host::domain(&from.address));
            same_owner(domain, &from)
        }),
    );
}

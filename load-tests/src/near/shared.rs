//! Honest mail and spam of the same words: whether their links tell them apart.

use std::collections::{BTreeSet, HashMap, HashSet};

use tamis_domain::digest::{Signature, SignatureKind};

use super::corpus::Mail;

/// How often honest mail has the exact name of a text that spam has too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared {
    /// Exact names of texts in honest mail and in spam.
    pub names: usize,
    /// Honest mails with such a name.
    pub ham: usize,
    /// Of these, mails whose links are those of no spam with the name.
    pub ham_other_links: usize,
    /// Of these, mails with links at all.
    pub ham_with_links: usize,
    /// Spam with such a name.
    pub spam: usize,
    /// Of these, mails whose links are those of no honest mail with the name.
    pub spam_other_links: usize,
}

/// Mails of one name by what they link to.
#[derive(Default)]
struct Of<'a> {
    spam: HashSet<BTreeSet<&'a Signature>>,
    ham: HashSet<BTreeSet<&'a Signature>>,
}

/// Counts over the mails that `counts` says.
#[must_use]
pub fn run(mails: &[Mail], counts: impl Fn(&Mail) -> bool) -> Shared {
    let mails: Vec<&Mail> = mails.iter().filter(|mail| counts(mail)).collect();
    let mut names: HashMap<&Signature, Of<'_>> = HashMap::new();
    for mail in &mails {
        for name in of_kind(mail, SignatureKind::Text) {
            let of = names.entry(name).or_default();
            let side = if mail.is_spam { &mut of.spam } else { &mut of.ham };
            side.insert(links(mail));
        }
    }
    names.retain(|_, of| !of.spam.is_empty() && !of.ham.is_empty());
    let mut shared = Shared { names: names.len(), ..Shared::default() };
    for mail in mails {
        let known: Vec<&Of<'_>> =
            of_kind(mail, SignatureKind::Text).filter_map(|name| names.get(name)).collect();
        if known.is_empty() {
            continue;
        }
        let links = links(mail);
        let other = |of: &&Of<'_>| if mail.is_spam { &of.ham } else { &of.spam }.contains(&links);
        let differs = usize::from(!known.iter().any(other));
        if mail.is_spam {
            shared.spam += 1;
            shared.spam_other_links += differs;
        } else {
            shared.ham += 1;
            shared.ham_other_links += differs;
            shared.ham_with_links += usize::from(!links.is_empty());
        }
    }
    shared
}

fn of_kind(mail: &Mail, kind: SignatureKind) -> impl Iterator<Item = &Signature> {
    mail.items.iter().map(|item| &item.signature).filter(move |it| it.kind == kind)
}

fn links(mail: &Mail) -> BTreeSet<&Signature> {
    of_kind(mail, SignatureKind::Link).collect()
}

//! Who the mail says it is from, against what people believe of that name.

use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::HeaderReading;

use crate::brands::{is_borrowed_in, is_look_alike};
use crate::domains::same_owner;
use crate::known::{is_disposable, is_throw_away};

/// Letters of a recipient's domain from which on it is a name and not a word.
const DOMAIN_LETTERS_MIN: usize = 5;

/// Recipients compared with what the mail says.
const RECIPIENTS_MAX: usize = 10;

/// Judges From, Reply-To and Subject.
#[must_use]
pub(crate) fn judge(envelope: &Envelope, header: &HeaderReading) -> Vec<Evidence> {
    let Some(from) = header.from.first() else { return Vec::new() };
    let domain = domain_of(&from.address).to_lowercase();
    let name = from.name.to_lowercase();
    let replies = || header.reply_to.iter().map(|to| domain_of(&to.address).to_lowercase());
    let signs = [
        (
            !domain.is_empty() && is_borrowed_in(&name, &domain),
            "brand_in_name",
            2.0,
            "the name in From is one that people trust, the address is not its owner's",
        ),
        (is_look_alike(&domain), "sender_look_alike", 2.5, "From looks like a trusted domain"),
        (
            is_throw_away(&domain),
            "sender_throw_away",
            0.5,
            "From is of a domain that costs nothing",
        ),
        (
            is_disposable(&domain) || replies().any(|domain| is_disposable(&domain)),
            "sender_disposable",
            0.8,
            "a mailbox that lives for minutes",
        ),
        (
            poses_as_ours(envelope, header, &domain, &name),
            "name_poses_as_ours",
            1.5,
            "the name in From is the recipient's domain, the address is not",
        ),
        (
            names_recipient(envelope, header, &domain),
            "subject_names_address",
            0.8,
            "the recipient's address in the subject",
        ),
    ];
    let found = signs.into_iter().filter(|(there, ..)| *there);
    found.map(|(_, name, weight, what)| Evidence::new(name, weight, Source::Header, what)).collect()
}

/// Addresses that the mail is for, as far as anybody says: of the envelope, else of To.
fn recipients<'a>(
    envelope: &'a Envelope,
    header: &'a HeaderReading,
) -> impl Iterator<Item = &'a str> {
    let written = header.to.iter().map(|to| to.address.as_str());
    envelope.recipients.iter().map(String::as_str).chain(written).take(RECIPIENTS_MAX)
}

/// `example.com support <x@elsewhere.example>` to somebody at example.com.
fn poses_as_ours(envelope: &Envelope, header: &HeaderReading, domain: &str, name: &str) -> bool {
    recipients(envelope, header).any(|recipient| {
        let ours = domain_of(recipient).to_lowercase();
        ours.len() >= DOMAIN_LETTERS_MIN
            && ours.contains('.')
            && name.contains(&ours)
            && !name.contains('@')
            && !same_owner(&ours, domain)
    })
}

fn names_recipient(envelope: &Envelope, header: &HeaderReading, domain: &str) -> bool {
    let subject = header.subject.to_lowercase();
    subject.contains('@')
        && recipients(envelope, header).any(|recipient| {
            let recipient = recipient.to_lowercase();
            recipient.contains('@')
                && subject.contains(&recipient)
                && !same_owner(domain_of(&recipient), domain)
        })
}

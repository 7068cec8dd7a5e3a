//! Who the mail says it is from, against what people believe of that name.

use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::{HeaderReading, Mailbox};

use crate::brands::{is_borrowed_name, is_look_alike, is_native_borrowed};
use crate::domains::{is_free_mail, same_owner};
use crate::known::{is_disposable, is_rented, is_throw_away};
use crate::look::{as_read, as_written};

/// Letters of a recipient's domain from which on it is a name and not a word.
const DOMAIN_LETTERS_MIN: usize = 5;

/// Recipients compared with what the mail says.
const RECIPIENTS_MAX: usize = 10;

/// Judges From, Reply-To and Subject.
#[must_use]
pub(crate) fn judge(envelope: &Envelope, header: &HeaderReading) -> Vec<Evidence> {
    let Some(from) = header.from.first() else { return Vec::new() };
    let domain = domain_of(&from.address).to_lowercase();
    let name = as_read(&from.name);
    let replies = || header.reply_to.iter().map(|to| domain_of(&to.address).to_lowercase());
    let signs = [
        (
            !domain.is_empty() && is_borrowed(&from.name, &name, &domain),
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
            is_free_mail(&domain) && is_office(from),
            "free_mail_office",
            1.0,
            "From is an office by its name, and a free mailbox by its address",
        ),
        (is_rented(&domain), "sender_rented", 0.8, "From is of a name rented from a larger house"),
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

fn is_borrowed(written: &str, name: &str, domain: &str) -> bool {
    is_borrowed_name(name, domain) || is_native_borrowed(&as_written(written), domain)
}

/// What offices are called that write to their customers, and people are not (own selection), as people read it.
const OFFICES: [&str; 44] = [
    "administrator",
    "alerta",
    "alertas",
    "alerts",
    "atencion",
    "atendimento",
    "aviso",
    "banco",
    "bank",
    "banque",
    "billing",
    "cobranca",
    "customer",
    "delivery",
    "department",
    "facturation",
    "facture",
    "fatura",
    "helpdesk",
    "invoice",
    "kundendienst",
    "kundenservice",
    "mailbox",
    "mailer",
    "messagerie",
    "notice",
    "notificacion",
    "notification",
    "notifications",
    "payment",
    "payments",
    "payroll",
    "postmaster",
    "protection",
    "refund",
    "reward",
    "rewards",
    "security",
    "seguranca",
    "seguridad",
    "servicio",
    "subscription",
    "verification",
    "webmail",
];

fn is_office(from: &Mailbox) -> bool {
    let name = as_read(&from.name);
    name.split(|c: char| !c.is_alphanumeric()).any(|word| OFFICES.binary_search(&word).is_ok())
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

//! What phishing cannot do without: somebody's name, an alarm, and a way to a place that is not that somebody's.
//!
//! Each of them alone stands in honest mail. What the header says is held against where the parts lead.

use tamis_domain::envelope::domain_of;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::{HeaderReading, Link, PartFacts, Text};

use crate::brands::{is_borrowed_in, is_named_in, is_owned, named_in};
use crate::domains::is_free_mail;
use crate::headers::is_bulk;
use crate::look::{as_read, as_written};

/// Bytes of a subject that are read. RFC 5322 lets a line have 998.
const SUBJECT_BYTES_MAX: usize = 1024;

/// Links looked at in one part, in order of appearance: pages of phishing have few.
const LINKS_LOOKED_AT_MAX: usize = 100;

/// Alarms about an account, a payment or a parcel, in lower case (own selection). Languages that part words by blanks, and
/// such as do not.
const ALARMS: [&str; 66] = [
    "verify",
    "suspend",
    "locked",
    "limited",
    "restricted",
    "unusual",
    "unauthorized",
    "unauthorised",
    "unrecognized",
    "on hold",
    "expire",
    "deactivat",
    "declined",
    "security alert",
    "action required",
    "confirm your",
    "update your",
    "validate",
    "reactivate",
    "sign-in activity",
    "sign in activity",
    "login attempt",
    "undelivered",
    "delivery failed",
    "gesperrt",
    "eingeschränkt",
    "bestätigen",
    "verifizier",
    "aktualisieren sie",
    "läuft ab",
    "suspendu",
    "bloqué",
    "vérifi",
    "expiré",
    "mettre à jour",
    "suspendid",
    "bloquead",
    "verifiqu",
    "verifica",
    "actualice",
    "atualiz",
    "pendente",
    "expira",
    "suspens",
    "regulariz",
    "sospes",
    "bloccat",
    "aggiorna",
    "conferma",
    "geblokkeerd",
    "verloopt",
    "bevestig",
    "zablokowan",
    "zawieszon",
    "potwierdź",
    "заблокирован",
    "подтвердите",
    "приостановлен",
    "验证",
    "停用",
    "异常",
    "本人確認",
    "利用制限",
    "お支払い方法",
    "계정",
    "حسابك",
];

/// What also draws people on beside a name that is not the sender's, in lower case (own selection): alone, much honest mail
/// says it.
const LURES: [&str; 50] = [
    "suspicious",
    "blocked",
    "deactivation",
    "termination",
    "final notice",
    "final warning",
    "last warning",
    "last reminder",
    "overdue",
    "payment failed",
    "payment issue",
    "refund",
    "reward",
    "winner",
    "you have won",
    "claim",
    "voucher",
    "gift card",
    "survey",
    "quarantin",
    "storage",
    "mailbox",
    "password",
    "sign-in",
    "new device",
    "renewal",
    "invoice",
    "fraud",
    "dispute",
    "zahlung",
    "rückerstattung",
    "gewonnen",
    "sicherheits",
    "sendung",
    "remboursement",
    "livraison",
    "sécurité",
    "colis",
    "reembolso",
    "entrega",
    "seguridad",
    "segurança",
    "pontos",
    "fatura",
    "boleto",
    "vence",
    "rimborso",
    "consegna",
    "重要",
    "緊急",
];

/// Findings about parts that lead to a place whose owner nobody knows.
const UNKNOWN_PLACES: [&str; 10] = [
    "link_disguised_host",
    "link_mails_elsewhere",
    "link_names_mailbox",
    "link_page_builder",
    "link_redirected",
    "link_shortened",
    "link_stored_page",
    "link_to_address",
    "page_attached",
    "qr_link",
];

/// Bytes of a text in which somebody trusted is looked for: a notice says first in whose name it comes.
const TOLD_BYTES_MAX: usize = 1024;

/// Whether the text of a part begins with the name of somebody trusted, and none of its links leads to the owner. No fault:
/// [`judge`] knows what it means beside the header.
#[must_use]
pub fn told(text: &Text, links: &[Link]) -> Option<Evidence> {
    let hosts =
        || links.iter().take(LINKS_LOOKED_AT_MAX).filter(|it| it.target.starts_with("http"));
    hosts().next()?;
    let begin = &text.folded[..text.folded.floor_char_boundary(TOLD_BYTES_MAX)];
    let name = named_in(begin)?;
    let leads_home = hosts().any(|link| is_named_in(name, &link.host));
    (!leads_home).then(|| {
        let detail = format!("the text names {name}, and no link leads there");
        Evidence::new("brand_told", 0.0, Source::Text, detail)
    })
}

/// Judges the header against what is known of the parts; `free` is what was found in header and outline.
#[must_use]
pub fn judge(
    header: &HeaderReading,
    free: &[Evidence],
    facts: &[Option<&PartFacts>],
) -> Vec<Evidence> {
    let parts = || facts.iter().copied().flatten();
    let has = |name: &str| {
        free.iter().chain(parts().flat_map(|part| &part.evidence)).any(|found| found.name == name)
    };
    let subject = &header.subject[..header.subject.floor_char_boundary(SUBJECT_BYTES_MAX)];
    let subject = as_written(subject);
    let plain_subject = as_read(&subject);
    let from = header.from.first();
    let name = from.map_or(String::new(), |from| as_read(&from.name));
    let domain = from.map_or(String::new(), |from| domain_of(&from.address).to_lowercase());
    let hosts = || {
        let links = parts().flat_map(|part| part.links.iter().take(LINKS_LOOKED_AT_MAX));
        links.filter_map(|link| link.split('/').next())
    };
    let leads_home = |text: &str| hosts().any(|host| is_named_in(text, host));
    let leads_away = |text: &str| hosts().next().is_some() && !leads_home(text);
    let is_alarming = ALARMS.iter().any(|alarm| subject.contains(alarm));
    let is_luring = || is_alarming || LURES.iter().any(|lure| subject.contains(lure));
    let is_talk = is_talk(header);
    let poses = has("brand_in_name") || has("sender_look_alike") || has("name_poses_as_ours");
    let alarmed = has("mailbox_threat") || (poses && is_luring());
    let is_free = is_free_mail(&domain);
    let found = [
        (
            has("brand_in_name") && !is_talk && leads_away(&name),
            "brand_links_elsewhere",
            2.0,
            "a trusted name in From, and no link leads to its owner",
        ),
        (
            !is_talk
                && !domain.is_empty()
                && is_borrowed_in(&plain_subject, &domain)
                && is_luring()
                && leads_away(&plain_subject),
            "brand_alarm",
            1.5,
            "an alarm in a trusted name by somebody else, and no link leads to its owner",
        ),
        (
            is_alarming
                && has("brand_told")
                && !is_bulk(header)
                && !domain.is_empty()
                && !is_owned(&domain),
            "brand_told_alarm",
            1.0,
            "an alarm, a trusted name in the text that is not the sender's, and no link leads to its owner",
        ),
        (
            is_free && !is_talk && has("callback_invoice"),
            "callback_trap",
            2.5,
            "an invoice to be cancelled by telephone, from a mailbox that anybody can have",
        ),
        (
            alarmed && !is_talk && UNKNOWN_PLACES.iter().any(|place| has(place)),
            "account_trap",
            2.0,
            "an alarm about an account, and a way to a place that anybody can have",
        ),
    ];
    let found = found.into_iter().filter(|(there, ..)| *there);
    found.map(|(_, name, weight, what)| Evidence::new(name, weight, Source::Link, what)).collect()
}

/// Whether people write to each other here: a list, or an answer.
fn is_talk(header: &HeaderReading) -> bool {
    let fields = ["list-post", "x-mailing-list", "in-reply-to", "references"];
    fields.iter().any(|field| header.value(field).is_some())
}

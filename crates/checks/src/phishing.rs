//! What phishing cannot do without: somebody's name, an alarm, and a way to a place that is not that somebody's.
//!
//! Each of them alone stands in honest mail. What the header says is held against where the parts lead.

use tamis_domain::envelope::domain_of;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::{HeaderReading, PartFacts};

use crate::brands::{is_borrowed_in, is_named_in};

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

/// Findings about parts that lead to a place whose owner nobody knows.
const UNKNOWN_PLACES: [&str; 8] = [
    "link_disguised_host",
    "link_mails_elsewhere",
    "link_names_mailbox",
    "link_page_builder",
    "link_shortened",
    "link_to_address",
    "page_attached",
    "qr_link",
];

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
    let subject = subject.to_lowercase();
    let from = header.from.first();
    let name = from.map_or(String::new(), |from| from.name.to_lowercase());
    let domain = from.map_or(String::new(), |from| domain_of(&from.address).to_lowercase());
    let hosts = || {
        let links = parts().flat_map(|part| part.links.iter().take(LINKS_LOOKED_AT_MAX));
        links.filter_map(|link| link.split('/').next())
    };
    let leads_home = |text: &str| hosts().any(|host| is_named_in(text, host));
    let leads_away = |text: &str| hosts().next().is_some() && !leads_home(text);
    let is_alarming = ALARMS.iter().any(|alarm| subject.contains(alarm));
    let is_talk = ["list-post", "x-mailing-list", "in-reply-to", "references"]
        .iter()
        .any(|field| header.value(field).is_some());
    let poses = has("brand_in_name") || has("sender_look_alike");
    let alarmed = has("mailbox_threat") || (is_alarming && poses);
    let found = [
        (
            has("brand_in_name") && !is_talk && leads_away(&name),
            "brand_links_elsewhere",
            2.0,
            "a trusted name in From, and no link leads to its owner",
        ),
        (
            is_alarming
                && !is_talk
                && !domain.is_empty()
                && is_borrowed_in(&subject, &domain)
                && leads_away(&subject),
            "brand_alarm",
            1.5,
            "an alarm in a trusted name by somebody else, and no link leads to its owner",
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

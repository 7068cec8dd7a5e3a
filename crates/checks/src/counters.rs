//! Domains that are put together from words of a counter: `bank-secure-login`. Houses have a name there.

use tamis_domain::suffix::owner;

use crate::known::is_high_trust;

/// Bytes of a label (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Words of a label from which on, of those known, the domain is made of them.
const WORDS_MIN: usize = 2;

/// Words that pages of phishing put into their domains (own selection), in ascending order.
const WORDS: [&str; 109] = [
    "access",
    "account",
    "accounts",
    "activity",
    "alert",
    "alerts",
    "app",
    "audit",
    "auth",
    "authentication",
    "bank",
    "banking",
    "billing",
    "cancel",
    "center",
    "centre",
    "check",
    "claim",
    "client",
    "cliente",
    "clientes",
    "clients",
    "confirm",
    "confirmation",
    "connect",
    "customer",
    "delivery",
    "department",
    "device",
    "document",
    "documents",
    "espace",
    "espaceclient",
    "facture",
    "form",
    "forms",
    "help",
    "helpdesk",
    "host",
    "iade",
    "id",
    "info",
    "informacion",
    "invoice",
    "konto",
    "kunden",
    "kundenservice",
    "login",
    "logon",
    "mail",
    "mailbox",
    "manage",
    "manager",
    "mein",
    "member",
    "mijn",
    "mobile",
    "my",
    "net",
    "notice",
    "notification",
    "office",
    "online",
    "order",
    "pacote",
    "pagamento",
    "pago",
    "parcel",
    "pay",
    "payment",
    "portal",
    "post",
    "protect",
    "recovery",
    "refund",
    "register",
    "renew",
    "renewal",
    "renouvellement",
    "safe",
    "scanner",
    "secure",
    "secured",
    "security",
    "seguridad",
    "seguro",
    "service",
    "services",
    "servicio",
    "sign",
    "signin",
    "sistema",
    "status",
    "store",
    "sucursal",
    "suivi",
    "support",
    "system",
    "tracking",
    "unlock",
    "update",
    "upgrade",
    "user",
    "validation",
    "verification",
    "verify",
    "wallet",
    "web",
    "webmail",
];

/// Whether two or more words of the registered label of a host in lower case, parted by hyphens, are those of a counter.
#[must_use]
pub(crate) fn is_counter(host: &str) -> bool {
    let label = owner(host).split('.').next().unwrap_or_default();
    if label.len() > LABEL_BYTES_MAX || !label.contains('-') {
        return false;
    }
    let known = label.split('-').filter(|word| WORDS.binary_search(word).is_ok()).count();
    known >= WORDS_MIN && !is_high_trust(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_of_a_counter_make_one_and_a_name_does_not() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
        for (host, expect) in [
            ("secure-login.example", true),
            ("www.bank-account-update.example", true),
            ("secure-login.workshop.example", false),
            ("service.example", false),
            ("mail-workshop.example", false),
            ("", false),
        ] {
            assert_eq!(is_counter(host), expect, "{host}");
        }
    }
}

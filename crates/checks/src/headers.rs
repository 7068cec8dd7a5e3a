//! Fields of the header: what is missing or odd, and who it says wrote it. The subject and the trace have files of
//! their own.

use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::{HeaderReading, Mailbox};

use crate::domains::{is_free_mail, same_owner};

/// Seconds that the clock of an honest sender may be fast: a wrong time zone is half a day.
const FUTURE_S_MAX: i64 = 24 * 3600;

/// Seconds after which honest mail has arrived or was returned: five days in a queue (RFC 5321 section 4.5.4.1),
/// twice, and some.
const PAST_S_MAX: i64 = 15 * 24 * 3600;

/// Judges the header. `now_s` is the time of arrival in seconds since 1970; of a mail whose envelope is not
/// verified (a file) the time of arrival is that of its topmost Received, and without one its Date is not judged.
#[must_use]
pub fn judge(envelope: &Envelope, header: &HeaderReading, now_s: i64) -> Vec<Evidence> {
    let mut found = Vec::new();
    // A mail without any header is one fault, which its structure tells, and not six missing fields.
    if header.fields.is_empty() {
        return found;
    }
    found.extend(date(envelope, header, now_s));
    found.extend(message_id(header));
    found.extend(author(header));
    found.extend(recipients(header));
    found.extend(answers_elsewhere(header));
    found.extend(name_holds_address(header));
    found.extend(to_himself(header));
    found.extend(mime_version(header));
    found.extend(crate::subject::judge(header));
    found.extend(crate::trace::judge(envelope, header));
    found.extend(crate::senders::judge(envelope, header));
    found.extend(crate::relays::judge(envelope, header));
    found
}

fn sign(name: &'static str, weight: f32, detail: &str) -> Option<Evidence> {
    Some(Evidence::new(name, weight, Source::Header, detail))
}

fn date(envelope: &Envelope, header: &HeaderReading, now_s: i64) -> Option<Evidence> {
    let Some(written) = header.value("Date") else {
        return sign("date_missing", 0.2, "no Date");
    };
    let Some(date_s) = header.date_s else {
        let detail = if written.is_empty() { "an empty Date" } else { "a Date nobody can read" };
        return sign("date_unreadable", 1.5, detail);
    };
    let trace_s = || header.received.first().and_then(|relay| relay.date_s);
    let arrival_s = if envelope.verified { Some(now_s) } else { trace_s() }?;
    if date_s > arrival_s.saturating_add(FUTURE_S_MAX) {
        return sign("date_in_future", 2.0, "dated more than a day after its arrival");
    }
    if date_s < arrival_s.saturating_sub(PAST_S_MAX) {
        return sign("date_in_past", 0.5, "dated more than two weeks before its arrival");
    }
    None
}

fn message_id(header: &HeaderReading) -> Option<Evidence> {
    let Some(id) = header.message_id.as_deref().map(str::trim) else {
        return match header.value("Message-Id") {
            None => sign("message_id_missing", 0.2, "no Message-Id"),
            Some(_) => sign("message_id_odd", 1.2, "a Message-Id without its form"),
        };
    };
    let odd = match id.rsplit_once('@') {
        Some((left, right)) => left.is_empty() || right.is_empty() || id.contains([' ', '\t']),
        None => true,
    };
    if odd { sign("message_id_odd", 1.2, "a Message-Id without its form") } else { None }
}

fn author(header: &HeaderReading) -> Option<Evidence> {
    match header.from.as_slice() {
        [] => sign("from_missing", 1.0, "nobody in From"),
        [one] if domain_of(&one.address).is_empty() => {
            sign("from_without_domain", 1.0, "the address in From has no domain")
        }
        [_] => None,
        // RFC 5322 section 3.6.2: several authors need a Sender.
        _ if header.sender.is_none() => sign("from_many", 1.5, "several in From and no Sender"),
        _ => None,
    }
}

fn recipients(header: &HeaderReading) -> Option<Evidence> {
    if !header.to.is_empty() {
        return None;
    }
    match (header.value("To"), header.value("Cc")) {
        (None, None) => sign("to_missing", 0.2, "no To and no Cc"),
        _ => sign("to_empty", 1.2, "nobody in To or Cc"),
    }
}

/// Whether a list or a mailer for many sent it: there Reply-To and envelope differ from From by design.
pub(crate) fn is_bulk(header: &HeaderReading) -> bool {
    ["List-Id", "List-Post", "List-Unsubscribe", "Mailing-List", "X-Mailing-List", "X-BeenThere"]
        .iter()
        .any(|name| header.value(name).is_some())
        || header.value("Precedence").is_some()
}

fn answers_elsewhere(header: &HeaderReading) -> Option<Evidence> {
    let (from, reply) = (header.from.first()?, header.reply_to.first()?);
    let (from, reply) = (domain_of(&from.address), domain_of(&reply.address));
    if is_bulk(header) || from.is_empty() || reply.is_empty() || same_owner(from, reply) {
        return None;
    }
    match (is_free_mail(from), is_free_mail(reply)) {
        (_, true) => sign("reply_to_free_mail", 2.0, "answers go to a free mailbox elsewhere"),
        _ => sign("reply_to_elsewhere", 0.2, "answers go to another domain"),
    }
}

/// `"billing@bank.example" <x@elsewhere.example>`: many mail readers show the name alone.
fn name_holds_address(header: &HeaderReading) -> Option<Evidence> {
    let false_name = |mailbox: &Mailbox| {
        let domain = domain_of(&mailbox.address);
        let words = mailbox.name.split([' ', '<', '>', '"', '\'', '(', ')', ',']);
        let claimed = words.filter(|word| word.contains('@')).map(domain_of);
        let mut claimed = claimed.filter(|claimed| claimed.contains('.'));
        claimed.next().is_some_and(|claimed| !same_owner(claimed, domain))
    };
    if is_bulk(header) || !header.from.iter().any(false_name) {
        return None;
    }
    sign("name_holds_address", 2.0, "the name in From is an address of another domain")
}

fn to_himself(header: &HeaderReading) -> Option<Evidence> {
    let ([from], [to]) = (header.from.as_slice(), header.to.as_slice()) else { return None };
    if from.address.is_empty() || !from.address.eq_ignore_ascii_case(&to.address) {
        return None;
    }
    sign("to_himself", 0.5, "the same address in From and To")
}

fn mime_version(header: &HeaderReading) -> Option<Evidence> {
    let declared = header.value("Content-Type")?.to_ascii_lowercase();
    let mime = declared.starts_with("multipart/") || declared.starts_with("text/html");
    if !mime || header.value("MIME-Version").is_some() {
        return None;
    }
    sign("mime_version_missing", 0.2, "MIME without MIME-Version")
}

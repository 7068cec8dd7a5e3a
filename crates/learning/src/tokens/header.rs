//! Features of the header, the envelope and the structure.

use tamis_domain::envelope::{Door, Envelope, domain_of};
use tamis_domain::outline::{Outline, PartKind};
use tamis_domain::reading::{HeaderReading, Mailbox, Relay};

use super::Collector;
use super::text::{each_word, magnitude};
use crate::limits::{FIELD_WORDS_MAX, FIELDS_MAX};

/// Fields that the way after us writes, that other filters claim, or that name the recipient: they teach nothing that is
/// there when a mail is judged.
const LEFT_OUT: &[&str] = &[
    "authentication-results",
    "delivered-to",
    "envelope-to",
    "lines",
    "return-path",
    "status",
    "x-delivered-to",
    "x-envelope-from",
    "x-envelope-to",
    "x-keywords",
    "x-original-to",
    "x-status",
    "x-uid",
    "received-spf",
    "x-virus-scanned",
    "x-virus-status",
    "x-barracuda",
    "x-bogosity",
    "x-dspam",
    "x-rspamd",
    "x-spam",
    "x-tamis",
    "x-ms-exchange",
    "x-forefront",
    "content-length",
    "x-mozilla",
    "x-gmail-labels",
    "x-uidl",
];

/// Fields whose words tell: all of these are taken, of others the first words.
fn words_of(name: &str) -> usize {
    match name {
        "subject" | "received" | "from" | "to" | "cc" | "reply-to" | "sender" => 0,
        "dkim-signature"
        | "domainkey-signature"
        | "arc-seal"
        | "arc-message-signature"
        | "x-google-dkim-signature" => 0,
        "date" | "message-id" | "references" | "in-reply-to" => 0,
        _ => 6,
    }
}

/// The tree of parts.
pub(super) fn structure(collector: &mut Collector<'_>, outline: &Outline) {
    collector.add("parts", &magnitude(outline.parts.len()));
    collector.add("size", &magnitude(usize::try_from(outline.size).unwrap_or(usize::MAX)));
    for (oddity, _) in &outline.oddities {
        collector.add("oddity", oddity.word());
    }
    let mut tree = String::new();
    for part in outline.parts.iter().take(16) {
        tree.push_str(&part.media_type);
        tree.push(char::from(b'0' + part.depth.min(9)));
        collector.add("type", &part.media_type);
        collector.add("encoding", &format!("{:?} {:?}", part.encoding, part.kind));
        if let Some(name) = &part.file_name {
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            collector.add("ending", &ending.to_lowercase());
            collector.add("file", &name.to_lowercase());
        }
        if matches!(part.kind, PartKind::Image | PartKind::Other) {
            collector.add(
                "weight",
                &format!(
                    "{} {}",
                    part.media_type,
                    magnitude(usize::try_from(part.size).unwrap_or(usize::MAX))
                ),
            );
            if let Some(digest) = &part.digest {
                collector.add("same", &format!("{:?}", digest));
            }
        }
    }
    collector.add("tree", &tree);
}

/// All of the header.
pub(super) fn fields(collector: &mut Collector<'_>, envelope: &Envelope, header: &HeaderReading) {
    subject(collector, &header.subject);
    mailboxes(collector, "from", &header.from);
    mailboxes(collector, "reply", &header.reply_to);
    mailboxes(collector, "to", &header.to);
    collector.add("to count", &magnitude(header.to.len()));
    hop(collector, envelope, header);
    for relay in header.received.iter().take(6) {
        self::relay(collector, relay);
    }
    if let Some(id) = &header.message_id {
        collector.add("id at", domain_of(id));
        collector.add("id form", &form(id.split('@').next().unwrap_or_default()));
    }
    if let Some(date) = header.value("date") {
        collector.add("date form", &form(date));
        collector.add("zone", date.rsplit(' ').next().unwrap_or_default());
    }
    names(collector, header);
}

/// Which fields there are, in which order, and how their values begin.
fn names(collector: &mut Collector<'_>, header: &HeaderReading) {
    let mut before = String::new();
    for field in header.fields.iter().take(FIELDS_MAX) {
        let name = field.name.to_ascii_lowercase();
        if name == "received" || LEFT_OUT.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        collector.add("field", &field.name);
        collector.add("order", &format!("{before} {name}"));
        let words = words_of(&name);
        if words > 0 {
            collector.add(&name, &field.value);
            collector.pause();
            let mut left = words;
            each_word(&field.value, |word| {
                collector.word(&name, word);
                left -= 1;
                left > 0
            });
        }
        before = name;
    }
}

fn subject(collector: &mut Collector<'_>, subject: &str) {
    collector.add("subject form", &form(subject));
    let lower = subject.to_lowercase();
    collector.pause();
    let mut left = FIELD_WORDS_MAX;
    each_word(&lower, |word| {
        collector.word("subject", word);
        left -= 1;
        left > 0
    });
    collector.pause();
}

fn mailboxes(collector: &mut Collector<'_>, kind: &str, boxes: &[Mailbox]) {
    for mailbox in boxes.iter().take(4) {
        let address = mailbox.address.to_lowercase();
        collector.add(kind, &address);
        let domain = domain_of(&address);
        collector.add(&format!("{kind} at"), domain);
        for (at, _) in domain.match_indices('.').take(3) {
            collector.add(&format!("{kind} under"), &domain[at + 1..]);
        }
        collector.add(&format!("{kind} form"), &form(&mailbox.name));
        collector.pause();
        let mut left = 8;
        each_word(&mailbox.name.to_lowercase(), |word| {
            collector.word(kind, word);
            left -= 1;
            left > 0
        });
        collector.pause();
    }
}

/// The hop that brought the mail to us, which becomes the topmost Received when it is delivered.
fn hop(collector: &mut Collector<'_>, envelope: &Envelope, header: &HeaderReading) {
    if envelope.door == Door::File || !envelope.verified {
        return;
    }
    let client = envelope.client.as_ref();
    let told = Relay {
        helo: envelope.helo.clone(),
        address: client.map(|client| client.address),
        name: client.and_then(|client| client.name.clone()),
        ..Relay::default()
    };
    // Where the MTA wrote it already, it is there twice; a set does not mind.
    let _ = header;
    relay(collector, &told);
}

fn relay(collector: &mut Collector<'_>, relay: &Relay) {
    if let Some(helo) = &relay.helo {
        host(collector, "helo", helo);
    }
    if let Some(name) = &relay.name {
        host(collector, "rdns", name);
    }
    if let Some(by) = &relay.by {
        host(collector, "by", by);
    }
    if let Some(with) = &relay.with {
        collector.add("with", with);
    }
    if let Some(address) = relay.address {
        let text = address.to_string();
        collector.add("ip", &text);
        for (at, _) in text.match_indices(['.', ':']).take(3) {
            collector.add("net", &text[..at]);
        }
    }
}

fn host(collector: &mut Collector<'_>, kind: &str, name: &str) {
    let name = name.to_lowercase();
    collector.add(kind, &name);
    collector.add("host form", &form(&name));
    for (at, _) in name.match_indices('.').take(4) {
        collector.add("host under", &name[at + 1..]);
    }
}

/// How something is written: letters, digits and other signs as runs.
fn form(text: &str) -> String {
    let mut form = String::new();
    let mut last = '\0';
    for c in text.chars().take(80) {
        let class = match c {
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            '0'..='9' => '9',
            c if c.is_ascii() => c,
            _ => 'u',
        };
        if class != last {
            form.push(class);
        }
        last = class;
    }
    form
}

//! The way the mail took: envelope against header, HELO, Received.

use std::net::IpAddr;

use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::HeaderReading;
use tamis_domain::suffix::owner;

use crate::domains::{is_free_mail, is_ipv4_host, same_owner};
use crate::headers::is_bulk;

/// Relays beyond which mail has been going round (RFC 5321 section 6.3 suggests 100 as the end of a loop).
const RELAYS_MAX: usize = 25;

/// Judges envelope, HELO and Received.
#[must_use]
pub(crate) fn judge(envelope: &Envelope, header: &HeaderReading) -> Vec<Evidence> {
    let mut found = Vec::new();
    if !is_own(envelope) {
        found.extend(helo(envelope));
    }
    found.extend(borrowed_free_mail(envelope, header));
    if header.received.len() > RELAYS_MAX {
        found.extend(sign("many_relays", 0.5, "an unusual number of relays"));
    }
    found
}

fn sign(name: &'static str, weight: f32, detail: &str) -> Option<Evidence> {
    Some(Evidence::new(name, weight, Source::Header, detail))
}

/// Whether the client belongs to the site: it logged in, or connects from the inside. Its HELO is nobody's affair.
fn is_own(envelope: &Envelope) -> bool {
    let inside = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    envelope.authenticated.is_some()
        || envelope.client.as_ref().is_some_and(|client| inside(client.address))
}

/// What the client called itself (RFC 5321 section 4.1.4 asks for its own name).
fn helo(envelope: &Envelope) -> Option<Evidence> {
    let helo = envelope.helo.as_deref()?.trim_end_matches('.').to_lowercase();
    if helo.is_empty() || helo.starts_with('[') {
        return None;
    }
    if is_ipv4_host(&helo) {
        return sign("helo_bare_address", 1.5, "HELO is an address without brackets");
    }
    let name = envelope.client.as_ref().and_then(|client| client.name.as_deref());
    let pretends = |recipient: &String| {
        let domain = domain_of(recipient);
        helo == domain.to_lowercase() && !same_owner(name.unwrap_or_default(), domain)
    };
    if envelope.client.is_some() && envelope.recipients.iter().any(pretends) {
        return sign("helo_is_ours", 2.5, "HELO is the domain of a recipient");
    }
    if !owner(&helo).contains('.') {
        return sign("helo_without_dot", 1.5, "HELO is no full name");
    }
    None
}

/// From says a free mail provider, but the envelope says another domain: the provider did not send it.
fn borrowed_free_mail(envelope: &Envelope, header: &HeaderReading) -> Option<Evidence> {
    let [from] = header.from.as_slice() else { return None };
    let (from, sender) = (domain_of(&from.address), domain_of(&envelope.sender));
    if sender.is_empty() || !is_free_mail(from) || same_owner(from, sender) || is_bulk(header) {
        return None;
    }
    sign("free_mail_borrowed", 1.0, "From is a free mailbox, the envelope another domain")
}

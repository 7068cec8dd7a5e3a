//! The administrator's lists: trusted and blacklisted senders and networks.
//!
//! Which entry wins is settled in [`tamis_domain::policy::lists`]; at most one finding comes out. Trust by sender
//! or From rests on what anybody can write, and the detail says so.

use tamis_domain::envelope::Envelope;
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::policy::lists::{Lists, Named, Rank, Seen, Which};
use tamis_domain::reading::HeaderReading;

/// Weight of a blacklisted sender: the threshold of spam, so that score and status agree.
const BLACKLISTED: f32 = 10.0;
/// Weight of a trusted sender: takes away what the threshold of spam would be.
const TRUSTED: f32 = -10.0;

/// Looks the mail up in the lists of one group.
#[must_use]
pub fn judge(envelope: &Envelope, header: &HeaderReading, lists: &Lists) -> Vec<Evidence> {
    let seen = Seen {
        sender: &envelope.sender,
        from: header.from.iter().map(|mailbox| mailbox.address.as_str()).collect(),
        client: envelope.client.as_ref().map(|client| client.address),
        verified: envelope.verified,
    };
    let Some(listed) = lists.find(&seen) else { return Vec::new() };
    let what = match listed.named {
        Named::Sender => "envelope sender",
        Named::From => "From",
        Named::Client => "client",
    };
    let how = match listed.rank {
        Rank::Address => "address",
        Rank::Network(_) => "network",
        Rank::Domain => "domain",
        Rank::Subdomains(_) => "parent domain",
    };
    let evidence = match listed.list {
        Which::Blacklisted => {
            let detail = format!("{what} is blacklisted by {how}");
            Evidence::new("listed_blacklisted", BLACKLISTED, Source::List, detail)
                .marked(Mark::Blacklisted)
        }
        Which::Trusted => {
            let forgeable = if listed.named == Named::Client { "" } else { " (can be forged)" };
            let detail = format!("{what} is trusted by {how}{forgeable}");
            Evidence::new("listed_trusted", TRUSTED, Source::List, detail).marked(Mark::Trusted)
        }
    };
    vec![evidence]
}

//! What to answer when nobody could judge: the last rung of the ladder.

use tamis_domain::decide::{Unscanned, unscanned};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_domain::plan::Plan;
use tamis_domain::status::Rung;

use crate::edge::Judged;
use crate::scanner_client::Asked;

/// The answer of the configuration. Accepted mail carries `X-Tamis-Rung: not_scanned`; a refusal says why.
#[must_use]
pub fn answer(envelope: &Envelope, id: MailId, policy: Unscanned, asked: Asked) -> Judged {
    Judged {
        id,
        status: None,
        score: 0.0,
        rung: Rung::NotScanned,
        evidence: Vec::new(),
        plan: plan(envelope, id, policy),
        asked,
    }
}

fn plan(envelope: &Envelope, id: MailId, policy: Unscanned) -> Plan {
    unscanned(envelope, id, policy)
}

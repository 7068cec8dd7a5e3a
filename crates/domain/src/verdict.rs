//! What a scanner answers about one mail.

use serde::{Deserialize, Serialize};

use crate::digest::MailId;
use crate::evidence::Evidence;
use crate::plan::Plan;
use crate::status::{Rung, Status};

/// The answer about one mail: explained, and enough to act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which mail.
    pub id: MailId,
    /// Status by the global policy, for logs; each group has its own in the plan.
    pub status: Status,
    /// Sum of the weights; higher means more like spam.
    pub score: f32,
    /// All findings, heaviest first, at most `EVIDENCE_MAX`.
    pub evidence: Vec<Evidence>,
    /// How much of the judgement was possible.
    pub rung: Rung,
    /// What to do for whom.
    pub plan: Plan,
    /// Generation of the bases and checks that produced the facts.
    pub generation: u32,
    /// Where the time went.
    pub timings: Timings,
}

/// Time spent in the scanner, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Lists, headers, structure.
    pub free_us: u32,
    /// Cache and reputation.
    pub near_us: u32,
    /// Waiting for parts from the edge.
    pub supply_us: u32,
    /// Reading and judging content.
    pub full_us: u32,
    /// From Offer to Verdict.
    pub total_us: u32,
}

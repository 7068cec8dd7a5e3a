//! What may be said to a table, and what it tells.

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};

use super::words::Named;

/// Characters of a reporter's name. A host name and a word fit.
pub const REPORTER_CHARS_MAX: usize = 64;

/// One change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A reporter says that a signature belongs to a class.
    Add {
        /// What is reported.
        signature: Signature,
        /// Its similarity name, for kinds that have one; the one that most organisations name stays with the signature.
        sketch: Option<Sketch>,
        /// The class; not [`Class::Suspected`], which is a conclusion.
        class: Class,
        /// Strength, 1 to 100.
        weight: u8,
        /// Who says so: 1 to [`REPORTER_CHARS_MAX`] printable ASCII characters.
        reporter: String,
        /// What the reporter's word is worth.
        authority: Authority,
        /// When, seconds since 1970 (until 2106).
        at_unix_s: u32,
    },
    /// A reporter takes back what it said of a signature.
    Retract {
        /// Of this exact signature.
        signature: Signature,
        /// Whose report goes.
        reporter: String,
        /// When, seconds since 1970.
        at_unix_s: u32,
    },
    /// An operator takes a signature off, with all that was reported of it.
    Delete {
        /// What goes: this exact signature.
        signature: Signature,
        /// Who says so.
        reporter: String,
        /// When, seconds since 1970.
        at_unix_s: u32,
    },
}

/// What a reporter's word is worth. Who has which is decided at the door, by the key that the reporter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// One voice among many: counted together with others.
    Reporter,
    /// Runs the service: its accusation lists at once, its `allowed` wins over every report, and it may delete.
    Operator,
}

impl Authority {
    /// The number on disk and in the shared log: 1 or 2.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Reporter => 1,
            Self::Operator => 2,
        }
    }

    /// The authority with this number, if there is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Reporter),
            2 => Some(Self::Operator),
            _ => None,
        }
    }
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is listed now and was not before.
    Added,
    /// It was listed before; the report was taken.
    Confirmed,
    /// It is listed still; one reporter's report went.
    Retracted,
    /// It was listed and no longer is.
    Deleted,
    /// It was not listed; nothing changed, save the epoch where an order is shared among shards.
    Unknown,
    /// Another shard keeps it; nothing changed but the epoch and what is known of the reporter.
    Elsewhere,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Ours: no room. Retry after something was deleted or the limit raised.
    #[error("the table holds {signatures_max} signatures already, the most that is configured")]
    Full {
        /// The limit.
        signatures_max: usize,
    },
    /// Ours: no room for another reporter's name.
    #[error("too many different reporters")]
    TooManyReporters,
    /// The caller's: do not retry.
    #[error("weight {0} is not between 1 and 100")]
    Weight(u8),
    /// The caller's.
    #[error("class {} cannot be reported", .0.word())]
    Class(Class),
    /// The caller's.
    #[error("a reporter's name is 1 to 64 printable ASCII characters")]
    Reporter,
    /// The caller's.
    #[error("a signature of kind {} has no sketch", .0.word())]
    Sketch(SignatureKind),
}

impl Refused {
    /// Whether there is no room, rather than something wrong with the change.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::TooManyReporters)
    }
}

/// One reporter's reports, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTold {
    /// Who.
    pub reporter: String,
    /// The class named last.
    pub class: Class,
    /// The weight named last.
    pub weight: u8,
    /// First report, seconds since 1970.
    pub first_unix_s: u32,
    /// Last report.
    pub last_unix_s: u32,
    /// Reports made, saturating.
    pub times: u16,
    /// What the word was worth at the last report.
    pub authority: Authority,
    /// What it said of the sketch that is stored.
    pub named: Named,
    /// Whether an operator contradicted this accusation: nobody is contradicted twice for one.
    pub is_contradicted: bool,
}

/// Which listed signature answers a question, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Kind of the signature that answers.
    pub kind: SignatureKind,
    /// The first 12 bytes of its value: all that the table keeps, and enough to find its history by.
    pub value_prefix: [u8; 12],
    /// What questions are answered with.
    pub listing: Listing,
    /// Whether an operator said so; else reporters did, or it is no verdict.
    pub is_operator: bool,
}

/// What a reporter's word has been worth so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReporterRecord {
    /// Who: `organisation` or `organisation/person-or-host`.
    pub name: String,
    /// Reports that helped to make a listing which stands and which another organisation reported too.
    pub confirmed: u32,
    /// Reports of spam, phishing or malware that an operator contradicted.
    pub contradicted: u32,
    /// Day of the last report, days since 1970; 0 for none.
    pub last_day: u16,
}

/// One signature as it goes into a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The signature.
    pub signature: Signature,
    /// Its sketch, if it has one.
    pub sketch: Option<Sketch>,
    /// The reports, first reporter first; who accuses after he had said something else comes last.
    pub reports: Vec<ReportTold>,
    /// Epoch of the last change to it.
    pub changed_epoch: u64,
}

impl Change {
    /// Whether it is a change that some table could take.
    ///
    /// # Errors
    /// [`Refused`], always the caller's fault.
    pub fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Add { signature, sketch, class, weight, reporter, .. } => {
                if sketch.is_some() && !signature.kind.has_sketch() {
                    return Err(Refused::Sketch(signature.kind));
                }
                check_report(*class, *weight, reporter)
            }
            Self::Retract { reporter, .. } | Self::Delete { reporter, .. } => check_name(reporter),
        }
    }

    /// The signature that it is about.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        match self {
            Self::Add { signature, .. }
            | Self::Retract { signature, .. }
            | Self::Delete { signature, .. } => signature,
        }
    }
}

pub(super) fn check_report(class: Class, weight: u8, reporter: &str) -> Result<(), Refused> {
    if class == Class::Suspected {
        return Err(Refused::Class(class));
    }
    if !(1..=100).contains(&weight) {
        return Err(Refused::Weight(weight));
    }
    check_name(reporter)
}

pub(super) fn check_name(reporter: &str) -> Result<(), Refused> {
    let printable = reporter.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && (1..=REPORTER_CHARS_MAX).contains(&reporter.len()) {
        return Ok(());
    }
    Err(Refused::Reporter)
}

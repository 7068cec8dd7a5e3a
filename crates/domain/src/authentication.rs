//! What authenticates a mail, and what lists in DNS say of it: facts found by asking, judged by `tamis-checks`.

use std::net::Ipv4Addr;

/// All that was found about who really sent a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// SPF of the envelope's sender, or of the HELO name where the sender is empty. `None`: not asked, since the client
    /// is not known or is one of ours.
    pub spf: Option<Spf>,
    /// DKIM signatures that were looked at, top to bottom.
    pub dkim: Vec<Dkim>,
    /// DMARC of the author's domain.
    pub dmarc: Dmarc,
    /// The chain of ARC seals.
    pub arc: Arc,
    /// The client's name.
    pub reverse: Reverse,
    /// Findings of a border server of the same site, where its `Authentication-Results` are believed.
    pub upstream: Option<String>,
}

/// SPF (RFC 7208).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// What came out.
    pub result: SpfResult,
    /// Domain whose record it was, in lower case.
    pub domain: String,
}

/// Results of RFC 7208 section 2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// No record.
    None,
    /// The domain says nothing of this client.
    Neutral,
    /// The client may send for the domain.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// Not known now.
    TempError,
    /// The record makes no sense.
    PermError,
}

impl SpfResult {
    /// Every result.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Neutral,
        Self::Pass,
        Self::Fail,
        Self::SoftFail,
        Self::TempError,
        Self::PermError,
    ];

    /// The word of RFC 8601 section 2.7.2.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// One DKIM signature (RFC 6376).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dkim {
    /// Who signs (`d=`), in lower case; empty for a signature that cannot be read.
    pub domain: String,
    /// What came out.
    pub result: DkimResult,
}

/// What a signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DkimResult {
    /// The domain signed this header and body.
    Pass,
    /// The body is not the one that was signed: a list's footer, a gateway, or a forgery.
    BodyChanged,
    /// The header is not the one that was signed, or the key is another.
    Broken,
    /// The domain has no such key, or took it back.
    NoKey,
    /// It cannot be verified by its own form: expired, cut by `l=`, SHA-1, unreadable.
    Unusable,
    /// Not known now: no answer about the key, or nobody hashed the body.
    Unknown,
}

impl DkimResult {
    /// The word used in explanations.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::BodyChanged => "body changed",
            Self::Broken => "broken",
            Self::NoKey => "no key",
            Self::Unusable => "unusable",
            Self::Unknown => "unknown",
        }
    }
}

/// DMARC (RFC 7489, RFC 9989).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmarc {
    /// What came out.
    pub result: DmarcResult,
    /// What the owner wishes for mail that fails; without meaning where there is no record.
    pub policy: DmarcPolicy,
    /// The author's domain, in lower case; empty where there is none, or several.
    pub domain: String,
}

/// Whether the author's domain answers for the mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DmarcResult {
    /// Not asked, or no record.
    #[default]
    None,
    /// An aligned identifier is authentic.
    Pass,
    /// None is.
    Fail,
    /// Not known: something that would decide it was not.
    Unknown,
}

/// What an owner wishes for mail that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DmarcPolicy {
    /// Nothing.
    #[default]
    None,
    /// Set it aside.
    Quarantine,
    /// Refuse it.
    Reject,
}

impl DmarcPolicy {
    /// The word of the record.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// A chain of seals (RFC 8617).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Arc {
    /// No seal.
    #[default]
    None,
    /// Every seal holds.
    Pass {
        /// Domain of the latest seal, in lower case.
        sealer: String,
        /// Seals.
        seals: usize,
        /// The latest sealer found that the author's domain authenticated the mail.
        vouches: bool,
    },
    /// Some seal does not.
    Fail,
    /// Not known now.
    Unknown,
}

/// Names of the client's address (RFC 8601 section 3: `iprev`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reverse {
    /// Not asked.
    #[default]
    NotAsked,
    /// It has no name.
    None,
    /// It has names, and none of them has this address.
    Unconfirmed,
    /// A name of it has this address.
    Confirmed,
    /// Not known now.
    Unknown,
}

/// What a list in DNS is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListSubject {
    /// The client's address.
    Client,
    /// Domains of envelope sender, author and HELO.
    Sender,
    /// Hosts of links.
    Link,
}

impl ListSubject {
    /// The word used in configuration and explanations.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Sender => "sender",
            Self::Link => "link",
        }
    }
}

/// What one list said of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct ListAnswer {
    /// Name of the list in the configuration.
    pub list: String,
    /// What it was asked about.
    pub subject: ListSubject,
    /// Its answers, addresses within 127.0.0.0/8 (RFC 5782 section 2.1).
    pub codes: Vec<Ipv4Addr>,
    /// What the configuration gives for them; negative for lists of good senders.
    pub rating: f32,
}

//! What is believed of a manifest that came: by whom it may be signed, and what is in force already.

use crate::chunks::Name;
use crate::keys::{KeyId, PublicKey};
use crate::label::Label;
use crate::manifest::{Malformed, Signed};

/// What the receiver knows before a manifest comes.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The channel that was subscribed to.
    pub channel: &'a Label,
    /// Keys that the administrator trusts.
    pub keys: &'a [PublicKey],
    /// The manifest in force.
    pub in_force: Option<&'a Signed>,
    /// Keys that were ever retired here, also by releases that were taken back since.
    pub retired: &'a [PublicKey],
    /// The highest generation that the administrator took back; 0: none.
    pub refused_up_to: u64,
    /// Now, Unix seconds.
    pub now_unix_s: u64,
}

/// A manifest that may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Newer than what is in force: worth pulling.
    Newer(Box<Signed>),
    /// Exactly what is in force.
    Same,
}

/// Why a manifest is not believed. The bases in force stay so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a manifest.
    #[error("no manifest: {0}")]
    Malformed(#[from] Malformed),
    /// Of another channel.
    #[error("it is of channel {0}")]
    Channel(Label),
    /// Signed by a key that nobody trusts.
    #[error("key {0} is not trusted here")]
    UnknownKey(KeyId),
    /// Signed by a key that was retired.
    #[error("key {0} was retired")]
    RetiredKey(KeyId),
    /// The signature is not of these bytes.
    #[error("the signature of key {0} is wrong")]
    Signature(KeyId),
    /// A retired key is not named as such any more.
    #[error("generation {0} forgets a retired key")]
    KeyComesBack(u64),
    /// Its time is over.
    #[error("generation {generation} was good until {not_after_unix_s} (Unix seconds)")]
    Expired {
        /// Of the manifest that came.
        generation: u64,
        /// Its end.
        not_after_unix_s: u64,
    },
    /// Older than what is in force: a replay, or an upstream that lags.
    #[error("generation {generation} is older than {in_force}, which is in force")]
    Downgrade {
        /// Of the manifest that came.
        generation: u64,
        /// What is in force.
        in_force: u64,
    },
    /// The administrator went back from it, or from a newer one.
    #[error("generation {0} was taken back here, only a newer one is taken")]
    TakenBack(u64),
    /// The same generation with other content, both rightly signed: somebody signs behind the publisher's back, or the
    /// publisher lost its state.
    #[error(
        "two manifests of generation {generation} are signed: {ours} is in force, {theirs} came"
    )]
    Equivocation {
        /// Of both.
        generation: u64,
        /// BLAKE3 of the one in force.
        ours: Name,
        /// BLAKE3 of the other.
        theirs: Name,
    },
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Who sent it: it cannot have come from the publisher like this.
    Upstream,
    /// Who signed it.
    Publisher,
    /// Who configured this side: channel, keys, a generation taken back.
    Ours,
}

/// What to do after a refusal; the bases in force go on in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A later manifest may be good.
    Wait,
    /// Leave this connection and come back later.
    Leave,
    /// A person must look at it now.
    Alarm,
}

impl Refusal {
    /// Whose fault it is, as far as the bytes tell.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Malformed(_) | Self::Signature(_) | Self::Downgrade { .. } => Blame::Upstream,
            Self::RetiredKey(_)
            | Self::KeyComesBack(_)
            | Self::Expired { .. }
            | Self::Equivocation { .. } => Blame::Publisher,
            Self::Channel(_) | Self::UnknownKey(_) | Self::TakenBack(_) => Blame::Ours,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn next(&self) -> Next {
        match self {
            Self::Malformed(_) | Self::Signature(_) | Self::Channel(_) => Next::Leave,
            Self::Equivocation { .. } | Self::RetiredKey(_) | Self::KeyComesBack(_) => Next::Alarm,
            Self::UnknownKey(_)
            | Self::Expired { .. }
            | Self::Downgrade { .. }
            | Self::TakenBack(_) => Next::Wait,
        }
    }

    /// The word for it in metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Channel(_) => "channel",
            Self::UnknownKey(_) => "unknown_key",
            Self::RetiredKey(_) => "retired_key",
            Self::Signature(_) => "signature",
            Self::KeyComesBack(_) => "key_comes_back",
            Self::Expired { .. } => "expired",
            Self::Downgrade { .. } => "downgrade",
            Self::TakenBack(_) => "taken_back",
            Self::Equivocation { .. } => "equivocation",
        }
    }
}

impl Standing<'_> {
    /// Judges the bytes of a manifest.
    ///
    /// # Errors
    /// [`Refusal`]. What does not bear a right signature is never called more than that.
    pub fn judge(&self, bytes: &[u8]) -> Result<Judged, Refusal> {
        let signed = Signed::decode(bytes)?;
        let manifest = &signed.manifest;
        if manifest.channel != *self.channel {
            return Err(Refusal::Channel(manifest.channel.clone()));
        }
        self.signature(&signed)?;
        let generation = manifest.generation;
        if let Some(in_force) = self.in_force {
            let present = in_force.manifest.generation;
            if generation < present {
                return Err(Refusal::Downgrade { generation, in_force: present });
            }
            if generation == present && signed == *in_force {
                return Ok(Judged::Same);
            }
            if generation == present {
                let (ours, theirs) = (Name::of(&in_force.encode()), Name::of(bytes));
                return Err(Refusal::Equivocation { generation, ours, theirs });
            }
        }
        if !self.all_retired().all(|key| manifest.retired.contains(key)) {
            return Err(Refusal::KeyComesBack(generation));
        }
        if generation <= self.refused_up_to {
            return Err(Refusal::TakenBack(generation));
        }
        let not_after_unix_s = manifest.not_after_unix_s;
        if not_after_unix_s < self.now_unix_s {
            return Err(Refusal::Expired { generation, not_after_unix_s });
        }
        Ok(Judged::Newer(Box::new(signed)))
    }

    /// Keys that may sign now: those of the configuration and of the manifest in force, without the retired ones.
    #[must_use]
    pub fn trusted(&self) -> Vec<PublicKey> {
        let mut keys = self.keys.to_vec();
        if let Some(in_force) = self.in_force {
            keys.extend(in_force.manifest.keys.iter().map(|endorsed| endorsed.key));
        }
        keys.retain(|key| !self.is_retired(key));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn all_retired(&self) -> impl Iterator<Item = &PublicKey> {
        let named = self.in_force.map_or(&[][..], |in_force| &in_force.manifest.retired);
        self.retired.iter().chain(named)
    }

    fn is_retired(&self, key: &PublicKey) -> bool {
        self.all_retired().any(|retired| retired == key)
    }

    /// Who missed the release that introduced a key finds its endorsement in every later one.
    fn signature(&self, signed: &Signed) -> Result<(), Refusal> {
        let manifest = &signed.manifest;
        if self.all_retired().any(|key| key.id() == signed.signer) {
            return Err(Refusal::RetiredKey(signed.signer));
        }
        let mut trusted = self.trusted();
        for endorsed in &manifest.keys {
            let by = trusted.iter().find(|key| key.id() == endorsed.by);
            let is_endorsed = by.is_some_and(|by| {
                by.endorsed(&manifest.channel, &endorsed.key, &endorsed.signature)
            });
            if is_endorsed && !self.is_retired(&endorsed.key) {
                trusted.push(endorsed.key);
            }
        }
        let Some(key) = trusted.iter().find(|key| key.id() == signed.signer) else {
            return Err(Refusal::UnknownKey(signed.signer));
        };
        if !key.signed_manifest(&signed.statement(), &signed.signature) {
            return Err(Refusal::Signature(signed.signer));
        }
        Ok(())
    }
}

//! The `[policy]` section as it was typed: every key optional, unknown keys refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DetectionLevel, Treatment};
use crate::evidence::Source;

/// Text of a rejection where the administrator wrote none.
pub(super) const REJECT_TEXT: &str = "message refused by local policy";

/// The `[policy]` section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Typed {
    /// Whether spam is looked for; `true` if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection: Option<bool>,
    /// Text of a rejection: printable ASCII.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_text: Option<String>,
    /// How few signs suffice; `standard` if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<DetectionLevel>,
    /// Where `probable_spam` and `spam` begin, instead of where the level has them.
    pub thresholds: TypedThresholds,
    /// Kinds of checks that count (`true`) or not (`false`), by the source of their evidence; all count if not said.
    pub methods: BTreeMap<Source, bool>,
    /// Trusted and blacklisted senders and networks.
    pub lists: TypedLists,
    /// What happens to mail of each status.
    pub actions: TypedActions,
    /// What is put in front of the subject for each status; `""` for nothing.
    pub subject_tag: TypedSubjectTags,
    /// Weights that replace the built-in ones, by name of the evidence.
    pub weights: BTreeMap<String, f32>,
    /// Groups of recipients, the first that matches wins.
    pub group: Vec<TypedGroup>,
}

/// One `[[policy.group]]`. Keys as in [`Typed`]; what is missing is taken from the global rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedGroup {
    /// Name in plans, logs and metrics: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// `user@host`, `@host`, `.host` for its subdomains, or `*`.
    pub recipients: Vec<String>,
    /// See [`Typed::detection`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<bool>,
    /// See [`Typed::reject_text`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_text: Option<String>,
    /// See [`Typed::level`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<DetectionLevel>,
    /// See [`Typed::thresholds`].
    #[serde(default)]
    pub thresholds: TypedThresholds,
    /// See [`Typed::methods`].
    #[serde(default)]
    pub methods: BTreeMap<Source, bool>,
    /// The group's own lists, looked at before the global ones.
    #[serde(default)]
    pub lists: TypedLists,
    /// See [`Typed::actions`].
    #[serde(default)]
    pub actions: TypedActions,
    /// See [`Typed::subject_tag`].
    #[serde(default)]
    pub subject_tag: TypedSubjectTags,
    /// See [`Typed::weights`].
    #[serde(default)]
    pub weights: BTreeMap<String, f32>,
}

/// Thresholds, as far as they were typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypedThresholds {
    /// Score from which mail is `probable_spam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probable_spam: Option<f32>,
    /// Score from which mail is `spam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spam: Option<f32>,
}

/// Lists: `user@host`, `@host`, `.host`, an IP address, or a network in CIDR form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypedLists {
    /// Who is trusted. A sender's address can be forged by anybody; the address of the client cannot.
    pub trusted: Vec<String>,
    /// Who is blocked.
    pub blacklisted: Vec<String>,
}

/// Declares what is said once for each status that can be treated: as typed (each optional) and complete.
macro_rules! by_status {
    ($typed:ident, $complete:ident, $value:ty, $what:literal, { $($status:ident = $default:expr,)+ }) => {
        #[doc = concat!($what, ", by status, as far as it was typed.")]
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $typed {
            $(
                #[doc = concat!("For `", stringify!($status), "`.")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $status: Option<$value>,
            )+
        }

        #[doc = concat!($what, ", for every status that can be treated.")]
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $complete {
            $(
                #[doc = concat!("For `", stringify!($status), "`.")]
                pub $status: $value,
            )+
        }

        impl Default for $complete {
            fn default() -> Self {
                Self { $($status: $default,)+ }
            }
        }

        impl $typed {
            /// What was typed, with their key.
            pub(super) fn said(&self) -> impl Iterator<Item = (&'static str, &$value)> {
                [$((stringify!($status), self.$status.as_ref()),)+]
                    .into_iter()
                    .filter_map(|(key, value)| value.map(|value| (key, value)))
            }

            /// What was typed, and the rest from `base`.
            pub(super) fn over(&self, base: &$complete) -> $complete {
                $complete {
                    $($status: self.$status.clone().unwrap_or_else(|| base.$status.clone()),)+
                }
            }
        }
    };
}

by_status!(TypedActions, Actions, Treatment, "What happens to mail", {
    formal = Treatment::Accept,
    probable_spam = Treatment::Accept,
    spam = Treatment::Accept,
    blacklisted = Treatment::Accept,
    suspicious = Treatment::Accept,
    infected = Treatment::Quarantine,
});

by_status!(TypedSubjectTags, SubjectTags, String, "What is put in front of the subject", {
    formal = String::new(),
    probable_spam = String::new(),
    spam = "[SPAM]".to_owned(),
    blacklisted = "[SPAM]".to_owned(),
    suspicious = String::new(),
    infected = "[VIRUS]".to_owned(),
});

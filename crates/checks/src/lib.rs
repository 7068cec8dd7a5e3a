//! Pure judgement: what was read in, evidence out. One signal a file where it can be.
//!
//! **Holds** nothing between calls; [`bases::Bases`] are handed in.
//! **Takes** envelope, header reading, outline, part readings, reputation answers, lists, `now_s`.
//! **Gives** evidence: a stable name, a weight, a source, a sentence for a person that quotes nothing of the mail.
//! **May touch** `tamis-domain`.
//! **Never** parses bytes of a mail, decides about it, does I/O, reads a clock or draws a random number.
//! **If it fails** it does not: every input has an answer, the empty one included.
//!
//! Two kinds of checks, kept apart because one kind is cached: [`part::judge`] sees one part's content and what its
//! memory key covers (kind, media type, charset), nothing else; all others see names, headers and envelope, and are
//! asked anew for each mail.
//!
//! Weights: points of score, 5 is `probable_spam`, 10 is `spam`. False positives first: no sign that ordinary mail
//! carries weighs 2 or more, and the signs together were tried on ordinary mail of five sources. All names stand in
//! [`names::ALL`]; a weight of the policy replaces the built-in one.

pub mod attachments;
pub mod authentication;
pub mod bases;
pub mod brands;
mod counters;
pub mod disguised;
pub mod dns_lists;
pub mod documents;
pub mod domains;
pub mod formal;
pub mod gtube;
pub mod headers;
pub mod known;
pub mod links;
pub mod lists;
mod look;
pub mod malware;
pub mod names;
pub mod page;
pub mod part;
pub mod phishing;
pub mod phrases;
pub mod relays;
pub mod reputation;
pub mod senders;
pub mod structure;
pub mod subject;
pub mod text;
pub mod together;
pub mod trace;

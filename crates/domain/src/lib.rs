//! What a mail, a proof and a decision are.
//!
//! **Holds** nothing between calls: values only, and the two ends of the dialogue as states.
//! **Takes** what other rooms read (outline, facts, evidence) and what the administrator wrote (policy).
//! **Gives** a status for each recipient group and a plan of actions.
//! **May touch** core types and `serde`.
//! **Never** parses bytes of a mail, opens a socket, reads a clock, draws a random number or logs.
//! **If it fails** it says so with a typed error that names whose fault it is.
//!
//! Reading order: [`envelope`], [`outline`], [`dialogue`], [`evidence`], [`weigh`], [`decide`].

pub mod authentication;
pub mod decide;
pub mod dialogue;
pub mod digest;
pub mod envelope;
pub mod evidence;
pub mod letters;
pub mod limits;
pub mod outline;
pub mod plan;
pub mod policy;
pub mod reading;
pub mod record;
pub mod reputation;
pub mod status;
pub mod suffix;
pub mod verdict;
pub mod weigh;

//! The content model: what was read in, a calibrated probability of spam out, with the reason by group.
//!
//! **Holds** nothing between calls; a [`base::Base`] borrows the bytes of a trained file and is handed in.
//! **Takes** `domain::reading` types and an outline; for a base, any bytes.
//! **Gives** features ([`features`]), what a base says of them ([`weigh`]), a probability and what each group added.
//! **May touch** `tamis-domain`.
//! **Never** parses bytes of a mail, decides about it, does I/O, reads a clock or draws a random number.
//! **If it fails** reading a base is refused with the first fault found, and the caller goes on with the base it had;
//! weighing cannot fail.
//!
//! The model is linear: for each [`group::Group`] the weights of the features found are added, divided by the length
//! of the group's vector, so that a long mail does not shout. That makes it explainable (a group's sum is its reason)
//! and separable: what a part adds is known from the part alone ([`weigh::Sums`]) and can be remembered with it.
//!
//! Reading order: [`mail`], [`features`], [`weigh`], [`base`].

pub mod bag;
pub mod base;
pub mod features;
pub mod group;
pub mod mail;
pub mod model;
pub mod weigh;

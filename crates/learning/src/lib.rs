//! What people taught: mails as sets of tokens, how often each was seen in spam and in honest mail, and a score.
//!
//! **Holds** nothing between calls but what it is handed: a site's key, mails that were learned, their counts.
//! **Takes** header readings, part readings, outlines, envelopes; counts of tokens; bytes of a store's file.
//! **Gives** tokens (32 bits, keyed by site), counts that add up exactly, one piece of evidence, records for a file.
//! **May touch** `tamis-domain`.
//! **Never** parses a mail, does I/O, reads a clock, draws a random number; no word of a mail can be read from what it gives.
//! **If it fails** a record of the store's file is damaged: [`record::Damage`] says where, and what stands before it counts.
//!
//! Reading order: [`tokens`] (a mail as it is learned), [`knowledge`] (what was learned), [`score`], [`record`] (on disk).

pub mod hashing;
pub mod knowledge;
pub mod limits;
pub mod record;
pub mod score;
pub mod tokens;

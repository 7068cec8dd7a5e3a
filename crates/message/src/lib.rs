//! The bytes of a mail, in and out: outline and names while it arrives, readings of its parts, edits of its header.
//!
//! **Holds** nothing between mails; within one mail the outline, one header block and a few kilobytes of state.
//! **Takes** raw bytes in pieces of any size, and canonical content of single parts.
//! **Gives** an outline with names and spans, decoded content, readings (text, links, sketches), edited headers.
//! **May touch** BLAKE3, SHA-256, character sets, an HTML tokenizer, a reader of header values.
//! **Never** judges, opens a file or socket, reads a clock, draws a random number, starts a thread or logs.
//! **If it fails** it does not: every byte string is some mail. What is odd is counted in the outline; what is
//! beyond a limit is cut and counted.
//!
//! Reading order: [`digesting`] (bytes to names), [`content`] (spans to bytes), [`header`], [`reading`], [`sketch`], [`edit`].

pub mod charset;
pub mod content;
pub mod digesting;
pub mod edit;
pub mod fields;
pub mod filename;
pub mod header;
pub mod links;
pub mod magic;
pub mod parameters;
pub mod reading;
pub mod sketch;
pub mod words;

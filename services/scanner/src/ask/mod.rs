//! The signals that others must be asked for, one a file.

pub mod keys;
pub mod questions;
pub mod reputation;

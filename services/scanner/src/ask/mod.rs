//! The signals that others must be asked for, one a file.

pub mod authentication;
pub mod dns;
pub mod keys;
pub mod lists;
pub mod questions;
pub mod reputation;
pub mod signatures;
pub mod spf;
pub mod upstream;

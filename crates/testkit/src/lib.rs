//! Room card to be written.

pub mod peers;

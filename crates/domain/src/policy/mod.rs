//! Global policy and groups by recipient.

//! Evidence to score and status.

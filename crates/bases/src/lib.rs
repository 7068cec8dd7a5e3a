//! Signed bases: what travels between sites, and what is believed of it.
//!
//! **Holds** nothing between calls.
//! **Takes** files to publish, manifests and chunks that came, keys.
//! **Gives** manifests, chunks, filters, and what is missing.
//! **May touch** its own memory, each piece under a named limit.
//! **Never** opens a socket or a file, reads a clock, or believes what is not signed.
//! **If it fails** the bases in force stay in force, and the error says whose fault it is.

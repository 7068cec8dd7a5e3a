//! Trains the content model from labelled mail, and measures it on mail kept apart.
//!
//! **Holds** the corpus as feature numbers while it runs.
//! **Takes** a folder of archives with `index.csv`, a seed.
//! **Gives** a base ([`tamis_classifier::base`]), the same to the byte for the same corpus and seed; tables.
//! **May touch** files below the folders it is given, `tar`, threads.
//! **Never** quotes a mail, opens a socket, reads a clock for its result; it is no part of what is shipped.
//! **If it fails** it says which file or line was at fault and writes nothing.
//!
//! Reading order: [`corpus`], [`recipe`], [`trust`], [`fit`], [`folds`], [`measure`], [`report`].

pub mod corpus;
pub mod figure;
pub mod fit;
pub mod folds;
pub mod invented;
pub mod measure;
pub mod recipe;
pub mod report;
pub mod speed;
pub mod trust;
pub mod verdicts;
pub mod weights;

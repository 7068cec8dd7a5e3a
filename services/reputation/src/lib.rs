//! The reputation service: answers over UDP whether signatures are known, takes reports over gRPC, and keeps the order
//! of writes, on disk or, shared with other nodes, in a Redis stream.
//!
//! **Holds** the table of signatures, one UDP socket or several, the log of changes, who may report.
//! **Takes** questions (7060/udp), reports and administration (7063/tcp), a configuration section, the request to end.
//! **Gives** answers never longer than their questions, acknowledgements of writes that are on disk, metrics, spans.
//! **May touch** its sockets, its state directory, Redis and its peers, the clock, random numbers for secrets.
//! **Never** writes because of a datagram, waits for the disk while answering, or decodes a packet itself.
//! **If it fails** to write, writes are refused by name and questions go on; if it dies, the log gives back every
//! acknowledged write at the next start. Cut off from the shared order it answers on, says that it is stale, and catches up.
//!
//! One question: [`serve`] reads a batch, `tamis_reputation_protocol::answering` judges each datagram against the table,
//! and the answers leave. One report: [`admin`] reads the request, [`writes`] orders it, [`log`] makes it durable, the
//! table changes, the caller hears of it.

pub mod admin;
pub mod alarm;
pub mod bases;
pub mod config;
pub mod feed;
mod fit;
pub mod log;
pub mod metrics;
pub mod reporters;
pub mod serve;
pub mod service;
pub mod shared;
pub mod sightings;
pub mod writes;

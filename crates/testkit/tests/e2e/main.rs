//! Tests with real programs. `./test` installs them and makes the roots; `./test e2e FILTER` runs some.
//! One binary, since each is a large link.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should say so"
)]

mod asker;
mod conformance;
mod corpus;
mod dashboards;
mod dns;
mod documents;
mod doors;
mod exhausted;
mod faults;
mod flood;
mod images;
mod kill;
mod learning;
mod learning_dovecot;
mod learning_losses;
mod local_cluster;
mod mails;
mod manifests;
mod never_lose_mail;
mod operations;
mod peers;
mod poison;
mod postfix;
mod postfix_queue;
mod python_client;
mod redis_memory;
mod redis_pods;
mod reputation;
mod reputation_cluster;
mod reputation_cluster_losses;
mod reputation_filter;
mod reputation_nodes;
mod reputation_reporters;
mod reputation_sealed;
mod reputation_shards;
mod reputation_snapshots;
mod scanners_gone;
mod sendmail;
mod shared_memory;
mod sidecar;
mod sightings;
mod telemetry;
mod tls;
mod traces;

//! SPF, DKIM, DMARC, ARC and lists in DNS, against DNS servers on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod mails;
mod resolver;
mod scanner;
mod server;
mod signatures;
mod spf;
mod suites;

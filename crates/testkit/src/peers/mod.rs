//! Real programs for tests: started in private places, watched, and taken away again.
//!
//! Mail servers run inside the roots that `scripts/roots.sh` makes; Redis, swaks and our own binaries
//! run on the machine itself. Everything listens on 127.0.0.1, on ports picked free, in a directory of
//! its own, so tests may run side by side. A peer that cannot be started panics with the reason and
//! the end of its log: to a test that is a failure, and there is nobody to hand an error to.

mod certificates;
mod dialogue;
mod port;
mod postfix;
mod postfix_files;
mod process;
mod redis;
mod redis_groups;
mod root;
mod senders;
mod sendmail;
mod sink;
mod tamis;
mod tamis_config;

pub use certificates::{Authority, Certificate};
pub use dialogue::{Dialogue, Reply};
pub use port::free_port;
pub use postfix::Postfix;
pub use postfix_files::{PostfixConfig, SmtpdService};
pub use process::{Process, Signal, processes_in, wait_for};
pub use redis::Redis;
pub use redis_groups::{RedisCluster, RedisSentinel};
pub use root::{Root, root};
pub use senders::{SmtpSource, SwaksResult, smtp_source, swaks};
pub use sendmail::{Sendmail, SendmailConfig, SendmailNext};
pub use sink::{Received, Rule, Sink, SinkBuilder, Stage};
pub use tamis::{Tamis, get, own_program};

use std::time::Duration;

/// How long a peer may take to become ready or to stop, in a machine busy with other tests: twice what was seen where six
/// builds ran beside them on two cores.
pub const PEER_WAIT_MAX: Duration = Duration::from_secs(60);

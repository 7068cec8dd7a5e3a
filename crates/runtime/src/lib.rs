//! What every program of the house needs from the machine, in one room.
//!
//! **Holds** sockets, signal handlers, the metric registry, the log writer and the trace exporter of one process.
//! **Takes** one TOML file, environment variables, addresses and signals.
//! **Gives** typed sections, listeners, telemetry, health answers, an orderly end and an exit code.
//! **May touch** files, sockets, clocks, threads, signals and the environment: the only shared room that may.
//! **Never** knows a noun of mail, a check or a policy: it has no door to another room of ours.
//! **If it fails** at start, a [`exit::Failure`] says whose fault it is and what to do; later, telemetry fails in silence and
//! work goes on.
//!
//! Order in a `main`: [`config`], [`telemetry`], [`listen`], [`admin`], the role, [`shutdown`], [`exit`].

pub mod admin;
pub mod clock;
pub mod config;
pub mod console;
pub mod exit;
pub mod listen;
pub mod metrics;
pub mod probe;
pub mod redis_address;
#[cfg(feature = "redis")]
pub mod redis_sentinel;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

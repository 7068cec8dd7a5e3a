//! Which server next, judged by measured response time. Used twice: edge to scanner (streams) and scanner to
//! reputation (datagrams).
//!
//! **Holds** one estimate per server (smoothed time, recent peak, tail), the questions in flight, outages, and the
//! budget of extra questions.
//! **Takes** the list of servers, what was sent, answered or failed, how far a replica lags, `now` and a seed.
//! **Gives** the server to ask, sometimes a second one to ask the same (probe), and when to ask another (hedge).
//! **May touch** its own memory: at most [`SERVERS_MAX`] servers of constant size.
//! **Never** reads a clock, draws a random number, opens a socket, waits, logs, or knows what is asked.
//! **If it fails** it cannot: with any server known it names one, the least bad when all are out; a lost [`Flight`]
//! is forgotten after [`Settings::patience`].
//!
//! # The rule
//! Every server is scored at every question (best-of-two fails when half of them are slow; apache/brpc#3340):
//!
//! ```text
//! score = (max(smoothed time + decaying peak, present silence) + staleness + unreliability) x crowd
//! ```
//!
//! and one within a narrow band of the lowest score is drawn by the seed, so that many clients do not herd.
//! A failure is a sample of [`Settings::failure_cost`]; repeated ones put the server out for a doubling, bounded time.
//! The crowd is the number in flight over a part of the usual number, at least 1. Unreliability is the part of questions lost between answers, times that cost, and the price of flapping.
//! Servers that are unknown, idle or out are probed with a *duplicate* of a real question. Probes and hedges together
//! never exceed [`Settings::extra_per_mille`] of the questions, plus [`COLD_PROBES`] for each server discovered and
//! [`HEDGES_AT_START`], for a client that starts knows nothing and meets a dead server first as likely as not.
//!
//! # Use
//! ```
//! use std::time::{Duration, Instant};
//! use tamis_selector::{Selector, Settings};
//!
//! # let now = Instant::now();
//! # let seed = 7;
//! let mut selector = Selector::new(Settings::datagrams());
//! selector.update(&["10.0.0.1:7060", "10.0.0.2:7060"], now);
//! let choice = selector.choose(now, seed).expect("there are servers");
//! let flight = selector.sent(&choice.server, now).expect("it is known");
//! // ... the answer arrives
//! selector.answered(flight, now + Duration::from_micros(200));
//! ```

mod budget;
mod choice;
mod estimate;
mod flights;
mod freshness;
mod loss;
mod server;
mod settings;

pub use budget::{Accounting, HEDGES_AT_START};
pub use choice::{Choice, Discovery, SERVERS_MAX, Selector};
pub use flights::Flight;
pub use freshness::{CUT_OFF, EPOCHS_KEPT_MAX, Freshness};
pub use server::{COLD_PROBES, Failure, ServerReport};
pub use settings::Settings;

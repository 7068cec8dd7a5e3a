//! An orderly end: one request that everyone sees, and a count of the work still in hand.
//!
//! The order: the request (SIGTERM) turns readiness off and stops the listeners; work in hand goes on under the
//! [`Drain`]; then telemetry is flushed and the process ends.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Code;

/// The request to end, shared by all parts of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: watch::Sender<bool>,
}

impl Shutdown {
    /// A request not made yet.
    pub fn new() -> Self {
        Self { requested: watch::Sender::new(false) }
    }

    /// Makes the request. It cannot be taken back; making it again changes nothing.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Whether the request was made.
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Returns when the request is made, at once if it was. Safe to drop and call again (in a `select!`).
    pub async fn requested(&self) {
        let mut receiver = self.requested.subscribe();
        // The sender lives in self, so the wait can only end by the request.
        let _ = receiver.wait_for(|requested| *requested).await;
    }

    /// From now on SIGTERM (supervisors, Kubernetes) and SIGINT (Ctrl-C) make the request. A second signal ends the
    /// process at once with exit code 75: no mail is lost by that, since whoever sent one has had no answer for it.
    ///
    /// # Errors
    /// The system's, where a handler cannot be installed. Must be called inside a tokio runtime.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = next_signal(&mut terminate, &mut interrupt).await;
            tracing::info!(signal = name, "asked to end: finishes the work in hand");
            shutdown.request();
            let name = next_signal(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "asked again to end: leaves the work in hand");
            std::process::exit(Code::TryAgain as i32);
        });
        Ok(())
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// Counts units of work in hand, so that the end can wait for them. Cheap to clone; bounds nothing by itself.
#[derive(Clone, Debug)]
pub struct Drain {
    held: watch::Sender<usize>,
}

/// One unit of work in hand; dropping it gives the unit back.
#[derive(Debug)]
#[must_use = "the unit of work ends when this is dropped"]
pub struct Hold {
    held: watch::Sender<usize>,
}

/// The work was not finished in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left} units of work were not finished in time")]
pub struct Unfinished {
    /// Units still held when the time was up.
    pub left: usize,
}

impl Drain {
    /// Nothing in hand.
    pub fn new() -> Self {
        Self { held: watch::Sender::new(0) }
    }

    /// Takes one unit of work in hand.
    pub fn hold(&self) -> Hold {
        self.held.send_modify(|held| *held += 1);
        Hold { held: self.held.clone() }
    }

    /// Units in hand now.
    pub fn held(&self) -> usize {
        *self.held.borrow()
    }

    /// Waits until nothing is in hand, at most for `timeout`.
    ///
    /// # Errors
    /// How many units are left, if the time is up; the caller drops them.
    pub async fn finished(&self, timeout: Duration) -> Result<(), Unfinished> {
        let mut receiver = self.held.subscribe();
        let empty = receiver.wait_for(|held| *held == 0);
        match tokio::time::timeout(timeout, empty).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Unfinished { left: self.held() }),
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.send_modify(|held| *held = held.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_wakes_who_waits_and_who_comes_later() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        shutdown.request();
        shutdown.request();
        waiting.await.unwrap();
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn the_end_waits_for_the_last_unit_of_work() {
        let drain = Drain::new();
        let first = drain.hold();
        let second = drain.hold();
        assert_eq!(drain.held(), 2);
        let none = Duration::ZERO;
        assert_eq!(drain.finished(none).await, Err(Unfinished { left: 2 }));
        drop(first);
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.finished(Duration::from_secs(60)).await }
        });
        drop(second);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn nothing_in_hand_is_finished_at_once() {
        assert_eq!(Drain::new().finished(Duration::ZERO).await, Ok(()));
    }
}

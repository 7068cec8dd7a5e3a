//! The end before the end: whoever sends SIGTERM or SIGINT gets a measurement that ends in good order, with all programs that
//! it started. The next place that waits gives up, and values end what they hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

/// Longest time until a waiting measurement notices.
pub const LOOK: Duration = Duration::from_millis(50);

static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// From now on the signals ask, however often they come, and end nothing by themselves. Starts a thread.
///
/// # Errors
/// The system's.
pub fn on_signals() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    drop(guard);
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if !IS_ASKED.swap(true, Ordering::Relaxed) {
                    eprintln!("asked to end: ends what it started");
                }
            }
        });
    });
    Ok(())
}

/// Whether somebody asked.
#[must_use]
pub fn is_asked() -> bool {
    IS_ASKED.load(Ordering::Relaxed)
}

/// Goes on unless somebody asked.
///
/// # Errors
/// Somebody did.
pub fn check() -> Result<()> {
    ensure!(!is_asked(), "asked to end before the measurement was over");
    Ok(())
}

/// Sleeps until a moment.
///
/// # Errors
/// Somebody asked to end; until then at most [`LOOK`] passes.
pub fn sleep_until(moment: Instant) -> Result<()> {
    loop {
        check()?;
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

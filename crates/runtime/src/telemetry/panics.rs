//! Panics of a process that has no memory left.
//!
//! With `RUST_BACKTRACE=1` the standard library prints where a panic was, and holds a lock meanwhile. If there is no memory
//! for that, the allocation that fails reports itself, waits for the same lock, and so for itself: the process neither goes
//! on nor ends. So the long report is made only where there is room for it.

use std::io::Write as _;
use std::panic::{set_hook, take_hook};

/// Room for the report of a panic, in bytes: some times what symbols of our largest program want.
const REPORT_BYTES: usize = 16 << 20;

/// From here on a panic is reported with its place in the code, and with the way there only where memory allows it.
pub fn report_within_memory() {
    let full = take_hook();
    set_hook(Box::new(move |panic| {
        if Vec::<u8>::new().try_reserve_exact(REPORT_BYTES).is_ok() {
            return full(panic);
        }
        // Straight to the system, without a buffer.
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "\n{panic}\nno memory to say more");
    }));
}

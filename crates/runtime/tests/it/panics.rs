//! A process that panics while it has hardly any memory left, and was asked for backtraces.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tamis_runtime::telemetry::panics::report_within_memory;

/// Longer than an end takes on a busy machine; who waits for himself waits for ever.
const END_MAX: Duration = Duration::from_secs(10);

/// Blocks of 64 bytes that are left when it panics.
const LEFT: &str = "TEST_BLOCKS_LEFT";

/// What the other test starts: it takes all memory that it gets, gives little of it back, and panics.
#[test]
#[ignore = "the program that the other test starts"]
fn program() {
    let left: usize = std::env::var(LEFT).unwrap().parse().unwrap();
    report_within_memory();
    let mut all: Vec<Vec<u8>> = Vec::with_capacity(1 << 16);
    for size in [1 << 20, 1 << 16, 4096, 256, 64] {
        while all.len() < all.capacity() {
            let mut block: Vec<u8> = Vec::new();
            if block.try_reserve_exact(size).is_err() {
                break;
            }
            block.resize(size, 1);
            all.push(block);
        }
    }
    all.truncate(all.len() - left);
    panic!("out of something");
}

#[test]
fn a_panic_without_memory_for_its_report_ends_and_does_not_wait_for_itself() {
    for left in [5, 20] {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -c 0; ulimit -d 70000; exec \"$0\" \"$@\""])
            .arg(program)
            .args(["panics::program", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("RUST_BACKTRACE", "1")
            .env(LEFT, left.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > END_MAX {
                child.kill().unwrap();
                panic!("with {left} blocks left it hangs");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(!status.success(), "{left}");
    }
}

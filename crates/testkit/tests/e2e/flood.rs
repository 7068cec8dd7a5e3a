//! A flood of questions with forged source addresses on a real server.
//!
//! All of 127.0.0.0/8 belongs to the loopback link, so that a raw socket can send from any of it, as an attacker does from
//! networks that do not look at what leaves them; challenges to those addresses end at nobody's port.

use std::process::{Child, Command, Stdio};

/// True questions without proof, each from another of 60,000 forged addresses, as many a second as it is told.
const SCRIPT: &str = r#"
import os, socket, struct, sys, time
port, per_second = int(sys.argv[1]), int(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
packets = []
for number in range(60000):
    question = b'TM\x01\x01' + os.urandom(8) + bytes(8) + b'\x00\x01\x00\x00\x04' + os.urandom(16)
    source = bytes([127, 1 + number // 65536, 1 + number // 256 % 255, 1 + number % 255])
    head = struct.pack('!BBHHHBBH4s4s', 69, 0, 0, 0, 0, 64, 17, 0, source, bytes([127, 0, 0, 1]))
    packets.append(head + struct.pack('!HHHH', 1024 + number % 60000, port, 8 + len(question), 0) + question)
began, sent = time.monotonic(), 0
while True:
    due = int((time.monotonic() - began) * per_second)
    # What a busy machine did not let us send in time is not made up for: that would be a burst.
    sent = max(sent, due - per_second // 10)
    while sent < due:
        raw.sendto(packets[sent % len(packets)], ('127.0.0.1', 0))
        sent += 1
    time.sleep(0.001)
"#;

/// The attacker; gone with the value.
pub struct Flood(Child);

impl Flood {
    /// Needs the right to open raw sockets.
    pub fn start(port: u16, per_second: u32) -> Self {
        let mut python = Command::new("python3");
        python.args(["-I", "-c", SCRIPT, &port.to_string(), &per_second.to_string()]);
        Self(python.stdin(Stdio::null()).spawn().expect("python3"))
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! A server of a few lines: the real answering side over a real socket, with an empty table.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::Result;
use tamis_reputation_protocol::answering::{Answering, Limits};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::DATAGRAM_BYTES_MAX;
use tamis_reputation_protocol::signatures::{Rules, Table};
use tamis_runtime::clock;

/// Answers until its standard input ends or it is stopped.
pub fn run(address: &str) -> Result<()> {
    let socket = UdpSocket::bind(address)?;
    std::thread::spawn(|| {
        // Whoever started this is gone when the pipe ends.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let table = Table::new(Rules::default());
    let mut answering = Answering::new([7; 32], Limits::default(), clock::now());
    let (mut buffer, mut out) = ([0; DATAGRAM_BYTES_MAX + 1], Vec::new());
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            // A client's socket that closed is told here; it concerns nobody.
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let (now, unix_s) = (clock::now(), clock::unix_seconds() as u32);
        answering.handle(&buffer[..length], from, now, unix_s, &Known::table(&table), &mut out);
        if !out.is_empty() {
            let _ = socket.send_to(&out, from);
        }
    }
}

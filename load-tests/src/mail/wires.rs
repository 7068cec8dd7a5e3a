//! Bytes that cross ports, counted by the kernel: by rules without effect, in a network that this process has for itself.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, unshare};

/// A wire between two roles: all that goes to and from a port.
#[derive(Clone, Debug)]
pub struct Wire {
    /// From whom to whom.
    pub name: &'static str,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The port of the second.
    pub port: u16,
}

/// What crossed a wire, headers of IP and of the transport with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossed {
    /// Which wire.
    pub name: &'static str,
    /// Bytes to the port.
    pub there: u64,
    /// Bytes from the port.
    pub back: u64,
}

/// Wires that are being counted.
#[derive(Clone, Debug, Default)]
pub struct Wires(Vec<Wire>);

/// Takes this process out of the machine's network: it and its children see one another over a loopback of their own, and
/// nobody else. To be called before there are threads. `false`: it may not, or a program for it is missing.
#[must_use]
pub fn own_network() -> bool {
    let has = |program: &str| {
        Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    has("iptables")
        && has("ip")
        && unshare(CloneFlags::CLONE_NEWNET).is_ok()
        && Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status()
            .is_ok_and(|status| status.success())
}

impl Wires {
    /// Counts from now; what was counted before is forgotten.
    ///
    /// # Errors
    /// The kernel does not take the rules.
    pub fn count(wires: &[Wire]) -> Result<Self> {
        tables(&["-F", "OUTPUT"])?;
        for wire in wires {
            for side in ["--dport", "--sport"] {
                let port = wire.port.to_string();
                tables(&["-A", "OUTPUT", "-o", "lo", "-p", wire.protocol, side, &port])?;
            }
        }
        Ok(Self(wires.to_vec()))
    }

    /// What crossed each so far.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn crossed(&self) -> Result<Vec<Crossed>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let table = tables(&["-nvxL", "OUTPUT"])?;
        let crossed = |wire: &Wire| {
            let there = bytes(&table, wire.protocol, &format!("dpt:{}", wire.port))?;
            let back = bytes(&table, wire.protocol, &format!("spt:{}", wire.port))?;
            Some(Crossed { name: wire.name, there, back })
        };
        let all = self.0.iter().map(crossed).collect::<Option<Vec<_>>>();
        all.with_context(|| format!("rules are missing:\n{table}"))
    }
}

/// The second number of the line that names this port.
fn bytes(table: &str, protocol: &str, port: &str) -> Option<u64> {
    let names = |line: &&str| {
        let mut words = line.split_whitespace();
        words.any(|word| word == port) && line.split_whitespace().any(|word| word == protocol)
    };
    table.lines().find(names)?.split_whitespace().nth(1)?.parse().ok()
}

fn tables(arguments: &[&str]) -> Result<String> {
    let done = Command::new("iptables").arg("-w").args(arguments).output().context("iptables")?;
    ensure!(done.status.success(), "iptables: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_found_by_protocol_and_port_and_its_second_number_is_bytes() {
        let table = "Chain OUTPUT (policy ACCEPT 0 packets, 0 bytes)\n\
                     pkts      bytes target     prot opt in     out     source               destination\n\
                     12     3456            tcp  --  *      lo      0.0.0.0/0            0.0.0.0/0            tcp dpt:7062\n\
                     7      890            tcp  --  *      lo      0.0.0.0/0            0.0.0.0/0            tcp spt:7062\n\
                     1      44            udp  --  *      lo      0.0.0.0/0            0.0.0.0/0            udp dpt:7062\n";
        assert_eq!(bytes(table, "tcp", "dpt:7062"), Some(3456));
        assert_eq!(bytes(table, "tcp", "spt:7062"), Some(890));
        assert_eq!(bytes(table, "udp", "dpt:7062"), Some(44));
        assert_eq!(bytes(table, "udp", "dpt:706"), None);
    }
}

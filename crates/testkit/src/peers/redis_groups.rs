//! Several Redis servers: watched by Sentinel, or sharing the keys as a Cluster.

use super::process::{run, wait_for};
use super::redis::{answers_ping, temporary_directory, write_file};
use super::{PEER_WAIT_MAX, Process, Redis, free_port};
use std::process::Command;
use tempfile::TempDir;

/// Name under which the sentinels know their master.
const MASTER_NAME: &str = "mymaster";
/// How many sentinels watch; two of them decide.
const SENTINELS: usize = 3;
/// Nodes of a cluster: three masters with a replica each, the fewest that survive a loss.
const NODES: usize = 6;

/// A master, a replica and three sentinels; killed when dropped.
#[derive(Debug)]
pub struct RedisSentinel {
    /// Ports of the sentinels, which is what a client is told.
    pub sentinel_ports: Vec<u16>,
    servers: Vec<Redis>,
    /// Held for their `Drop`.
    _sentinels: Vec<Process>,
    _directory: TempDir,
}

impl RedisSentinel {
    /// Starts all five and returns when a failover would succeed: the replica is in step and every
    /// sentinel knows the others.
    ///
    /// # Panics
    /// When they do not start or do not find each other.
    #[must_use]
    pub fn start() -> Self {
        let directory = temporary_directory();
        let master = Redis::start();
        let port = free_port();
        let replica = Redis::start_with(
            port,
            &["--port", &port.to_string(), "--replicaof", "127.0.0.1", &master.port.to_string()],
        );
        let sentinel_ports: Vec<u16> = (0..SENTINELS).map(|_| free_port()).collect();
        let sentinels = sentinel_ports
            .iter()
            .map(|&port| start_sentinel(&directory, port, master.port))
            .collect();
        let group = Self {
            sentinel_ports,
            servers: vec![master, replica],
            _sentinels: sentinels,
            _directory: directory,
        };
        group.wait_complete();
        group
    }

    fn wait_complete(&self) {
        let replica = &self.servers[1];
        wait_for(
            "the replica to follow",
            PEER_WAIT_MAX,
            || {
                replica
                    .cli(&["info", "replication"])
                    .contains("master_link_status:up")
                    .then_some(())
            },
            || replica.cli(&["info", "replication"]),
        );
        for &port in &self.sentinel_ports {
            let about = || cli(port, &["info", "sentinel"]);
            let complete = format!("slaves=1,sentinels={SENTINELS}");
            wait_for(
                "the sentinels to know each other",
                PEER_WAIT_MAX,
                || about().contains(&complete).then_some(()),
                about,
            );
        }
    }

    /// How a client of Tamis names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/{MASTER_NAME}/0", addresses(&self.sentinel_ports))
    }

    /// The port of the present master, as the sentinels tell.
    ///
    /// # Panics
    /// When the first sentinel does not answer.
    #[must_use]
    pub fn master_port(&self) -> u16 {
        let told =
            cli(self.sentinel_ports[0], &["sentinel", "get-master-addr-by-name", MASTER_NAME]);
        told.lines().nth(1).and_then(|port| port.trim().parse().ok()).unwrap_or(0)
    }

    /// What `redis-cli` prints for a command to the present master.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> String {
        cli(self.master_port(), arguments)
    }

    /// Kills the present master at once, when its replica has all it has, and gives its port. It takes
    /// two or three seconds until the sentinels name another: `wait_failover`.
    ///
    /// # Panics
    /// When the replica does not catch up in time.
    pub fn kill_master(&mut self) -> u16 {
        let port = self.master_port();
        for server in self.servers.iter_mut().filter(|server| server.port == port) {
            wait_replicated(server);
            server.kill9();
        }
        port
    }

    /// Freezes the present master, and gives its port.
    ///
    /// # Panics
    /// When the first sentinel does not answer.
    pub fn freeze_master(&self) -> u16 {
        let port = self.master_port();
        self.servers.iter().filter(|server| server.port == port).for_each(Redis::freeze);
        port
    }

    /// Thaws what was frozen, and starts again, as replicas of the present master, what was killed.
    ///
    /// # Panics
    /// When they do not start or do not follow.
    pub fn revive(&mut self) {
        let master = self.master_port();
        self.servers.iter().for_each(Redis::thaw);
        for server in self.servers.iter_mut().filter(|server| !answers_ping(server.port)) {
            server.restart_under(Some(master));
        }
    }

    /// Kills all servers at once and starts them again, empty, after `pause`.
    ///
    /// # Panics
    /// When they do not start.
    pub fn lose_all(&mut self, pause: std::time::Duration) {
        let master = self.master_port();
        self.servers.iter_mut().for_each(Redis::kill9);
        std::thread::sleep(pause);
        for server in &mut self.servers {
            let above = (server.port != master).then_some(master);
            server.restart_under(above);
        }
    }

    /// Waits until the sentinels name a master other than `old` and it takes writes.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn wait_failover(&self, old: u16) {
        wait_for(
            "another master",
            PEER_WAIT_MAX,
            || {
                let port = self.master_port();
                let role = || cli(port, &["info", "replication"]);
                (port != old && port != 0 && role().contains("role:master")).then_some(())
            },
            || cli(self.sentinel_ports[0], &["info", "sentinel"]),
        );
    }
}

fn start_sentinel(directory: &TempDir, port: u16, master: u16) -> Process {
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {directory}\n\
         sentinel monitor {MASTER_NAME} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {MASTER_NAME} 1000\n\
         sentinel failover-timeout {MASTER_NAME} 3000\n",
        directory = directory.path().display()
    );
    let file = write_file(directory.path(), &format!("sentinel-{port}.conf"), &text);
    let log = directory.path().join(format!("sentinel-{port}.log"));
    let mut command = Command::new("redis-server");
    command.arg(file).arg("--sentinel");
    let mut process = Process::spawn("sentinel", &mut command, &log);
    process.wait_ready(|| answers_ping(port));
    process
}

/// Three masters and three replicas that share the keys; killed when dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts six nodes and returns when all slots are served and every replica is in step.
    ///
    /// # Panics
    /// When they do not start or do not come together.
    #[must_use]
    pub fn start() -> Self {
        let nodes: Vec<Redis> = (0..NODES).map(|_| start_node()).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        run(create.args(["--cluster-replicas", "1", "--cluster-yes"]));
        let cluster = Self { nodes };
        cluster.wait_complete();
        cluster
    }

    /// A master that dies before its replica followed it would never be replaced, hence the second half.
    fn wait_complete(&self) {
        for node in &self.nodes {
            wait_for(
                "the cluster to serve all slots",
                PEER_WAIT_MAX,
                || {
                    let replication = node.cli(&["info", "replication"]);
                    let in_step = replication.contains("master_link_status:up")
                        || replication.contains("connected_slaves:1");
                    (in_step && is_served(node)).then_some(())
                },
                || node.cli(&["cluster", "nodes"]) + &node.cli(&["info", "replication"]),
            );
        }
    }

    /// How a client of Tamis names it.
    #[must_use]
    pub fn url(&self) -> String {
        let ports: Vec<u16> = self.nodes.iter().map(|node| node.port).collect();
        format!("redis+cluster://{}", addresses(&ports))
    }

    /// What `redis-cli -c` prints for a command, following redirections, asked at the first node that lives.
    ///
    /// # Panics
    /// When no node answers.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let node = self.nodes.iter().find(|node| answers_ping(node.port));
        let node = node.unwrap_or_else(|| panic!("no node answers"));
        node.cli(&[&["-c"], arguments].concat())
    }

    /// Kills the master that serves this key, when its replica has all it has, and gives its port.
    ///
    /// # Panics
    /// When the cluster does not tell who serves it, or the replica does not catch up in time.
    pub fn kill_master_of(&mut self, key: &str) -> u16 {
        let slot = self.cli(&["cluster", "keyslot", key]).trim().parse().unwrap_or(u32::MAX);
        let nodes = self.cli(&["cluster", "nodes"]);
        let port = master_of(&nodes, slot).unwrap_or_else(|| panic!("slot {slot} in {nodes}"));
        for node in self.nodes.iter_mut().filter(|node| node.port == port) {
            wait_replicated(node);
            node.kill9();
        }
        port
    }

    /// Waits until every node knows that the master on port `old` is gone and serves its slots elsewhere.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn wait_failover(&self, old: u16) {
        for node in self.nodes.iter().filter(|node| answers_ping(node.port)) {
            wait_for(
                "the slots to be served again",
                PEER_WAIT_MAX,
                || (knows_lost(node, old) && is_served(node)).then_some(()),
                || node.cli(&["cluster", "nodes"]),
            );
        }
    }
}

/// Waits until the replica of a master has everything: Redis answers a write before its replica has it,
/// and a test that then kills the master could not tell that loss from one of ours.
fn wait_replicated(master: &Redis) {
    wait_for(
        "the replica to have all",
        PEER_WAIT_MAX,
        || {
            let told = master.cli(&["info", "replication"]);
            let offset = told.lines().find_map(|line| line.strip_prefix("master_repl_offset:"))?;
            told.contains(&format!(",offset={},", offset.trim())).then_some(())
        },
        || master.cli(&["info", "replication"]),
    );
}

/// A node that only suspects says `fail?`.
fn knows_lost(node: &Redis, port: u16) -> bool {
    let nodes = node.cli(&["cluster", "nodes"]);
    let address = format!("127.0.0.1:{port}@");
    nodes.lines().any(|line| {
        let flags = line.split(' ').nth(2).unwrap_or("");
        line.contains(&address) && flags.split(',').any(|flag| flag == "fail")
    })
}

fn is_served(node: &Redis) -> bool {
    let state = node.cli(&["cluster", "info"]);
    state.contains("cluster_state:ok") && state.contains("cluster_slots_ok:16384")
}

fn start_node() -> Redis {
    let port = free_port();
    let bus = free_port();
    Redis::start_with(
        port,
        &[
            "--port",
            &port.to_string(),
            "--cluster-port",
            &bus.to_string(),
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "2000",
            "--repl-diskless-sync-delay",
            "0",
        ],
    )
}

/// The port of the living master of a slot, from the lines of `CLUSTER NODES`.
fn master_of(nodes: &str, slot: u32) -> Option<u16> {
    nodes.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let flags = fields.get(2)?;
        if !flags.contains("master") || flags.contains("fail") {
            return None;
        }
        fields.get(8..)?.iter().find(|range| holds(range, slot))?;
        let address = fields.get(1)?.split('@').next()?;
        address.rsplit(':').next()?.parse().ok()
    })
}

fn holds(range: &str, slot: u32) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
}

fn addresses(ports: &[u16]) -> String {
    ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}

fn cli(port: u16, arguments: &[&str]) -> String {
    run(Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(arguments))
}

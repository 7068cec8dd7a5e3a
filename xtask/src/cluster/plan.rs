//! What a cluster is: files, processes, and the order in which they start. Nothing is done here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::health::Health;
use super::network::{Network, Role};
use super::postfix::{self, BACK_PORT, MAIL_PORT, SINK_PORT};
use super::texts::{
    self, EACH, EDGE_ADMIN_PORT, PROMETHEUS_PORT, REDIS_PORT, REDIS_SERVERS, REPUTATION_ADMIN_PORT,
    SCANNER_ADMIN_PORT, SCANNER_PORT, SENTINEL_PORT,
};

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Where configuration, state and logs go; absolute.
    pub(super) folder: PathBuf,
    /// Where `tamis` and `tamis-edge` lie; absolute.
    pub(super) binaries: PathBuf,
    /// The workspace: for the script of roots and the rules of alerts.
    pub(super) workspace: PathBuf,
    pub(super) network: Network,
}

/// One process.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// Where it does its work.
    pub(super) address: SocketAddr,
    pub(super) health: Health,
    /// Program and arguments.
    pub(super) command: Vec<String>,
    /// Whether it runs in a root of `scripts/roots.sh`, which reads variables of the tests.
    pub(super) is_in_root: bool,
}

/// A file, its path below the folder of the cluster, and what stands in it.
pub(super) type File = (PathBuf, String);

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) files: Vec<File>,
    /// Empty folders below the folder of the cluster.
    pub(super) folders: Vec<PathBuf>,
    /// Each is started when all before it are healthy; within one all start together.
    pub(super) stages: Vec<Vec<Member>>,
}

impl Settings {
    /// The folder of a process.
    pub(super) fn home(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn file(&self, name: &str, file: &str) -> String {
        text(&self.home(name).join(file))
    }

    fn tamis(&self, binary: &str) -> String {
        text(&self.binaries.join(binary))
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// What a plan takes from elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    /// This machine's own hosts file.
    pub(super) hosts: &'a str,
    /// The alerts.
    pub(super) rules: &'a str,
    /// The key whose other half signs bases.
    pub(super) public_key: &'a str,
}

/// The whole cluster.
pub(super) fn plan(settings: &Settings, given: Given<'_>) -> Plan {
    let network = settings.network;
    let numbers = || 1..=EACH;
    let mut first = vec![sink(settings), prometheus(settings), name_server(settings)];
    first.extend((1..=REDIS_SERVERS).map(|number| redis(settings, number)));
    first.extend(numbers().map(|number| sentinel(settings, number)));
    first.extend(numbers().map(|number| mx(settings, number)));
    let mut files = vec![
        ("hosts".into(), texts::hosts(network, given.hosts)),
        ("names/root.zone".into(), texts::ZONE.to_owned()),
        ("names/nsd.conf".into(), texts::name_server(network, &settings.home("names"))),
        ("prometheus/rules.yaml".into(), given.rules.to_owned()),
        ("prometheus/prometheus.yaml".into(), texts::prometheus(&settings.home("prometheus"))),
        ("mx.sh".into(), postfix::START.to_owned()),
        ("sink.sh".into(), postfix::START_SINK.to_owned()),
        targets(network, "prometheus", Role::Prometheus, PROMETHEUS_PORT, 1),
        targets(network, "reputation", Role::Reputation, REPUTATION_ADMIN_PORT, EACH),
        targets(network, "edge", Role::Edge, EDGE_ADMIN_PORT, EACH),
        scanner_targets(network, EACH),
    ];
    for number in numbers() {
        files.extend(files_of(settings, number, given.public_key));
        files.push(scanner_file(settings, number));
    }
    let folders =
        numbers().flat_map(|n| [format!("reputation-{n}/state"), format!("edge-{n}/spool")]);
    Plan {
        files,
        folders: folders.map(PathBuf::from).collect(),
        stages: vec![
            first,
            numbers().map(|number| reputation(settings, number)).collect(),
            numbers().map(|number| scanner(settings, number)).collect(),
            numbers().map(|number| edge(settings, number)).collect(),
        ],
    }
}

fn targets(network: Network, job: &str, role: Role, port: u16, count: u8) -> File {
    let addresses = (1..=count).map(|number| network.at(role, number, port));
    (format!("prometheus/targets/{job}.json").into(), texts::targets(addresses))
}

/// What Prometheus scrapes of the first `count` scanners.
pub(super) fn scanner_targets(network: Network, count: u8) -> File {
    targets(network, "scanner", Role::Scanner, SCANNER_ADMIN_PORT, count)
}

/// The configuration of a scanner.
pub(super) fn scanner_file(settings: &Settings, number: u8) -> File {
    (format!("scanner-{number}/tamis.toml").into(), texts::scanner(settings.network, number))
}

fn files_of(settings: &Settings, number: u8, public_key: &str) -> [File; 5] {
    let network = settings.network;
    let home = |role: &str| settings.home(&format!("{role}-{number}"));
    let next_hop = network.at(Role::Postfix, number, BACK_PORT);
    let path = |role: &str, file: &str| PathBuf::from(format!("{role}-{number}/{file}"));
    [
        (path("sentinel", "sentinel.conf"), texts::sentinel(network, number, &home("sentinel"))),
        (
            path("reputation", "tamis.toml"),
            texts::reputation(network, number, &home("reputation"), public_key),
        ),
        (path("edge", "tamis.toml"), texts::edge(network, number, next_hop, &home("edge"))),
        (path("mx", "conf/main.cf"), postfix::main_cf(network, number)),
        (path("mx", "conf/master.cf"), postfix::master_cf(network, number)),
    ]
}

fn member(
    name: String,
    address: SocketAddr,
    health: Health,
    command: Vec<String>,
    is_in_root: bool,
) -> Member {
    Member { name, address, health, command, is_in_root }
}

fn sink(settings: &Settings) -> Member {
    let address = settings.network.at(Role::Sink, 1, SINK_PORT);
    let roots = text(&settings.workspace.join("scripts/roots.sh"));
    let script = text(&settings.folder.join("sink.sh"));
    let home = text(&settings.home("sink"));
    let command = words(&[&roots, "run", "sh", &script, &home, &address.to_string()]);
    member("sink".into(), address, Health::Smtp(address), command, true)
}

fn mx(settings: &Settings, number: u8) -> Member {
    let name = format!("mx-{number}");
    let address = settings.network.at(Role::Postfix, number, MAIL_PORT);
    let roots = text(&settings.workspace.join("scripts/roots.sh"));
    let script = text(&settings.folder.join("mx.sh"));
    let command = words(&[&roots, "run", "sh", &script, &text(&settings.home(&name))]);
    member(name, address, Health::Smtp(address), command, true)
}

fn redis(settings: &Settings, number: u8) -> Member {
    let name = format!("redis-{number}");
    let address = settings.network.at(Role::Redis, number, REDIS_PORT);
    let (own, master) = (address.ip().to_string(), settings.network.ip(Role::Redis, 1).to_string());
    let (home, port) = (text(&settings.home(&name)), REDIS_PORT.to_string());
    // Without the last two a replica would be known by the address that loopback gives its connections, and would
    // wait five seconds for others before it copies.
    let mut command = words(&[
        "redis-server",
        "--bind",
        &own,
        "--port",
        &port,
        "--protected-mode",
        "no",
        "--dir",
        &home,
        "--save",
        "",
        "--appendonly",
        "no",
        "--replica-announce-ip",
        &own,
        "--repl-diskless-sync-delay",
        "0",
    ]);
    if number > 1 {
        command.extend(words(&["--replicaof", &master, &port]));
    }
    member(name, address, Health::Redis(address), command, false)
}

fn sentinel(settings: &Settings, number: u8) -> Member {
    let name = format!("sentinel-{number}");
    let address = settings.network.at(Role::Redis, number, SENTINEL_PORT);
    let command = words(&["redis-server", &settings.file(&name, "sentinel.conf"), "--sentinel"]);
    member(name, address, Health::Sentinel(address), command, false)
}

fn name_server(settings: &Settings) -> Member {
    let address = settings.network.at(Role::NameServer, 1, texts::DNS_PORT);
    let command = words(&["nsd", "-d", "-c", &settings.file("names", "nsd.conf")]);
    member("names".into(), address, Health::Tcp(address), command, false)
}

fn prometheus(settings: &Settings) -> Member {
    let name = "prometheus";
    let address = settings.network.at(Role::Prometheus, 1, PROMETHEUS_PORT);
    let config = format!("--config.file={}", settings.file(name, "prometheus.yaml"));
    let data = format!("--storage.tsdb.path={}", settings.file(name, "data"));
    let listen = format!("--web.listen-address={address}");
    let command = words(&["prometheus", &config, &data, &listen]);
    member(name.into(), address, Health::Http(address, "/-/ready".into()), command, false)
}

fn admin(address: SocketAddr) -> Health {
    Health::Http(address, "/healthz/ready".into())
}

fn reputation(settings: &Settings, number: u8) -> Member {
    let name = format!("reputation-{number}");
    let at = |port| settings.network.at(Role::Reputation, number, port);
    let config = settings.file(&name, "tamis.toml");
    let command = words(&[&settings.tamis("tamis"), "reputation", "--config", &config]);
    member(name, at(texts::REPUTATION_PORT), admin(at(REPUTATION_ADMIN_PORT)), command, false)
}

/// A scanner, one of the first or added later.
pub(super) fn scanner(settings: &Settings, number: u8) -> Member {
    let name = format!("scanner-{number}");
    let at = |port| settings.network.at(Role::Scanner, number, port);
    let config = settings.file(&name, "tamis.toml");
    let command = words(&[&settings.tamis("tamis"), "scanner", "--config", &config]);
    member(name, at(SCANNER_PORT), admin(at(SCANNER_ADMIN_PORT)), command, false)
}

/// An edge sees the cluster's hosts file in place of this machine's, in a mount namespace that ends with it: so it finds
/// scanners as in a cluster, by a name with many addresses that is looked up again and again.
fn edge(settings: &Settings, number: u8) -> Member {
    let name = format!("edge-{number}");
    let at = |port| settings.network.at(Role::Edge, number, port);
    let hosts = text(&settings.folder.join("hosts"));
    let shown = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let config = settings.file(&name, "tamis.toml");
    let binary = settings.tamis("tamis-edge");
    let command =
        words(&["unshare", "--mount", "sh", "-c", shown, &hosts, &binary, "--config", &config]);
    member(name, at(texts::SMTP_PORT), admin(at(EDGE_ADMIN_PORT)), command, false)
}

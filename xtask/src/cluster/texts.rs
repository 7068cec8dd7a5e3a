//! The configuration files of our own roles, Redis' Sentinels and Prometheus.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::network::{Network, Role};

/// How many of each role of ours, of Postfix and of Redis' Sentinels.
pub(super) const EACH: u8 = 3;
/// Redis servers: one leads, one follows.
pub(super) const REDIS_SERVERS: u8 = 2;
/// The name under which edges find scanners; one line for each in the hosts file that edges see.
pub(super) const SCANNERS: &str = "scanner.tamis.test";
/// The name of Redis' master among the Sentinels.
const MASTER: &str = "tamis";

/// Of the name server: 53 may be taken on all addresses of a machine.
pub(super) const DNS_PORT: u16 = 5300;
pub(super) const REDIS_PORT: u16 = 6379;
pub(super) const SENTINEL_PORT: u16 = 26379;
pub(super) const REPUTATION_PORT: u16 = 7060;
pub(super) const SCANNER_PORT: u16 = 7062;
pub(super) const REPUTATION_GRPC_PORT: u16 = 7063;
pub(super) const MILTER_PORT: u16 = 7065;
pub(super) const LMTP_PORT: u16 = 7066;
pub(super) const SMTP_PORT: u16 = 7067;
pub(super) const EDGE_ADMIN_PORT: u16 = 9071;
pub(super) const SCANNER_ADMIN_PORT: u16 = 9072;
pub(super) const REPUTATION_ADMIN_PORT: u16 = 9073;
pub(super) const PROMETHEUS_PORT: u16 = 9090;

/// All of a role at one port, quoted for TOML.
fn all(network: Network, role: Role, port: u16, but: u8) -> String {
    let others = (1..=EACH).filter(|number| *number != but);
    others
        .map(|number| format!("\"{}\"", network.at(role, number, port)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// How clients name the one Redis. It keeps facts and the order of writes: on a large site these are two, for facts may
/// be forgotten and the order may not.
fn redis_url(network: Network) -> String {
    let sentinels: Vec<String> = (1..=EACH)
        .map(|number| network.at(Role::Redis, number, SENTINEL_PORT).to_string())
        .collect();
    format!("redis+sentinel://{}/{MASTER}/0", sentinels.join(","))
}

pub(super) fn sentinel(network: Network, number: u8, folder: &Path) -> String {
    let own = network.ip(Role::Redis, number);
    let master = network.ip(Role::Redis, 1);
    format!(
        "port {SENTINEL_PORT}\nbind {own}\nprotected-mode no\ndir \"{}\"\nsentinel announce-ip {own}\n\
         sentinel monitor {MASTER} {master} {REDIS_PORT} 2\n\
         sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 3000\n",
        folder.display()
    )
}

/// The first node publishes what is reported, as bases signed by the key in `signing.key`; `public_key` is its other half.
pub(super) fn reputation(network: Network, number: u8, folder: &Path, public_key: &str) -> String {
    let text = node(network, number, folder);
    if number > 1 {
        return text;
    }
    format!(
        "{text}\n[bases]\npublish_signatures = true\ndir = {:?}\nchannel = \"local\"\n\
         trusted_keys = [{public_key:?}]\nsigning_key_file = {:?}\n",
        folder.join("bases"),
        folder.join("signing.key"),
    )
}

fn node(network: Network, number: u8, folder: &Path) -> String {
    let at = |port| network.at(Role::Reputation, number, port);
    format!(
        "[reputation]\nlisten = \"{}\"\ngrpc = \"{}\"\nadmin = \"{}\"\nstate_dir = {:?}\n\
         redis = \"{}\"\nredis_acks = 1\nservice = \"local\"\nnode = \"node-{number}\"\npeers = [{}]\n",
        at(REPUTATION_PORT),
        at(REPUTATION_GRPC_PORT),
        at(REPUTATION_ADMIN_PORT),
        folder.join("state"),
        redis_url(network),
        all(network, Role::Reputation, REPUTATION_GRPC_PORT, number),
    )
}

pub(super) fn scanner(network: Network, number: u8) -> String {
    let at = |port| network.at(Role::Scanner, number, port);
    format!(
        "[scanner]\nlisten = \"{}\"\nadmin = \"{}\"\nredis = \"{}\"\nreputation = [{}]\n\n\
         [scanner.dns]\nservers = [\"{}\"]\n\n[[scanner.dns.lists]]\nname = \"links\"\n\
         zone = \"links.list.example\"\nabout = \"link\"\nrating = 1.5\n\n\
         [policy]\nactions = {{ spam = \"accept\", infected = \"reject\" }}\n\n[telemetry]\nlog = \"json\"\n",
        at(SCANNER_PORT),
        at(SCANNER_ADMIN_PORT),
        redis_url(network),
        all(network, Role::Reputation, REPUTATION_PORT, 0),
        network.at(Role::NameServer, 1, DNS_PORT),
    )
}

/// All doors are open, whichever its Postfix uses.
pub(super) fn edge(network: Network, number: u8, next_hop: SocketAddr, folder: &Path) -> String {
    let at = |port| network.at(Role::Edge, number, port);
    format!(
        "[edge]\nmilter = \"{}\"\nlmtp = \"{}\"\nsmtp = \"{}\"\nadmin = \"{}\"\nnext_hop = \"{next_hop}\"\n\
         scanners = [\"http://{SCANNERS}:{SCANNER_PORT}\"]\nspool_dir = {:?}\nhost_name = \"edge-{number}.tamis.test\"\n\n\
         [telemetry]\nlog = \"json\"\n",
        at(MILTER_PORT),
        at(LMTP_PORT),
        at(SMTP_PORT),
        at(EDGE_ADMIN_PORT),
        folder.join("spool"),
    )
}

/// All names that the scanners can know, so that nothing of a mail is asked outside: an owner who signs nothing and lets one
/// host send, and a list of links that has one.
pub(super) const ZONE: &str = "\
$ORIGIN .
$TTL 300
. IN SOA ns.tamis.test. admin.tamis.test. 1 3600 600 86400 60
. IN NS ns.tamis.test.
example.org. IN TXT \"v=spf1 ip4:192.0.2.9 -all\"
_dmarc.example.org. IN TXT \"v=DMARC1; p=none\"
bad.example.links.list.example. IN A 127.0.0.2
";

pub(super) fn name_server(network: Network, folder: &Path) -> String {
    let (own, place) = (network.ip(Role::NameServer, 1), folder.display());
    format!(
        "server:\n ip-address: {own}@{DNS_PORT}\n username: \"\"\n zonesdir: \"{place}\"\n pidfile: \"{place}/pid\"\n \
         zonelistfile: \"{place}/zones\"\n xfrdfile: \"{place}/xfrd\"\n database: \"\"\n server-count: 1\n\
         remote-control:\n control-enable: no\nzone:\n name: \".\"\n zonefile: root.zone\n"
    )
}

/// A line of the hosts file.
pub(super) fn host_line(network: Network, scanner: u8) -> String {
    format!("{} {SCANNERS}\n", network.ip(Role::Scanner, scanner))
}

/// The hosts file of the edges: this machine's own, and the scanners.
pub(super) fn hosts(network: Network, of_machine: &str) -> String {
    let mut text = of_machine.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.extend((1..=EACH).map(|number| host_line(network, number)));
    text
}

/// Scrapes what stands in `targets/`, so that a scanner that is added is found without a restart.
pub(super) fn prometheus(folder: &Path) -> String {
    let mut text =
        "global:\n  scrape_interval: 2s\n  evaluation_interval: 15s\nrule_files: [rules.yaml]\nscrape_configs:\n"
            .to_owned();
    for job in ["edge", "scanner", "reputation", "prometheus"] {
        let targets = folder.join("targets").join(format!("{job}.json"));
        let _ = writeln!(
            text,
            "- job_name: {job}\n  file_sd_configs:\n  - files: ['{}']",
            targets.display()
        );
    }
    text
}

/// A list of targets as Prometheus reads it.
pub(super) fn targets(addresses: impl Iterator<Item = SocketAddr>) -> String {
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    format!("{}\n", serde_json::json!([{ "targets": addresses }]))
}

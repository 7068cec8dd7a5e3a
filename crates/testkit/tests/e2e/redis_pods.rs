//! The scripts that start Redis and its Sentinels in pods, run as three pods would run them.

use std::path::Path;
use std::process::Command;
use tamis_testkit::peers::{PEER_WAIT_MAX, Process, Tamis, wait_for};

/// Three addresses of loopback that no other test uses, for the ports are those of the manifests.
fn addresses() -> [String; 3] {
    let own = std::process::id();
    [1, 2, 3].map(|pod| format!("127.{}.{}.{pod}", 64 + own % 128, own / 128 % 256))
}

/// One pod: Redis and its Sentinel.
struct Pod {
    address: String,
    _redis: Process,
    _sentinel: Process,
}

fn pod(name: &str, addresses: &[String; 3], ordinal: usize, folder: &Path) -> Pod {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/k8s/base/redis");
    let address = addresses[ordinal].clone();
    let data = folder.join(format!("pod-{ordinal}"));
    std::fs::create_dir_all(&data).expect("a folder");
    let start = |script: &str| {
        let mut command = Command::new("sh");
        command
            .arg(scripts.join("common").join(script))
            .env("POD_NAME", format!("redis-{name}-{ordinal}"))
            .env("PEERS", addresses.join(" "))
            .env("SELF", &address)
            .env("BIND", &address)
            .env("DATA", &data)
            .env("SENTINEL_DATA", &data)
            .env("CONFIG", scripts.join(format!("redis-{name}")).join("redis.conf"));
        Process::spawn(script, &mut command, &data.join(format!("{script}.log")))
    };
    let redis = start("start-redis.sh");
    let answers = || (cli(&address, 6379, &["ping"]) == "PONG").then_some(());
    wait_for("Redis", PEER_WAIT_MAX, answers, || redis.log());
    let sentinel = start("start-sentinel.sh");
    let answers = || (cli(&address, 26379, &["ping"]) == "PONG").then_some(());
    wait_for("its Sentinel", PEER_WAIT_MAX, answers, || sentinel.log());
    Pod { address, _redis: redis, _sentinel: sentinel }
}

fn cli(address: &str, port: u16, words: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["2", "redis-cli", "-h", address, "-p", &port.to_string(), "--raw"])
        .args(words)
        .output()
        .expect("./test installs redis-cli");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits until the Sentinel of a pod names this master, and can replace it.
fn led_by(pod: &Pod, is_master: impl Fn(&str) -> bool) -> String {
    let asked = || {
        let known = cli(&pod.address, 26379, &["sentinel", "get-master-addr-by-name", "tamis"]);
        let master = known.lines().next().unwrap_or_default().to_owned();
        let quorum = cli(&pod.address, 26379, &["sentinel", "ckquorum", "tamis"]);
        (is_master(&master) && quorum.starts_with("OK")).then_some(master)
    };
    wait_for("a master", PEER_WAIT_MAX, asked, || cli(&pod.address, 26379, &["info", "sentinel"]))
}

fn has(pod: &Pod, text: &str) {
    let asked = || cli(&pod.address, 6379, &["info", "replication"]).contains(text).then_some(());
    wait_for(text, PEER_WAIT_MAX, asked, || cli(&pod.address, 6379, &["info", "replication"]));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn three_pods_of_redis_find_each_other_and_a_lost_master_comes_back_as_a_replica() {
    let folder = tempfile::tempdir().expect("a folder");
    let addresses = addresses();
    let mut pods: Vec<Option<Pod>> =
        (0..3).map(|ordinal| Some(pod("order", &addresses, ordinal, folder.path()))).collect();
    let of = |pods: &[Option<Pod>], ordinal: usize| {
        pods[ordinal].as_ref().expect("a pod").address.clone()
    };
    let first = of(&pods, 0);
    led_by(pods[1].as_ref().expect("a pod"), |master| master == first);
    has(pods[0].as_ref().expect("a pod"), "connected_slaves:2");
    let hosts: Vec<String> = addresses.iter().map(|address| format!("{address}:26379")).collect();
    let url = format!("redis+sentinel://{}/tamis/0", hosts.join(","));
    let scanner = Tamis::start(
        &["scanner"],
        Some(&format!("[scanner]\nreputation = []\nredis = \"{url}\"\n")),
    );
    let connected = || (scanner.metric("tamis_scanner_redis_connected") > 0.0).then_some(());
    wait_for("the scanner's Redis", PEER_WAIT_MAX, connected, || scanner.log());
    assert_eq!(cli(&first, 6379, &["set", "kept", "yes"]), "OK");
    assert_eq!(cli(&first, 6379, &["wait", "2", "2000"]), "2");

    pods[0] = None;
    let second = led_by(pods[1].as_ref().expect("a pod"), |master| master != first);
    assert_eq!(cli(&second, 6379, &["get", "kept"]), "yes");
    // The first of the three, which was the master once, asks the others before it takes itself for one again.
    pods[0] = Some(pod("order", &addresses, 0, folder.path()));
    has(pods[0].as_ref().expect("a pod"), "role:slave");
    led_by(pods[0].as_ref().expect("a pod"), |master| master == second);
    let sentinels = cli(&of(&pods, 1), 26379, &["info", "sentinel"]);
    assert!(sentinels.contains("sentinels=3"), "nobody is counted twice: {sentinels}");
    assert_eq!(cli(&first, 6379, &["get", "kept"]), "yes");
}

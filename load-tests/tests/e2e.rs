//! Tests of the generator with real programs: `./test e2e load_generator`.
#![allow(clippy::expect_used, reason = "a test that cannot go on should say so")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tamis_load_tests::mail::model::{Model, invented};
use tamis_load_tests::mail::scenario::Scenario;
use tamis_load_tests::mail::{Bench, report, run};
use tamis_testkit::peers::{PEER_WAIT_MAX, processes_in, root, wait_for};

/// A generator that loses mail, or counts what was not, would put others' measurements in doubt: what it counts, what the sink
/// counts and what the edge counts must be the same.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn load_generator_sink_and_edge_count_the_same_mails_and_none_is_lost() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/mixed.toml");
    let scenario = Scenario::read(&file).expect("a scenario").quick();
    let folder = std::env::temp_dir();
    let bench = Bench { folder, cores: None, with_peers: false, own_network: false };
    let model = Arc::new(Model::new(scenario.mails, scenario.seed, invented(200)));
    let all = run(&bench, &scenario, &model).expect("a run");
    let [ours] = &all[..] else { panic!("{} filters for one", all.len()) };
    let seen = &ours.seen;
    assert!(seen.due > 30, "{} mails", seen.due);
    assert_eq!((seen.failed, seen.left_out, seen.unjudged), (0, 0, 0), "{:?}", seen.troubles);
    assert_eq!(seen.taken, seen.due, "by default every mail goes on, whatever its status");
    assert_eq!(ours.lost_and_doubled, (0, 0));
    assert_eq!(ours.arrived.count(), seen.due_at.len() as u64);
    assert_eq!(seen.by_door.len(), 5, "{:?}", seen.by_door.keys());
    let grpc = seen.by_door.iter().filter(|(door, _)| door.word() == "grpc");
    let grpc: u64 = grpc.map(|(_, times)| times.count()).sum();
    assert_eq!(ours.counted, Some((seen.taken - grpc) as f64), "the gRPC door goes past the edge");
    assert!(ours.costs.iter().all(|cost| cost.memory_bytes > 1 << 20), "{:?}", ours.costs);
    let [inline, supplied, whole] = ours.content.expect("the edge's own count");
    assert!(inline + supplied > 0.0 && inline + supplied < whole, "{inline} {supplied} {whole}");
    let section = report::section(&bench, &scenario, &model, &all);
    assert!(section.contains("lost 0, doubled 0") && !section.contains("NaN"), "{section}");
}

/// Processes that `parent` started, by the kernel's own list.
fn children(parent: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
    lists
        .flat_map(|it| it.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Whether it runs: neither gone nor waiting to be buried.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn load_generator_that_is_asked_to_end_takes_all_its_servers_with_it() {
    for signal in ["TERM", "INT"] {
        let out = std::env::temp_dir().join(format!("tamis-end-{}.md", std::process::id()));
        let mut generator = Command::new(env!("CARGO_BIN_EXE_mail"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/mixed.toml"))
            .args(["--seconds", "600", "--invented", "--no-peers", "--out"])
            .arg(&out)
            .stdout(Stdio::null())
            .spawn()
            .expect("the generator");
        let queue = root("postfix").path(&format!("/srv/postfix-{}-0", generator.id()));
        let is_up = || (!processes_in(&queue).is_empty()).then_some(());
        wait_for("its Postfix", 2 * PEER_WAIT_MAX, is_up, String::new);
        let servers = children(generator.id());
        assert!(servers.len() >= 4, "edge, scanner, reputation, Redis: {servers:?}");
        let number = generator.id().to_string();
        let asked =
            Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &number]).status();
        assert!(asked.expect("a shell").success());
        let is_over = || generator.try_wait().expect("a child");
        let status = wait_for("its end", PEER_WAIT_MAX, is_over, String::new);
        assert_eq!(status.code(), Some(1), "an end before the end is no success");
        let left: Vec<u32> = servers.into_iter().filter(|pid| is_alive(*pid)).collect();
        assert!(left.is_empty() && processes_in(&queue).is_empty(), "{signal}: {left:?} are left");
        assert!(!out.exists(), "half a measurement is none");
    }
}

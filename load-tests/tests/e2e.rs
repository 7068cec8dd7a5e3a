//! Tests of the generator with real programs: `./test e2e load_generator`.
#![allow(clippy::expect_used, reason = "a test that cannot go on should say so")]

use std::path::Path;
use std::sync::Arc;

use tamis_load_tests::mail::model::{Model, invented};
use tamis_load_tests::mail::scenario::Scenario;
use tamis_load_tests::mail::{Bench, report, run};

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

//! A node without Redis: its thread, its directory, what it tells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::digest::{Signature, SignatureKind};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::signatures::{Authority, Change, Refused, Rules, Table};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::applying::{COPIES_WAITING_MAX, Outcome};
use super::entry::{Content, Entry};
use super::*;
use crate::log::local::COMPACT_BYTES;
use crate::metrics::Metrics;
use crate::writes::{Committed, WriteError};

/// Longer than anything takes here on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Node {
    dir: TempDir,
    cluster: Cluster,
    writes: Writes,
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
}

fn settings() -> Settings {
    Settings {
        address: Address::Single("redis://127.0.0.1:1".to_owned()),
        authority: None,
        service: "default".to_owned(),
        acks: 0,
        node: "a".to_owned(),
        peers: Vec::new(),
    }
}

fn change(number: u64) -> Change {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&number.to_be_bytes());
    Change::Add {
        signature: Signature { kind: SignatureKind::Link, value },
        sketch: None,
        class: Class::Spam,
        weight: 50,
        reporter: "desk".to_owned(),
        authority: Authority::Operator,
        at_unix_s: 1_800_000_000,
    }
}

const fn at(ms: u64) -> Position {
    Position { ms, seq: 0 }
}

fn entry(number: u64) -> Entry {
    let mut id = [0; ID_BYTES];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let content = Content::Commit { id, changes: vec![change(number)] };
    Entry { position: at(number), content }
}

impl Node {
    fn new() -> Self {
        let registry = tamis_runtime::metrics::Metrics::new();
        let dir = tempfile::tempdir().unwrap();
        let mut table = Table::new(Rules::default());
        let log = LocalLog::open(dir.path(), &mut table, COMPACT_BYTES).unwrap().log;
        let shared = Arc::new(Shared::new(table, Metrics::new(&registry)));
        let parts = (dir.path(), log, None);
        let metrics = OrderMetrics::new(&registry);
        let (cluster, writes, thread) =
            Cluster::new(settings(), parts, Arc::clone(&shared), metrics).unwrap();
        Self { dir, cluster, writes, thread, shared }
    }

    fn applied(&self, entries: Vec<Entry>) -> Outcome {
        let (done, applied) = oneshot::channel();
        self.cluster.work.blocking_send(Work::Entries(entries, done)).unwrap();
        applied.blocking_recv().unwrap()
    }

    fn snapshot(&self, at_least: u64) -> Result<Option<Position>, String> {
        let (done, made) = oneshot::channel();
        self.cluster.work.blocking_send(Work::Snapshot(at(at_least), done)).unwrap();
        made.blocking_recv().unwrap().map(|snapshot| snapshot.position())
    }

    fn ended(self) -> (TempDir, Arc<Shared>) {
        let Self { dir, cluster, writes, thread, shared } = self;
        drop((cluster, writes));
        thread.join().unwrap();
        (dir, shared)
    }

    fn epoch_on_disk(dir: &TempDir) -> u64 {
        let mut table = Table::new(Rules::default());
        LocalLog::open(dir.path(), &mut table, COMPACT_BYTES).unwrap();
        table.epoch()
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_is_told_of_a_write_finds_its_history_at_once() {
    let node = Node::new();
    for number in 1..=300 {
        let Content::Commit { id, changes } = entry(number).content else { unreachable!() };
        let (shown, seen) = oneshot::channel();
        node.cluster.link.pending().insert(id, Pending { counts: vec![changes.len()], shown });
        let (done, _applied) = oneshot::channel();
        node.cluster.work.blocking_send(Work::Entries(vec![entry(number)], done)).unwrap();
        let committed: Vec<Result<Committed, Refused>> = seen.blocking_recv().unwrap();
        assert_eq!(committed[0].as_ref().unwrap().added, 1);
        let signature = changes[0].signature();
        let prefix = signature.value.first_chunk().unwrap();
        let history = node.writes.histories().history(signature.kind, prefix).unwrap();
        assert!(history.is_some(), "acknowledged write {number} has no history");
    }
}

#[test]
fn an_applier_that_died_is_seen_by_all_who_look_and_refuses_writes() {
    let node = Node::new();
    assert_eq!(node.applied(vec![entry(1)]), Outcome::Applied);
    let is_fit = node.cluster.is_fit();
    assert!(*is_fit.borrow());
    node.cluster.work.blocking_send(Work::Panic).unwrap();
    until("its end to be noticed", || !*is_fit.borrow());
    let said = node.shared.warnings().join("; ");
    assert!(said.contains("ended unexpectedly"), "{said}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(node.writes.commit(vec![change(2)])).unwrap_err();
    assert!(matches!(&refused, WriteError::CutOff(why) if why.contains("start this node again")));
    assert_eq!(node.shared.table().len(), 1, "questions are answered");
    assert!(node.shared.is_stale());
}

#[test]
fn a_redis_that_is_lost_is_not_followed_and_not_caught_up_until_the_place_is_found_again() {
    let node = Node::new();
    let link = &node.cluster.link;
    link.follows();
    link.state().caught_up = true;
    link.broken("as a test");
    let state = link.state();
    assert!(!state.follows && !state.caught_up);
}

#[test]
fn a_snapshot_that_cannot_be_made_is_tried_some_times_and_then_told_to_the_peer() {
    let node = Node::new();
    assert_eq!(node.applied(vec![entry(1)]), Outcome::Applied);
    let in_the_way = node.dir.path().join("snapshot.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let began = Instant::now();
    let refused = node.snapshot(1).unwrap_err();
    assert!(refused.contains("3 attempts failed"), "{refused}");
    assert!(began.elapsed() >= Duration::from_millis(1_250), "{:?}", began.elapsed());
    let again = Instant::now();
    assert!(node.snapshot(1).is_err(), "nothing is tried for some time");
    assert!(again.elapsed() < Duration::from_millis(250), "{:?}", again.elapsed());
    let segments = std::fs::read_dir(node.dir.path()).unwrap();
    let segments = segments
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("copy-"));
    assert_eq!(segments.count(), 2, "the frozen one and the one behind it");
}

#[test]
fn a_snapshot_is_made_for_a_peer_that_waits() {
    let node = Node::new();
    assert_eq!(node.applied(vec![entry(1), entry(2)]), Outcome::Applied);
    assert_eq!(node.snapshot(2), Ok(Some(at(2))));
    assert!(node.snapshot(3).unwrap_err().contains("has not reached"));
}

#[test]
fn a_copy_that_could_not_be_written_for_a_time_has_no_gap_and_is_compacted_afterwards() {
    let node = Node::new();
    assert_eq!(node.applied(vec![entry(1)]), Outcome::Applied);
    let (done, asked) = oneshot::channel();
    node.cluster.work.blocking_send(Work::Full(true, done)).unwrap();
    asked.blocking_recv().unwrap();
    assert_eq!(node.applied((2..=20).map(entry).collect()), Outcome::Applied);
    assert_eq!(node.shared.table().len(), 20, "questions are answered from all of it");
    assert!(node.shared.copies_wait(), "no file has it all");
    let said = node.shared.warnings().join("; ");
    assert!(said.contains("copy of the shared order cannot be written"), "{said}");
    assert!(node.snapshot(20).unwrap_err().contains("cannot be written"));
    assert!(*node.cluster.is_fit().borrow());
    let (done, asked) = oneshot::channel();
    node.cluster.work.blocking_send(Work::Full(false, done)).unwrap();
    asked.blocking_recv().unwrap();
    until("the copy to be written", || node.shared.warnings().is_empty());
    until("the files to have it all", || !node.shared.copies_wait());
    assert_eq!(node.snapshot(20), Ok(Some(at(20))));
    let (dir, shared) = node.ended();
    assert_eq!(Node::epoch_on_disk(&dir), shared.table().epoch());
}

#[test]
fn n_changes_wait_for_their_copy_and_then_nothing_more_is_applied() {
    let node = Node::new();
    assert_eq!(node.applied(vec![entry(1)]), Outcome::Applied);
    let (done, asked) = oneshot::channel();
    node.cluster.work.blocking_send(Work::Full(true, done)).unwrap();
    asked.blocking_recv().unwrap();
    // Each entry counts itself and its change.
    let fit = COPIES_WAITING_MAX as u64 / 2;
    assert_eq!(node.applied((2..fit + 2).map(entry).collect()), Outcome::Applied);
    assert!(*node.cluster.is_fit().borrow());
    assert_eq!(node.applied(vec![entry(fit + 2)]), Outcome::Stalled);
    assert_eq!(node.cluster.link.position(), Some(at(fit + 1)), "it is read again from there");
    until("the trouble to be told", || !*node.cluster.is_fit().borrow());
    let (done, asked) = oneshot::channel();
    node.cluster.work.blocking_send(Work::Full(false, done)).unwrap();
    asked.blocking_recv().unwrap();
    until("the copy to be written", || node.shared.warnings().is_empty());
    assert_eq!(node.applied(vec![entry(fit + 2)]), Outcome::Applied);
    assert!(*node.cluster.is_fit().borrow());
}

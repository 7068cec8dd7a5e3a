//! The one writer, without sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test may fail loudly")]

use std::sync::Arc;

use tamis_domain::reputation::Class;
use tamis_reputation::log::local::{COMPACT_BYTES, LocalLog};
use tamis_reputation::metrics::Metrics;
use tamis_reputation::shared::Shared;
use tamis_reputation::writes::{CHANGES_PER_COMMIT_MAX, Committed, WriteError, Writes};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::signatures::{Authority, Change, Refused, Rules, Table};

fn add(name: &str) -> Change {
    Change::Add {
        signature: naming::link(name),
        sketch: None,
        class: Class::Spam,
        weight: 50,
        reporter: "desk".to_owned(),
        authority: Authority::Operator,
        at_unix_s: 1,
    }
}

fn shared(rules: Rules) -> Arc<Shared> {
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    Arc::new(Shared::new(Table::new(rules), metrics))
}

#[tokio::test]
async fn a_commit_of_n_changes_fits_one_frame_and_n_plus_1_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut table = Table::new(Rules::default());
    let log = LocalLog::open(dir.path(), &mut table, COMPACT_BYTES).unwrap().log;
    let shared = shared(Rules::default());
    let (writes, writer) = Writes::start(Arc::clone(&shared), Some(log)).unwrap();
    let mut changes: Vec<_> = (0..CHANGES_PER_COMMIT_MAX).map(|n| add(&format!("h{n}"))).collect();
    let committed = writes.commit(changes.clone()).await.unwrap();
    assert_eq!(committed.added as usize, CHANGES_PER_COMMIT_MAX);
    changes.push(add("one more"));
    assert_eq!(writes.commit(changes).await, Err(WriteError::TooMany));
    drop(writes);
    writer.join().unwrap();
    LocalLog::open(dir.path(), &mut table, COMPACT_BYTES).unwrap();
    assert_eq!(table.len(), CHANGES_PER_COMMIT_MAX);
}

#[tokio::test]
async fn the_last_place_of_the_table_is_given_once_however_many_ask_at_once() {
    let shared = shared(Rules { signatures_max: 3, ..Rules::default() });
    let (writes, writer) = Writes::start(Arc::clone(&shared), None).unwrap();
    let requests = (0..8).map(|n| {
        let writes = writes.clone();
        tokio::spawn(async move { writes.commit(vec![add(&format!("h{n}"))]).await })
    });
    // All are sent before the first is waited for: the writer finds most of them together.
    let requests: Vec<_> = requests.collect();
    let (mut taken, mut refused) = (0, 0);
    for request in requests {
        match request.await.unwrap() {
            Ok(Committed { added: 1, .. }) => taken += 1,
            Err(WriteError::Refused(Refused::Full { signatures_max: 3 })) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((taken, refused, shared.table().len()), (3, 5, 3));
    drop(writes);
    writer.join().unwrap();
}

#[tokio::test]
async fn a_refused_request_changes_nothing_of_itself_and_nothing_of_its_neighbours() {
    let shared = shared(Rules::default());
    let (writes, writer) = Writes::start(Arc::clone(&shared), None).unwrap();
    let bad = Change::Add {
        signature: naming::link("b.example"),
        sketch: None,
        class: Class::Spam,
        weight: 0,
        reporter: "desk".to_owned(),
        authority: Authority::Operator,
        at_unix_s: 1,
    };
    let refused = writes.commit(vec![add("a.example"), bad]).await;
    assert_eq!(refused, Err(WriteError::Refused(Refused::Weight(0))));
    assert!(shared.table().is_empty());
    assert_eq!(writes.commit(vec![add("a.example")]).await.unwrap().epoch, 1);
    drop(writes);
    writer.join().unwrap();
}

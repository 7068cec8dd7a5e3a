#![allow(clippy::unwrap_used, reason = "a test may fail aloud")]
use tonic::Code;

use super::*;
use crate::config::{Typed, TypedLearning};
use crate::learning::LESSONS_IN_HAND_MAX;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;

fn gate(learning: TypedLearning) -> Gate {
    let typed = Typed { reputation: Vec::new(), learning, ..Typed::default() };
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    let scanner = Scanner::new(&typed.check().unwrap(), Snapshot::default(), metrics);
    Gate(Teaching(Arc::new(scanner)))
}

fn from(peer: Peer) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(peer);
    request
}

#[tokio::test]
async fn n_mails_are_in_memory_at_a_time_and_one_more_is_sent_away_before_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let typed =
        TypedLearning { directory: directory.path().to_path_buf(), ..TypedLearning::default() };
    let mut gate = gate(typed);
    let mut come = || gate.call(from(Peer::Unix));
    let mut inside: Vec<_> = (0..LESSONS_IN_HAND_MAX).map(|_| come().unwrap()).collect();
    assert_eq!(come().unwrap_err().code(), Code::ResourceExhausted);
    inside.pop();
    inside.push(come().unwrap());
    assert_eq!(come().unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn who_may_not_teach_is_sent_away_before_his_mail_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let typed =
        TypedLearning { directory: directory.path().to_path_buf(), ..TypedLearning::default() };
    let mut open = gate(typed);
    let elsewhere = from(Peer::Tcp("192.0.2.1:9".parse().unwrap()));
    assert_eq!(open.call(elsewhere).unwrap_err().code(), Code::PermissionDenied);
    let nobody = open.call(Request::new(())).unwrap_err();
    assert_eq!(nobody.code(), Code::PermissionDenied, "who is not known is not believed");
    let mut off = gate(TypedLearning::default());
    assert_eq!(off.call(from(Peer::Unix)).unwrap_err().code(), Code::FailedPrecondition);
}

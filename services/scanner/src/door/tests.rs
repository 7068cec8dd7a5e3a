use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn a_judgement_whose_edge_hangs_up_goes_on_so_that_what_was_read_is_remembered() {
    let (gate, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (opened, tell) = (Arc::clone(&gate), Arc::clone(&told));
    let mut judging = Judging::new(async move {
        opened.notified().await;
        tell.notify_one();
    });
    assert!(futures_util::poll!(&mut judging).is_pending(), "it has begun");
    drop(judging);
    gate.notify_one();
    told.notified().await;
}

#[tokio::test]
async fn a_judgement_that_is_over_is_not_judged_again() {
    let judged = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&judged);
    let mut judging = Judging::new(async move {
        assert!(!once.swap(true, Ordering::Relaxed));
    });
    (&mut judging).await;
    (&mut judging).await;
    assert!(judged.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_panic_ends_one_judgement_and_not_the_stream_or_the_edge_would_think_the_scanner_gone() {
    Judging::new(async { panic!("a part that nobody thought of") }).await;
}

//! Lanes to a server on this machine.

use futures_util::FutureExt;
use tamis_reputation_protocol::seal::Client;

use super::*;

fn shared() -> Arc<Pool> {
    Arc::new(Pool::new(Duration::from_millis(50), Client::default()))
}

/// The source of the one datagram that is sent.
async fn source(shared: &Pool, server: &UdpSocket) -> SocketAddr {
    assert!(shared.lanes.send(server.local_addr().unwrap(), b"question"));
    let mut buffer = [0; 16];
    let received = server.recv_from(&mut buffer);
    tokio::time::timeout(Duration::from_secs(10), received).await.unwrap().unwrap().1
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_keeps_its_addresses_and_holds_up_no_other() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let (old, new, kept) = (address("127.0.0.1:7"), address("127.0.0.1:8"), address("127.0.0.1:9"));
    // The second has no port, so that it fails without a name server; the third is the first again.
    let names = ["127.0.0.1:8", "unresolvable", "127.0.0.1:8"].map(str::to_owned);
    let mut known = vec![vec![old], vec![kept], Vec::new()];
    assert_eq!(resolve(&names, &mut known).await, [new, kept]);
    assert_eq!(known, [vec![new], vec![kept], vec![new]]);
}

#[tokio::test]
async fn after_n_silences_a_lane_still_serves_and_is_replaced_and_after_one_less_is_not() {
    let shared = shared();
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    open(&shared, address).await;
    let first = source(&shared, &server).await;
    for _ in 1..SILENCES_MAX {
        shared.lanes.is_silent(address);
    }
    open(&shared, address).await;
    assert_eq!(source(&shared, &server).await, first);
    assert!(shared.lanes.wake.notified().now_or_never().is_none(), "nothing to do yet");
    // More than needed: all mails of a moment are silent together.
    for _ in 0..SILENCES_MAX {
        shared.lanes.is_silent(address);
    }
    assert_eq!(source(&shared, &server).await, first, "the old lane serves");
    assert!(shared.lanes.wake.notified().now_or_never().is_some(), "discovery is woken");
    assert!(shared.lanes.wake.notified().now_or_never().is_none(), "once");
    open(&shared, address).await;
    let second = source(&shared, &server).await;
    assert_ne!(second, first);
    open(&shared, address).await;
    assert_eq!(source(&shared, &server).await, second, "a fresh lane stays");
}

#[tokio::test]
async fn an_answer_makes_a_stale_lane_fresh() {
    let shared = shared();
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    open(&shared, address).await;
    let first = source(&shared, &server).await;
    for _ in 0..SILENCES_MAX {
        shared.lanes.is_silent(address);
    }
    shared.lanes.is_alive(address);
    open(&shared, address).await;
    assert_eq!(source(&shared, &server).await, first);
}

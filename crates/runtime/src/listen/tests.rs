use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWrite as _, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_stream::StreamExt;

use super::*;

fn unix(path: PathBuf, mode: u32) -> ListenAddress {
    ListenAddress::Unix { path, mode }
}

#[test]
fn addresses_are_read_and_written_alike() {
    let tcp = |text: &str| ListenAddress::Tcp(text.parse().unwrap());
    let table = [
        ("", ListenAddress::Off, true),
        ("127.0.0.1:7065", tcp("127.0.0.1:7065"), true),
        ("127.8.0.1:0", tcp("127.8.0.1:0"), true),
        ("[::1]:7065", tcp("[::1]:7065"), true),
        ("[::ffff:127.0.0.1]:7065", tcp("[::ffff:127.0.0.1]:7065"), true),
        ("0.0.0.0:7065", tcp("0.0.0.0:7065"), false),
        ("[::]:7065", tcp("[::]:7065"), false),
        ("192.0.2.1:25", tcp("192.0.2.1:25"), false),
        ("unix:/run/t.sock", unix("/run/t.sock".into(), 0o660), true),
        ("unix:/run/t.sock,mode=0666", unix("/run/t.sock".into(), 0o666), true),
    ];
    for (text, address, loopback) in table {
        assert_eq!(text.parse(), Ok(address.clone()), "{text}");
        assert_eq!(address.to_string(), text);
        assert_eq!(address.is_loopback(), loopback, "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused_with_the_right_word() {
    let neither =
        ["localhost:7065", "7065", ":7065", "127.0.0.1", "127.0.0.1:65536", "Unix:/x", " "];
    for text in neither {
        assert_eq!(text.parse::<ListenAddress>(), Err(AddressError::Neither(text.to_owned())));
    }
    for text in ["unix:", "unix:run/t.sock"] {
        assert_eq!(text.parse::<ListenAddress>(), Err(AddressError::RelativePath(text.to_owned())));
    }
    for text in ["unix:/t,mode=", "unix:/t,mode=0778", "unix:/t,mode=1000", "unix:/t,mode=rw"] {
        assert_eq!(text.parse::<ListenAddress>(), Err(AddressError::Mode(text.to_owned())));
    }
}

async fn echo_once(listener: &Listener) -> Peer {
    let (mut stream, peer) = listener.accept().await;
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    stream.write_all(&word).await.unwrap();
    assert_eq!(stream.peer(), peer);
    peer
}

#[tokio::test]
async fn bytes_go_both_ways_over_tcp_and_the_peer_is_known() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut client = TcpStream::connect(listener.tcp_address().unwrap()).await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let peer = echo_once(&listener).await;
    let mut word = [0; 4];
    client.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"ping");
    assert_eq!(peer, Peer::Tcp(client.local_addr().unwrap()));
    assert!(peer.is_local());
}

#[tokio::test]
async fn an_ipv4_peer_on_an_ipv6_socket_is_shown_as_ipv4() {
    let Ok(listener) = Listener::bind(&"[::]:0".parse().unwrap()).await else {
        return; // No IPv6 on this machine.
    };
    let port = listener.tcp_address().unwrap().port();
    let _client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (_, peer) = listener.accept().await;
    assert_eq!(peer.ip(), Some("127.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_its_file_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.sock");
    for mode in [0o660, 0o666, 0o600] {
        let listener = Listener::bind(&unix(path.clone(), mode)).await.unwrap();
        let permissions = std::fs::symlink_metadata(&path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode);
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"ping").await.unwrap();
        assert_eq!(echo_once(&listener).await, Peer::Unix);
        drop(listener);
        assert!(!path.exists(), "the file goes when the listener does");
    }
}

#[tokio::test]
async fn a_socket_that_a_killed_process_left_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.sock");
    // The standard library leaves the file, as a killed process does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = Listener::bind(&unix(path.clone(), 0o660)).await.unwrap();
    let _client = UnixStream::connect(&path).await.unwrap();
    drop(listener);
}

#[tokio::test]
async fn a_socket_in_use_is_not_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.sock");
    let address = unix(path.clone(), 0o660);
    let first = Listener::bind(&address).await.unwrap();
    let error = Listener::bind(&address).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    let _client = UnixStream::connect(&path).await.unwrap();
    drop(first);
}

#[tokio::test]
async fn a_listener_leaves_the_socket_of_its_successor_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.sock");
    let address = unix(path.clone(), 0o660);
    let old = Listener::bind(&address).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let _new = Listener::bind(&address).await.unwrap();
    drop(old);
    assert!(path.exists());
}

#[tokio::test]
async fn bind_errors_say_the_address_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.txt");
    std::fs::write(&file, "keep me").unwrap();
    let first = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let table = [
        (first.address().clone(), "another program listens there"),
        (unix(file.clone(), 0o660), "a file that is no socket is in the way"),
        (unix(directory.path().join("none/t.sock"), 0o660), "No such file"),
        ("192.0.2.1:0".parse().unwrap(), "Cannot assign requested address"),
        (ListenAddress::Off, "means off"),
    ];
    for (address, words) in table {
        let error = Listener::bind(&address).await.unwrap_err();
        let message = error.to_string();
        assert!(message.contains(words) && message.contains(&address.to_string()), "{message}");
        assert!(!error.advice().is_empty());
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "keep me");
}

#[tokio::test]
async fn a_port_is_free_again_at_once_after_a_restart() {
    let first = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.address().clone();
    let mut client = TcpStream::connect(first.tcp_address().unwrap()).await.unwrap();
    let (stream, _) = first.accept().await;
    // The side that closes first keeps the port in TIME_WAIT.
    drop(stream);
    drop(first);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    drop(client);
    Listener::bind(&address).await.unwrap();
}

#[tokio::test]
async fn connections_come_as_a_sequence_too() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.tcp_address().unwrap();
    let mut incoming = listener.incoming();
    for _ in 0..2 {
        let client = TcpStream::connect(address).await.unwrap();
        let stream = incoming.next().await.unwrap().unwrap();
        assert_eq!(stream.peer(), Peer::Tcp(client.local_addr().unwrap()));
        assert!(!stream.is_write_vectored(), "or a short answer takes a packet for each frame");
    }
}

/// The longest that the system holds an acknowledgement back is 40 ms, and it is the shortest, too.
const HELD_BACK: Duration = Duration::from_millis(40);

#[tokio::test]
async fn a_peer_that_writes_its_turn_in_two_pieces_does_not_wait_for_a_late_acknowledgement() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().tcp().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await;
        let mut buffer = [0; 64];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            if buffer[..length].ends_with(b"\n") {
                stream.write_all(b"heard\n").await.unwrap();
            }
        }
    });
    // With Nagle's delay, as most programs have it.
    let mut peer = TcpStream::connect(address).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..15 {
        let began = Instant::now();
        for piece in ["a turn in", " two pieces\n"] {
            peer.write_all(piece.as_bytes()).await.unwrap();
        }
        peer.read_exact(&mut [0; 6]).await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    assert!(times[times.len() / 2] < HELD_BACK, "{times:?}");
}

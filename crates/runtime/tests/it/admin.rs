//! The admin listener over a real loopback socket.

use tamis_runtime::admin::{CONNECTIONS_MAX, REQUEST_BYTES_MAX, Readiness, serve};
use tamis_runtime::listen::Listener;
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Admin {
    address: std::net::SocketAddr,
    readiness: Readiness,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

impl Admin {
    async fn start() -> Self {
        let shutdown = Shutdown::new();
        let readiness = Readiness::new(shutdown.clone());
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.tcp_address().unwrap();
        let task = serve(listener, Metrics::new(), readiness.clone());
        Self { address, readiness, shutdown, task }
    }

    async fn say(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses may close before all is written.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Status and body of a GET; the answer ends with the connection.
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.say(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn ready_when_all_conditions_hold_and_never_again_once_ending() {
    let admin = Admin::start().await;
    assert_eq!(
        admin.get("/healthz/ready").await,
        (503, "missing: the process is starting\n".into())
    );
    let door = admin.readiness.condition("the door is open");
    let base = admin.readiness.condition("the base is loaded");
    let both = "missing: the door is open\nmissing: the base is loaded\n";
    assert_eq!(admin.get("/healthz/ready").await, (503, both.into()));
    door.set(true);
    assert_eq!(admin.get("/healthz/ready").await, (503, "missing: the base is loaded\n".into()));
    base.set(true);
    assert_eq!(admin.get("/healthz/ready").await, (200, "ready\n".into()));
    admin.readiness.condition("the door is open").set(false);
    assert_eq!(admin.get("/healthz/ready").await.0, 503);
    door.set(true);
    admin.shutdown.request();
    assert_eq!(admin.get("/healthz/ready").await, (503, "missing: the process is ending\n".into()));
    assert_eq!(admin.get("/healthz/live").await, (200, "live\n".into()));
}

#[tokio::test]
async fn serves_its_three_paths_and_nothing_else() {
    let admin = Admin::start().await;
    assert_eq!(admin.get("/healthz/live").await.0, 200);
    let (status, metrics) = admin.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("tamis_build_info{version="), "{metrics}");
    for path in ["/", "/healthz", "/metrics/", "/metrics/../etc/passwd", "/debug/pprof"] {
        assert_eq!(admin.get(path).await.0, 404, "{path}");
    }
    let answer = admin
        .say(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn who_asks_for_openmetrics_gets_it_and_anybody_else_the_older_text() {
    let admin = Admin::start().await;
    // What Prometheus 2.42 sends is the first one.
    for (accept, is_open) in [
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            true,
        ),
        ("text/plain, Application/OpenMetrics-Text", true),
        ("application/openmetrics-text; q=0, */*", false),
        ("application/openmetrics-textual", false),
        ("text/plain;version=0.0.4", false),
        ("*/*", false),
    ] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
        let answer = admin.say(request.as_bytes()).await;
        let kind = answer.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap();
        assert_eq!(
            kind.starts_with("application/openmetrics-text; version=1.0.0"),
            is_open,
            "{accept}"
        );
        assert_eq!(answer.ends_with("# EOF\n"), is_open, "{accept}");
    }
}

/// A request of exactly `bytes`, filled up by a header.
fn request_of(bytes: usize) -> Vec<u8> {
    let (start, end) = ("GET /healthz/live HTTP/1.1\r\nHost: x\r\nX-Fill: ", "\r\n\r\n");
    let fill = "x".repeat(bytes - start.len() - end.len());
    format!("{start}{fill}{end}").into_bytes()
}

#[tokio::test]
async fn a_request_of_the_longest_size_is_answered_and_one_byte_more_is_not() {
    let admin = Admin::start().await;
    let longest = admin.say(&request_of(REQUEST_BYTES_MAX)).await;
    assert!(longest.starts_with("HTTP/1.1 200"), "{longest}");
    let longer = admin.say(&request_of(REQUEST_BYTES_MAX + 1)).await;
    assert!(!longer.contains("200"), "{longer}");
    assert_eq!(admin.get("/healthz/live").await.0, 200, "others are not disturbed");
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_ends() {
    let admin = Admin::start().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX - 1 {
        silent.push(TcpStream::connect(admin.address).await.unwrap());
    }
    assert_eq!(admin.get("/healthz/live").await.0, 200, "the last free place serves");
    silent.push(TcpStream::connect(admin.address).await.unwrap());
    let mut waiting = TcpStream::connect(admin.address).await.unwrap();
    waiting.write_all(b"GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0; 1];
    let early = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(early, waiting.read(&mut byte)).await.is_err());
    silent.pop();
    assert_eq!(waiting.read(&mut byte).await.unwrap(), 1);
}

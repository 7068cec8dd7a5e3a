//! Sealed questions of the scanner's client, to a server on a real socket that thinks as the real one does.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tamis_domain::reputation::Class;
use tamis_reputation_protocol::answering::{Action, Answering, Limits};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Item, Shape};
use tamis_reputation_protocol::seal::{Key, Keys, Server as SealServer, Settings};
use tamis_reputation_protocol::sharding::{Shard, ShardMap};
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};
use tamis_runtime::clock;
use tamis_scanner::ask::questions::Asked;
use tamis_scanner::ask::reputation::{Heard, LOOK_PERIOD, Plan, Service};
use tamis_scanner::metrics::Metrics;
use tokio::net::UdpSocket;

/// Long: a test machine may be busy. Only what is meant to be silent is waited for.
const BUDGET: Duration = Duration::from_millis(300);

const NOW_UNIX_S: u32 = 1_800_000_000;

fn key_line(last: u8) -> String {
    format!("00000000000000aa {}{last:02x} mx1.example\n", "01".repeat(31))
}

/// What came, by shape, and what of it was answered.
#[derive(Debug, Default)]
struct Counts {
    clear: AtomicU64,
    hellos: AtomicU64,
    sealed: AtomicU64,
    answers: AtomicU64,
    sightings: AtomicU64,
    is_restarted: AtomicBool,
    silences: Mutex<Vec<String>>,
}

struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
}

impl Server {
    /// `keys` is the file of its clients; without one it knows of no seal.
    async fn start(keys: Option<&str>, require_seal: bool) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let keys = keys.map(|text| Arc::new(Keys::parse(text).unwrap()));
        let made = move |life: u8| {
            let now = clock::now();
            let answering = Answering::new([life; 32], Limits::default(), now);
            let settings = Settings { require_seal, ..Settings::default() };
            match &keys {
                Some(keys) => answering.sealed(SealServer::new(
                    Arc::clone(keys),
                    settings,
                    [life ^ 0xff; 32],
                    now,
                )),
                None => answering,
            }
        };
        tokio::spawn(serve(socket, made, Arc::clone(&counts)));
        Self { address, counts }
    }

    /// The next datagram finds a server that knows no cookie and no session any more.
    fn restart(&self) {
        self.counts.is_restarted.store(true, Ordering::Relaxed);
    }

    fn of(&self, count: fn(&Counts) -> &AtomicU64) -> u64 {
        count(&self.counts).load(Ordering::Relaxed)
    }
}

async fn serve(socket: UdpSocket, made: impl Fn(u8) -> Answering + Send, counts: Arc<Counts>) {
    let table = table();
    let (mut life, mut buffer, mut out) = (1, [0; 2048], Vec::new());
    let mut answering = made(life);
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if counts.is_restarted.swap(false, Ordering::Relaxed) {
            life += 1;
            answering = made(life);
        }
        let datagram = &buffer[..length];
        let count = match Shape::of(datagram) {
            Shape::Open => &counts.clear,
            Shape::Hello => &counts.hellos,
            Shape::Sealed => &counts.sealed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let known = Known::table(&table);
        match answering.handle(datagram, from, clock::now(), NOW_UNIX_S, &known, &mut out) {
            Action::Answer(_) => {
                let is_sighting = answering.question().is_sighting;
                counts.answers.fetch_add(1, Ordering::Relaxed);
                counts.sightings.fetch_add(u64::from(is_sighting), Ordering::Relaxed);
            }
            Action::Silent(why) => counts.silences.lock().unwrap().push(format!("{why:?}")),
            Action::Challenge | Action::Session => {}
        }
        if !out.is_empty() {
            let _ = socket.send_to(&out, from).await;
        }
    }
}

fn table() -> Table {
    let mut table = Table::new(Rules::default());
    let change = Change::Add {
        signature: naming::link("bad.example/offer"),
        sketch: None,
        class: Class::Phishing,
        weight: 70,
        reporter: "desk".to_owned(),
        authority: Authority::Operator,
        at_unix_s: NOW_UNIX_S,
    };
    table.apply(&change).unwrap();
    table
}

fn client(server: &Server, key: Option<&str>, is_sighting: bool) -> Service {
    let shard = Shard { from: 0, servers: vec![server.address.to_string()] };
    let plan = Plan {
        map: ShardMap::new(vec![shard]).unwrap(),
        map_file: None,
        filter_file: None,
        look_period: LOOK_PERIOD,
        filter_age_max: None,
        is_sighting,
        key: key.map(|text| Key::parse(text).unwrap()),
        budget: BUDGET,
    };
    Service::start(plan, Metrics::new(&tamis_runtime::metrics::Metrics::new()))
}

async fn ask(service: &Service) -> (Heard, Vec<Option<Class>>) {
    let names = ["good.example/offer", "bad.example/offer"];
    let asked = names.map(|name| Asked { item: Item::exact(naming::link(name)), part: None });
    let (sieving, until) = (service.sieving(), clock::now() + 2 * BUDGET);
    let (heard, answered) = service.ask(asked.to_vec(), &sieving, until).await;
    (heard, answered.iter().map(|it| it.listing.map(|listing| listing.class)).collect())
}

/// Asks until it is answered, since lanes open by and by.
async fn answered(service: &Service) {
    let end = Instant::now() + Duration::from_secs(20);
    let known = (Heard::Answered, vec![None, Some(Class::Phishing)]);
    loop {
        let found = ask(service).await;
        if found == known {
            return;
        }
        assert!(Instant::now() < end, "{found:?} to the end");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn with_a_key_all_is_asked_sealed_and_one_handshake_serves_many_questions() {
    let server = Server::start(Some(&key_line(2)), true).await;
    let service = client(&server, Some(&key_line(2)), false);
    answered(&service).await;
    let hellos = server.of(|it| &it.hellos);
    for _ in 0..50 {
        answered(&service).await;
    }
    assert_eq!(server.of(|it| &it.clear), 0);
    assert_eq!(server.of(|it| &it.hellos), hellos, "the session lasts");
    assert!(server.of(|it| &it.answers) > 50);
    assert_eq!(server.of(|it| &it.sightings), 0, "nobody said they may count");
}

#[tokio::test]
async fn questions_at_the_same_time_share_one_handshake() {
    let server = Server::start(Some(&key_line(2)), true).await;
    let service = client(&server, Some(&key_line(2)), true);
    let many = (0..40).map(|_| answered(&service));
    futures_util::future::join_all(many).await;
    assert_eq!(server.of(|it| &it.clear), 0);
    assert!(server.of(|it| &it.answers) >= 40);
    assert_eq!(server.of(|it| &it.sightings), server.of(|it| &it.answers), "they may count");
}

#[tokio::test]
async fn a_server_that_was_restarted_is_asked_under_a_new_session() {
    let server = Server::start(Some(&key_line(2)), true).await;
    let service = client(&server, Some(&key_line(2)), false);
    answered(&service).await;
    let hellos = server.of(|it| &it.hellos);
    server.restart();
    answered(&service).await;
    assert!(server.of(|it| &it.hellos) > hellos, "its sessions are gone");
    assert_eq!(server.of(|it| &it.clear), 0);
}

#[tokio::test]
async fn who_does_not_share_the_key_gets_no_answer_and_asks_nothing_in_clear() {
    // Servers that would answer in clear, so that nothing but the client's own rule keeps it from that.
    for keys in [Some(key_line(3)), None] {
        let server = Server::start(keys.as_deref(), false).await;
        answered(&client(&server, None, false)).await;
        let (clear, answers) = (server.of(|it| &it.clear), server.of(|it| &it.answers));
        let service = client(&server, Some(&key_line(2)), false);
        let end = Instant::now() + Duration::from_secs(20);
        while server.of(|it| &it.hellos) < 3 {
            let (heard, found) = ask(&service).await;
            assert_eq!((heard, found), (Heard::Silent, vec![None, None]), "{keys:?}");
            assert!(heard.may_have_missed(), "the mail is not judged as if nothing were listed");
            assert!(Instant::now() < end, "no hello came");
            tokio::task::yield_now().await;
        }
        assert_eq!(server.of(|it| &it.clear), clear);
        assert_eq!((server.of(|it| &it.answers), server.of(|it| &it.sealed)), (answers, 0));
        let silences = server.counts.silences.lock().unwrap().clone();
        let why = if keys.is_some() { "Seal(Mac)" } else { "Seal(Off)" };
        assert!(!silences.is_empty() && silences.iter().all(|it| it == why), "{silences:?}");
    }
}

#[tokio::test]
async fn a_server_that_requires_a_seal_answers_no_question_in_clear() {
    let server = Server::start(Some(&key_line(2)), true).await;
    let service = client(&server, None, false);
    let end = Instant::now() + Duration::from_secs(20);
    while server.of(|it| &it.clear) < 2 {
        assert_eq!(ask(&service).await.0, Heard::Silent);
        assert!(Instant::now() < end, "no question came");
        tokio::task::yield_now().await;
    }
    assert_eq!(server.of(|it| &it.answers), 0);
}

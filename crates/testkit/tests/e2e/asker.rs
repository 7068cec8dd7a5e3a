//! A question over UDP to one server, as a scanner asks it.

use std::time::Duration;

use tamis_domain::digest::{Signature, SignatureKind};
use tamis_domain::reputation::Listing;
use tamis_reputation_protocol::packet::{Item, Question, Reply};
use tamis_testkit::peers::Tamis;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Longest wait for one answer; then the same is asked again.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tries before the server counts as dead.
const TRIES_MAX: usize = 40;

pub struct Asker {
    socket: UdpSocket,
    cookie: u64,
    id: u64,
}

impl Asker {
    pub async fn of(server: &Tamis) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(server.address("reputation", "listen")).await.expect("an address");
        Self { socket, cookie: 0, id: 1 }
    }

    pub async fn link(&mut self, value: &[u8]) -> Option<Listing> {
        self.links(&[value.to_vec()]).await[0]
    }

    pub async fn links(&mut self, values: &[Vec<u8>]) -> Vec<Option<Listing>> {
        let link = |value: &Vec<u8>| {
            let value = value.as_slice().try_into().expect("16 bytes");
            Item::exact(Signature { kind: SignatureKind::Link, value })
        };
        self.all(values.iter().map(link).collect(), false).await
    }

    /// What the server says about one item.
    pub async fn ask(&mut self, item: Item, is_sighting: bool) -> Option<Listing> {
        self.all(vec![item], is_sighting).await[0]
    }

    async fn all(&mut self, items: Vec<Item>, is_sighting: bool) -> Vec<Option<Listing>> {
        for _ in 0..TRIES_MAX {
            self.id += 1;
            let (id, cookie, items) = (self.id, self.cookie, items.clone());
            let question = Question { id, cookie, trace: None, is_sighting, items };
            let _ = self.socket.send(&question.encode()).await;
            let mut reply = [0; 2048];
            let Ok(Ok(length)) = timeout(PATIENCE, self.socket.recv(&mut reply)).await else {
                continue;
            };
            match Reply::decode(&reply[..length]).expect("a reply") {
                Reply::Challenge(challenge) => self.cookie = challenge.cookie,
                Reply::Answer(answer) if answer.id == id => return answer.listings,
                _ => {}
            }
        }
        panic!("no answer after {TRIES_MAX} questions");
    }
}

//! A DNS server on loopback, UDP and TCP, that says what a test wants: records, aliases, silence, failure.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tamis_scanner::ask::dns::{Dns, Plan};
use tamis_scanner::metrics::Metrics;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// What a name has.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Data(RData),
    /// No answer to anything that stands behind this.
    Silence,
    /// No answer to questions for this type.
    SilenceFor(RecordType),
    /// This code, whatever is asked.
    Code(ResponseCode),
    /// The answer comes late.
    Late(Duration),
    /// This many records of the kind asked for.
    Addresses(u8, u8),
    /// A record of another name beside the answer.
    Stray(&'static str, RData),
    /// Before the true answer, from the same place.
    Before(Lie),
    /// "Ask by TCP", where nobody answers.
    Cut,
}

/// What somebody says who does not see the question, or a server that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Another number than the question has.
    Number,
    /// Another question.
    Question,
    /// The question in plain letters.
    Letters,
    /// No message at all.
    Noise,
}

impl Lie {
    pub(crate) const ALL: [Self; 4] = [Self::Number, Self::Question, Self::Letters, Self::Noise];

    /// A datagram that brings `203.0.113.66`.
    fn tell(self, question: &Message) -> Vec<u8> {
        if self == Self::Noise {
            return vec![0xff; 40];
        }
        let mut id = question.metadata.id;
        if self == Self::Number {
            id = id.wrapping_add(1);
        }
        let mut query = question.queries[0].clone();
        match self {
            Self::Question => query.name = name("other.example"),
            Self::Letters => query.name = query.name().to_lowercase(),
            _ => {}
        }
        let mut lie = Message::response(id, question.metadata.op_code);
        lie.metadata.recursion_available = true;
        let address = RData::A(A([203, 0, 113, 66].into()));
        lie.add_answer(Record::from_rdata(query.name().clone(), 300, address));
        lie.add_query(query);
        lie.to_vec().unwrap()
    }
}

pub(crate) type Zone = HashMap<String, Vec<Entry>>;

/// A running server; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<AtomicUsize>,
    pub(crate) names: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn name(text: &str) -> Name {
    let labels = text.trim_end_matches('.').split('.').map(str::as_bytes);
    let mut name = Name::from_labels(labels.filter(|label| !label.is_empty())).unwrap();
    name.set_fqdn(true);
    name
}

pub(crate) fn txt(text: &[u8]) -> Entry {
    let strings: Vec<&[u8]> = if text.is_empty() { vec![b""] } else { text.chunks(255).collect() };
    Entry::Data(RData::TXT(TXT::from_bytes(strings)))
}

pub(crate) fn a(address: &str) -> Entry {
    Entry::Data(match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => RData::A(A(address)),
        std::net::IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    })
}

pub(crate) fn mx(preference: u16, exchange: &str) -> Entry {
    Entry::Data(RData::MX(MX::new(preference, name(exchange))))
}

pub(crate) fn ptr(target: &str) -> Entry {
    Entry::Data(RData::PTR(PTR(name(target))))
}

pub(crate) fn cname(target: &str) -> Entry {
    Entry::Data(RData::CNAME(CNAME(name(target))))
}

/// One port for both: another test may hold the number that UDP gave for TCP.
async fn both() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port that is free for UDP and TCP");
}

/// A name in lower case, nothing escaped.
fn plain(name: &Name) -> String {
    let labels: Vec<String> =
        name.iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect();
    labels.join(".")
}

impl Server {
    pub(crate) async fn start(zone: Zone) -> Self {
        let (udp, tcp) = both().await;
        let address = udp.local_addr().unwrap();
        let server = Self {
            address,
            zone: Arc::new(Mutex::new(zone)),
            asked: Arc::default(),
            names: Arc::default(),
        };
        let udp = Arc::new(udp);
        let by_udp = server.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                let (server, udp) = (by_udp.clone(), Arc::clone(&udp));
                let question = Message::from_vec(&buffer[..length]).unwrap();
                tokio::spawn(async move {
                    if let Some(lie) = server.lie(&question) {
                        let _ = udp.send_to(&lie.tell(&question), from).await;
                    }
                    if let Some(mut answer) = server.answer(&question).await {
                        let mut bytes = answer.to_vec().unwrap();
                        if bytes.len() > 1232 || server.has(&question, &Entry::Cut) {
                            answer.answers.clear();
                            answer.metadata.truncation = true;
                            bytes = answer.to_vec().unwrap();
                        }
                        let _ = udp.send_to(&bytes, from).await;
                    }
                });
            }
        });
        let by_tcp = server.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let server = by_tcp.clone();
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut bytes = vec![0; usize::from(length)];
                        stream.read_exact(&mut bytes).await.unwrap();
                        let question = Message::from_vec(&bytes).unwrap();
                        if server.has(&question, &Entry::Cut) {
                            break;
                        }
                        if let Some(answer) = server.answer(&question).await {
                            let bytes = answer.to_vec().unwrap();
                            stream.write_u16(bytes.len() as u16).await.unwrap();
                            stream.write_all(&bytes).await.unwrap();
                        }
                    }
                });
            }
        });
        server
    }

    /// Questions that came in so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Says something else from now on.
    pub(crate) fn say(&self, name: &str, entries: Vec<Entry>) {
        self.zone.lock().unwrap().insert(name.to_owned(), entries);
    }

    fn entries(&self, question: &Message) -> Vec<Entry> {
        let asked = question.queries.first().map(|query| plain(query.name()));
        let zone = self.zone.lock().unwrap();
        asked.and_then(|asked| zone.get(&asked).cloned()).unwrap_or_default()
    }

    fn lie(&self, question: &Message) -> Option<Lie> {
        self.entries(question).iter().find_map(|entry| match entry {
            Entry::Before(lie) => Some(*lie),
            _ => None,
        })
    }

    fn has(&self, question: &Message, wanted: &Entry) -> bool {
        let same = std::mem::discriminant::<Entry>;
        self.entries(question).iter().any(|entry| same(entry) == same(wanted))
    }

    /// A resolver of the scanner that asks this server.
    pub(crate) fn dns(&self) -> Dns {
        self.dns_with(|_| {})
    }

    pub(crate) fn dns_with(&self, change: impl FnOnce(&mut Plan)) -> Dns {
        let mut plan = Plan {
            servers: vec![self.address],
            budget: Duration::from_secs(20),
            timeout: Duration::from_millis(500),
            concurrent_per_server: 64,
            cache_bytes_max: 1 << 20,
        };
        change(&mut plan);
        Dns::start(plan, Metrics::new(&tamis_runtime::metrics::Metrics::new())).unwrap()
    }

    async fn answer(&self, question: &Message) -> Option<Message> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let query = question.queries.first()?.clone();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        let mut asked = plain(query.name());
        self.names.lock().unwrap().push(asked.clone());
        let mut owner = query.name().clone();
        for _ in 0..8 {
            let entries = self.zone.lock().unwrap().get(&asked).cloned();
            let Some(entries) = entries else {
                answer.metadata.response_code = ResponseCode::NXDomain;
                return Some(answer);
            };
            let mut alias = None;
            let mut is_found = false;
            for entry in entries {
                match entry {
                    Entry::Data(data) if data.record_type() == query.query_type() => {
                        is_found = true;
                        answer.add_answer(Record::from_rdata(owner.clone(), 300, data));
                    }
                    Entry::Data(RData::CNAME(target)) => {
                        let data = RData::CNAME(target.clone());
                        answer.add_answer(Record::from_rdata(owner.clone(), 300, data));
                        alias = Some(target.0);
                    }
                    Entry::Data(_) => {}
                    Entry::Silence if !is_found => return None,
                    Entry::Silence => break,
                    Entry::SilenceFor(kind) if kind == query.query_type() => return None,
                    Entry::SilenceFor(_) => {}
                    Entry::Code(code) => answer.metadata.response_code = code,
                    Entry::Late(late) => tokio::time::sleep(late).await,
                    Entry::Addresses(blocks, rest) => {
                        is_found = true;
                        let of_block = |block: u8| if block < blocks { 255 } else { rest };
                        for block in 0..=blocks {
                            for last in 0..of_block(block) {
                                let data = RData::A(A([10, 0, block, last].into()));
                                answer.add_answer(Record::from_rdata(owner.clone(), 300, data));
                            }
                        }
                    }
                    Entry::Stray(of, data) => {
                        answer.add_answer(Record::from_rdata(name(of), 300, data));
                    }
                    Entry::Before(_) | Entry::Cut => {}
                }
            }
            match alias {
                Some(target) if !is_found => {
                    asked = plain(&target);
                    owner = target;
                }
                _ => break,
            }
        }
        Some(answer)
    }
}

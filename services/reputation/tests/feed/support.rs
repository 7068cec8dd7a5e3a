//! Reputation services with bases, on the loopback.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::reputation::Class;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_reputation::bases::Bases;
use tamis_reputation::bases::config::Typed as TypedBases;
use tamis_reputation::bases::directory::Directory;
use tamis_reputation::bases::metrics::Metrics as BasesMetrics;
use tamis_reputation::bases::publish::{Publication, make_key, read_key};
use tamis_reputation::config::{Config, Typed};
use tamis_reputation::feed::Settings;
use tamis_reputation::service::Service;
use tamis_reputation::shared::Shared;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::{Item, Question, Reply};
use tamis_runtime::admin::Readiness;
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_runtime::listen::ListenAddress;
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use crate::bases::Authority;

/// Longer than anything takes here on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn link(name: &str) -> Item {
    Item::exact(naming::link(name))
}

pub fn signature(item: &Item) -> wire::Signature {
    wire::Signature {
        kind: item.signature.kind.code().into(),
        value: item.signature.value.to_vec(),
        sketch: Vec::new(),
    }
}

/// One service with its directories.
pub struct Node {
    pub dir: TempDir,
    pub config: Config,
    running: Option<Running>,
}

struct Running {
    udp: SocketAddr,
    bases: Option<SocketAddr>,
    admin: ReputationClient<Channel>,
    shared: Arc<Shared>,
    metrics: Metrics,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Failure>>,
    socket: UdpSocket,
    cookie: u64,
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("signing.key")
}

impl Node {
    /// The publisher.
    pub async fn hub(authority: &Authority, compact_bytes: Option<u64>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = make_key(&key_file(dir.path())).unwrap().to_string();
        let bases = TypedBases {
            publish_signatures: true,
            signing_key_file: key_file(dir.path()),
            trusted_keys: vec![key],
            ..TypedBases::default()
        };
        Self::new(authority, dir, bases, compact_bytes).started().await
    }

    /// One that takes the bases of another.
    pub async fn below(authority: &Authority, upstream: &Self) -> Self {
        let trusted = &upstream.config.bases.as_ref().unwrap().bases.trusted_keys;
        let bases = TypedBases {
            upstream: upstream.running().bases.unwrap().to_string(),
            trusted_keys: trusted.iter().map(ToString::to_string).collect(),
            ..TypedBases::default()
        };
        Self::new(authority, tempfile::tempdir().unwrap(), bases, None).started().await
    }

    fn new(
        authority: &Authority,
        dir: TempDir,
        bases: TypedBases,
        compact_bytes: Option<u64>,
    ) -> Self {
        let (place, listen) = (dir.path().join("bases"), "127.0.0.1:0".to_owned());
        let bases = TypedBases { dir: place, listen, ..bases }.check().unwrap().unwrap();
        let defaults = Typed::default();
        let typed = Typed {
            listen: "127.0.0.1:0".to_owned(),
            grpc: ListenAddress::Tcp(([127, 0, 0, 1], 0).into()),
            state_dir: dir.path().join("state"),
            compact_bytes: compact_bytes.unwrap_or(defaults.compact_bytes),
            ..defaults
        };
        let bases = Some(Settings { bases, tls: authority.tls() });
        let config = Config { bases, ..typed.check().unwrap() };
        Self { dir, config, running: None }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub async fn started(mut self) -> Self {
        let metrics = Metrics::new();
        let service = Service::bind(self.config.clone(), &metrics).await.unwrap();
        let (udp, bases) = (service.udp_address(), service.bases_address());
        let grpc = service.grpc_address().unwrap().tcp().unwrap();
        let shared = Arc::clone(service.shared());
        // The same place after a restart, since others know it.
        self.config.bases.as_mut().unwrap().bases.listen = bases;
        let shutdown = Shutdown::new();
        let is_ready = Readiness::new(shutdown.clone()).condition("reputation");
        let end = shutdown.clone();
        let task = tokio::spawn(async move { service.run(None, is_ready, end).await });
        let channel = Endpoint::from_shared(format!("http://{grpc}")).unwrap();
        let admin = ReputationClient::new(channel.connect().await.unwrap());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(udp).await.unwrap();
        let cookie = 0;
        self.running =
            Some(Running { udp, bases, admin, shared, metrics, shutdown, task, socket, cookie });
        self
    }

    pub async fn stopped(mut self) -> Self {
        let Running { admin, shutdown, task, .. } = self.running.take().unwrap();
        shutdown.request();
        drop(admin);
        task.await.unwrap().unwrap();
        self
    }

    pub async fn add(&mut self, item: Item, class: Class) -> u64 {
        let request = wire::AddRequest {
            signatures: vec![signature(&item)],
            class: class.code().into(),
            weight: 75,
            reporter: "desk".to_owned(),
        };
        let admin = &mut self.running.as_mut().unwrap().admin;
        admin.add(request).await.unwrap().into_inner().epoch
    }

    pub async fn delete(&mut self, item: Item) {
        let signatures = vec![signature(&item)];
        let request = wire::DeleteRequest { signatures, reporter: "desk".to_owned() };
        let admin = &mut self.running.as_mut().unwrap().admin;
        assert_eq!(admin.delete(request).await.unwrap().into_inner().deleted, 1);
    }

    pub async fn why(&mut self, item: Item) -> wire::WhyResponse {
        let request = wire::WhyRequest { signature: Some(signature(&item)) };
        self.running.as_mut().unwrap().admin.why(request).await.unwrap().into_inner()
    }

    pub async fn stats(&mut self) -> wire::StatsResponse {
        let admin = &mut self.running.as_mut().unwrap().admin;
        admin.stats(wire::StatsRequest {}).await.unwrap().into_inner()
    }

    /// Asks over UDP, as a scanner does.
    pub async fn class(&mut self, item: Item) -> Option<Class> {
        let Running { socket, cookie, udp, .. } = self.running.as_mut().unwrap();
        let mut buffer = [0; 2048];
        loop {
            let question = Question {
                id: 7,
                cookie: *cookie,
                trace: None,
                is_sighting: false,
                items: vec![item],
            };
            socket.send(&question.encode()).await.unwrap();
            let received = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await;
            let length = received.unwrap_or_else(|_| panic!("{udp} is silent")).unwrap();
            match Reply::decode(&buffer[..length]).unwrap() {
                Reply::Challenge(challenge) => *cookie = challenge.cookie,
                Reply::Answer(answer) => return answer.listings[0].map(|listing| listing.class),
                Reply::Session(_) => panic!("nobody began a session"),
            }
        }
    }

    /// Asks until this is answered; how long that took.
    pub async fn wait_for(&mut self, item: Item, class: Option<Class>) -> Duration {
        let began = Instant::now();
        loop {
            let answered = self.class(item).await;
            if answered == class {
                return began.elapsed();
            }
            let warnings = self.running().shared.warnings();
            assert!(began.elapsed() < PATIENCE, "{answered:?}, not {class:?}; {warnings:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn wait_for_epoch(&mut self, epoch: u64) {
        let began = Instant::now();
        while self.stats().await.base.unwrap_or_default().epoch != epoch {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.stats().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn wait_for_warning(&self, words: &str) {
        let began = Instant::now();
        while !self.warnings().iter().any(|warning| warning.contains(words)) {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.warnings());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn warnings(&self) -> Vec<String> {
        self.running().shared.warnings()
    }

    pub fn metric(&self, line: &str) -> bool {
        self.running().metrics.text().unwrap().lines().any(|it| it == line)
    }

    pub fn directory(&self) -> Directory {
        Directory::open(&self.config.bases.as_ref().unwrap().bases).unwrap()
    }

    /// The files of the release in force.
    /// As `tamis bases resume` does.
    pub fn resume(&self) {
        let key = read_key(&key_file(self.dir.path())).unwrap();
        self.directory().resume(&key, 3600, clock::unix_seconds()).unwrap();
    }

    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let release = self.directory().in_force().unwrap().unwrap();
        let names = release.signed.manifest.files.iter().map(|file| file.name.to_string());
        names
            .map(|name| {
                let bytes = fs::read(release.path(&name).unwrap()).unwrap();
                (name, bytes)
            })
            .collect()
    }

    /// Signs and serves these files, while the service itself does not run.
    pub async fn publish_by_hand(&self, files: &[(String, Vec<u8>)]) -> ByHand {
        let mut settings = self.config.bases.clone().unwrap();
        // Else those of the last release would stay beside them.
        settings.bases.publish_signatures = false;
        let source = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(source.path().join(name), bytes).unwrap();
        }
        let publication = Publication {
            source: source.path().to_path_buf(),
            introduce: Vec::new(),
            retire: Vec::new(),
            valid_s: 3600,
        };
        let key = read_key(&key_file(self.dir.path())).unwrap();
        let directory = Directory::open(&settings.bases).unwrap();
        directory.publish(&publication, &key, clock::unix_seconds()).unwrap();
        let shutdown = Shutdown::new();
        let metrics = BasesMetrics::default();
        let Settings { bases, tls } = settings;
        ByHand(Bases::start(bases, &tls, metrics, &shutdown).await.unwrap(), shutdown)
    }
}

/// Serves a release made by hand.
pub struct ByHand(Bases, Shutdown);

impl ByHand {
    pub async fn stopped(self) {
        self.1.request();
        self.0.ended().await;
    }
}

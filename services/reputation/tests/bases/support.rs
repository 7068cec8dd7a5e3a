//! Nodes on the loopback, certificates of an own authority, and an upstream that does what it likes.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tamis_bases::chunks::{Name, cut};
use tamis_bases::keys::{PublicKey, SigningKey};
use tamis_bases::label::Label;
use tamis_bases::lists::Lister;
use tamis_bases::manifest::{Endorsed, FileEntry, Manifest};
use tamis_bases::messages::{ASK_BYTES_MAX, Ask, Head, SUBSCRIBE_BYTES_MAX, Subscribe, push};
use tamis_reputation::bases::config::{Config, Typed};
use tamis_reputation::bases::directory::{Directory, Release};
use tamis_reputation::bases::error::BasesError;
use tamis_reputation::bases::metrics::Metrics;
use tamis_reputation::bases::publish::Publication;
use tamis_reputation::bases::tls::Quic;
use tamis_reputation::bases::{Bases, pull_once};
use tamis_runtime::clock;
use tamis_runtime::exit::Failure;
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::tls::TlsConfig;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

/// Longer than anything takes here on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub const HUB_KEY: u8 = 1;
pub const NEW_KEY: u8 = 2;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

/// Bytes without pattern (SplitMix64).
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x1234_5678_9abc_def1);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_be_bytes()
    };
    std::iter::repeat_with(&mut next).take(count.div_ceil(8)).flatten().take(count).collect()
}

pub type Files = Vec<(String, Vec<u8>)>;

pub fn files(of: &[(&str, &[u8])]) -> Files {
    of.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

/// Paths of all chunks below a node's directory.
fn chunk_files(root: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    entries(&root.join("chunks")).iter().flat_map(|folder| entries(folder)).collect()
}

pub fn chunks(root: &Path) -> usize {
    chunk_files(root).len()
}

/// Changes a bit in each chunk; says in how many.
pub fn damage_chunks(root: &Path) -> usize {
    let files = chunk_files(root);
    for file in &files {
        let mut bytes = fs::read(file).unwrap();
        bytes[0] ^= 1;
        fs::write(file, bytes).unwrap();
    }
    files.len()
}

/// An authority, and a certificate that all its nodes use.
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        openssl(&format!("req -x509 {key} -subj /CN=ca -keyout ca.key -out ca.pem"), dir.path());
        let node = format!(
            "req -x509 {key} -subj /CN=node -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
             -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key \
             -keyout node.key -out node.pem"
        );
        openssl(&node, dir.path());
        Self { dir }
    }

    /// The files of another one take the place of ours, as a rotation does it.
    pub fn becomes(&self, other: &Self) {
        for name in ["ca.pem", "node.pem", "node.key"] {
            fs::copy(other.dir.path().join(name), self.dir.path().join(name)).unwrap();
        }
    }

    pub fn tls(&self) -> TlsConfig {
        let path = |name| self.dir.path().join(name);
        TlsConfig {
            certificate: path("node.pem"),
            key: path("node.key"),
            authority: path("ca.pem"),
            ..TlsConfig::default()
        }
    }
}

fn openssl(arguments: &str, dir: &Path) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .output()
        .expect("this test needs the program openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A hub, region or site.
pub struct Node {
    dir: TempDir,
    config: Config,
    tls: TlsConfig,
    running: Option<(Bases, Shutdown)>,
}

impl Node {
    pub async fn hub(authority: &Authority) -> Self {
        Self::new(authority, None, key(HUB_KEY).public(), "main").await
    }

    pub async fn below(authority: &Authority, upstream: &Self) -> Self {
        Self::of_channel(authority, upstream, "main").await
    }

    pub async fn of_channel(authority: &Authority, upstream: &Self, channel: &str) -> Self {
        let address = upstream.running.as_ref().unwrap().0.listen();
        Self::new(authority, address, key(HUB_KEY).public(), channel).await
    }

    pub async fn under(authority: &Authority, upstream: SocketAddr, trusted: PublicKey) -> Self {
        Self::new(authority, Some(upstream), trusted, "main").await
    }

    async fn new(
        authority: &Authority,
        upstream: Option<SocketAddr>,
        trusted: PublicKey,
        channel: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let typed = Typed {
            dir: dir.path().join("bases"),
            listen: "127.0.0.1:0".to_owned(),
            upstream: upstream.map(|address| address.to_string()).unwrap_or_default(),
            channel: channel.to_owned(),
            trusted_keys: vec![trusted.to_string()],
            ..Typed::default()
        };
        let config = typed.check().unwrap().unwrap();
        Self { dir, config, tls: authority.tls(), running: None }.started().await
    }

    pub async fn started(mut self) -> Self {
        let shutdown = Shutdown::new();
        let metrics = Metrics::default();
        let bases = Bases::start(self.config.clone(), &self.tls, metrics, &shutdown).await.unwrap();
        self.running = Some((bases, shutdown));
        self
    }

    pub async fn stopped(mut self) -> Self {
        let (bases, shutdown) = self.running.take().unwrap();
        shutdown.request();
        timeout(PATIENCE, bases.ended()).await.expect("the end of all parts");
        self
    }

    pub async fn restarted(self) -> Self {
        self.stopped().await.started().await
    }

    /// A subscription to this node over `endpoint`; it is taken once the manifest in force came.
    pub async fn subscribed(&self, endpoint: &Endpoint) -> Option<Connection> {
        let address = self.running.as_ref().unwrap().0.listen().unwrap();
        let connection = endpoint.connect(address, "localhost").unwrap().await.ok()?;
        let (mut to, _) = connection.open_bi().await.ok()?;
        let subscribe = Subscribe { channel: self.config.channel.clone(), generation: 0 };
        to.write_all(&subscribe.encode()).await.ok()?;
        to.finish().ok()?;
        connection.accept_uni().await.ok()?;
        Some(connection)
    }

    /// Where subscriptions leave from.
    pub fn endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        endpoint.set_default_client_config(Quic::load(&self.tls).unwrap().client);
        endpoint
    }

    pub fn root(&self) -> PathBuf {
        self.config.dir.clone()
    }

    pub fn directory(&self) -> Directory {
        self.try_directory().unwrap()
    }

    pub fn try_directory(&self) -> Result<Directory, BasesError> {
        Directory::open(&self.config)
    }

    pub fn metrics(&self) -> Metrics {
        self.running.as_ref().unwrap().0.metrics.clone()
    }

    pub fn in_force(&self) -> Option<Arc<Release>> {
        self.running.as_ref().unwrap().0.in_force.borrow().clone()
    }

    pub fn generation(&self) -> u64 {
        self.in_force().map_or(0, |release| release.generation())
    }

    pub async fn wait_for(&self, generation: u64) -> Arc<Release> {
        let mut in_force = self.running.as_ref().unwrap().0.in_force.clone();
        let is_it = |release: &Option<Arc<Release>>| {
            release.as_ref().is_some_and(|release| release.generation() == generation)
        };
        let release = timeout(PATIENCE, in_force.wait_for(is_it)).await;
        release.unwrap_or_else(|_| panic!("generation {generation}")).unwrap().clone().unwrap()
    }

    pub async fn wait_for_refusal(&self, reason: &'static str) {
        let began = Instant::now();
        while self.metrics().refusals(reason) == 0 {
            let last = self.directory().last_refusal();
            assert!(began.elapsed() < PATIENCE, "no refusal as {reason}; the last is {last:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn pull_once(&self) -> Result<Option<Arc<Release>>, Failure> {
        pull_once(self.config.clone(), &self.tls).await
    }

    pub fn publish(&self, files: &Files) -> Release {
        self.published(files, HUB_KEY, &[], &[]).unwrap()
    }

    pub fn introduce(&self, seed: u8) {
        let new = key(seed).public();
        self.published(&files(&[("words", b"two")]), HUB_KEY, &[new], &[]).unwrap();
    }

    pub fn retire_old_by_new(&self) {
        let old = key(HUB_KEY).public();
        self.published(&files(&[("words", b"three")]), NEW_KEY, &[], &[old]).unwrap();
    }

    pub fn publish_by_new(&self, files: &Files) -> Release {
        self.try_publish_by_new(files).unwrap()
    }

    pub fn try_publish_by_new(&self, files: &Files) -> Result<Release, BasesError> {
        self.published(files, NEW_KEY, &[], &[])
    }

    pub fn try_publish_by_old(&self) -> Result<Release, BasesError> {
        self.published(&files(&[("words", b"four")]), HUB_KEY, &[], &[])
    }

    fn published(
        &self,
        files: &Files,
        by: u8,
        introduce: &[PublicKey],
        retire: &[PublicKey],
    ) -> Result<Release, BasesError> {
        let source = tempfile::tempdir_in(self.dir.path()).unwrap();
        for (name, bytes) in files {
            fs::write(source.path().join(name), bytes).unwrap();
        }
        let publication = Publication {
            source: source.path().to_path_buf(),
            introduce: introduce.to_vec(),
            retire: retire.to_vec(),
            valid_s: 3600,
        };
        self.try_directory()?.publish(&publication, &key(by), clock::unix_seconds())
    }
}

/// A manifest without files that a key endorses and signs.
pub fn signed_by(generation: u64, by: &SigningKey, retired: &[PublicKey]) -> Vec<u8> {
    let signed = Manifest { retired: retired.to_vec(), ..manifest(generation, by) }.sign(by);
    signed.unwrap().encode()
}

/// The same by the new key, which the old one endorsed.
pub fn signed_by_new_key(generation: u64, retired: &[PublicKey]) -> Vec<u8> {
    signed_by(generation, &key(NEW_KEY), retired)
}

/// An upstream with a certificate of the authority, which sends what a test wants.
pub struct Forger {
    address: SocketAddr,
    pushed: watch::Sender<Option<Vec<u8>>>,
    shared: Arc<Shared>,
    _endpoint: Endpoint,
}

#[derive(Default)]
struct Shared {
    chunks: Mutex<HashMap<Name, Vec<u8>>>,
    tampers: AtomicBool,
    cut_after: AtomicUsize,
    connections: AtomicU64,
}

impl Forger {
    pub async fn new(authority: &Authority) -> Self {
        let quic = Quic::load(&authority.tls()).unwrap();
        let endpoint = Endpoint::server(quic.server, ([127, 0, 0, 1], 0).into()).unwrap();
        let (pushed, pushes) = watch::channel(None);
        let shared = Arc::new(Shared::default());
        let (taking, with) = (endpoint.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Some(incoming) = taking.accept().await {
                let (with, pushes) = (Arc::clone(&with), pushes.clone());
                tokio::spawn(async move {
                    let connection = incoming.await?;
                    with.connections.fetch_add(1, Ordering::Relaxed);
                    with.talk(connection, pushes).await
                });
            }
        });
        let address = endpoint.local_addr().unwrap();
        Self { address, pushed, shared, _endpoint: endpoint }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn key(&self) -> PublicKey {
        key(HUB_KEY).public()
    }

    pub fn push(&self, manifest: Vec<u8>) {
        self.pushed.send_replace(Some(manifest));
    }

    pub fn tamper(&self, tampers: bool) {
        self.shared.tampers.store(tampers, Ordering::Relaxed);
    }

    pub fn cut_after(&self, chunks: usize) {
        self.shared.cut_after.store(chunks, Ordering::Relaxed);
    }

    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    pub fn bytes_of_chunks(&self) -> u64 {
        self.shared.chunks.lock().unwrap().values().map(|chunk| chunk.len() as u64).sum()
    }

    pub fn release(&self, generation: u64, files: &Files) -> Vec<u8> {
        let mut manifest = manifest(generation, &key(HUB_KEY));
        manifest.files = files.iter().map(|(name, bytes)| self.stored(name, bytes)).collect();
        manifest.sign(&key(HUB_KEY)).unwrap().encode()
    }

    pub fn wrong_whole(&self, generation: u64) -> Vec<u8> {
        let mut manifest = manifest(generation, &key(HUB_KEY));
        let file = self.stored("words", &noise(7, 100_000));
        manifest.files = vec![FileEntry { whole: Name::of(b"another"), ..file }];
        manifest.sign(&key(HUB_KEY)).unwrap().encode()
    }

    pub fn expired(&self, generation: u64) -> Vec<u8> {
        let mut manifest = manifest(generation, &key(HUB_KEY));
        (manifest.created_unix_s, manifest.not_after_unix_s) = (1, 2);
        manifest.sign(&key(HUB_KEY)).unwrap().encode()
    }

    pub fn signed_by_a_stranger(&self, generation: u64) -> Vec<u8> {
        manifest(generation, &key(9)).sign(&key(9)).unwrap().encode()
    }

    fn stored(&self, name: &str, bytes: &[u8]) -> FileEntry {
        let mut chunks = self.shared.chunks.lock().unwrap();
        let (mut rest, mut lister) = (bytes, Lister::default());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cut(rest));
            lister.push(Name::of(piece), piece.len()).unwrap();
            chunks.insert(Name::of(piece), piece.to_vec());
            rest = behind;
        }
        let lists = lister.finish().unwrap();
        let list = Name::of(lists.last().unwrap());
        chunks.extend(lists.into_iter().map(|list| (Name::of(&list), list)));
        let name = name.parse().unwrap();
        FileEntry { name, bytes: bytes.len() as u64, whole: Name::of(bytes), list }
    }
}

fn manifest(generation: u64, by: &SigningKey) -> Manifest {
    let channel: Label = "main".parse().unwrap();
    let now = clock::unix_seconds();
    Manifest {
        keys: vec![Endorsed::by(by, &channel, by.public())],
        channel,
        generation,
        previous: generation - 1,
        created_unix_s: now,
        not_after_unix_s: now + 3600,
        retired: Vec::new(),
        files: Vec::new(),
    }
}

impl Shared {
    async fn talk(
        &self,
        connection: Connection,
        mut pushes: watch::Receiver<Option<Vec<u8>>>,
    ) -> anyhow::Result<()> {
        let (_, mut subscription) = connection.accept_bi().await?;
        Subscribe::decode(&subscription.read_to_end(SUBSCRIBE_BYTES_MAX).await?)?;
        pushes.mark_changed();
        let mut left = match self.cut_after.load(Ordering::Relaxed) {
            0 => usize::MAX,
            chunks => chunks,
        };
        loop {
            tokio::select! {
                changed = pushes.changed() => {
                    changed?;
                    let manifest = pushes.borrow_and_update().clone();
                    if let Some(manifest) = manifest {
                        let mut stream = connection.open_uni().await?;
                        stream.write_all(&push(&manifest)).await?;
                        stream.finish()?;
                    }
                }
                asked = connection.accept_bi() => {
                    let (to, from) = asked?;
                    self.answer(to, from, &mut left).await?;
                }
            }
        }
    }

    async fn answer(
        &self,
        mut to: SendStream,
        mut from: RecvStream,
        left: &mut usize,
    ) -> anyhow::Result<()> {
        let ask = Ask::decode(&from.read_to_end(ASK_BYTES_MAX).await?)?;
        for name in ask.names {
            if *left == 0 {
                // The stream ends in the middle of the answer.
                break;
            }
            *left -= 1;
            let chunk = self.chunks.lock().unwrap().get(&name).cloned();
            let Some(mut chunk) = chunk else {
                to.write_all(&Head::Absent.encode()).await?;
                continue;
            };
            if self.tampers.load(Ordering::Relaxed) {
                chunk[0] ^= 1;
            }
            to.write_all(&Head::Here(chunk.len()).encode()).await?;
            to.write_all(&chunk).await?;
        }
        to.finish()?;
        Ok(())
    }
}

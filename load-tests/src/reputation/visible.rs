//! From the acknowledgement of a write to its being answered everywhere: on three nodes over one Redis while all of them
//! take other writes, and at a site that takes signed bases from a hub over QUIC.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tamis_domain::digest::{Signature, SignatureKind};
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_reputation_protocol::packet::{Item, Question, Reply};
use tamis_runtime::tls::TlsConfig;
use tamis_testkit::peers::{Authority, Redis, Tamis, free_port};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};

use super::{Bench, writing};
use crate::process::{free_port as free_udp_port, local};
use crate::report::Figure;
use crate::times::Times;

/// Nodes over one order of writes.
const NODES: usize = 3;
/// Writes a second of others at each node meanwhile.
const OTHERS_PER_SECOND: u64 = 300;
/// Writes looked for at a site: each takes about as long as a hub waits between two releases.
const SITE_WRITES: u64 = 100;
/// Goals for the 99th percentile, in milliseconds.
const NODES_MS_MAX: f64 = 1_000.0;
const SITE_MS_MAX: f64 = 2_000.0;
/// Longest wait for one write, and for one answer.
const GIVE_UP: Duration = Duration::from_secs(30);
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Pause between two questions about what is not there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Both ways.
///
/// # Errors
/// A write that does not come, a program that does not answer, or the system's. Programs that do not start end this one.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut figures = nodes(bench, &runtime)?;
    figures.extend(site(&bench.folder, &runtime)?);
    Ok(figures)
}

/// Writes and deletions at each node in turn, looked for at all of them.
fn nodes(bench: &Bench, runtime: &Runtime) -> Result<Vec<Figure>> {
    let redis = Redis::start();
    let ports: Vec<u16> = (0..NODES).map(|_| free_port()).collect();
    // Side by side: a first start waits for most of its peers.
    let running: Vec<Tamis> = std::thread::scope(|scope| {
        let configs = (0..NODES).map(|node| node_config(&redis, &ports, node));
        let starts: Vec<_> = configs
            .map(|config| scope.spawn(move || Tamis::start(&["reputation"], Some(&config))))
            .collect();
        starts.into_iter().map(|start| start.join().ok().context("a node")).collect::<Result<_>>()
    })?;
    let time = Duration::from_secs(4 * bench.seconds);
    let _inside = runtime.enter();
    let mut writers = ports.iter().map(|port| writer(*port)).collect::<Result<Vec<_>>>()?;
    let mut watchers = running.iter().map(Watcher::new).collect::<Result<Vec<_>>>()?;
    let others = ports
        .iter()
        .map(|port| writing::begin(local(*port), OTHERS_PER_SECOND, time, bench.client_core))
        .collect::<Result<Vec<_>>>()?;
    let (mut seen, mut gone) = (Times::default(), Times::default());
    let end = Instant::now() + time;
    for number in (0..).take_while(|_| Instant::now() < end) {
        let (signature, at) = (signature(number), number as usize % NODES);
        runtime.block_on(writers[at].add(report(signature)))?;
        seen.add(until_all(&mut watchers, signature, true)?);
        runtime.block_on(writers[(at + 1) % NODES].delete(deletion(signature)))?;
        gone.add(until_all(&mut watchers, signature, false)?);
    }
    let others = others.into_iter().map(writing::end).collect::<Result<Vec<_>>>()?;
    let others = others.iter().map(|written| written.per_second).sum();
    let mut figures = vec![
        Figure::plain("visible.nodes_writes", seen.count() as f64, "writes"),
        Figure::plain("visible.nodes_others", others, "writes/s"),
    ];
    figures.extend(percentiles("visible.nodes", &seen, NODES_MS_MAX));
    figures.extend(percentiles("visible.nodes_deleted", &gone, NODES_MS_MAX));
    Ok(figures)
}

fn node_config(redis: &Redis, ports: &[u16], node: usize) -> String {
    let peers: Vec<String> = (0..ports.len())
        .filter(|other| *other != node)
        .map(|other| format!("\"127.0.0.1:{}\"", ports[other]))
        .collect();
    format!(
        "[reputation]\nredis = \"{}\"\nnode = \"node-{node}\"\ngrpc = \"127.0.0.1:{}\"\npeers = [{}]\n\
         answers_per_second = 0\n",
        redis.url(),
        ports[node],
        peers.join(", ")
    )
}

/// Writes and deletions at a hub, looked for at a site below it.
fn site(folder: &Path, runtime: &Runtime) -> Result<Vec<Figure>> {
    let folder = folder.join("site");
    fs::create_dir_all(&folder)?;
    let node = Authority::new(&folder).issue("node");
    let authority = folder.join("authority.pem");
    let tls = format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\n",
        node.certificate.display(),
        node.key.display(),
        authority.display()
    );
    let key_file = folder.join("signing.key").display().to_string();
    let made = Tamis::run(&["bases", "keygen", &key_file]);
    let key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = free_udp_port()?;
    let bases = |name: &str, more: &str| {
        let dir = folder.join(name).display().to_string();
        format!(
            "[reputation]\nanswers_per_second = 0\n[bases]\ndir = \"{dir}\"\ntrusted_keys = [\"{key}\"]\n{more}{tls}"
        )
    };
    let hub = bases(
        "hub",
        &format!(
            "listen = \"127.0.0.1:{port}\"\nsigning_key_file = \"{key_file}\"\npublish_signatures = true\n"
        ),
    );
    let hub = Tamis::start(&["reputation"], Some(&hub));
    let below = bases("below", &format!("upstream = \"127.0.0.1:{port}\"\n"));
    let below = Tamis::start(&["reputation"], Some(&below));
    let tls = TlsConfig {
        certificate: node.certificate,
        key: node.key,
        authority,
        ..TlsConfig::default()
    };
    let tls = tls.load()?.context("certificates")?;
    let grpc = format!("https://{}", hub.address("reputation", "grpc"));
    let endpoint = Endpoint::from_shared(grpc)?.tls_config(tls.client())?.timeout(GIVE_UP);
    let _inside = runtime.enter();
    let mut writer = ReputationClient::new(endpoint.connect_lazy());
    let mut watcher = [Watcher::new(&below)?];
    let (mut seen, mut gone) = (Times::default(), Times::default());
    for number in 0..=SITE_WRITES {
        let signature = signature(number);
        runtime.block_on(writer.add(report(signature)))?;
        let to_seen = until_all(&mut watcher, signature, true)?;
        runtime.block_on(writer.delete(deletion(signature)))?;
        let to_gone = until_all(&mut watcher, signature, false)?;
        // The first waits for the connection of two that have just begun.
        if number > 0 {
            seen.add(to_seen);
            gone.add(to_gone);
        }
    }
    let mut figures = vec![Figure::plain("visible.site_writes", seen.count() as f64, "writes")];
    figures.extend(percentiles("visible.site", &seen, SITE_MS_MAX));
    figures.extend(percentiles("visible.site_deleted", &gone, SITE_MS_MAX));
    Ok(figures)
}

fn percentiles(name: &str, times: &Times, ms_max: f64) -> [Figure; 2] {
    let ms = |share| times.quantile_us(share) / 1_000.0;
    [
        Figure::plain(format!("{name}_p50"), ms(0.5), "ms"),
        Figure::plain(format!("{name}_p99"), ms(0.99), "ms").at_most(ms_max),
    ]
}

/// Numbers of links that nobody has.
fn signature(number: u64) -> Signature {
    let value = (u128::from(number) << 64 | 0x7ab1_e001).to_be_bytes();
    Signature { kind: SignatureKind::Link, value }
}

fn told(signature: Signature) -> wire::Signature {
    let kind = wire::SignatureKind::Link.into();
    wire::Signature { kind, value: signature.value.to_vec(), sketch: Vec::new() }
}

fn report(signature: Signature) -> wire::AddRequest {
    let (class, reporter) = (wire::Class::Spam.into(), "load".to_owned());
    wire::AddRequest { signatures: vec![told(signature)], class, weight: 75, reporter }
}

fn deletion(signature: Signature) -> wire::DeleteRequest {
    wire::DeleteRequest { signatures: vec![told(signature)], reporter: "load".to_owned() }
}

fn writer(port: u16) -> Result<ReputationClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
    Ok(ReputationClient::new(endpoint.timeout(GIVE_UP).connect_lazy()))
}

/// Nanoseconds until every one of them answers so.
fn until_all(watchers: &mut [Watcher], signature: Signature, wanted: bool) -> Result<u64> {
    let began = Instant::now();
    for watcher in watchers {
        while watcher.is_listed(signature)? != wanted {
            ensure!(began.elapsed() < GIVE_UP, "a write is not seen within {GIVE_UP:?}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }
    Ok(began.elapsed().as_nanos() as u64)
}

/// Asks one server as a scanner does.
struct Watcher {
    socket: UdpSocket,
    cookie: u64,
    id: u64,
}

impl Watcher {
    fn new(server: &Tamis) -> Result<Self> {
        let socket = UdpSocket::bind(local(0))?;
        let address: SocketAddr = server.address("reputation", "listen").parse()?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self { socket, cookie: 0, id: 0 })
    }

    fn is_listed(&mut self, signature: Signature) -> Result<bool> {
        let end = Instant::now() + GIVE_UP;
        let mut reply = [0; 2048];
        while Instant::now() < end {
            self.id += 1;
            let (id, cookie, items) = (self.id, self.cookie, vec![Item::exact(signature)]);
            let question = Question { id, cookie, trace: None, is_sighting: false, items };
            self.socket.send(&question.encode())?;
            // Silence: the same is asked again, as long as there is time.
            let Ok(length) = self.socket.recv(&mut reply) else { continue };
            match Reply::decode(&reply[..length])? {
                Reply::Challenge(challenge) => self.cookie = challenge.cookie,
                Reply::Answer(answer) if answer.id == id => {
                    return Ok(answer.listings.first().is_some_and(Option::is_some));
                }
                _ => {}
            }
        }
        bail!("a server is silent for {GIVE_UP:?}")
    }
}

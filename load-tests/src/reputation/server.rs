//! The servers of our own side: `tamis reputation`, and the echo.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tonic::transport::{Channel, Endpoint};

use super::asking::{Asking, sketch, value};
use super::load;
use crate::process::{Program, free_port, local};

/// Signatures in one request.
const PER_REQUEST: u64 = 1_000;
/// Requests under way.
const REQUESTS: u64 = 4;

/// `tamis reputation`, running.
#[derive(Debug)]
pub struct Tamis {
    /// The process.
    pub program: Program,
    /// Where it answers.
    pub address: SocketAddr,
    grpc: SocketAddr,
}

/// How it is to run.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The program.
    pub binary: &'a Path,
    /// Folder for its configuration and what it says.
    pub folder: &'a Path,
    /// Core to stay on.
    pub core: Option<usize>,
    /// Sockets on its port.
    pub sockets: u16,
    /// Address to answer at.
    pub address: IpAddr,
}

impl Tamis {
    /// Starts it with a state directory, as it runs anywhere: without one it keeps all histories in memory, and that is
    /// more than the whole table.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(wanted: Wanted<'_>) -> Result<Self> {
        let (port, grpc, admin) = (free_port()?, local(free_port()?), local(free_port()?));
        let address = SocketAddr::new(wanted.address, port);
        let config = wanted.folder.join(format!("tamis-{port}.toml"));
        let state = wanted.folder.join(format!("state-{port}"));
        fs::create_dir_all(&state)?;
        // The limit for one client is lifted, since one client stands here for all of them.
        fs::write(
            &config,
            format!(
                "[reputation]\nstate_dir = {state:?}\nlisten = \"{address}\"\ngrpc = \"{grpc}\"\nadmin = \"{admin}\"\nsockets = {}\n\
                 answers_per_second = 0\n",
                wanted.sockets
            ),
        )?;
        let mut command = Command::new(wanted.binary);
        command.arg("reputation").arg("--config").arg(&config);
        let log = wanted.folder.join(format!("tamis-{port}.log"));
        let mut program = Program::start(command, wanted.core, &log)?;
        program
            .wait_until(|| TcpStream::connect(grpc).is_ok())
            .with_context(|| format!("see {}", log.display()))?;
        Ok(Self { program, address, grpc })
    }

    /// Teaches it `exact` parts and `texts` texts with sketches.
    ///
    /// # Errors
    /// It refuses.
    pub fn teach(&self, exact: u64, texts: u64) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc))?;
        runtime.block_on(async {
            let channel = endpoint.timeout(Duration::from_secs(60)).connect().await?;
            let mut tasks = tokio::task::JoinSet::new();
            for worker in 0..REQUESTS {
                tasks.spawn(teach(channel.clone(), worker, exact, texts));
            }
            while let Some(done) = tasks.join_next().await {
                done??;
            }
            Ok(())
        })
    }

    /// Gets the proof of this machine's address into `asking`.
    ///
    /// # Errors
    /// It does not answer.
    pub fn prove(&self, asking: &mut Asking) -> Result<()> {
        load::prove(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), self.address, asking)
    }
}

async fn teach(channel: Channel, worker: u64, exact: u64, texts: u64) -> Result<()> {
    let mut client = ReputationClient::new(channel);
    for (kind, count) in [(wire::SignatureKind::Part, exact), (wire::SignatureKind::Text, texts)] {
        for first in (worker * PER_REQUEST..count).step_by((PER_REQUEST * REQUESTS) as usize) {
            let signature = |number| wire::Signature {
                kind: kind.into(),
                value: value(number).to_vec(),
                sketch: match kind {
                    wire::SignatureKind::Text => sketch(number).to_bytes().to_vec(),
                    _ => Vec::new(),
                },
            };
            let request = wire::AddRequest {
                signatures: (first..count.min(first + PER_REQUEST)).map(signature).collect(),
                class: wire::Class::Spam.into(),
                weight: 75,
                reporter: "load".to_owned(),
            };
            client.add(request).await?;
        }
    }
    Ok(())
}

/// The echo in a process of its own: this same program.
///
/// # Errors
/// It does not start.
pub fn echo(
    answer_bytes: usize,
    folder: &Path,
    core: Option<usize>,
) -> Result<(Program, SocketAddr)> {
    let address = local(free_port()?);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve-echo", &address.to_string(), &answer_bytes.to_string()]);
    let mut program = Program::start(command, core, &folder.join("echo.log"))?;
    // It stands when nobody else can have its port.
    program.wait_until(|| std::net::UdpSocket::bind(address).is_err())?;
    Ok((program, address))
}

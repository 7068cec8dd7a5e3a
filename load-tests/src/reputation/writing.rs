//! Reports through the door that `tamis report` uses, so many a second, in a process of its own that gives way to those
//! whose answers are timed (SCHED_IDLE): they have one core together because there are no more.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::server::text;
use crate::process::on_core;
use crate::times::Times;

/// Requests a second: a writer hands over what a hundredth of a second brought.
const REQUESTS_PER_SECOND: u64 = 100;
/// Requests under way, as many as one connection may have; beyond it the writer falls behind, and its rate says so.
const UNDER_WAY_MAX: usize = 64;
/// Numbers of the texts reported: those asked for and those loaded are smaller.
const FIRST: u64 = 1 << 33;

/// What a writer saw.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Acknowledged reports a second.
    pub per_second: f64,
    /// Median and 99th percentile until the acknowledgement, in milliseconds.
    pub times_ms: [f64; 2],
}

/// Starts a writer of `per_second` reports on `core`.
///
/// # Errors
/// The system's.
pub fn begin(
    grpc: SocketAddr,
    per_second: u64,
    time: Duration,
    core: Option<usize>,
) -> Result<Child> {
    let myself = std::env::current_exe()?;
    on_core(core, || {
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(myself).arg("write-from-here");
        command.args([grpc.to_string(), per_second.to_string(), time.as_secs().to_string()]);
        command.stdout(Stdio::piped()).spawn().context("chrt (util-linux)")
    })?
}

/// Waits for the end of a writer.
///
/// # Errors
/// A report was refused, or the system's.
pub fn end(writer: Child) -> Result<Written> {
    let done = writer.wait_with_output()?;
    ensure!(done.status.success(), "the writer failed");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let numbers = said.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let [per_second, p50, p99] = numbers[..] else { anyhow::bail!("the writer said {said:?}") };
    Ok(Written { per_second, times_ms: [p50, p99] })
}

/// The writer, in its process.
///
/// # Errors
/// A report was refused.
pub fn write_from_here(grpc: SocketAddr, per_second: u64, time: Duration) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let endpoint = Endpoint::from_shared(format!("http://{grpc}"))?;
    runtime.block_on(async {
        let channel = endpoint.timeout(Duration::from_secs(60)).connect().await?;
        let Written { per_second, times_ms: [p50, p99] } = write(channel, per_second, time).await?;
        println!("{per_second} {p50} {p99}");
        Ok(())
    })
}

async fn write(channel: Channel, per_second: u64, time: Duration) -> Result<Written> {
    let (places, each) =
        (Arc::new(Semaphore::new(UNDER_WAY_MAX)), per_second / REQUESTS_PER_SECOND);
    let (mut running, mut times, mut acknowledged) = (JoinSet::new(), Times::default(), 0);
    let began = Instant::now();
    let mut settle = |done: Result<Result<Duration>, tokio::task::JoinError>| -> Result<()> {
        times.add(done??.as_nanos() as u64);
        acknowledged += each;
        Ok(())
    };
    for request in 0.. {
        let due = began + Duration::from_secs_f64(request as f64 / REQUESTS_PER_SECOND as f64);
        if due >= began + time || began.elapsed() >= time {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let place = Arc::clone(&places).acquire_owned().await?;
        let channel = channel.clone();
        running.spawn(async move {
            let _place = place;
            report(channel, FIRST + request * each, each).await?;
            // From when it was due: a writer that waits for its turn waits for the service.
            Ok(due.elapsed())
        });
        while let Some(done) = running.try_join_next() {
            settle(done)?;
        }
    }
    while let Some(done) = running.join_next().await {
        settle(done)?;
    }
    let per_second = acknowledged as f64 / began.elapsed().as_secs_f64();
    let times_ms = [0.5, 0.99].map(|share| times.quantile_us(share) / 1000.0);
    Ok(Written { per_second, times_ms })
}

async fn report(channel: Channel, first: u64, count: u64) -> Result<()> {
    let request = wire::AddRequest {
        signatures: (first..first + count).map(text).collect(),
        class: wire::Class::Spam.into(),
        weight: 75,
        reporter: "load".to_owned(),
    };
    ReputationClient::new(channel).add(request).await?;
    Ok(())
}

//! The writer: what waits goes into one entry, several entries are under way at once, and each waits to come back.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult, Value};
use tamis_reputation_protocol::signatures::Refused;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::troubles::Alarm;
use super::{ID_BYTES, Link, Pending, WRITE_DEADLINE, connecting, entry};
use crate::writes::{Accepted, Committed, Request, WriteError, gather};

/// Entries under way at once. More would only wait in Redis; what waits here goes together.
pub(super) const UNDER_WAY_MAX: usize = 8;

/// Between two tries whether writes are confirmed again, after one that was not.
pub const PROBE_EVERY: Duration = Duration::from_millis(500);

/// Longest wait of one such try for replicas: a healthy one needs milliseconds.
const PROBE_WAIT: Duration = Duration::from_millis(500);

/// Longest such try, with its connection.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// What it writes goes by itself.
const PROBE_KEPT: Duration = Duration::from_secs(60);

/// Writes until nobody can ask any more, then waits for what is under way.
pub(super) async fn run(link: Arc<Link>, mut requests: mpsc::Receiver<Request>) {
    let _alarm = Alarm::new(&link, "the writer");
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut is_open = link.is_open.subscribe();
    let mut under_way = JoinSet::new();
    let mut held_over = None;
    loop {
        let next = match held_over.take() {
            Some(request) => Some(request),
            None => requests.recv().await,
        };
        let Some(first) = next else { break };
        let place = Arc::clone(&places).acquire_owned();
        let place = tokio::select! {
            place = place => place,
            // Entries that got lost keep their places until their deadline: nobody behind them waits for that.
            _ = is_open.wait_for(|open| !open) => {
                refuse(&link, vec![first]);
                continue;
            }
        };
        let group = gather(first, &mut requests, &mut held_over);
        match place {
            Ok(place) if link.closed().is_none() => {
                under_way.spawn(commit(Arc::clone(&link), group, place));
            }
            _ => refuse(&link, group),
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

fn refuse(link: &Link, group: Vec<Request>) {
    let why = link.closed().unwrap_or_else(|| "the connection to Redis was just lost".to_owned());
    for request in group {
        link.shared.metrics.committed("cut_off", None);
        let _ = request.done.send(Err(WriteError::CutOff(why.clone())));
    }
}

/// One entry, until its callers know.
async fn commit(link: Arc<Link>, group: Vec<Request>, _place: OwnedSemaphorePermit) {
    let Accepted { changes, parts } = Accepted::of(&link.shared, group);
    if parts.is_empty() {
        return;
    }
    let counts = parts.iter().map(|(count, _)| *count).collect();
    let began = tamis_runtime::clock::now();
    let written = write(&link, entry::payload(&changes), counts).await;
    let seconds = tamis_runtime::clock::now().saturating_duration_since(began).as_secs_f64();
    match written {
        Ok(committed) => {
            link.shared.metrics.committed("shared", Some(seconds));
            for ((_, done), committed) in parts.into_iter().zip(committed) {
                let _ = done.send(committed.map_err(WriteError::from));
            }
        }
        Err(error) => {
            let outcome = match error {
                WriteError::Unknown(_) => "unknown",
                WriteError::Unconfirmed(_) => "unconfirmed",
                _ => "cut_off",
            };
            link.shared.metrics.committed(outcome, None);
            for (_, done) in parts {
                let _ = done.send(Err(error.clone()));
            }
        }
    }
}

async fn write(
    link: &Link,
    payload: Vec<u8>,
    counts: Vec<usize>,
) -> Result<Vec<Result<Committed, Refused>>, WriteError> {
    let mut id = [0; ID_BYTES];
    getrandom::fill(&mut id).map_err(|error| WriteError::CutOff(error.to_string()))?;
    let (shown, seen) = oneshot::channel();
    link.pending().insert(id, Pending { counts, shown });
    let deadline = Instant::now() + WRITE_DEADLINE;
    let written = timeout_at(deadline, ordered(link, &id, &payload, seen)).await;
    link.pending().remove(&id);
    written.unwrap_or_else(|_| {
        let late = "it did not come back in the shared order in time";
        link.suspend(&format!("of the last write is not known whether it was written: {late}"));
        Err(WriteError::Unknown(late.to_owned()))
    })
}

/// Puts the entry into the order and waits until it was applied here. Its reply may get lost: it counts as written when it
/// is read back.
async fn ordered(
    link: &Link,
    id: &[u8; ID_BYTES],
    payload: &[u8],
    seen: oneshot::Receiver<Vec<Result<Committed, Refused>>>,
) -> Result<Vec<Result<Committed, Refused>>, WriteError> {
    let gone = || WriteError::Unknown("this node took its table from another one".to_owned());
    match add(link, id, payload).await {
        Ok(()) => {}
        Err(Fault::Refused(why)) => return Err(WriteError::CutOff(why)),
        Err(Fault::Unconfirmed(why)) => {
            link.suspend(&format!("replicas did not confirm the last one: {why}"));
            return Err(WriteError::Unconfirmed(why));
        }
        Err(Fault::Lost(why)) => {
            link.broken(&why);
            if link.settings.acks > 0 {
                // That it comes back does not say that the replicas have it.
                return Err(WriteError::Unknown("the connection to Redis was lost".to_owned()));
            }
        }
    }
    seen.await.map_err(|_| gone())
}

enum Fault {
    /// Redis said no: it was not written.
    Refused(String),
    /// Redis said nothing.
    Lost(String),
    /// It was written, and it is not known that as many replicas as wanted have it.
    Unconfirmed(String),
}

async fn add(link: &Link, id: &[u8; ID_BYTES], payload: &[u8]) -> Result<(), Fault> {
    let mut connection = link.connection().ok_or_else(|| {
        Fault::Refused("Redis, which keeps the order of writes, does not answer".to_owned())
    })?;
    let mut pipe = redis::pipe();
    pipe.cmd("XADD").arg(&link.keys.log).arg("NOMKSTREAM").arg("*");
    pipe.arg("i").arg(id).arg("c").arg(payload);
    let acks = link.settings.acks;
    if acks > 0 {
        let wait = WRITE_DEADLINE - Duration::from_millis(500);
        pipe.cmd("WAIT").arg(acks).arg(wait.as_millis() as u64);
    }
    // Each answer for itself: an error of the second says nothing of the first.
    pipe.ignore_errors();
    let answers: Vec<RedisResult<Value>> =
        pipe.query_async(&mut connection).await.map_err(|error| fault(link, &error))?;
    let mut answers = answers.into_iter();
    match answers.next() {
        Some(Ok(Value::Nil)) | None => {
            link.disturbed.notify_one();
            let why = "the shared order of writes is lost and being begun anew, try again soon";
            return Err(Fault::Refused(why.to_owned()));
        }
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(fault(link, &error)),
    }
    match answers.next() {
        None if acks == 0 => Ok(()),
        answer => {
            if let Some(Err(error)) = &answer {
                moved(link, error);
            }
            confirmed(acks, answer).map_err(Fault::Unconfirmed)
        }
    }
}

/// Whether this answer to `WAIT` says that enough replicas have it; if not, what it says.
fn confirmed(acks: u8, answer: Option<RedisResult<Value>>) -> Result<(), String> {
    match answer {
        Some(Ok(Value::Int(count))) if count >= i64::from(acks) => Ok(()),
        Some(Ok(Value::Int(count))) => Err(format!("{count} of {acks} replicas of Redis have it")),
        Some(Err(error)) => Err(error.to_string()),
        _ => Err("Redis says nothing of its replicas".to_owned()),
    }
}

fn fault(link: &Link, error: &RedisError) -> Fault {
    let why = error.to_string();
    if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
        return Fault::Lost(why);
    }
    moved(link, error);
    Fault::Refused(format!("Redis refused it: {why}"))
}

/// Another master now, or none: a new connection finds it.
fn moved(link: &Link, error: &RedisError) {
    if error.code().is_some_and(|code| super::keeping::ELSEWHERE.contains(&code)) {
        link.broken(&error.to_string());
    }
}

/// Tries, while writes are suspended, whether one would be confirmed: with a write of its own, that nobody waits for.
pub(super) async fn probe(link: Arc<Link>) {
    let _alarm = Alarm::new(&link, "the probe of writes");
    loop {
        link.suspended.notified().await;
        while link.is_suspended() {
            tokio::time::sleep(PROBE_EVERY).await;
            match timeout(PROBE_WITHIN, probed(&link)).await {
                Ok(Ok(connection)) => {
                    tracing::info!("writes are confirmed again");
                    link.resume(connection);
                }
                Ok(Err(error)) => tracing::debug!(error, "writes are not confirmed yet"),
                Err(_) => tracing::debug!("writes are not confirmed in time yet"),
            }
        }
    }
}

async fn probed(link: &Link) -> Result<MultiplexedConnection, String> {
    let connection = connecting::connect(&link.settings, &link.keys.log).await;
    let mut connection = connection.map_err(|error| error.to_string())?;
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg(&link.keys.probe).arg(&link.node);
    pipe.arg("PX").arg(PROBE_KEPT.as_millis() as u64);
    let acks = link.settings.acks;
    pipe.cmd("WAIT").arg(acks).arg(PROBE_WAIT.as_millis() as u64);
    pipe.ignore_errors();
    let answers: RedisResult<Vec<RedisResult<Value>>> = pipe.query_async(&mut connection).await;
    let mut answers = answers.map_err(|error| error.to_string())?.into_iter();
    match answers.next() {
        Some(Ok(_)) if acks == 0 => Ok(connection),
        Some(Ok(_)) => confirmed(acks, answers.next()).map(|()| connection),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("Redis says nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_confirmed_by_n_replicas_and_by_nothing_else() {
        let error = || RedisError::from((ErrorKind::Io, "away"));
        for (acks, answer, is_confirmed) in [
            (2, Some(Ok(Value::Int(2))), true),
            (2, Some(Ok(Value::Int(3))), true),
            (2, Some(Ok(Value::Int(1))), false),
            (1, Some(Ok(Value::Nil)), false),
            (1, Some(Err(error())), false),
            (1, None, false),
        ] {
            let said = format!("{answer:?}");
            assert_eq!(confirmed(acks, answer).is_ok(), is_confirmed, "{acks} {said}");
        }
    }
}

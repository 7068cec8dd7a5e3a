//! The writer: what waits goes into one entry, several entries are under way at once, and each waits to come back.

use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{ID_BYTES, Link, Pending, WRITE_DEADLINE, entry};
use crate::writes::{Accepted, Committed, Request, WriteError, gather};

/// Entries under way at once. More would only wait in Redis; what waits here goes together.
pub(super) const UNDER_WAY_MAX: usize = 8;

/// Writes until nobody can ask any more, then waits for what is under way.
pub(super) async fn run(link: Arc<Link>, mut requests: mpsc::Receiver<Request>) {
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
                let _ = done.send(Ok(committed));
            }
        }
        Err(error) => {
            let outcome =
                if matches!(error, WriteError::Unknown(_)) { "unknown" } else { "cut_off" };
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
) -> Result<Vec<Committed>, WriteError> {
    let mut id = [0; ID_BYTES];
    getrandom::fill(&mut id).map_err(|error| WriteError::CutOff(error.to_string()))?;
    let (shown, seen) = oneshot::channel();
    link.pending().insert(id, Pending { counts, shown });
    let deadline = Instant::now() + WRITE_DEADLINE;
    let written = timeout_at(deadline, ordered(link, &id, &payload, seen)).await;
    link.pending().remove(&id);
    written.unwrap_or_else(|_| {
        Err(WriteError::Unknown("it did not come back in the shared order in time".to_owned()))
    })
}

/// Puts the entry into the order and waits until it was applied here. Its reply may get lost: it counts as written when it
/// is read back.
async fn ordered(
    link: &Link,
    id: &[u8; ID_BYTES],
    payload: &[u8],
    seen: oneshot::Receiver<Vec<Committed>>,
) -> Result<Vec<Committed>, WriteError> {
    let gone = || WriteError::Unknown("this node took its table from another one".to_owned());
    match add(link, id, payload).await {
        Ok(()) => {}
        Err(Fault::Refused(why)) => return Err(WriteError::CutOff(why)),
        Err(Fault::TooFew(why)) => return Err(WriteError::Unknown(why)),
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
    /// It was written, but fewer replicas than wanted have it.
    TooFew(String),
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
    let answers: Vec<Value> =
        pipe.query_async(&mut connection).await.map_err(|error| fault(link, &error))?;
    if matches!(answers.first(), Some(Value::Nil) | None) {
        link.disturbed.notify_one();
        let why = "the shared order of writes is lost and being begun anew, try again soon";
        return Err(Fault::Refused(why.to_owned()));
    }
    match answers.get(1) {
        Some(Value::Int(count)) if *count < i64::from(acks) => {
            Err(Fault::TooFew(format!("{count} of {acks} replicas of Redis have it")))
        }
        _ => Ok(()),
    }
}

fn fault(link: &Link, error: &RedisError) -> Fault {
    let why = error.to_string();
    if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
        return Fault::Lost(why);
    }
    // Another master now, or none: a new connection finds it.
    if error.code().is_some_and(|code| super::keeping::ELSEWHERE.contains(&code)) {
        link.broken(&why);
    }
    Fault::Refused(format!("Redis refused it: {why}"))
}

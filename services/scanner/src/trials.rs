//! Mails that are suspected of felling scanners: judged alone, at most one more time in the whole cluster, then set aside.
//!
//! An edge whose scanner ends in the middle of a dialogue suspects every mail that was there. It offers each once more and
//! says so. Here a suspect waits until no other one is judged, its name goes into a list in Redis, and only when it was
//! judged the name is taken out again. A name that stays is that of a mail over which a second scanner ended while it
//! judged no other suspect: nobody judges it any more, whichever edge brings it. Without Redis each edge counts alone.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use tamis_domain::digest::PartDigest;
use tamis_domain::limits::SCANNERS_FELLED_MAX;
use tamis_runtime::clock;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::memory::redis::Far;
use crate::serve::Ended;

/// The list in Redis: a sorted set of names by the second of their entry.
const LIST: &str = "tamis:felled:1";

/// Names in the list; beyond it the oldest go. More at once are no mails but an attack, which needs people.
pub(crate) const NAMES_MAX: i64 = 4096;

/// The list is forgotten this long after its last entry: MTAs give mails up after five days.
const REMEMBERED_S: u64 = 7 * 86_400;

/// Suspects that wait for their turn; one more goes to another scanner.
pub(crate) const WAITING_MAX: usize = 256;

/// Longest wait for Redis before a suspect is judged all the same: without Redis each edge counts alone.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest wait for the list at the start, before the first edge is let in.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(1);

/// Pause between two looks for the list at the start.
const FIRST_LOOK_EVERY: Duration = Duration::from_millis(20);

/// Names that went well and could not be taken out of the list at once; one more stays until people take it out.
pub(crate) const TO_FORGET_MAX: usize = 1024;

/// Suspects in hand, and who is set aside.
#[derive(Debug)]
pub(crate) struct Trials {
    turn: Semaphore,
    waiting: Semaphore,
    set_aside: Mutex<HashSet<PartDigest>>,
    to_forget: Mutex<Vec<PartDigest>>,
}

impl Default for Trials {
    fn default() -> Self {
        Self {
            turn: Semaphore::new(1),
            waiting: Semaphore::new(WAITING_MAX),
            set_aside: Mutex::default(),
            to_forget: Mutex::default(),
        }
    }
}

/// The turn of one suspect.
pub(crate) struct Trial<'a> {
    trials: &'a Trials,
    far: Option<&'a Far>,
    name: PartDigest,
    _turn: SemaphorePermit<'a>,
    _waited: SemaphorePermit<'a>,
}

impl Trials {
    /// Whether and how the mail `name` may be judged, which has `felled` scanners as its edge saw it: like any other
    /// (`None`), or alone, once its turn has come, for which it waits no longer than `wait`.
    ///
    /// # Errors
    /// [`Ended::SetAside`], or [`Ended::Full`] where too many wait or one does for too long.
    pub(crate) async fn admit<'a>(
        &'a self,
        far: Option<&'a Far>,
        (name, felled): (PartDigest, u8),
        wait: Duration,
    ) -> Result<Option<Trial<'a>>, Ended> {
        // What was looked up may be a trial that went well since.
        let is_listed = lock(&self.set_aside).contains(&name) && listed(far, &name).await;
        if is_listed || felled >= SCANNERS_FELLED_MAX {
            tracing::warn!(name = %name, "a mail that felled scanners is not judged");
            return Err(Ended::SetAside);
        }
        if felled == 0 {
            return Ok(None);
        }
        let waited = self.waiting.try_acquire().map_err(|_| Ended::Full)?;
        // Nothing behind this is given up half way: the name would stay in the list.
        let turn = timeout(wait, self.turn.acquire()).await;
        let Ok(Ok(turn)) = turn else { return Err(Ended::Full) };
        if !enter(far, &name).await {
            tracing::warn!(name = %name, "a mail that felled scanners is not judged");
            return Err(Ended::SetAside);
        }
        Ok(Some(Trial { trials: self, far, name, _turn: turn, _waited: waited }))
    }

    /// Looks who is set aside, and gives their number. A Redis that is away changes nothing.
    pub(crate) async fn look(&self, far: Option<&Far>) -> usize {
        let to_forget = std::mem::take(&mut *lock(&self.to_forget));
        for name in to_forget {
            if !forget(far, &name).await {
                lock(&self.to_forget).push(name);
            }
        }
        if let Some(names) = names(far).await {
            *lock(&self.set_aside) = names;
        }
        lock(&self.set_aside).len()
    }

    /// The same at the start: a scanner that begins must not be the third.
    pub(crate) async fn look_first(&self, far: Option<&Far>) {
        if far.is_none() {
            return;
        }
        let until = clock::now() + FIRST_LOOK_MAX;
        while clock::now() < until {
            if let Some(names) = names(far).await {
                *lock(&self.set_aside) = names;
                return;
            }
            tokio::time::sleep(FIRST_LOOK_EVERY).await;
        }
    }
}

impl Trial<'_> {
    /// The mail was judged, or its edge left; this process lives, and the mail is suspected no more.
    pub(crate) async fn survived(self) {
        if !forget(self.far, &self.name).await {
            let mut to_forget = lock(&self.trials.to_forget);
            if to_forget.len() < TO_FORGET_MAX {
                to_forget.push(self.name);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a name out of the list; `false` where Redis is away.
async fn forget(far: Option<&Far>, name: &PartDigest) -> bool {
    let Some(far) = far else { return true };
    let mut command = redis::cmd("ZREM");
    command.arg(LIST).arg(&name.0);
    far.ask(&command, ASK_TIMEOUT).await.is_some()
}

/// Whether the name was not in the list; it is now.
async fn enter(far: Option<&Far>, name: &PartDigest) -> bool {
    let Some(far) = far else { return true };
    let mut command = redis::cmd("ZADD");
    command.arg(LIST).arg("NX").arg(clock::unix_seconds()).arg(&name.0);
    let is_new = !matches!(far.ask(&command, ASK_TIMEOUT).await, Some(Value::Int(0)));
    let mut keep = redis::cmd("EXPIRE");
    keep.arg(LIST).arg(REMEMBERED_S);
    let _ = far.ask(&keep, ASK_TIMEOUT).await;
    is_new
}

/// Whether the name is in the list now; a Redis that is away says yes, for it was lately.
async fn listed(far: Option<&Far>, name: &PartDigest) -> bool {
    let Some(far) = far else { return true };
    let mut command = redis::cmd("ZSCORE");
    command.arg(LIST).arg(&name.0);
    !matches!(far.ask(&command, ASK_TIMEOUT).await, Some(Value::Nil))
}

/// The names in the list; `None` where Redis does not say.
async fn names(far: Option<&Far>) -> Option<HashSet<PartDigest>> {
    let far = far?;
    let mut command = redis::cmd("ZREVRANGE");
    command.arg(LIST).arg(0).arg(NAMES_MAX);
    let Value::Array(values) = far.ask(&command, ASK_TIMEOUT).await? else { return None };
    if values.len() as i64 > NAMES_MAX {
        let mut cut = redis::cmd("ZREMRANGEBYRANK");
        cut.arg(LIST).arg(0).arg(-NAMES_MAX - 1);
        let _ = far.ask(&cut, ASK_TIMEOUT).await;
    }
    Some(values.iter().filter_map(name).collect())
}

fn name(value: &Value) -> Option<PartDigest> {
    match value {
        Value::BulkString(bytes) => bytes.as_slice().try_into().ok().map(PartDigest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const NAME: PartDigest = PartDigest([7; 32]);

    #[tokio::test]
    async fn who_felled_nobody_waits_for_nobody_and_who_felled_two_is_not_judged() {
        let trials = Trials::default();
        let turn = trials.admit(None, (NAME, 1), LONG).await.unwrap();
        assert!(turn.is_some(), "a suspect is judged alone");
        assert!(
            trials.admit(None, (NAME, 0), LONG).await.unwrap().is_none(),
            "beside it others go on"
        );
        for felled in [SCANNERS_FELLED_MAX, 255] {
            let refused = trials.admit(None, (NAME, felled), LONG).await;
            assert!(matches!(refused, Err(Ended::SetAside)));
        }
    }

    #[tokio::test]
    async fn suspects_take_turns_and_one_more_than_n_of_them_goes_elsewhere() {
        let trials = Trials::default();
        let first = trials.admit(None, (NAME, 1), LONG).await.unwrap().unwrap();
        let mut others: Vec<_> =
            (1..WAITING_MAX).map(|_| Box::pin(trials.admit(None, (NAME, 1), LONG))).collect();
        for other in &mut others {
            assert!(futures_util::poll!(other).is_pending(), "one at a time");
        }
        assert!(matches!(trials.admit(None, (NAME, 1), LONG).await, Err(Ended::Full)));
        first.survived().await;
        assert!(futures_util::poll!(&mut others[0]).is_ready());
    }
}

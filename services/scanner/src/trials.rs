//! Mails that are suspected of felling scanners: judged alone, at most one more time in the whole cluster, then set aside.
//!
//! An edge whose scanner ends in the middle of a dialogue suspects every mail that was there. It offers each once more and
//! says so. Here a suspect waits until no other one is judged, its name goes into a list in Redis, and only when it was
//! judged the name is taken out again. A name that stays is that of a mail over which a second scanner ended while it
//! judged no other suspect: nobody judges it any more, whichever edge brings it. Without Redis each edge counts alone.
//!
//! Equal mails have one name, and a list posts hundreds of them: a name whose trial goes on elsewhere is told from one that
//! stayed by a claim, which the judging scanner renews and which ends soon after its last sign of life.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use tamis_domain::digest::PartDigest;
use tamis_domain::limits::SCANNERS_FELLED_MAX;
use tamis_runtime::clock;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use crate::memory::redis::Far;
use crate::serve::Ended;

/// The list in Redis: a sorted set of names, in hexadecimal as the log has them, by the second of their entry.
const LIST: &str = "tamis:felled:2";

/// Before the name: whether its trial goes on.
const CLAIM: &str = "tamis:trial:2:";

/// A claim is over this long after the last sign of life of its scanner; that is several of them.
const CLAIM_MS: u64 = 3_000;

/// Between two signs of life.
const SIGN_EVERY: Duration = Duration::from_millis(500);

/// Between two looks whether the trial of an equal mail has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

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
        if felled >= SCANNERS_FELLED_MAX {
            return Err(set_aside(&name));
        }
        // What was looked up may be a trial that went well since.
        let is_listed = lock(&self.set_aside).contains(&name) && listed(far, &name).await;
        if felled == 0 && !is_listed {
            return Ok(None);
        }
        let waited = self.waiting.try_acquire().map_err(|_| Ended::Full)?;
        let until = tokio::time::Instant::now() + wait;
        loop {
            let turn = timeout_at(until, self.turn.acquire()).await;
            let Ok(Ok(turn)) = turn else { return Err(Ended::Full) };
            // Nothing behind an entry is given up half way: the name would stay in the list.
            match enter(far, &name).await {
                Entry::Entered => {
                    return Ok(Some(Trial {
                        trials: self,
                        far,
                        name,
                        _turn: turn,
                        _waited: waited,
                    }));
                }
                Entry::Felled => return Err(set_aside(&name)),
                Entry::ElsewhereNow => drop(turn),
            }
            if timeout_at(until, tokio::time::sleep(LOOK_AGAIN)).await.is_err() {
                return Err(Ended::Full);
            }
        }
    }

    /// Whether any name is worth a look: the ordinary case costs none of a mail's.
    pub(crate) fn is_nobody_set_aside(&self) -> bool {
        lock(&self.set_aside).is_empty()
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
    /// Gives signs of life while the mail is `judged`.
    pub(crate) async fn during<T>(&self, judged: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = judged => done,
            never = self.signs() => match never {},
        }
    }

    async fn signs(&self) -> Infallible {
        loop {
            tokio::time::sleep(SIGN_EVERY).await;
            claim(self.far, &self.name, false).await;
        }
    }

    /// The mail was judged, or its edge left; this process lives, and the mail is suspected no more.
    pub(crate) async fn survived(self) {
        if forget(self.far, &self.name).await {
            // After the name: who comes between finds either a trial that goes on or none at all.
            unclaim(self.far, &self.name).await;
            return;
        }
        let mut to_forget = lock(&self.trials.to_forget);
        if to_forget.len() < TO_FORGET_MAX {
            to_forget.push(self.name);
        }
    }
}

/// What an entry into the list came to.
enum Entry {
    /// It may be judged here, now.
    Entered,
    /// An equal mail is on trial at another scanner.
    ElsewhereNow,
    /// A second scanner ended over it.
    Felled,
}

fn set_aside(name: &PartDigest) -> Ended {
    tracing::warn!(name = %name, "a mail that felled scanners is not judged");
    Ended::SetAside
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a name out of the list; `false` where Redis is away.
async fn forget(far: Option<&Far>, name: &PartDigest) -> bool {
    let Some(far) = far else { return true };
    let mut command = redis::cmd("ZREM");
    command.arg(LIST).arg(name.to_string());
    far.ask("ZREM", &command, ASK_TIMEOUT).await.is_some()
}

/// Puts the name into the list, where it was not. A Redis that is away keeps nobody from judging.
async fn enter(far: Option<&Far>, name: &PartDigest) -> Entry {
    let Some(connected) = far else { return Entry::Entered };
    // Before the name: who finds the name without a claim has found one that stayed.
    if !claim(far, name, true).await {
        return Entry::ElsewhereNow;
    }
    let mut command = redis::cmd("ZADD");
    command.arg(LIST).arg("NX").arg(clock::unix_seconds()).arg(name.to_string());
    let added = connected.ask("ZADD", &command, ASK_TIMEOUT).await;
    if matches!(added, Some(Value::Int(0))) {
        unclaim(far, name).await;
        return Entry::Felled;
    }
    let mut keep = redis::cmd("EXPIRE");
    keep.arg(LIST).arg(REMEMBERED_S);
    let _ = connected.ask("EXPIRE", &keep, ASK_TIMEOUT).await;
    Entry::Entered
}

/// Claims a trial, where `is_new` only if nobody has; `false` only where Redis says that somebody has. A sign of life makes
/// a claim anew that ran out while Redis was away.
async fn claim(far: Option<&Far>, name: &PartDigest, is_new: bool) -> bool {
    let Some(far) = far else { return true };
    let mut command = redis::cmd("SET");
    command.arg(format!("{CLAIM}{name}")).arg(1).arg("PX").arg(CLAIM_MS);
    if is_new {
        command.arg("NX");
    }
    !matches!(far.ask("SET", &command, ASK_TIMEOUT).await, Some(Value::Nil))
}

async fn unclaim(far: Option<&Far>, name: &PartDigest) {
    let Some(far) = far else { return };
    let mut command = redis::cmd("DEL");
    command.arg(format!("{CLAIM}{name}"));
    let _ = far.ask("DEL", &command, ASK_TIMEOUT).await;
}

/// Whether the name is in the list now; a Redis that is away says yes, for it was lately.
async fn listed(far: Option<&Far>, name: &PartDigest) -> bool {
    let Some(far) = far else { return true };
    let mut command = redis::cmd("ZSCORE");
    command.arg(LIST).arg(name.to_string());
    !matches!(far.ask("ZSCORE", &command, ASK_TIMEOUT).await, Some(Value::Nil))
}

/// The names in the list; `None` where Redis does not say.
async fn names(far: Option<&Far>) -> Option<HashSet<PartDigest>> {
    let far = far?;
    let mut command = redis::cmd("ZREVRANGE");
    command.arg(LIST).arg(0).arg(NAMES_MAX);
    let Value::Array(values) = far.ask("ZREVRANGE", &command, ASK_TIMEOUT).await? else {
        return None;
    };
    if values.len() as i64 > NAMES_MAX {
        let mut cut = redis::cmd("ZREMRANGEBYRANK");
        cut.arg(LIST).arg(0).arg(-NAMES_MAX - 1);
        let _ = far.ask("ZREMRANGEBYRANK", &cut, ASK_TIMEOUT).await;
    }
    Some(values.iter().filter_map(name).collect())
}

fn name(value: &Value) -> Option<PartDigest> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
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

//! What the tasks of one node share: where it stands, what is wrong, and how that is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tamis_reputation_protocol::signatures::Refused;
use tamis_runtime::clock;
use tokio::sync::{Notify, oneshot, watch};

use super::troubles::Troubles;
use super::{ANSWER_WITHIN, OrderMetrics, STALE_AFTER, Settings, entry, registry};
use crate::log::Position;
use crate::shared::{Shared, Standing};
use crate::writes::Committed;

/// What the tasks of one node share.
#[derive(Debug)]
pub struct Link {
    pub(super) settings: Settings,
    pub(super) node: String,
    pub(super) keys: Keys,
    pub(crate) shared: Arc<Shared>,
    metrics: OrderMetrics,
    state: Mutex<State>,
    /// Whether writes are taken.
    pub(super) is_open: watch::Sender<bool>,
    /// Whether nothing is wrong that somebody has to mend.
    pub(super) is_fit: watch::Sender<bool>,
    /// Wakes the keeper: the connection or the stream is gone.
    pub(super) disturbed: Notify,
    /// Wakes who tries whether writes are confirmed again.
    pub(super) suspended: Notify,
    pending: Mutex<HashMap<entry::Mark, Pending>>,
}

#[derive(Debug)]
pub(super) struct Keys {
    pub log: String,
    pub nodes: String,
    pub begin: String,
    pub probe: String,
}

impl Keys {
    pub fn of(service: &str) -> Self {
        let key = |what: &str| format!("tamis:{{{service}}}:{what}");
        Self { log: key("log"), nodes: key("nodes"), begin: key("begin"), probe: key("probe") }
    }
}

/// A commit whose entry has not come back yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// Changes of each of its requests.
    pub counts: Vec<usize>,
    pub shown: oneshot::Sender<Vec<Result<Committed, Refused>>>,
}

#[derive(Default)]
pub(super) struct State {
    /// For writes, which may wait for replicas.
    pub connection: Option<MultiplexedConnection>,
    /// For everything else that is answered at once.
    pub asks: Option<MultiplexedConnection>,
    /// Whether the stream holds our position.
    pub follows: bool,
    /// Whether all that the stream held when it was last looked at is applied.
    pub caught_up: bool,
    pub position: Option<Position>,
    /// The random name of the entry there, if it was applied since the start.
    pub mark: Option<entry::Mark>,
    /// Epoch of the table at that position.
    pub epoch: u64,
    /// Another node has another table at the same position: one that reaches this is to be taken.
    pub differs: Option<Position>,
    /// Up to where the last snapshot goes.
    pub snapshot: Option<Position>,
    /// When Redis answered last.
    pub answered: Option<Instant>,
    /// When this node last had all that the stream held; none: it is known not to have it.
    pub current_at: Option<Instant>,
    pub seen: registry::Seen,
    pub resyncs: u64,
    pub troubles: Troubles,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State(follows {}, position {:?})", self.follows, self.position)
    }
}

impl Link {
    pub(super) fn new(
        settings: Settings,
        node: String,
        shared: Arc<Shared>,
        metrics: OrderMetrics,
        state: State,
    ) -> Self {
        let keys = Keys::of(&settings.service);
        Self {
            settings,
            node,
            keys,
            shared,
            metrics,
            state: Mutex::new(state),
            is_open: watch::Sender::new(false),
            is_fit: watch::Sender::new(true),
            disturbed: Notify::new(),
            suspended: Notify::new(),
            pending: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, HashMap<entry::Mark, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        self.state().connection.clone()
    }

    pub(super) fn asks(&self) -> Option<MultiplexedConnection> {
        self.state().asks.clone()
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.state().position
    }

    /// Where this node stands.
    pub(super) fn own(&self) -> entry::Place<'_> {
        let epoch = self.epoch();
        let state = self.state();
        entry::Place { epoch, position: state.position, mark: state.mark, node: &self.node }
    }

    /// Everything up to here is applied.
    pub(super) fn reached(&self, position: Position, mark: Option<entry::Mark>) {
        let epoch = self.epoch();
        let mut state = self.state();
        (state.position, state.mark, state.epoch) = (Some(position), mark, epoch);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.shared.table().epoch()
    }

    /// Why writes are refused now, if they are.
    pub(crate) fn closed(&self) -> Option<String> {
        let state = self.state();
        if let Some(why) = &state.troubles.dead {
            return Some(why.clone());
        }
        if state.asks.is_none() {
            return Some("Redis, which keeps the order of writes, does not answer".to_owned());
        }
        let not_yet = "this node does not follow the shared order of writes yet";
        let is_out = !state.follows || state.connection.is_none();
        state.troubles.closed().or_else(|| is_out.then(|| not_yet.to_owned()))
    }

    pub(super) fn connected(&self, asks: MultiplexedConnection, writes: MultiplexedConnection) {
        let mut state = self.state();
        state.connection = Some(writes);
        state.asks = Some(asks);
        state.answered = Some(clock::now());
        state.troubles.suspended = None;
    }

    /// Gives up the connections. The keeper makes new ones, and looks for its place again: what was followed may be gone.
    pub(super) fn broken(&self, why: &str) {
        let now = clock::now();
        let mut state = self.state();
        let was_connected = state.asks.take().is_some();
        state.connection = None;
        if was_connected && state.follows && state.caught_up {
            // A connection that breaks held until now; one that is silent held when it answered last.
            let is_late = |at: &Instant| now.saturating_duration_since(*at) >= ANSWER_WITHIN;
            state.current_at = state.answered.filter(is_late).or(Some(now));
        }
        (state.follows, state.caught_up) = (false, false);
        drop(state);
        if was_connected {
            tracing::warn!("Redis is lost, writes are refused, questions are answered: {why}");
        }
        self.show();
        self.disturbed.notify_one();
    }

    /// Takes no writes until one is confirmed on another connection: what waits in this one would be written long after
    /// its callers were told that it is not known.
    pub(super) fn suspend(&self, why: &str) {
        let mut state = self.state();
        if state.connection.take().is_none() {
            return;
        }
        state.troubles.suspended = Some(why.to_owned());
        drop(state);
        self.show();
        self.suspended.notify_one();
    }

    /// Takes writes again, over this connection, unless Redis was lost meanwhile.
    pub(super) fn resume(&self, writes: MultiplexedConnection) {
        let mut state = self.state();
        if state.asks.is_some() && state.troubles.suspended.take().is_some() {
            state.connection = Some(writes);
        }
        drop(state);
        self.show();
    }

    pub(super) fn is_suspended(&self) -> bool {
        let state = self.state();
        state.asks.is_some() && state.troubles.suspended.is_some()
    }

    /// The stream holds our position and nobody has more.
    pub(super) fn follows(&self) {
        self.state().follows = true;
        self.show();
    }

    /// It does not.
    pub(super) fn aside(&self) {
        let mut state = self.state();
        (state.follows, state.caught_up, state.current_at) = (false, false, None);
        drop(state);
        self.show();
    }

    /// A part of this node ended that never should: nothing is followed or written any more.
    pub(super) fn dead(&self, what: &str) {
        let why = format!("{what} of the shared order ended unexpectedly: start this node again");
        self.trouble(|troubles| troubles.dead = Some(why));
        self.aside();
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().troubles.dead.is_some()
    }

    /// Changes what is wrong, and tells if that is something new.
    pub(super) fn trouble(&self, change: impl FnOnce(&mut Troubles)) {
        let mut state = self.state();
        let before = state.troubles.clone();
        change(&mut state.troubles);
        let has_changed = before != state.troubles;
        drop(state);
        if has_changed {
            self.show();
        }
    }

    /// Tells all others where we stand: writers, clients, administrators.
    pub(super) fn show(&self) {
        let epoch = self.epoch();
        let now = clock::now();
        let mut state = self.state();
        let is_connected = state.asks.is_some() && state.follows;
        let is_open =
            is_connected && state.connection.is_some() && state.troubles.closed().is_none();
        if is_connected && state.is_current() {
            state.current_at = state.answered;
        }
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        // A node without others is as good as it gets.
        let are_others = state.seen.nodes != 1;
        let is_behind = is_old(since(state.current_at));
        let standing = Standing {
            node: self.node.clone(),
            connected: is_connected,
            position: state.position.map(entry::text).unwrap_or_default(),
            lag_changes: state.seen.epoch_max.saturating_sub(epoch),
            lag_seconds: state.lag_seconds(since(state.answered)),
            resyncs: state.resyncs,
            nodes: state.seen.nodes,
        };
        let (texts, is_unfit) = (state.troubles.texts(), state.troubles.is_unfit());
        drop(state);
        self.shared.set_stale(is_behind && are_others);
        self.is_open.send_if_modified(|open| std::mem::replace(open, is_open) != is_open);
        self.is_fit.send_if_modified(|fit| std::mem::replace(fit, !is_unfit) == is_unfit);
        self.metrics.show(&standing, is_unfit, is_open);
        self.shared.stands(standing);
        self.shared.order_troubles(texts);
    }
}

impl State {
    /// Whether all that the followed stream holds is in the table, or will be at once.
    fn is_current(&self) -> bool {
        self.caught_up && !self.troubles.is_stalled()
    }

    fn lag_seconds(&self, silence: Option<Duration>) -> f64 {
        match silence {
            Some(silence) if self.asks.is_none() || is_old(Some(silence)) => silence.as_secs_f64(),
            _ => {
                let last = self.seen.last.map_or(0, |last| last.ms);
                let own = self.position.map_or(last, |own| own.ms);
                last.saturating_sub(own) as f64 / 1000.0
            }
        }
    }
}

/// Whether clients are told to ask others: so long ago, or never.
fn is_old(age: Option<Duration>) -> bool {
    age.is_none_or(|age| age > STALE_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_applies_nothing_more_is_not_current_though_it_had_caught_up() {
        let copy = |is_full| Some(("full disk".to_owned(), is_full));
        for (caught_up, copy, expected) in [
            (false, None, false),
            (true, None, true),
            (true, copy(false), true),
            (true, copy(true), false),
        ] {
            let troubles = Troubles { copy, ..Troubles::default() };
            let state = State { caught_up, troubles, ..State::default() };
            assert_eq!(state.is_current(), expected, "{:?}", state.troubles);
        }
    }
}

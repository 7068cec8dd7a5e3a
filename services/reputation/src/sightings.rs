//! Counting what is asked for, beside the answering loops: they hand over what they answered and read what is bulk.
//!
//! One thread owns the memory. Nothing waits for it: a loop that finds the queue full keeps a little, counts what is lost beyond
//! that, and answers on.

pub(crate) mod exchange;

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tamis_reputation_protocol::packet::Question;
use tamis_reputation_protocol::sharding::ShardRange;
use tamis_reputation_protocol::sightings::{
    Bulk, Seen, Settings, Sighting, Sightings, client_bit, decode_news, encode_news,
};
use tamis_runtime::clock;
use tokio::sync::mpsc;

use crate::alarm::Alarm;
use crate::metrics::Metrics;

/// Time from a sighting to its being counted in an answer, and between two messages to other nodes.
const PUBLISH_PERIOD: Duration = Duration::from_millis(500);

/// Batches that wait to be counted. At some hundred sightings each that is a tenth of a second at full speed.
pub const WAITING_MAX: usize = 64;

/// Sightings that make a batch worth handing over before its datagrams are all answered. One question adds 64 at most.
pub const BATCH_MIN: usize = 2_048;

/// Sightings that one loop keeps while the queue is full; what comes then is not counted. A slow loop fills the queue with
/// batches of a question or two, so without this a pause of milliseconds in the counting would lose what it has room for.
pub const KEPT_MAX: usize = 2 * BATCH_MIN;

/// Messages of other nodes, and to them, that wait.
pub const MESSAGES_MAX: usize = 64;

type Batch = Vec<Sighting>;

/// What all loops and the administration share about sightings.
#[derive(Clone, Debug)]
pub struct Watch {
    memory: Arc<Mutex<Sightings>>,
    bulk: Arc<RwLock<Arc<Bulk>>>,
    batches: SyncSender<Batch>,
    metrics: Metrics,
    shard: ShardRange,
}

/// The way of this node's messages to others and back; the transport is somebody else's.
#[derive(Debug)]
pub struct Exchange {
    /// Messages to be told to all others. When it is full they are told later, together.
    pub told: mpsc::Sender<Vec<u8>>,
    /// Messages of others.
    pub heard: mpsc::Receiver<Vec<u8>>,
}

/// One loop's hand in it: collects a batch and hands it over.
#[derive(Debug)]
pub struct Counter {
    watch: Watch,
    batch: Batch,
}

impl Watch {
    /// Starts the thread that counts. It ends when every clone of this is gone.
    ///
    /// # Errors
    /// The system's, when it has no thread to give.
    pub fn start(
        settings: Settings,
        exchange: Option<Exchange>,
        metrics: Metrics,
        alarm: Option<Alarm>,
    ) -> std::io::Result<Self> {
        let (watch, watching, waiting) = Self::at_rest(settings, exchange, metrics);
        std::thread::Builder::new().name("reputation-seen".to_owned()).spawn(move || {
            let _alarm = alarm;
            watching.run(&waiting);
        })?;
        Ok(watch)
    }

    /// All of it, with nobody who counts yet.
    fn at_rest(
        settings: Settings,
        exchange: Option<Exchange>,
        metrics: Metrics,
    ) -> (Self, Watching, Receiver<Batch>) {
        let (batches, waiting) = sync_channel(WAITING_MAX);
        let memory = Arc::new(Mutex::new(Sightings::new(settings, clock::now())));
        let bulk = Arc::default();
        let watching = Watching {
            memory: Arc::clone(&memory),
            bulk: Arc::clone(&bulk),
            exchange,
            metrics: metrics.clone(),
        };
        let watch = Self { memory, bulk, batches, metrics, shard: ShardRange::WHOLE };
        (watch, watching, waiting)
    }

    /// Counts only what this shard keeps: what has a sketch is asked of every shard, and is one sighting all the same.
    #[must_use]
    pub fn of_shard(mut self, shard: Option<ShardRange>) -> Self {
        self.shard = shard.unwrap_or_default();
        self
    }

    /// What is bulk now: at most half a second old.
    #[must_use]
    pub fn bulk(&self) -> Arc<Bulk> {
        Arc::clone(&self.bulk.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often something was seen within the window.
    #[must_use]
    pub fn seen(&self, item: &tamis_reputation_protocol::packet::Item) -> Option<Seen> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).seen(item)
    }

    /// A hand for one loop.
    #[must_use]
    pub fn counter(&self) -> Counter {
        Counter { watch: self.clone(), batch: Batch::new() }
    }
}

impl Counter {
    /// What is bulk now, for the answers of one batch.
    #[must_use]
    pub fn bulk(&self) -> Arc<Bulk> {
        self.watch.bulk()
    }

    /// Counts what one answered question had, asked from `source`: each signature once, for one mail has it once, whatever
    /// is repeated. An IPv6 client is its /64, as in the rates: whoever has one address there has them all.
    pub fn count(&mut self, question: &Question, source: IpAddr) {
        let client = client_bit(&match source.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => (u128::from(v6) >> 64 << 64).to_be_bytes(),
        });
        for (place, item) in question.items.iter().enumerate() {
            let before = &question.items[..place];
            if self.watch.shard.holds(&item.signature)
                && before.iter().all(|other| other.signature != item.signature)
            {
                self.batch.push(Sighting { item: *item, client });
            }
        }
        if self.batch.len() >= BATCH_MIN {
            self.flush();
        }
    }

    /// Hands over what was collected: at the end of each batch of datagrams, and when nobody asked for a while.
    pub fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        match self.watch.batches.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Full(batch)) if batch.len() < KEPT_MAX => self.batch = batch,
            Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) => {
                self.watch.metrics.sightings_lost.inc_by(lost.len() as u64);
            }
        }
    }
}

struct Watching {
    memory: Arc<Mutex<Sightings>>,
    bulk: Arc<RwLock<Arc<Bulk>>>,
    exchange: Option<Exchange>,
    metrics: Metrics,
}

impl Watching {
    fn run(mut self, waiting: &Receiver<Batch>) {
        let mut publish_at = clock::now() + PUBLISH_PERIOD;
        loop {
            let now = clock::now();
            match waiting.recv_timeout(publish_at.saturating_duration_since(now)) {
                Ok(batch) => self.count(&batch, now),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = clock::now();
            if now >= publish_at {
                self.publish(now);
                publish_at = now + PUBLISH_PERIOD;
            }
        }
    }

    fn count(&self, batch: &[Sighting], now: Instant) {
        let mut memory = self.memory();
        batch.iter().for_each(|sighting| memory.see(sighting, now));
    }

    fn publish(&mut self, now: Instant) {
        self.hear(now);
        self.tell();
        let mut memory = self.memory();
        let bulk = Arc::new(memory.bulk(now));
        self.metrics.sightings_sized(bulk.len(), memory.crowded_out());
        drop(memory);
        *self.bulk.write().unwrap_or_else(PoisonError::into_inner) = bulk;
    }

    fn hear(&mut self, now: Instant) {
        let Some(exchange) = &mut self.exchange else { return };
        for _ in 0..MESSAGES_MAX {
            let Ok(message) = exchange.heard.try_recv() else { break };
            let Some(all) = decode_news(&message) else {
                tracing::warn!(
                    "another node's sightings cannot be read; is it of another version?"
                );
                continue;
            };
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().for_each(|news| memory.merge(news, now));
        }
    }

    /// Takes the news only when there is room for them, since they are told once.
    fn tell(&self) {
        let Some(exchange) = &self.exchange else { return };
        let Ok(room) = exchange.told.try_reserve() else { return };
        let news = self.memory().news();
        if !news.is_empty() {
            room.send(encode_news(&news));
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Sightings> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

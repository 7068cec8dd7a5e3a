//! Facts about parts, by digest: remembered in this process, and in Redis for the whole cluster.
//!
//! What is kept are facts about bytes that this scanner held itself, never a verdict about a mail: a policy change
//! flushes nothing, and one tenant's decision cannot leak to another. The key holds the generation of the checks that
//! made the fact, so new checks simply do not find old facts.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tamis_domain::reading::PartFacts;
use tokio::sync::mpsc;

pub(crate) mod redis;

use self::redis::Far;
pub use self::redis::FarSettings;

/// Key of one part's facts: see `tamis_message::digesting::reading_key`.
pub type Key = [u8; 32];

/// Facts waiting to be written to Redis. When Redis is slow the rest is not written: it is a cache.
const WRITES_WAITING_MAX: usize = 1024;

/// Bytes of one remembered value. Facts of a part with more are found again each time.
pub(crate) const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Facts by digest, near (this process) and far (Redis).
#[derive(Debug)]
pub struct Memory {
    near: Cache<Key, Arc<PartFacts>, ByBytes>,
    far: Option<Far>,
}

/// What Redis said.
#[derive(Debug)]
pub enum FarAnswer {
    /// There is no Redis configured.
    Absent,
    /// It did not answer in time, or is away.
    Silent,
    /// One entry for each key asked.
    Facts(Vec<Option<Arc<PartFacts>>>),
}

/// Weight of a remembered fact is about the bytes it holds.
#[derive(Clone, Copy, Debug)]
struct ByBytes;

impl Weighter<Key, Arc<PartFacts>> for ByBytes {
    fn weight(&self, _: &Key, facts: &Arc<PartFacts>) -> u64 {
        let evidence: usize =
            facts.evidence.iter().map(|evidence| 120 + evidence.detail.len()).sum();
        let links: usize = facts.links.iter().map(|link| 24 + link.len()).sum();
        let tokens = size_of_val(facts.tokens.as_slice());
        let content = facts.content.as_ref().map_or(0, |content| {
            let owners: usize = content.owners.iter().map(|(name, _)| 32 + name.len()).sum();
            100 + owners + 8 * content.weights.len()
        });
        (200 + evidence + links + tokens + content + size_of_val(facts.names.as_slice())) as u64
    }
}

/// Facts as Redis keeps them; `None` if they are too long to be worth keeping.
#[must_use]
pub fn encode(facts: &PartFacts) -> Option<Vec<u8>> {
    serde_json::to_vec(facts).ok().filter(|value| value.len() <= VALUE_BYTES_MAX)
}

/// Reads what [`encode`] wrote. A value that cannot be read is a miss: some other version wrote it.
#[must_use]
pub fn decode(value: &[u8]) -> Option<PartFacts> {
    if value.len() > VALUE_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(value).ok()
}

/// Typical bytes of one entry, for sizing the table.
const ENTRY_BYTES: u64 = 400;

impl Memory {
    /// A memory of at most `bytes_max` in this process, and the far one if there is one.
    ///
    /// Must be called inside a tokio runtime when `far` is given: it starts the task that keeps the connection.
    #[must_use]
    pub fn new(bytes_max: u64, far: Option<FarSettings>) -> Self {
        let entries = usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX).max(16);
        Self {
            near: Cache::with_weighter(entries, bytes_max, ByBytes),
            far: far.map(|settings| Far::start(settings, WRITES_WAITING_MAX, "evidence cache")),
        }
    }

    /// Facts known in this process.
    #[must_use]
    pub fn recall_near(&self, key: &Key) -> Option<Arc<PartFacts>> {
        self.near.get(key)
    }

    /// Asks Redis for all keys in one round trip, within its budget. What it knows is then known near, too.
    pub async fn recall_far(&self, keys: &[Key]) -> FarAnswer {
        let Some(far) = &self.far else { return FarAnswer::Absent };
        let Some(found) = far.recall(keys).await else { return FarAnswer::Silent };
        for (key, facts) in keys.iter().zip(&found) {
            if let Some(facts) = facts {
                self.near.insert(*key, Arc::clone(facts));
            }
        }
        FarAnswer::Facts(found)
    }

    /// Remembers facts that were found in bytes this scanner held. Never waits.
    pub fn keep(&self, key: Key, facts: Arc<PartFacts>) {
        if let Some(far) = &self.far {
            far.keep(key, Arc::clone(&facts));
        }
        self.near.insert(key, facts);
    }

    /// Remembers facts that hold for one mail alone: it may come again, but no other scanner needs to know.
    pub fn keep_near(&self, key: Key, facts: Arc<PartFacts>) {
        self.near.insert(key, facts);
    }

    /// Entries and weight in bytes of the near memory.
    #[must_use]
    pub fn near_size(&self) -> (usize, u64) {
        (self.near.len(), self.near.weight())
    }

    /// The far memory itself, for what is no fact.
    pub(crate) fn far(&self) -> Option<&Far> {
        self.far.as_ref()
    }

    /// Whether Redis is connected; `None` when there is none.
    #[must_use]
    pub fn far_connected(&self) -> Option<bool> {
        self.far.as_ref().map(Far::connected)
    }
}

/// A queue of facts to be written.
type Writes = mpsc::Sender<(Key, Arc<PartFacts>)>;

#[cfg(test)]
mod tests {
    use tamis_domain::evidence::{Evidence, Source};

    use super::*;

    fn facts(detail: &str) -> Arc<PartFacts> {
        let evidence = vec![Evidence::new("x", 1.0, Source::Text, detail)];
        Arc::new(PartFacts { evidence, ..PartFacts::default() })
    }

    #[tokio::test]
    async fn without_redis_the_process_remembers_alone() {
        let memory = Memory::new(1 << 20, None);
        assert!(memory.recall_near(&[1; 32]).is_none());
        memory.keep([1; 32], facts("a"));
        assert_eq!(memory.recall_near(&[1; 32]), Some(facts("a")));
        assert!(matches!(memory.recall_far(&[[1; 32]]).await, FarAnswer::Absent));
    }

    #[test]
    fn values_are_kept_and_read_up_to_n_bytes_and_not_at_n_plus_1() {
        let empty = encode(&facts("")).unwrap();
        let names = |count: usize| PartFacts {
            links: vec!["x".repeat(count)],
            ..facts("").as_ref().clone()
        };
        let most = VALUE_BYTES_MAX - empty.len() - 2;
        let longest = encode(&names(most)).unwrap();
        assert_eq!(longest.len(), VALUE_BYTES_MAX);
        assert_eq!(decode(&longest), Some(names(most)));
        assert_eq!(encode(&names(most + 1)), None);
        assert_eq!(decode(&[&longest[..], b" "].concat()), None, "white space, and too long");
        assert_eq!(decode(b"{}").map(|_| ()), None, "facts of no version");
    }

    #[test]
    fn the_near_memory_never_outgrows_its_bytes() {
        let bytes_max = 64 * 1024;
        let memory = Memory::new(bytes_max, None);
        for number in 0..10_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            memory.keep(key, facts(&"d".repeat(200)));
            assert!(memory.near_size().1 <= bytes_max);
        }
        assert!(memory.near_size().0 > 10, "it does remember something");
    }
}

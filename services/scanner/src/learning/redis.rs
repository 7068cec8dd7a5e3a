//! The shared store: counts in Redis, each lesson one script, and a short memory of counts in this process.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::join;
use quick_cache::sync::Cache;
use redis::{Cmd, Value};
use tamis_learning::hashing::{SiteKey, fold};
use tamis_learning::knowledge::{Bounds, Counts, DOMAINS_MAX, Outcome};
use tamis_learning::record::Lesson;
use tamis_learning::score::Seen;
use tamis_learning::tokens::Token;
use tamis_runtime::clock;

use super::{new_key, totals};
use crate::memory::FarSettings;
use crate::memory::redis::Far;

/// In front of every key, with the version of the form.
const PREFIX: &str = "tamis:l1:";

/// Longest wait for a lesson: nobody's mail waits for it.
const LESSON_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts remembered in this process.
const COUNTS_CACHED_MAX: usize = 200_000;

/// How long a count is believed without asking again.
const CACHED_FOR: Duration = Duration::from_secs(10);

/// How often the site's key is looked at: soon as long as there is none, then to notice a Redis that was emptied.
const KEY_PERIODS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(30)];

/// One lesson in one scope.
const LEARN: &str = include_str!("learn.lua");

/// Whether a domain is among those that have knowledge of their own; it is put there where it may and there is room.
const ENTER: &str = "
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 1 end
if ARGV[3] == '0' or redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
return redis.call('SADD', KEYS[1], ARGV[1])";

/// Scope and token.
type Place = (u32, Token);

/// The shared store.
#[derive(Debug)]
pub(super) struct RedisStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    far: Far,
    budget: Duration,
    bounds: Bounds,
    key: RwLock<Option<SiteKey>>,
    counts: Cache<Place, (Counts, Instant)>,
    totals: Cache<u32, (Counts, Instant)>,
}

impl RedisStore {
    /// Starts to keep a connection. Must be called inside a tokio runtime.
    pub(super) fn start(settings: FarSettings, bounds: Bounds) -> Self {
        let budget = settings.budget;
        let inner = Arc::new(Inner {
            far: Far::start(settings, 1, "learned mail"),
            budget,
            bounds,
            key: RwLock::new(None),
            counts: Cache::new(COUNTS_CACHED_MAX),
            totals: Cache::new(256),
        });
        let weak = Arc::downgrade(&inner);
        tokio::spawn(async move {
            while let Some(inner) = weak.upgrade() {
                inner.agree_on_key().await;
                let period = KEY_PERIODS[usize::from(inner.known_key().is_some())];
                drop(inner);
                tokio::time::sleep(period).await;
            }
        });
        Self { inner }
    }

    pub(super) fn key(&self) -> Option<SiteKey> {
        self.inner.known_key()
    }

    /// What is known of these tokens: one round trip for all that this process does not remember.
    pub(super) async fn seen(
        &self,
        tokens: &[Token],
        domain: Option<&str>,
    ) -> Option<(Seen, Option<Seen>)> {
        let inner = &self.inner;
        let key = inner.known_key()?;
        let Some(domain) = domain else {
            return Some((inner.scope(&key, "", tokens).await?, None));
        };
        let (global, own) =
            join(inner.scope(&key, "", tokens), inner.scope(&key, domain, tokens)).await;
        Some((global?, Some(own?)))
    }

    /// Does a lesson for all and for its domain. `None`: Redis is away, or late; doing it again makes it whole.
    pub(super) async fn write(&self, lesson: Lesson) -> Option<(Outcome, Seen)> {
        let inner = &self.inner;
        let (of_all, spam, ham) = inner.learn(&lesson, "").await?;
        let outcome = match lesson.domain.as_str() {
            "" => of_all,
            domain if !inner.has_room(domain, lesson.class.is_some()).await? => of_all,
            domain => {
                let (of_domain, spam, ham) = inner.learn(&lesson, domain).await?;
                if (lesson.class, spam, ham) == (None, 0, 0) {
                    inner.leave(domain).await?;
                }
                match of_all {
                    Outcome::Known | Outcome::Unknown => of_domain,
                    of_all => of_all,
                }
            }
        };
        inner.counts.clear();
        inner.totals.clear();
        Some((outcome, totals(spam, ham)))
    }
}

impl Inner {
    fn known_key(&self) -> Option<SiteKey> {
        *self.key.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Proposes a key, or the one that we have, and takes the one that stands there.
    async fn agree_on_key(&self) {
        let proposed = self.known_key().map_or_else(new_key, Ok);
        let Ok(proposed) = proposed else { return };
        let name = format!("{PREFIX}key");
        let mut set = redis::cmd("SET");
        set.arg(&name).arg(&proposed.0[..]).arg("NX");
        if self.far.ask("SET", &set, LESSON_TIMEOUT).await.is_none() {
            return;
        }
        let get = redis::cmd("GET").arg(&name).to_owned();
        let Some(Value::BulkString(bytes)) = self.far.ask("GET", &get, LESSON_TIMEOUT).await else {
            return;
        };
        let Some(agreed) = bytes.first_chunk::<16>().map(|key| SiteKey(*key)) else { return };
        if self.known_key() != Some(agreed) {
            *self.key.write().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
            self.counts.clear();
            self.totals.clear();
        }
    }

    async fn scope(&self, key: &SiteKey, domain: &str, tokens: &[Token]) -> Option<Seen> {
        let scope = fold(key.hash(domain.as_bytes()));
        let now = clock::now();
        let fresh = |(counts, at): (Counts, Instant)| {
            (now.saturating_duration_since(at) < CACHED_FOR).then_some(counts)
        };
        let near: Vec<Option<Counts>> =
            tokens.iter().map(|token| self.counts.get(&(scope, *token)).and_then(fresh)).collect();
        let total = self.totals.get(&scope).and_then(fresh);
        let asked: Vec<Token> = tokens
            .iter()
            .zip(&near)
            .filter(|(_, near)| near.is_none())
            .map(|(token, _)| *token)
            .collect();
        let (heard, total) =
            join(self.counts_of(domain, &asked), self.total_of(domain, total)).await;
        let (heard, totals) = (heard?, total?);
        for (token, counts) in asked.iter().zip(&heard) {
            self.counts.insert((scope, *token), (*counts, now));
        }
        self.totals.insert(scope, (totals, now));
        let mut heard = heard.into_iter();
        let counts = near
            .into_iter()
            .map(|near| near.or_else(|| heard.next()).unwrap_or_default())
            .collect();
        Some(Seen { totals, counts })
    }

    async fn counts_of(&self, domain: &str, tokens: &[Token]) -> Option<Vec<Counts>> {
        if tokens.is_empty() {
            return Some(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(name(domain, "t"));
        tokens.iter().for_each(|token| {
            command.arg(&token.to_le_bytes()[..]);
        });
        let values = self.values(&command).await?;
        let counts = |value: &Value| {
            let both = number(value);
            Counts { spam: clamped(both & u64::from(u32::MAX)), ham: clamped(both >> 32) }
        };
        (values.len() == tokens.len()).then(|| values.iter().map(counts).collect())
    }

    async fn total_of(&self, domain: &str, near: Option<Counts>) -> Option<Counts> {
        if near.is_some() {
            return near;
        }
        let mut command = redis::cmd("HMGET");
        command.arg(name(domain, "n")).arg("1").arg("2");
        let values = self.values(&command).await?;
        let [spam, ham] = values.as_slice() else { return None };
        Some(Counts { spam: clamped(number(spam)), ham: clamped(number(ham)) })
    }

    async fn values(&self, command: &Cmd) -> Option<Vec<Value>> {
        match self.far.ask("HMGET", command, self.budget).await? {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// Whether a domain has knowledge of its own, or may have from now on.
    async fn has_room(&self, domain: &str, may_enter: bool) -> Option<bool> {
        let mut command = redis::cmd("EVAL");
        command.arg(ENTER).arg(1).arg(name("", "d")).arg(domain).arg(DOMAINS_MAX);
        command.arg(u8::from(may_enter));
        match self.far.ask("EVAL", &command, LESSON_TIMEOUT).await? {
            Value::Int(room) => Some(room == 1),
            _ => None,
        }
    }

    /// A domain that knows nothing any more makes room for another.
    async fn leave(&self, domain: &str) -> Option<Value> {
        let mut command = redis::cmd("SREM");
        command.arg(name("", "d")).arg(domain);
        self.far.ask("SREM", &command, LESSON_TIMEOUT).await
    }

    async fn learn(&self, lesson: &Lesson, domain: &str) -> Option<(Outcome, u16, u16)> {
        use tamis_learning::knowledge::Class;
        let class = match lesson.class {
            Some(Class::Spam) => "1",
            Some(Class::Ham) => "2",
            None => "0",
        };
        let blob: Vec<u8> = lesson.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        let mut command = redis::cmd("EVAL");
        command.arg(LEARN).arg(5);
        ["t", "m", "o1", "o2", "n"].iter().for_each(|kind| {
            command.arg(name(domain, kind));
        });
        command.arg(&lesson.name[..]).arg(class).arg(blob);
        command.arg(self.bounds.mails_max).arg(self.bounds.tokens_max);
        let Value::Array(answer) = self.far.ask("EVAL", &command, LESSON_TIMEOUT).await? else {
            return None;
        };
        let [Value::BulkString(word), spam, ham] = answer.as_slice() else { return None };
        let outcome = match word.as_slice() {
            b"learned" => Outcome::Learned,
            b"moved" => Outcome::Moved,
            b"known" => Outcome::Known,
            b"unlearned" => Outcome::Unlearned,
            b"unknown" => Outcome::Unknown,
            _ => return None,
        };
        Some((outcome, clamped(number(spam)), clamped(number(ham))))
    }
}

/// Keys of one scope stand in one slot of a cluster. The domain of all is the empty one.
fn name(domain: &str, kind: &str) -> String {
    format!("{PREFIX}{{d:{domain}}}:{kind}")
}

fn number(value: &Value) -> u64 {
    match value {
        Value::BulkString(digits) => {
            std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
        }
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

fn clamped(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

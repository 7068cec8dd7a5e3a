//! Counters of the service. The ones of the answering loop are made beforehand, so that counting looks nothing up.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tamis_domain::digest::SignatureKind;
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::answering::{Action, Silence};
use tamis_reputation_protocol::signatures::{EVICTED_MEANING, Table};
use tamis_runtime::metrics::Durations;

/// Upper ends of the buckets for the time of an answer, from datagram to datagram, in seconds. All answers of a batch
/// leave together, so that one observation a batch is what each of its askers waited.
const ANSWER_SECONDS: [f64; 10] = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 5e-4, 2e-3, 1e-2];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What one answering thread counted and has not shown yet: shared counters are touched once a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    questions: u64,
    elsewhere: u64,
    items: u64,
    listings: [u64; Class::ALL.len()],
    challenges: u64,
    malformed: u64,
    limited: u64,
    /// Answers that the system would not take.
    pub unsent: u64,
}

impl Counts {
    /// Counts what was done with one datagram.
    pub fn count(&mut self, action: &Action) {
        match action {
            Action::Silent(Silence::Malformed(_)) => self.malformed += 1,
            Action::Silent(Silence::Limited | Silence::Seal(_)) => self.limited += 1,
            Action::Challenge | Action::Session => self.challenges += 1,
            Action::Answer(answered) => {
                self.questions += 1;
                self.elsewhere += u64::from(answered.is_elsewhere);
                self.items += u64::from(answered.items);
                for (counter, count) in self.listings.iter_mut().zip(answered.classes) {
                    *counter += u64::from(count);
                }
            }
        }
    }
}

/// The metrics of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Questions answered.
    pub questions: Counter,
    /// Of these, those that asked for what another shard keeps.
    pub elsewhere: Counter,
    /// Signatures in them.
    pub items: Counter,
    listings: [Counter; Class::ALL.len()],
    /// Cookies sent instead of an answer.
    pub challenges: Counter,
    /// Datagrams that are none of ours.
    pub malformed: Counter,
    /// Datagrams over the rate of their source.
    pub limited: Counter,
    /// Answers that the system would not take.
    pub unsent: Counter,
    /// Datagrams that the system dropped, since the receive buffer was full.
    pub shed: Counter,
    answer_seconds: Histogram,
    fsync_seconds: Durations,
    commits: Family<OutcomeLabel, Counter>,
    signatures: Family<KindLabel, Gauge>,
    table_bytes: Gauge,
    log_bytes: Gauge,
    epoch: Gauge,
    evicted: Gauge,
    /// Sightings that were not counted because the counting thread was behind.
    pub sightings_lost: Counter,
    sightings_crowded_out: Gauge,
    bulk: Gauge,
}

impl Metrics {
    /// Registers everything; once for each registry.
    pub fn new(registry: &tamis_runtime::metrics::Metrics) -> Self {
        let by_class = Family::<ClassLabel, Counter>::default();
        let listing =
            |class: Class| by_class.get_or_create_owned(&ClassLabel { class: class.word() });
        let metrics = Self {
            questions: Counter::default(),
            elsewhere: Counter::default(),
            items: Counter::default(),
            listings: Class::ALL.map(listing),
            challenges: Counter::default(),
            malformed: Counter::default(),
            limited: Counter::default(),
            unsent: Counter::default(),
            shed: Counter::default(),
            answer_seconds: Histogram::new(ANSWER_SECONDS),
            fsync_seconds: Durations::new(),
            commits: Family::default(),
            signatures: Family::default(),
            table_bytes: Gauge::default(),
            log_bytes: Gauge::default(),
            epoch: Gauge::default(),
            evicted: Gauge::default(),
            sightings_lost: Counter::default(),
            sightings_crowded_out: Gauge::default(),
            bulk: Gauge::default(),
        };
        registry.register("reputation", |registry| metrics.register(registry, by_class));
        metrics
    }

    fn register(&self, registry: &mut Registry, by_class: Family<ClassLabel, Counter>) {
        let counters = [
            ("questions", "Questions answered", &self.questions),
            (
                "elsewhere",
                "Questions answered that asked for what another shard keeps",
                &self.elsewhere,
            ),
            ("items", "Signatures asked for in answered questions", &self.items),
            ("challenges", "Demands for proof of the source address", &self.challenges),
            ("malformed", "Datagrams that are no question", &self.malformed),
            ("limited", "Datagrams over the rate of their source", &self.limited),
            ("unsent", "Answers that the system refused to send", &self.unsent),
            ("shed", "Datagrams dropped unread because the receive buffer was full", &self.shed),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("listings", "Signatures found listed, by class", by_class);
        registry.register(
            "answer_seconds",
            "From taking a batch of datagrams from the socket to giving it the answers, once for each batch",
            self.answer_seconds.clone(),
        );
        registry.register(
            "log_fsync_seconds",
            "From beginning to write a commit to its being on disk",
            self.fsync_seconds.clone(),
        );
        registry.register("commits", "Commits of changes, by outcome", self.commits.clone());
        registry.register("signatures", "Signatures listed, by kind", self.signatures.clone());
        registry.register("table_bytes", "Memory of the table", self.table_bytes.clone());
        registry.register("log_bytes", "Log and snapshot on disk", self.log_bytes.clone());
        registry.register("epoch", "Number of the last change", self.epoch.clone());
        registry.register("evicted", EVICTED_MEANING, self.evicted.clone());
        self.register_sightings(registry);
    }

    fn register_sightings(&self, registry: &mut Registry) {
        registry.register(
            "sightings_lost",
            "Sightings not counted because counting was behind",
            self.sightings_lost.clone(),
        );
        registry.register(
            "sightings_crowded_out",
            "Names not counted because their places were taken by what is seen more often",
            self.sightings_crowded_out.clone(),
        );
        registry.register("bulk", "Names answered as bulk now", self.bulk.clone());
    }

    /// Shows what counting came to.
    pub fn sightings_sized(&self, bulk: usize, crowded_out: u64) {
        self.bulk.set(i64::try_from(bulk).unwrap_or(i64::MAX));
        self.sightings_crowded_out.set(i64::try_from(crowded_out).unwrap_or(i64::MAX));
    }

    /// Counts a batch of datagrams dealt with in `took`, and empties `counts`.
    pub fn answered(&self, counts: &mut Counts, took: Duration) {
        let Counts {
            questions,
            elsewhere,
            items,
            listings,
            challenges,
            malformed,
            limited,
            unsent,
        } = std::mem::take(counts);
        if questions > 0 {
            self.answer_seconds.observe(took.as_secs_f64());
        }
        let plain = [
            (&self.questions, questions),
            (&self.elsewhere, elsewhere),
            (&self.items, items),
            (&self.challenges, challenges),
            (&self.malformed, malformed),
            (&self.limited, limited),
            (&self.unsent, unsent),
        ];
        for (counter, count) in plain.into_iter().chain(self.listings.iter().zip(listings)) {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }

    /// Signatures found listed, of all classes.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.listings.iter().map(Counter::get).sum()
    }

    /// Counts a commit.
    pub fn committed(&self, outcome: &'static str, seconds: Option<f64>) {
        self.commits.get_or_create(&OutcomeLabel { outcome }).inc();
        if let Some(seconds) = seconds {
            self.fsync_seconds.observe(seconds);
        }
    }

    /// Shows the size of the table and its log.
    pub fn sized(&self, table: &Table, log_bytes: u64) {
        for kind in SignatureKind::ALL {
            let count = i64::try_from(table.count(kind)).unwrap_or(i64::MAX);
            self.signatures.get_or_create(&KindLabel { kind: kind.word() }).set(count);
        }
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.table_bytes.set(gauge(table.memory_bytes() as u64));
        self.log_bytes.set(gauge(log_bytes));
        self.epoch.set(gauge(table.epoch()));
        self.evicted.set(gauge(table.evicted()));
    }

    /// Bytes of log and snapshot as last shown.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        u64::try_from(self.log_bytes.get()).unwrap_or_default()
    }
}

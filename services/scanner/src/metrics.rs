//! What the scanner counts.

mod servers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tamis_domain::verdict::Verdict;
use tamis_runtime::metrics::Durations;
use tamis_selector::ServerReport;

use self::servers::Servers;
use crate::ask::dns::{Answer, Kind};
use crate::ask::reputation::Heard;

/// All metrics of one scanner. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mails: Family<MailLabels, Counter>,
    evidence: Family<NameLabels, Counter>,
    ended: Family<WhyLabels, Counter>,
    seconds: Durations,
    stages: Family<StageLabels, Durations>,
    /// Those of [`STAGES`]: each mail counts in all of them, and looks none up.
    each_stage: [Durations; STAGES.len()],
    recalled: Family<RecalledLabels, Counter>,
    /// Those of [`Recalled::ALL`]: each part counts in one of them.
    each_recalled: [Counter; Recalled::ALL.len()],
    reputation: Family<HeardLabels, Counter>,
    reputation_seconds: Durations,
    reputation_spared: Counter,
    reputation_filter_keys: Gauge,
    reputation_shard_silent: Family<ShardLabels, Counter>,
    reputation_servers: Servers,
    reputation_elsewhere: Counter,
    dns: Family<DnsLabels, Counter>,
    dns_recalled: Counter,
    dns_lists: Family<ListLabels, Counter>,
    dns_seconds: Durations,
    needed_parts: Counter,
    supplied_bytes: Counter,
    inline_bytes: Counter,
    followed: Counter,
    in_hand: Gauge,
    in_hand_max: Gauge,
    remembered_bytes: Gauge,
    redis_connected: Gauge,
    redis_wanted: Gauge,
    set_aside: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MailLabels {
    status: &'static str,
    rung: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NameLabels {
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WhyLabels {
    why: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RecalledLabels {
    memory: &'static str,
    found: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HeardLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DnsLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ListLabels {
    list: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ShardLabels {
    shard: String,
}

/// Stages of a mail, in their order.
const STAGES: [&str; 4] = ["free", "near", "supply", "full"];

/// Ways in which a dialogue ends without a verdict.
const ENDED: [&str; 5] = ["hung_up", "broken", "unreadable", "full", "set_aside"];

impl Inner {
    /// Shows what has not happened yet as zero: a rate sees the first event only if there was a value before it.
    fn begin_at_zero(&self) {
        for why in ENDED {
            let _ = self.ended.get_or_create(&WhyLabels { why });
        }
        for outcome in ["silent", "partly", "answered"] {
            let _ = self.reputation.get_or_create(&HeardLabels { outcome });
        }
    }
}

/// What a memory said about one part (or, for `Silent`, about all of one mail).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// This process knew it.
    Near,
    /// This process did not.
    NotNear,
    /// Redis knew it.
    Far,
    /// Redis did not.
    NotFar,
    /// Redis did not answer in time.
    Silent,
}

impl Recalled {
    const ALL: [Self; 5] = [Self::Near, Self::NotNear, Self::Far, Self::NotFar, Self::Silent];

    /// Which memory, and whether it knew.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Near => ("process", "yes"),
            Self::NotNear => ("process", "no"),
            Self::Far => ("redis", "yes"),
            Self::NotFar => ("redis", "no"),
            Self::Silent => ("redis", "silent"),
        }
    }
}

impl Default for Inner {
    fn default() -> Self {
        let stages = Family::new_with_constructor(Durations::new as fn() -> Durations);
        let recalled = Family::<RecalledLabels, Counter>::default();
        let each_recalled = Recalled::ALL.map(|what| {
            let (memory, found) = what.words();
            recalled.get_or_create(&RecalledLabels { memory, found }).clone()
        });
        let each_stage = STAGES.map(|stage| stages.get_or_create(&StageLabels { stage }).clone());
        Self {
            mails: Family::default(),
            evidence: Family::default(),
            ended: Family::default(),
            seconds: Durations::new(),
            stages,
            each_stage,
            recalled,
            each_recalled,
            reputation: Family::default(),
            reputation_seconds: Durations::new(),
            reputation_spared: Counter::default(),
            reputation_filter_keys: Gauge::default(),
            reputation_shard_silent: Family::default(),
            reputation_servers: Servers::default(),
            reputation_elsewhere: Counter::default(),
            dns: Family::default(),
            dns_recalled: Counter::default(),
            dns_lists: Family::default(),
            dns_seconds: Durations::new(),
            needed_parts: Counter::default(),
            supplied_bytes: Counter::default(),
            inline_bytes: Counter::default(),
            followed: Counter::default(),
            in_hand: Gauge::default(),
            in_hand_max: Gauge::default(),
            remembered_bytes: Gauge::default(),
            redis_connected: Gauge::default(),
            redis_wanted: Gauge::default(),
            set_aside: Gauge::default(),
        }
    }
}

impl Inner {
    fn register_sparing(&self, to: &mut Registry) {
        to.register(
            "reputation_spared",
            "Mails that needed no question, since the filter knew nothing of them",
            self.reputation_spared.clone(),
        );
        to.register(
            "reputation_filter_keys",
            "Keys of the filter that spares questions; 0: none is believed, and all is asked",
            self.reputation_filter_keys.clone(),
        );
        to.register(
            "reputation_shard_silent",
            "Questions that a shard did not answer in time, by its range",
            self.reputation_shard_silent.clone(),
        );
        to.register(
            "reputation_elsewhere",
            "Answers of servers that keep other values than the map of the shards says",
            self.reputation_elsewhere.clone(),
        );
    }
}

impl Inner {
    fn register_state(&self, to: &mut Registry) {
        to.register("mails_in_hand", "Mails being judged", self.in_hand.clone());
        to.register(
            "mails_in_hand_max",
            "Mails that may be judged at once",
            self.in_hand_max.clone(),
        );
        to.register(
            "remembered_bytes",
            "Facts remembered in this process",
            self.remembered_bytes.clone(),
        );
        to.register(
            "redis_connected",
            "1 while the far memory is connected",
            self.redis_connected.clone(),
        );
        let wanted = "1 where a far memory is configured";
        to.register("redis_wanted", wanted, self.redis_wanted.clone());
        let set_aside = "Mails that the cluster does not judge, since scanners ended over them";
        to.register("mails_set_aside", set_aside, self.set_aside.clone());
    }

    fn register_dns(&self, to: &mut Registry) {
        to.register(
            "dns_questions",
            "Questions to DNS servers, by kind and outcome",
            self.dns.clone(),
        );
        to.register(
            "dns_recalled",
            "Questions that the cache of DNS answered",
            self.dns_recalled.clone(),
        );
        to.register(
            "dns_lists",
            "Answers of lists in DNS, by list: listed, not_listed, failed, refused; resting is one that was left alone",
            self.dns_lists.clone(),
        );
        to.register(
            "dns_seconds",
            "From a mail's first question to DNS to its last answer",
            self.dns_seconds.clone(),
        );
    }
}

impl Metrics {
    /// Registers everything with the process' registry.
    #[must_use]
    pub fn new(registry: &tamis_runtime::metrics::Metrics) -> Self {
        let inner = Arc::new(Inner::default());
        inner.begin_at_zero();
        let it = Arc::clone(&inner);
        registry.register("scanner", |to| {
            to.register(
                "mails",
                "Mails judged, by status of the global policy and rung",
                it.mails.clone(),
            );
            to.register("evidence", "Findings, by name", it.evidence.clone());
            to.register(
                "dialogues_ended",
                "Dialogues that ended without a verdict, by reason",
                it.ended.clone(),
            );
            to.register("mail_seconds", "From Offer to Verdict", it.seconds.clone());
            to.register("stage_seconds", "Time of each stage of a mail", it.stages.clone());
            to.register(
                "recalled",
                "Parts looked up in a memory, by memory and outcome",
                it.recalled.clone(),
            );
            to.register(
                "reputation_questions",
                "Questions to the reputation service, by outcome",
                it.reputation.clone(),
            );
            to.register(
                "reputation_seconds",
                "Waiting for the reputation service",
                it.reputation_seconds.clone(),
            );
            it.register_sparing(to);
            it.register_dns(to);
            to.register_collector(Box::new(it.reputation_servers.clone()));
            to.register("needed_parts", "Parts asked of edges in Needs", it.needed_parts.clone());
            to.register(
                "supplied_bytes",
                "Bytes of content supplied after a Need",
                it.supplied_bytes.clone(),
            );
            to.register(
                "inline_bytes",
                "Bytes of content that came with Offers",
                it.inline_bytes.clone(),
            );
            to.register(
                "followed_parts",
                "Parts that another mail in hand was already reading",
                it.followed.clone(),
            );
            it.register_state(to);
        });
        Self(inner)
    }

    /// A mail was judged.
    pub fn judged(&self, verdict: &Verdict) {
        let labels = MailLabels { status: verdict.status.word(), rung: verdict.rung.word() };
        self.0.mails.get_or_create(&labels).inc();
        let mut counted: Vec<&str> =
            verdict.evidence.iter().map(|found| found.name.as_ref()).collect();
        counted.sort_unstable();
        counted.dedup();
        for name in counted {
            self.0.evidence.get_or_create(&NameLabels { name: name.to_owned() }).inc();
        }
        let timings = verdict.timings;
        self.0.seconds.observe(seconds(timings.total_us));
        let each = [timings.free_us, timings.near_us, timings.supply_us, timings.full_us];
        for (stage, us) in self.0.each_stage.iter().zip(each) {
            stage.observe(seconds(us));
        }
    }

    /// A dialogue ended without a verdict.
    pub fn ended(&self, why: &'static str) {
        self.0.ended.get_or_create(&WhyLabels { why }).inc();
    }

    /// How many mails are set aside now.
    pub(crate) fn set_aside(&self, mails: usize) {
        self.0.set_aside.set(mails as i64);
    }

    /// A memory answered.
    pub fn recalled(&self, what: Recalled) {
        self.0.each_recalled[what as usize].inc();
    }

    /// The reputation service was asked.
    pub fn reputation(&self, heard: Heard, waited: Duration) {
        let outcome = match heard {
            Heard::NotAsked | Heard::Spared => return,
            Heard::Silent => "silent",
            Heard::Partly => "partly",
            Heard::Answered => "answered",
        };
        self.0.reputation.get_or_create(&HeardLabels { outcome }).inc();
        self.0.reputation_seconds.observe(waited.as_secs_f64());
    }

    /// What the filter in force knows; none: no filter is believed.
    pub fn reputation_filter(&self, keys: Option<u64>) {
        self.0
            .reputation_filter_keys
            .set(keys.map_or(0, |keys| keys.try_into().unwrap_or(i64::MAX)));
    }

    /// The filter knew nothing of a mail.
    pub fn reputation_spared(&self) {
        self.0.reputation_spared.inc();
    }

    /// What the selector thinks of each server now.
    pub(crate) fn reputation_servers(&self, report: Vec<ServerReport<SocketAddr>>) {
        self.0.reputation_servers.set(report);
    }

    /// A shard did not answer.
    pub fn reputation_shard_silent(&self, range: &str) {
        let labels = ShardLabels { shard: range.to_owned() };
        self.0.reputation_shard_silent.get_or_create(&labels).inc();
    }

    /// A server keeps other values than the map says.
    pub fn reputation_elsewhere(&self) {
        self.0.reputation_elsewhere.inc();
    }

    /// A server of DNS was asked.
    pub fn dns_asked(&self, kind: Kind, answer: &Answer) {
        let labels = DnsLabels { kind: kind.word(), outcome: answer.word() };
        self.0.dns.get_or_create(&labels).inc();
    }

    /// The cache knew what would have been asked.
    pub fn dns_recalled(&self) {
        self.0.dns_recalled.inc();
    }

    /// A list was asked, or left alone. Names are from the configuration, so there are few.
    pub fn dns_list(&self, list: &str, outcome: &'static str) {
        let labels = ListLabels { list: list.to_owned(), outcome };
        self.0.dns_lists.get_or_create(&labels).inc();
    }

    /// A mail's questions to DNS took this long.
    pub fn dns_waited(&self, waited: Duration) {
        self.0.dns_seconds.observe(waited.as_secs_f64());
    }

    /// Parts were asked of an edge.
    pub fn needed(&self, parts: usize) {
        self.0.needed_parts.inc_by(parts as u64);
    }

    /// Content came.
    pub fn content(&self, inline_bytes: u64, supplied_bytes: u64) {
        self.0.inline_bytes.inc_by(inline_bytes);
        self.0.supplied_bytes.inc_by(supplied_bytes);
    }

    /// Parts were read by another mail's dialogue.
    pub fn followed(&self, parts: usize) {
        self.0.followed.inc_by(parts as u64);
    }

    /// How many mails are in hand of how many that may be, and what is remembered. `redis_connected` is none where no
    /// far memory is configured.
    pub(crate) fn state(
        &self,
        in_hand: (usize, usize),
        remembered_bytes: u64,
        redis_connected: Option<bool>,
    ) {
        self.0.in_hand.set(in_hand.0 as i64);
        self.0.in_hand_max.set(in_hand.1 as i64);
        self.0.remembered_bytes.set(remembered_bytes as i64);
        self.0.redis_connected.set(i64::from(redis_connected.unwrap_or(false)));
        self.0.redis_wanted.set(i64::from(redis_connected.is_some()));
    }
}

fn seconds(us: u32) -> f64 {
    f64::from(us) / 1e6
}

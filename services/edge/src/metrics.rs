//! What the edge counts. No label comes from a mail or its envelope, so their number is bounded.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tamis_domain::envelope::Door;
use tamis_domain::status::Rung;
use tamis_runtime::metrics::{Durations, Metrics};

/// Labels of a mail that was answered.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct MailLabels {
    /// milter, smtp or lmtp.
    pub door: &'static str,
    /// Status by the global policy; `none` where nobody judged.
    pub status: &'static str,
    /// What was done; `mixed` where recipients were treated differently.
    pub action: &'static str,
}

/// One label: the door.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DoorLabel {
    /// milter, smtp or lmtp.
    pub door: &'static str,
}

/// One label: how much of the judgement was possible.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RungLabel {
    /// full, cached, local or `not_scanned`.
    pub rung: &'static str,
}

/// One label: network rounds of one dialogue.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RoundsLabel {
    /// 0 (nobody answered), 1 or 2.
    pub rounds: u8,
}

/// One label: what bytes were.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct BytesLabel {
    /// `inline` and `supplied` travelled to a scanner; `whole` is what shipping whole mails would have cost.
    pub kind: &'static str,
}

/// Labels of one question to a scanner.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ScannerLabels {
    /// Its address; those of scanners that are gone are removed.
    pub scanner: String,
    /// answered, timeout, refused, error or abandoned.
    pub outcome: &'static str,
}

/// One label: the scanner.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ScannerLabel {
    /// Its address; those of scanners that are gone are removed.
    pub scanner: String,
}

/// Labels of what was turned away without a judgement.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TurnedAwayLabels {
    /// milter, smtp or lmtp.
    pub door: &'static str,
    /// connections, mails, spool, size, left (the previous hop went away) or ending.
    pub why: &'static str,
}

/// All reasons of [`TurnedAwayLabels`].
const TURNED_AWAY: [&str; 6] = ["connections", "mails", "spool", "size", "left", "ending"];

/// The metrics of one edge.
#[derive(Clone, Debug)]
pub struct EdgeMetrics {
    /// Mails answered.
    pub mails: Family<MailLabels, Counter>,
    /// Mails by rung.
    pub rungs: Family<RungLabel, Counter>,
    /// Dialogues by rounds.
    pub rounds: Family<RoundsLabel, Counter>,
    /// Bytes of content.
    pub content_bytes: Family<BytesLabel, Counter>,
    /// From the end of the mail's data to our answer.
    pub mail_seconds: Family<DoorLabel, Durations>,
    /// The dialogue's part of it.
    pub dialogue_seconds: Durations,
    /// Questions to scanners.
    pub scanner_questions: Family<ScannerLabels, Counter>,
    /// What scanners themselves took for their verdicts, the time for our supplying left out: what the choice among them rests on.
    pub scanner_seconds: Family<ScannerLabel, Durations>,
    /// Scanners that ended while they had a mail of ours.
    pub scanners_felled: Counter,
    /// Mails that are not offered any more, since scanners end over them.
    pub set_aside: Counter,
    /// Turned away at a limit.
    pub turned_away: Family<TurnedAwayLabels, Counter>,
    /// Connections open.
    pub connections: Family<DoorLabel, Gauge>,
    /// Mails in hand.
    pub mails_in_hand: Gauge,
    /// Bytes of mails in memory.
    pub held_bytes: Gauge,
    /// Bytes of mails in spool files.
    pub spooled_bytes: Gauge,
}

impl EdgeMetrics {
    /// Registers all of them as `tamis_edge_…`.
    #[must_use]
    pub fn register(metrics: &Metrics) -> Self {
        let all = Self {
            mails: Family::default(),
            rungs: Family::default(),
            rounds: Family::default(),
            content_bytes: Family::default(),
            mail_seconds: Family::new_with_constructor(Durations::new),
            dialogue_seconds: Durations::new(),
            scanner_questions: Family::default(),
            scanner_seconds: Family::new_with_constructor(Durations::new),
            scanners_felled: Counter::default(),
            set_aside: Counter::default(),
            turned_away: Family::default(),
            connections: Family::default(),
            mails_in_hand: Gauge::default(),
            held_bytes: Gauge::default(),
            spooled_bytes: Gauge::default(),
        };
        all.begin_at_zero();
        let own = all.clone();
        metrics.register("edge", |registry| {
            registry.register("mails", "Mails answered", own.mails);
            registry.register(
                "rungs",
                "Mails by how much of the judgement was possible",
                own.rungs,
            );
            registry.register("dialogues", "Dialogues by network rounds", own.rounds);
            registry.register("content_bytes", "Bytes of content by kind", own.content_bytes);
            let help = "From the end of the mail's data to our answer";
            registry.register("mail_seconds", help, own.mail_seconds);
            let help = "From Offer to Verdict, retries included";
            registry.register("dialogue_seconds", help, own.dialogue_seconds);
            let help = "Questions to scanners by outcome";
            registry.register("scanner_questions", help, own.scanner_questions);
            let help = "Time that scanners took for their verdicts, supplying left out";
            registry.register("scanner_seconds", help, own.scanner_seconds);
            let help = "Dialogues in which the scanner ended or was cut off";
            registry.register("scanners_felled", help, own.scanners_felled);
            let help = "Mails not offered to scanners, which end over them";
            registry.register("mails_set_aside", help, own.set_aside);
            let help = "Connections and mails turned away without a judgement";
            registry.register("turned_away", help, own.turned_away);
            registry.register("connections", "Connections open", own.connections);
            registry.register("mails_in_hand", "Mails in hand", own.mails_in_hand);
            registry.register("held_bytes", "Bytes of mails in memory", own.held_bytes);
            registry.register("spooled_bytes", "Bytes of mails in spool files", own.spooled_bytes);
        });
        all
    }

    /// Shows what has not happened yet as zero: a rate sees the first event only if there was a value before it.
    fn begin_at_zero(&self) {
        for rung in Rung::ALL {
            let _ = self.rungs.get_or_create(&RungLabel { rung: rung.word() });
        }
        for door in [Door::Milter, Door::Smtp, Door::Lmtp] {
            for why in TURNED_AWAY {
                let labels = TurnedAwayLabels { door: door.word(), why };
                let _ = self.turned_away.get_or_create(&labels);
            }
        }
    }

    /// Counts something turned away at a limit.
    pub fn turn_away(&self, door: &'static str, why: &'static str) {
        self.turned_away.get_or_create(&TurnedAwayLabels { door, why }).inc();
    }
}

//! What all doors share: limits, the store, the scanners, and the last line about each mail.

use std::sync::{Arc, RwLock};

use tamis_domain::decide::Unscanned;
use tamis_domain::digest::{MailId, PartDigest};
use tamis_domain::envelope::{Door, Envelope};
use tamis_domain::plan::Plan;
use tamis_domain::status::{Rung, Status};
use tamis_domain::verdict::Verdict;
use tamis_mail_protocols::smtp::extensions::Extensions;
use tamis_runtime::clock;
use tamis_runtime::metrics::descriptors_allowed;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use crate::config::Config;
use crate::delivered::Delivered;
use crate::held::{Holding, Store};
use crate::intake::connections_within;
use crate::mail::{Arriving, Mail, Place};
use crate::metrics::{BytesLabel, DoorLabel, EdgeMetrics, MailLabels, RoundsLabel, RungLabel};
use crate::scanner_client::{Asked, ScannerClient};
use crate::{suspects, without_scanner};

/// One running edge.
#[derive(Debug)]
pub struct Edge {
    /// What the administrator wants.
    pub config: Config,
    /// What is counted.
    pub metrics: EdgeMetrics,
    /// Variants delivered of mails that were not, as a whole.
    pub delivered: Delivered,
    /// What the next hop announced last.
    pub next_hop_extensions: RwLock<Option<Extensions>>,
    store: Arc<Store>,
    places: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    client: ScannerClient,
}

/// What is to be done with a mail, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Which mail.
    pub id: MailId,
    /// Status by the global policy; `None` where nobody judged.
    pub status: Option<Status>,
    /// Higher means more like spam.
    pub score: f32,
    /// How much of the judgement was possible.
    pub rung: Rung,
    /// Names of what was found, heaviest first, at most [`EVIDENCE_LOGGED_MAX`].
    pub evidence: Vec<String>,
    /// What to do for whom.
    pub plan: Plan,
    /// How the asking went.
    pub asked: Asked,
}

/// Names of evidence in one log line.
pub const EVIDENCE_LOGGED_MAX: usize = 20;
/// Characters of a queue id in the log.
const QUEUE_ID_CHARS_MAX: usize = 64;

impl Edge {
    /// An edge of this configuration.
    #[must_use]
    pub fn new(config: Config, metrics: EdgeMetrics, client: ScannerClient) -> Self {
        let typed = &config.typed;
        let gauges = (metrics.held_bytes.clone(), metrics.spooled_bytes.clone());
        let store = Store::new(
            typed.memory_bytes_max,
            typed.memory_bytes_per_mail,
            typed.mail_bytes_max,
            config.spool_dir.clone(),
            gauges,
        );
        Self {
            store: Arc::new(store),
            places: Arc::new(Semaphore::new(typed.mails_max)),
            connections: Arc::new(Semaphore::new(connections_within(descriptors_allowed()))),
            delivered: Delivered::default(),
            next_hop_extensions: RwLock::new(None),
            metrics,
            client,
            config,
        }
    }

    /// A place for one more mail, if there is one.
    pub fn place(&self, door: Door) -> Option<Place> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Some(Place::new(permit, self.metrics.mails_in_hand.clone())),
            Err(_) => {
                self.metrics.turn_away(door.word(), "mails");
                None
            }
        }
    }

    /// A place for one more connection at any door, if the system's descriptors reach for it.
    pub fn connection(&self) -> Option<OwnedSemaphorePermit> {
        self.connections.clone().try_acquire_owned().ok()
    }

    /// A mail that begins to arrive.
    #[must_use]
    pub fn arriving(&self, place: Place) -> Arriving {
        Arriving::new(Holding::new(self.store.clone()), place)
    }

    /// What is to be done with `mail`: the scanners' verdict, or the answer for mail that nobody judged. Cancelling
    /// is safe: nothing has happened yet.
    pub async fn judge(&self, mail: &Mail, envelope: &Envelope, unscanned: Unscanned) -> Judged {
        let deadline = mail.since + self.config.deadline;
        let outline = &mail.dissected.outline;
        // Names alone, so that the same mail can be found again at another door or another site.
        tracing::debug!(
            id = %mail.id,
            door = envelope.door.word(),
            header = names(outline.header_digest.iter()),
            parts = names(outline.parts.iter().filter_map(|part| part.digest.as_ref())),
            "names"
        );
        let span = tracing::info_span!(
            "edge.judge",
            id = %mail.id,
            door = envelope.door.word(),
            size = mail.held.size(),
            parts = outline.parts.len(),
        );
        let asking = self.client.ask(mail, envelope, deadline);
        let (verdict, asked) = asking.instrument(span).await;
        match verdict {
            Some(verdict) => Judged::from_verdict(*verdict, asked),
            None if asked.is_set_aside => {
                self.metrics.set_aside.inc();
                suspects::report(mail, &queue_id(envelope));
                let policy = self.config.typed.set_aside.unwrap_or(unscanned);
                without_scanner::answer(envelope, mail.id, policy, asked)
            }
            None => without_scanner::answer(envelope, mail.id, unscanned, asked),
        }
    }

    /// The last word about a mail: one log line, without addresses and without text, and the counters. `action` is what was
    /// done, `note` what an administrator should know about how.
    pub fn finished(&self, mail: &Mail, envelope: &Envelope, judged: &Judged, action: &Done) {
        let door = envelope.door.word();
        let time = clock::now().saturating_duration_since(mail.since);
        let status = judged.status.map_or("none", Status::word);
        let asked = &judged.asked;
        let whole = mail.held.size();
        self.metrics.mails.get_or_create(&MailLabels { door, status, action: action.word }).inc();
        self.metrics.rungs.get_or_create(&RungLabel { rung: judged.rung.word() }).inc();
        self.metrics.rounds.get_or_create(&RoundsLabel { rounds: asked.rounds }).inc();
        let seconds = self.metrics.mail_seconds.get_or_create(&DoorLabel { door }).clone();
        seconds.observe_of(time.as_secs_f64(), asked.trace);
        self.metrics.dialogue_seconds.observe_of(asked.time.as_secs_f64(), asked.trace);
        for (kind, bytes) in
            [("inline", asked.inline_bytes), ("supplied", asked.supplied_bytes), ("whole", whole)]
        {
            self.metrics.content_bytes.get_or_create(&BytesLabel { kind }).inc_by(bytes);
        }
        tracing::info!(
            id = %mail.id,
            queue_id = queue_id(envelope),
            door,
            status,
            score = f64::from(judged.score),
            rung = judged.rung.word(),
            action = action.word,
            actions = action.detail,
            recipients = envelope.recipients.len(),
            evidence = judged.evidence.join(","),
            size = whole,
            inline = asked.inline_bytes,
            supplied = asked.supplied_bytes,
            rounds = asked.rounds,
            ms = time.as_secs_f64() * 1000.0,
            scanner = asked.scanner.as_deref().unwrap_or(""),
            trouble = asked.trouble.as_deref().unwrap_or(""),
            note = action.note,
            trace_id = asked.trace.map(|trace| trace.to_string()),
            "mail"
        );
    }
}

/// What was done with a mail, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// One word: an action, `mixed`, `not_delivered` (the next hop did not take it), `given_up` (the previous hop went away).
    pub word: &'static str,
    /// Actions of all groups with their numbers of recipients: `accept:2,reject:1`.
    pub detail: String,
    /// What could not be done as planned; empty if all could.
    pub note: &'static str,
}

impl Done {
    /// The plan was carried out.
    #[must_use]
    pub fn planned(plan: &Plan) -> Self {
        let mut words = plan.groups.iter().map(|group| group.action.word());
        let first = words.next().unwrap_or("accept");
        let word = if words.all(|word| word == first) { first } else { "mixed" };
        let detail: Vec<String> = plan
            .groups
            .iter()
            .map(|group| format!("{}:{}", group.action.word(), group.recipients.len()))
            .collect();
        Self { word, detail: detail.join(","), note: "" }
    }

    /// Something else happened.
    #[must_use]
    pub fn instead(plan: &Plan, word: &'static str) -> Self {
        Self { word, ..Self::planned(plan) }
    }

    /// The same with a note.
    #[must_use]
    pub fn noted(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

impl Judged {
    fn from_verdict(verdict: Verdict, asked: Asked) -> Self {
        let mut evidence: Vec<String> = Vec::new();
        for found in verdict.evidence {
            let name = found.name.into_owned();
            if evidence.len() < EVIDENCE_LOGGED_MAX && !evidence.contains(&name) {
                evidence.push(name);
            }
        }
        Self {
            id: verdict.id,
            status: Some(verdict.status),
            score: verdict.score,
            rung: verdict.rung,
            evidence,
            plan: verdict.plan,
            asked,
        }
    }
}

/// Digests as one word, for the log.
fn names<'a>(digests: impl Iterator<Item = &'a PartDigest>) -> String {
    let names: Vec<String> = digests.map(ToString::to_string).collect();
    names.join(",")
}

/// The previous hop's queue id, as far as it is one: it comes from outside.
fn queue_id(envelope: &Envelope) -> String {
    let id = envelope.queue_id.as_deref().unwrap_or("");
    id.chars().filter(char::is_ascii_graphic).take(QUEUE_ID_CHARS_MAX).collect()
}

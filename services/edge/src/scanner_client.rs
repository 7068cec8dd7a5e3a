//! Asks the scanners about one mail: drives the dialogue, chooses whom to ask, tries the others where one fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::dialogue::{Broken, Content, Deciding, Heard, Need, Offer, Supply, Waiting};
use tamis_domain::envelope::Envelope;
use tamis_domain::limits::{INLINE_BYTES_MAX, SCANNERS_FELLED_MAX, SUPPLY_CHUNK_BYTES};
use tamis_domain::status::Rung;
use tamis_domain::verdict::Verdict;
use tamis_message::digesting::mail_name;
use tamis_runtime::clock;
use tamis_runtime::telemetry::propagation::{self, TraceName};
use tamis_selector::Failure;
use tokio::time::timeout_at;
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use crate::carrier::{self, CarrierError, Listener, Speaker};
use crate::held::HeldError;
use crate::known::Known;
use crate::mail::Mail;
use crate::metrics::EdgeMetrics;
use crate::scanners::{Chosen, Name, Scanners};
use crate::suspects::Suspects;

/// Attempts where fewer scanners are known: the connection with the only one may have died of its restart.
const ATTEMPTS_MIN: usize = 2;

/// Scanners that refuse a mail because they are full before it goes back: each was the best choice left, so the cluster
/// is full, and asking all of a hundred for each mail would fill it more.
const FULL_SCANNERS_MAX: usize = 8;

/// Time in which every scanner knows of a mail that is set aside: they look once a second.
const SCANNERS_LEARN_WITHIN: Duration = Duration::from_millis(1500);

/// Share of the time left that a scanner gets while there are others, in percent: a silent one must leave time for the
/// next, a slow one must not be doubled early.
const ATTEMPT_PERCENT: u32 = 60;

/// Less time than this is left to no other scanner: it would end its waits 300 ms before the deadline, at once.
const ATTEMPT_TIME_MIN: Duration = Duration::from_millis(400);

/// Bytes of one word of the envelope (HELO, client name, queue id) that travel; scanners refuse longer ones.
const WORD_BYTES_MAX: usize = tamis_domain::limits::ADDRESS_BYTES_MAX;

/// Asks about mails.
#[derive(Debug)]
pub struct ScannerClient {
    scanners: Arc<Scanners>,
    known: Known,
    suspects: Suspects,
    metrics: EdgeMetrics,
}

/// How the asking went, for the log and the metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The scanner that judged, or the last one that did not.
    pub scanner: Option<Name>,
    /// Network rounds of the dialogue that ended in a verdict; 0 if none did.
    pub rounds: u8,
    /// Bytes of content inside Offers.
    pub inline_bytes: u64,
    /// Bytes of content supplied.
    pub supplied_bytes: u64,
    /// From the first question to the verdict, or to the end of trying.
    pub time: Duration,
    /// Why nobody judged, or why the first scanner did not.
    pub trouble: Option<String>,
    /// The mail's trace, where it is sampled.
    pub trace: Option<TraceName>,
    /// Scanners end over this mail: it is not offered any more.
    pub is_set_aside: bool,
}

/// Why one scanner did not judge.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("no verdict in time")]
    TimedOut,
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Ours: no other scanner helps.
    #[error(transparent)]
    Held(#[from] HeldError),
}

impl AttemptError {
    /// The word of a trace for it.
    const fn kind(&self) -> &'static str {
        match self {
            Self::TimedOut => "timeout",
            Self::Carrier(_) => "rpc",
            Self::Broken(_) => "broken_dialogue",
            Self::Held(_) => "held",
        }
    }

    fn is_break(&self) -> bool {
        matches!(self, Self::Carrier(error) if error.is_break())
    }

    fn is_set_aside(&self) -> bool {
        matches!(self, Self::Carrier(error) if error.is_set_aside())
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Carrier(error) if error.is_full())
    }
}

/// One call, as the semantic conventions for gRPC name it.
fn call(scanner: &Name, attempt: usize) -> tracing::Span {
    let address = scanner.rsplit('/').next().unwrap_or_default();
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    tracing::info_span!(
        "edge.ask",
        otel.name = "tamis.scan.v1.Scanner/Scan",
        otel.kind = "client",
        otel.status_code = Empty,
        otel.status_description = Empty,
        rpc.system.name = "grpc",
        rpc.method = "tamis.scan.v1.Scanner/Scan",
        server.address = host,
        server.port = port.parse::<u16>().unwrap_or_default(),
        "error.type" = Empty,
        tamis.attempt = attempt,
    )
}

/// The answer of an attempt, which its span tells too.
async fn traced(
    attempt: impl Future<Output = Result<Answer, AttemptError>>,
    span: tracing::Span,
) -> Result<Answer, AttemptError> {
    let answer = attempt.instrument(span.clone()).await;
    if let Err(error) = &answer {
        span.record("error.type", error.kind())
            .record("otel.status_description", display(error))
            .record("otel.status_code", "ERROR");
    }
    answer
}

/// When an attempt ends, with so many other scanners left to ask.
fn attempt_ends(others: usize, now: Instant, deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);
    let share = left * ATTEMPT_PERCENT / 100;
    if others == 0 || left - share < ATTEMPT_TIME_MIN { deadline } else { now + share }
}

/// One attempt with a mail that has felled so many scanners.
struct Trial {
    felled: u8,
    /// A suspect is judged alone: an end of the scanner before its turn is not its doing.
    has_begun: bool,
}

/// A verdict, and the scanner's own part of the time.
struct Answer {
    verdict: Box<Verdict>,
    own_time: Duration,
}

impl ScannerClient {
    /// A client of these scanners.
    #[must_use]
    pub fn new(scanners: Arc<Scanners>) -> Self {
        let metrics = scanners.metrics().clone();
        Self { scanners, known: Known::default(), suspects: Suspects::default(), metrics }
    }

    /// Asks until a verdict or `deadline`. `None`: nobody judged.
    pub async fn ask(
        &self,
        mail: &Mail,
        envelope: &Envelope,
        deadline: Instant,
    ) -> (Option<Box<Verdict>>, Asked) {
        let mut asked = Asked { trace: propagation::sampled(), ..Asked::default() };
        let begun = clock::now();
        let mut verdict = None;
        let name = mail_name(&mail.dissected.outline);
        let (mut tried, mut full) = (Vec::new(), 0);
        loop {
            let felled = self.suspects.felled(&name);
            asked.is_set_aside = felled >= SCANNERS_FELLED_MAX;
            let now = clock::now();
            if now >= deadline || asked.is_set_aside || full >= FULL_SCANNERS_MAX {
                break;
            }
            let Some(chosen) = self.next_scanner(&tried) else { break };
            tried.push(chosen.name.clone());
            asked.scanner = Some(chosen.name.clone());
            let others = self.scanners.count().saturating_sub(tried.len());
            let until = attempt_ends(others, now, deadline);
            let mut trial = Trial { felled, has_begun: false };
            let span = call(&chosen.name, tried.len());
            let answer = self.attempt(&chosen, mail, envelope, until, (&mut asked, &mut trial));
            match traced(answer, span).await {
                Ok(answer) => {
                    self.suspects.acquit(&name);
                    chosen.answered(answer.own_time);
                    self.learn(mail, &answer.verdict);
                    verdict = Some(answer.verdict);
                    break;
                }
                Err(error) => {
                    asked.rounds = 0;
                    asked.trouble = Some(error.to_string());
                    asked.is_set_aside = error.is_set_aside();
                    full += usize::from(error.is_full());
                    // First of all, so that no other mail goes there.
                    let goes_on = self.note_failure(chosen, &error);
                    if error.is_break() && (felled == 0 || trial.has_begun) {
                        self.metrics.scanners_felled.inc();
                        let felled = self.suspects.accuse(name, felled);
                        asked.is_set_aside = felled >= SCANNERS_FELLED_MAX;
                        self.let_it_be_known(felled, deadline).await;
                    }
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        if tried.is_empty() && !asked.is_set_aside {
            asked.trouble = Some("no scanner is known, or no time is left".to_owned());
        }
        asked.time = clock::now().saturating_duration_since(begun);
        (verdict, asked)
    }

    /// The best scanner that has not failed over this mail, until all have.
    fn next_scanner(&self, tried: &[Name]) -> Option<Chosen> {
        let other = self.scanners.choose(tried);
        if other.is_none() && tried.len() < ATTEMPTS_MIN {
            return self.scanners.choose(&[]);
        }
        other
    }

    /// Who was told by us that a mail comes back later may bring it to another edge at once. All scanners know by then.
    async fn let_it_be_known(&self, felled: u8, deadline: Instant) {
        if felled >= SCANNERS_FELLED_MAX {
            let known_at = clock::now() + SCANNERS_LEARN_WITHIN;
            tokio::time::sleep_until(known_at.min(deadline).into()).await;
        }
    }

    /// Whether another scanner may help.
    fn note_failure(&self, chosen: Chosen, error: &AttemptError) -> bool {
        tracing::warn!(scanner = %chosen.name, %error, "a scanner did not judge");
        match error {
            error if error.is_set_aside() => {
                chosen.answered(Duration::ZERO);
                return false;
            }
            AttemptError::TimedOut => chosen.failed(Failure::Timeout),
            AttemptError::Carrier(error) => chosen.failed(error.failure()),
            AttemptError::Broken(_) => chosen.failed(Failure::Error),
            AttemptError::Held(_) => return false,
        }
        true
    }

    async fn attempt(
        &self,
        chosen: &Chosen,
        mail: &Mail,
        envelope: &Envelope,
        until: Instant,
        (asked, trial): (&mut Asked, &mut Trial),
    ) -> Result<Answer, AttemptError> {
        let offer = self.offer(mail, envelope, until).await?;
        asked.inline_bytes +=
            offer.inline.iter().map(|content| content.bytes.len() as u64).sum::<u64>();
        let dialogue = self.dialogue(chosen, mail, offer, (asked, trial));
        match timeout_at(until.into(), dialogue).await {
            Ok(result) => result,
            Err(_) => Err(AttemptError::TimedOut),
        }
    }

    async fn dialogue(
        &self,
        chosen: &Chosen,
        mail: &Mail,
        offer: Offer,
        (asked, trial): (&mut Asked, &mut Trial),
    ) -> Result<Answer, AttemptError> {
        let begun = clock::now();
        let waiting = Waiting::after(&offer, begun);
        let (speaker, mut ear) = carrier::open(chosen.channel.clone(), offer, trial.felled).await?;
        trial.has_begun = true;
        asked.rounds = 1;
        let word = ear.hear().await?;
        let heard_at = clock::now();
        let first = heard_at.saturating_duration_since(begun);
        match waiting.hear(word)? {
            Heard::Verdict(verdict) => Ok(Answer { verdict, own_time: first }),
            Heard::Need(need, deciding) => {
                asked.rounds = 2;
                self.unlearn(mail, &need);
                let (verdict, second) =
                    supply_and_hear(mail, &need, deciding, speaker, &mut ear, asked).await?;
                Ok(Answer { verdict, own_time: first + second })
            }
        }
    }

    async fn offer(
        &self,
        mail: &Mail,
        envelope: &Envelope,
        until: Instant,
    ) -> Result<Offer, HeldError> {
        let inline = self.inline(mail).await?;
        let cut = |word: &Option<String>| {
            word.as_ref().map(|word| word[..word.floor_char_boundary(WORD_BYTES_MAX)].to_owned())
        };
        let mut envelope = envelope.clone();
        envelope.helo = cut(&envelope.helo);
        envelope.queue_id = cut(&envelope.queue_id);
        envelope.authenticated = cut(&envelope.authenticated);
        if let Some(client) = &mut envelope.client {
            client.name = cut(&client.name);
        }
        let outline = mail.dissected.outline.clone();
        let remaining = until.saturating_duration_since(clock::now());
        Ok(Offer { id: mail.id, envelope, outline, inline, remaining })
    }

    /// Contents that travel with the Offer: texts first, then the smallest, as many as fit; but none that the cluster
    /// lately knew (docs/decisions/0006).
    async fn inline(&self, mail: &Mail) -> Result<Vec<Content>, HeldError> {
        let outline = &mail.dissected.outline;
        let mut chosen = Vec::new();
        let mut room = INLINE_BYTES_MAX as u64;
        let unknown = |(_, part): &(u16, &tamis_domain::outline::Part)| {
            part.kind.is_leaf()
                && part.size <= INLINE_BYTES_MAX as u64
                && !self.known.contains(part)
        };
        let mut candidates: Vec<_> = (0_u16..).zip(&outline.parts).filter(unknown).collect();
        candidates.sort_by_key(|(number, part)| (!part.kind.is_textual(), part.size, *number));
        for (number, part) in candidates {
            if part.size <= room {
                room -= part.size;
                chosen.push(number);
            }
        }
        chosen.sort_unstable();
        let mut inline = Vec::with_capacity(chosen.len());
        for part in chosen {
            let Some(Some(span)) = mail.dissected.spans.get(usize::from(part)) else { continue };
            let mut bytes = Vec::new();
            let mut content = mail.held.content(span);
            while content.read_into(&mut bytes).await? {}
            inline.push(Content { part, bytes });
        }
        Ok(inline)
    }

    /// A mail judged in full: the cluster has seen each of its parts, or facts about it.
    fn learn(&self, mail: &Mail, verdict: &Verdict) {
        if matches!(verdict.rung, Rung::Full | Rung::Local) {
            let leaves = mail.dissected.outline.parts.iter().filter(|part| part.kind.is_leaf());
            leaves.for_each(|part| self.known.insert(part));
        }
    }

    fn unlearn(&self, mail: &Mail, need: &Need) {
        for number in need.parts() {
            if let Some(part) = mail.dissected.outline.parts.get(usize::from(*number)) {
                self.known.remove(part);
            }
        }
    }
}

/// Supplies what is needed and waits for the verdict, and how long that was after the last piece. A scanner that has heard enough may
/// judge earlier.
async fn supply_and_hear(
    mail: &Mail,
    need: &Need,
    deciding: Deciding,
    speaker: Speaker,
    ear: &mut Listener,
    asked: &mut Asked,
) -> Result<(Box<Verdict>, Duration), AttemptError> {
    let mut supplied_at = None;
    let word = {
        let supplying = async {
            supply_all(mail, need, &speaker, asked).await?;
            supplied_at = Some(clock::now());
            drop(speaker);
            std::future::pending::<Result<std::convert::Infallible, HeldError>>().await
        };
        tokio::select! {
            biased;
            word = ear.hear() => word?,
            stopped = supplying => match stopped {
                Err(error) => return Err(error.into()),
                Ok(never) => match never {},
            },
        }
    };
    let verdict = deciding.hear(word)?;
    let own = supplied_at.map_or(Duration::ZERO, |at| clock::now().saturating_duration_since(at));
    Ok((verdict, own))
}

/// Says all needed parts, in pieces. Ends early where the stream is over: the ear knows why.
async fn supply_all(
    mail: &Mail,
    need: &Need,
    speaker: &Speaker,
    asked: &mut Asked,
) -> Result<(), HeldError> {
    for &part in need.parts() {
        let Some(Some(span)) = mail.dissected.spans.get(usize::from(part)) else { continue };
        let mut content = mail.held.content(span);
        let mut pending = Vec::new();
        loop {
            let more = content.read_into(&mut pending).await?;
            while pending.len() > SUPPLY_CHUNK_BYTES || !more {
                let rest = pending.split_off(pending.len().min(SUPPLY_CHUNK_BYTES));
                let bytes = std::mem::replace(&mut pending, rest);
                let last = !more && pending.is_empty();
                asked.supplied_bytes += bytes.len() as u64;
                if !speaker.supply(Supply { part, bytes, last }).await {
                    return Ok(());
                }
                if last {
                    break;
                }
            }
            if !more {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_scanner_leaves_time_for_the_next_and_the_last_one_has_all_that_is_left() {
        let now = clock::now();
        let ms = Duration::from_millis;
        assert_eq!(attempt_ends(1, now, now + ms(20_000)), now + ms(12_000));
        assert_eq!(attempt_ends(0, now, now + ms(20_000)), now + ms(20_000));
        assert_eq!(attempt_ends(1, now, now + ms(1_000)), now + ms(600), "just enough is left");
        assert_eq!(attempt_ends(1, now, now + ms(999)), now + ms(999), "too little would be left");
        assert_eq!(attempt_ends(1, now, now), now);
    }
}

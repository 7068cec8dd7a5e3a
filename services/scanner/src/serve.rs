//! One mail's dialogue, from the first word to the last: when to wait, for what, and how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tamis_domain::dialogue::{
    Awaiting, Broken, Collecting, Content, Need, Offer, Offered, Supplied,
};
use tamis_domain::verdict::Verdict;
use tamis_message::digesting::mail_name;
use tamis_proto::scan_convert::{EdgeWord, Unreadable};
use tamis_runtime::clock;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{timeout, timeout_at};

use crate::Scanner;
use crate::examine::Examination;
use crate::flights::{Follow, Lead, Seat};

/// Time kept back from the deadline for judging what was supplied, so that the answer still arrives in time.
const RESERVE: Duration = Duration::from_millis(300);

/// Longest wait for the Offer on a fresh stream. An edge has it in hand before it connects.
const OFFER_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a part that another mail's dialogue is reading. Then it is asked of our own edge.
const FOLLOW_MAX: Duration = Duration::from_millis(1500);

/// Longest wait of a suspect mail for its turn. Edges give a second scanner some eight seconds by default.
const TRIAL_WAIT_MAX: Duration = Duration::from_secs(6);

/// Head start of the word that a trial begins: the process may not live to send it afterwards.
const WORD_AHEAD: Duration = Duration::from_millis(5);

/// Bytes of one unit of the budget for supplied content.
const SUPPLY_UNIT_BYTES: u64 = 1024;

/// How a dialogue ends without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The edge hung up before the end: nothing to answer.
    #[error("the edge hung up")]
    HungUp,
    /// The edge said something that the dialogue does not allow. Its fault; it must not be repeated as it is.
    #[error("{0}")]
    Broken(#[from] Broken),
    /// The edge said something without meaning. Its fault.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// We are full. Ours; another scanner may have room.
    #[error("this scanner is full")]
    Full,
    /// Scanners ended over this mail: nobody judges it any more. The mail's fault, or a fault of ours that it found.
    #[error("this mail is set aside: scanners ended while they judged it")]
    SetAside,
}

/// The other side of one dialogue, as the door brings it.
pub trait Edge: Send {
    /// The edge's next word.
    fn hear(&mut self) -> impl Future<Output = Result<EdgeWord, Ended>> + Send;

    /// Says Need.
    fn say(&mut self, need: &Need) -> impl Future<Output = Result<(), Ended>> + Send;

    /// How many scanners ended while they judged this mail, as far as the edge saw it.
    fn felled(&self) -> u8 {
        0
    }

    /// Lets the edge know that its suspect mail is judged now, and nothing else beside it.
    fn begins(&mut self) {}
}

/// Judges the mail that `edge` offers.
///
/// # Errors
/// [`Ended`]: no verdict; the edge answers its MTA by its own policy or asks another scanner.
pub async fn serve(scanner: &Scanner, edge: &mut impl Edge) -> Result<Verdict, Ended> {
    // No seat is held for an edge that says nothing.
    let first = timeout(OFFER_TIMEOUT, edge.hear()).await;
    let EdgeWord::Offer(mut offer) = first.map_err(|_| Ended::HungUp)?? else {
        return Err(Ended::Unreadable(Unreadable::Missing("offer")));
    };
    let felled = edge.felled();
    if felled == 0 && scanner.trials.is_nobody_set_aside() {
        return dialogue(scanner, edge, *offer).await;
    }
    let suspicion = (mail_name(&offer.outline), felled);
    let wait = offer.remaining.min(TRIAL_WAIT_MAX);
    let came = clock::now();
    let Some(trial) = scanner.trials.admit(scanner.memory.far(), suspicion, wait).await? else {
        return dialogue(scanner, edge, *offer).await;
    };
    edge.begins();
    tokio::time::sleep(WORD_AHEAD).await;
    // The mail has one deadline, and waiting for a turn was under it.
    let waited = clock::now().saturating_duration_since(came);
    offer.remaining = offer.remaining.saturating_sub(waited);
    let judged = trial.during(dialogue(scanner, edge, *offer)).await;
    trial.survived().await;
    judged
}

/// The same from the Offer on.
async fn dialogue(scanner: &Scanner, edge: &mut impl Edge, offer: Offer) -> Result<Verdict, Ended> {
    let _seat = scanner.seats.try_acquire().map_err(|_| Ended::Full)?;
    let now = clock::now();
    let mut offered = Offered::accept(offer, now)?;
    let inline_bytes =
        offered.offer().inline.iter().map(|content| content.bytes.len() as u64).sum();
    let mut mail = Examination::begin(scanner.snapshot.take(), offered.offer(), now_s());
    let inline = offered.take_inline();
    #[cfg(feature = "poison-test")]
    crate::poison::taste(&offered.offer().outline.header, &inline);
    let wait_until = offered.deadline().checked_sub(RESERVE).unwrap_or(now);
    mail.near(scanner, offered.offer(), inline, wait_until).await;

    let waited_from = clock::now();
    let seats = board(scanner, &mail, offered.offer());
    follow(scanner, &mut mail, seats.follows, wait_until.min(waited_from + FOLLOW_MAX)).await;
    let mut missing = mail.missing(offered.offer());
    missing.retain(|number| !seats.twins.contains(number));
    let (supplied, _held) = match missing.is_empty() {
        true => (offered.without_need(), None),
        false => collect(scanner, edge, offered, missing, wait_until).await?,
    };
    mail.waited(clock::now().saturating_duration_since(waited_from));

    // The reserve is for this: reading, one more question, and the way back.
    let read_until = supplied.deadline().checked_sub(RESERVE / 3).unwrap_or(now);
    let Supplied { offer, contents, .. } = supplied;
    let supplied_bytes = contents.iter().map(|content: &Content| content.bytes.len() as u64).sum();
    scanner.metrics.content(inline_bytes, supplied_bytes);
    #[cfg(feature = "poison-test")]
    crate::poison::taste(&[], &contents);
    mail.full(scanner, &offer, contents, read_until).await;
    land(&mail, seats.leads);
    let verdict = mail.verdict(&offer);
    scanner.metrics.judged(&verdict);
    Ok(verdict)
}

/// Seats of the parts that nobody knows.
struct Seats {
    leads: Vec<(u16, Lead)>,
    follows: Vec<(u16, Follow)>,
    /// Parts with the same bytes as one that is led: supplied once, known twice.
    twins: Vec<u16>,
}

fn board(scanner: &Scanner, mail: &Examination, offer: &Offer) -> Seats {
    let missing = mail.missing(offer);
    let keys: Vec<_> = missing.iter().filter_map(|number| mail.key(offer, *number)).collect();
    let mut seats = Seats { leads: Vec::new(), follows: Vec::new(), twins: Vec::new() };
    for (number, seat) in missing.into_iter().zip(scanner.flights.board(&keys)) {
        match seat {
            Seat::Lead(lead) => seats.leads.push((number, lead)),
            Seat::Follow(follow) => seats.follows.push((number, follow)),
            Seat::Own => seats.twins.push(number),
        }
    }
    seats
}

/// Waits for parts that other dialogues are reading. They were taken before ours, so this cannot be a circle.
async fn follow(
    scanner: &Scanner,
    mail: &mut Examination,
    follows: Vec<(u16, Follow)>,
    until: Instant,
) {
    scanner.metrics.followed(follows.len());
    for (number, follow) in follows {
        if let Ok(Some(facts)) = timeout_at(until.into(), follow.landed()).await {
            mail.learn(number, facts);
        }
    }
}

/// Says Need and collects, as long as there is time; then goes on with what is there.
async fn collect(
    scanner: &Scanner,
    edge: &mut impl Edge,
    offered: Offered,
    missing: Vec<u16>,
    until: Instant,
) -> Result<(Supplied, Option<OwnedSemaphorePermit>), Ended> {
    let sizes =
        missing.iter().filter_map(|number| offered.offer().outline.parts.get(usize::from(*number)));
    let bytes: u64 = sizes.map(|part| part.size).sum();
    let units = u32::try_from(bytes / SUPPLY_UNIT_BYTES + 1).unwrap_or(u32::MAX);
    if units > scanner.supply_units {
        // More than this scanner may ever hold: judged by what is known.
        return Ok((offered.without_need(), None));
    }
    let budget = Arc::clone(&scanner.supply).acquire_many_owned(units);
    let Ok(Ok(held)) = timeout_at(until.into(), budget).await else {
        return Ok((offered.without_need(), None));
    };
    scanner.metrics.needed(missing.len());
    let (need, mut awaiting) = offered.need(missing)?;
    edge.say(&need).await?;
    loop {
        let word = match timeout_at(until.into(), edge.hear()).await {
            Ok(word) => word?,
            Err(_) => return Ok((awaiting.give_up(), Some(held))),
        };
        awaiting = match take(awaiting, word)? {
            Collecting::Missing(awaiting) => awaiting,
            Collecting::Complete(supplied) => return Ok((supplied, Some(held))),
        };
    }
}

fn take(awaiting: Awaiting, word: EdgeWord) -> Result<Collecting, Ended> {
    match word {
        EdgeWord::Supply(supply) => Ok(awaiting.supply(supply)?),
        EdgeWord::Offer(_) => Err(Ended::Unreadable(Unreadable::Meaningless("second offer"))),
    }
}

/// Tells the followers what was read. Parts that did not come, or were not what their name says, are left for them to ask.
fn land(mail: &Examination, leads: Vec<(u16, Lead)>) {
    for (number, lead) in leads {
        if let Some(facts) = mail.facts_for_others(number) {
            lead.land(Arc::clone(facts));
        }
    }
}

fn now_s() -> i64 {
    i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX)
}

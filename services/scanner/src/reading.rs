//! One part's content to facts, with whatever hostile bytes can do kept inside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tamis_classifier::model::Model;
use tamis_domain::dialogue::Content;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::outline::Part;
use tamis_domain::reading::{PartFacts, PartReading, Tokens};
use tamis_learning::hashing::SiteKey;
use tamis_learning::tokens::of_part;
use tamis_message::reading::{Budget, affordable, is_costly, read_part_within};
use tamis_message::sketch::image::is_picture;

use crate::snapshot::Snapshot;

/// Bytes of a mail that are read where its dialogue is held, counted as what they cost: some milliseconds. What is longer, or
/// comes after so much, is read on a thread that may block, so that a mail of a thousand parts holds up nobody else's.
pub const IN_PLACE_BYTES_MAX: usize = 128 * 1024;

/// Long or costly parts read at the same time, at least: one slow document alone must not hold up all others.
pub const READERS_MIN: usize = 2;

/// Long or costly parts that are read at the same time: as many as cores, since more would only take turns, each with up to
/// some 60 MB of decoded picture in memory.
#[must_use]
pub fn readers() -> usize {
    std::thread::available_parallelism().map_or(READERS_MIN, |cores| cores.get().max(READERS_MIN))
}

/// What was read, and whether it may be remembered.
#[derive(Debug)]
pub struct Read {
    /// The facts.
    pub facts: Arc<PartFacts>,
    /// `false` if the reader gave up: another version may do better; or if a picture or document was left out: then this
    /// mail had too many, and another may have room for it.
    pub is_sound: bool,
}

/// Puts pictures behind all else and the largest first, so that what the mail's budget for them leaves out is least; and
/// all else the smallest first: what a long text pushes out of the budget is longer.
pub fn put_in_order(contents: &mut [Content]) {
    contents.sort_by_key(|content| {
        let (is_picture, bytes) = (is_picture(&content.bytes), content.bytes.len());
        (is_picture, if is_picture { usize::MAX - bytes } else { bytes })
    });
}

/// What reading this costs of [`IN_PLACE_BYTES_MAX`], of which `spent` are gone. `None` if it takes long, or much memory: then
/// it wants a place among the readers.
#[must_use]
pub fn cost_in_place(content: &[u8], spent: usize) -> Option<usize> {
    let (bytes, cost) = affordable(content, IN_PLACE_BYTES_MAX.saturating_sub(spent));
    (bytes == content.len() && !is_costly(content)).then_some(cost)
}

/// Reads and judges one part's content, `in_place` or on a thread that may block; pictures and documents are looked at as long
/// as the mail's budget lasts.
pub async fn read(
    part: &Part,
    content: Vec<u8>,
    snapshot: &Arc<Snapshot>,
    key: Option<SiteKey>,
    budget: &mut Budget,
    in_place: bool,
) -> Read {
    if in_place {
        let (read, left) = guarded(part, &content, snapshot, key, *budget);
        *budget = left;
        return read;
    }
    let (owned, snapshot, before) = (part.clone(), Arc::clone(snapshot), *budget);
    let reading =
        tokio::task::spawn_blocking(move || guarded(&owned, &content, &snapshot, key, before))
            .await;
    let (read, left) = reading.unwrap_or_else(|_| (given_up(), before));
    *budget = left;
    read
}

/// Facts of one part that was read.
#[must_use]
pub fn facts(part: &Part, reading: &PartReading, snapshot: &Snapshot) -> PartFacts {
    let base = snapshot.content.as_ref().map(Model::base);
    let content = base.and_then(|base| tamis_classifier::mail::read_part(part, reading, &base));
    PartFacts { content, ..tamis_checks::part::judge(part, reading, &snapshot.bases) }
}

/// A library may panic on bytes nobody thought of. That costs this part its facts, not the mail its verdict.
fn guarded(
    part: &Part,
    content: &[u8],
    snapshot: &Snapshot,
    key: Option<SiteKey>,
    mut budget: Budget,
) -> (Read, Budget) {
    let before = budget.left_out();
    let reading = || {
        let reading = read_part_within(part, content, &mut budget);
        // Where users teach, what is remembered of a part says what to look up, so that nobody has to read it again.
        let tokens = key.map(|key| of_part(&key, part, &reading)).unwrap_or_default();
        PartFacts { tokens: Tokens(tokens), ..facts(part, &reading, snapshot) }
    };
    let read = match catch_unwind(AssertUnwindSafe(reading)) {
        Ok(facts) => {
            let left_out = u16::try_from(budget.left_out() - before).unwrap_or(u16::MAX);
            Read { facts: Arc::new(PartFacts { left_out, ..facts }), is_sound: left_out == 0 }
        }
        Err(_) => given_up(),
    };
    (read, budget)
}

fn given_up() -> Read {
    let evidence =
        Evidence::new("unreadable_part", 1.0, Source::Structure, "a part could not be read");
    let facts = PartFacts { evidence: vec![evidence], ..PartFacts::default() };
    Read { facts: Arc::new(facts), is_sound: false }
}

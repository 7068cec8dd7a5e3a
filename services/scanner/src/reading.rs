//! One part's content to facts, with whatever hostile bytes can do kept inside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tamis_checks::bases::Bases;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::outline::Part;
use tamis_domain::reading::{PartFacts, PartReading};
use tamis_message::reading::read_part;

/// Content longer than this is read on a thread that may block; reading it takes more than about a millisecond.
const IN_PLACE_BYTES_MAX: usize = 128 * 1024;

/// What was read, and whether it may be remembered.
#[derive(Debug)]
pub struct Read {
    /// The facts.
    pub facts: Arc<PartFacts>,
    /// `false` if the reader gave up: another version may do better.
    pub is_sound: bool,
}

/// Reads and judges one part's content.
pub async fn read(part: &Part, content: Vec<u8>, bases: &Arc<Bases>) -> Read {
    if content.len() <= IN_PLACE_BYTES_MAX {
        return guarded(part, &content, bases);
    }
    let (owned, bases) = (part.clone(), Arc::clone(bases));
    let reading = tokio::task::spawn_blocking(move || guarded(&owned, &content, &bases));
    reading.await.unwrap_or_else(|_| given_up())
}

/// Facts of one part that was read.
#[must_use]
pub fn facts(part: &Part, reading: &PartReading, bases: &Bases) -> PartFacts {
    tamis_checks::part::judge(part, reading, bases)
}

/// A library may panic on bytes nobody thought of. That costs this part its facts, not the mail its verdict.
fn guarded(part: &Part, content: &[u8], bases: &Bases) -> Read {
    let reading = || facts(part, &read_part(part, content), bases);
    match catch_unwind(AssertUnwindSafe(reading)) {
        Ok(facts) => Read { facts: Arc::new(facts), is_sound: true },
        Err(_) => given_up(),
    }
}

fn given_up() -> Read {
    let evidence =
        Evidence::new("unreadable_part", 1.0, Source::Structure, "a part could not be read");
    let facts = PartFacts { evidence: vec![evidence], ..PartFacts::default() };
    Read { facts: Arc::new(facts), is_sound: false }
}

//! What users taught: kept in a file of this scanner or in a Redis that all share, asked once for each mail.

use std::sync::Arc;
use std::time::Instant;

use tamis_domain::dialogue::Content;
use tamis_domain::digest::PartDigest;
use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::evidence::Evidence;
use tamis_learning::hashing::SiteKey;
use tamis_learning::knowledge::{Bounds, Class, Outcome};
use tamis_learning::record::{DOMAIN_BYTES_MAX, Lesson};
use tamis_learning::score::{self, Seen};
use tamis_learning::tokens::{self, Token as Feature};
use tamis_message::reading::{Budget, read_part_within};
use tamis_message::{content, digesting, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::memory::FarSettings;
use crate::reading::put_in_order;

mod file;
mod redis;

use self::redis::RedisStore;
pub use file::{FileStore, OpenError};

/// Mails learned at the same time: reading one may take a core for a while, and judging comes first.
const LESSONS_AT_ONCE_MAX: usize = 2;

/// Requests to learn whose mails are in memory at the same time: 16 times the 16 MiB that one may have.
pub const LESSONS_IN_HAND_MAX: usize = 16;

/// Where it is kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this directory, by this scanner alone.
    Directory(std::path::PathBuf),
    /// In a Redis that all scanners share.
    Redis(FarSettings),
}

/// How a scanner learns.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to.
    pub place: Place,
    /// What who teaches must show; none: he must be on this machine.
    pub token: Option<Token>,
    /// Mails remembered in each scope.
    pub mails_max: usize,
}

/// A token of who may teach, by its name alone: comparing takes the same time whatever is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token(PartDigest);

impl Token {
    /// The token written so.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(digesting::part_digest(text.as_bytes()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why something was not learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untaught {
    /// The store is away or full: ours; try again later.
    #[error("what is learned cannot be written now")]
    Store,
    /// The mail made the reader give up: the sender's doing; there is no use in trying again.
    #[error("the mail cannot be read")]
    Unreadable,
    /// The recipient's domain is no domain: the caller's fault.
    #[error(
        "recipient: write user@domain or a domain of letters, digits, - and _, at most {DOMAIN_BYTES_MAX} bytes"
    )]
    Domain,
}

/// What was asked and heard for one mail.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Recalled {
    /// Nothing was asked.
    #[default]
    NotAsked,
    /// Nobody answered in time.
    Silent,
    /// What it says, if anything.
    Heard(Option<Evidence>),
}

#[derive(Debug)]
enum Store {
    File(FileStore),
    Redis(RedisStore),
    /// It could not be opened.
    Away,
}

/// The way to what was learned.
#[derive(Debug)]
pub struct Learning {
    store: Store,
    token: Option<Token>,
    seats: Semaphore,
    in_hand: Arc<Semaphore>,
}

impl Learning {
    /// Opens the store. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The file's: the administrator's affair.
    pub fn start(settings: &Settings) -> Result<Self, OpenError> {
        let bounds = Bounds { mails_max: settings.mails_max, ..Bounds::default() };
        let store = match &settings.place {
            Place::Directory(directory) => Store::File(FileStore::open(directory, bounds)?),
            Place::Redis(far) => Store::Redis(RedisStore::start(far.clone(), bounds)),
        };
        Ok(Self::with(store, settings))
    }

    /// The way to a store that could not be opened: every verdict says so, and nothing is learned.
    #[must_use]
    pub fn away(settings: &Settings) -> Self {
        Self::with(Store::Away, settings)
    }

    fn with(store: Store, settings: &Settings) -> Self {
        Self {
            store,
            token: settings.token,
            seats: Semaphore::new(LESSONS_AT_ONCE_MAX),
            in_hand: Arc::new(Semaphore::new(LESSONS_IN_HAND_MAX)),
        }
    }

    /// Room for the mail of one more request, as long as it is held; none: too many are in hand.
    #[must_use]
    pub fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.in_hand).try_acquire_owned().ok()
    }

    /// What who teaches must show.
    #[must_use]
    pub const fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The site's key; none as long as the store never answered.
    #[must_use]
    pub fn key(&self) -> Option<SiteKey> {
        match &self.store {
            Store::File(store) => Some(store.key()),
            Store::Redis(store) => store.key(),
            Store::Away => None,
        }
    }

    /// The features of a mail as it lies in a mailbox, read under this key.
    #[must_use]
    pub fn features_of(&self, key: &SiteKey, mail: &[u8]) -> Vec<Feature> {
        lesson(key, mail, Some(Class::Spam), String::new()).tokens.to_vec()
    }

    /// What is known of these features, in one round trip.
    pub async fn recall(
        &self,
        features: &[Feature],
        domain: Option<&str>,
        until: Instant,
    ) -> Recalled {
        let asked = async {
            match &self.store {
                Store::File(store) => Some(store.seen(features, domain)),
                Store::Redis(store) => store.seen(features, domain).await,
                Store::Away => None,
            }
        };
        match timeout_at(until.into(), asked).await {
            Ok(Some((global, own))) => Recalled::Heard(score::judge(&global, own.as_ref())),
            Ok(None) | Err(_) => Recalled::Silent,
        }
    }

    /// Learns a mail as `class`, or undoes that (none), for `recipient`'s domain and for all. How many of both are
    /// remembered of all users comes with it.
    ///
    /// # Errors
    /// [`Untaught`].
    pub async fn teach(
        &self,
        mail: Vec<u8>,
        class: Option<Class>,
        recipient: &str,
    ) -> Result<(Outcome, Seen), Untaught> {
        let domain = domain_named(recipient).ok_or(Untaught::Domain)?;
        let _seat = self.seats.acquire().await.map_err(|_| Untaught::Store)?;
        let key = self.key().ok_or(Untaught::Store)?;
        let reading = tokio::task::spawn_blocking(move || lesson(&key, &mail, class, domain));
        // A library may panic on bytes nobody thought of.
        let lesson = reading.await.map_err(|_| Untaught::Unreadable)?;
        match &self.store {
            Store::File(store) => store.write(lesson).await,
            Store::Redis(store) => store.write(lesson).await,
            Store::Away => None,
        }
        .ok_or(Untaught::Store)
    }
}

/// A mail as a lesson: read as it is read when it is judged.
#[must_use]
pub fn lesson(key: &SiteKey, mail: &[u8], class: Option<Class>, domain: String) -> Lesson {
    let dissected = digesting::dissect(mail);
    let outline = &dissected.outline;
    let name = tokens::identity(key, outline);
    let none = Lesson { class, name, domain, is_apart: false, tokens: [].into() };
    if class.is_none() {
        return none;
    }
    let spans = (0_u16..).zip(&dissected.spans);
    let mut contents: Vec<Content> = spans
        .filter_map(|(part, span)| {
            let span = span.as_ref()?;
            Some(Content { part, bytes: content::decode(span, span.of(mail)) })
        })
        .collect();
    // In the order and within the budget of judging: what is left out there is left out here.
    put_in_order(&mut contents);
    let mut budget = Budget::default();
    let mut parts: Vec<Vec<Feature>> = vec![Vec::new(); outline.parts.len()];
    for Content { part: number, bytes } in contents {
        let number = usize::from(number);
        if let Some(part) = outline.parts.get(number) {
            let reading = read_part_within(part, &bytes, &mut budget);
            parts[number] = tokens::of_part(key, part, &reading);
        }
    }
    let header = header::read(&outline.header);
    let envelope = Envelope::default();
    let all = tokens::of_mail(key, &envelope, &header, outline, parts.iter().map(Vec::as_slice));
    Lesson { tokens: all.into(), ..none }
}

/// The domain that all recipients have in common, in lower case. Mail for several teaches and asks none of them.
pub(crate) fn common_domain(recipients: &[String]) -> Option<String> {
    let first = domain_of(recipients.first()?).to_lowercase();
    let is_common = recipients.iter().all(|other| domain_of(other).eq_ignore_ascii_case(&first));
    (is_common && !first.is_empty()).then_some(first)
}

/// The domain of an address or of a domain; `None` if it is too long to be one, or has signs that none has: it becomes
/// part of a key of the store.
#[must_use]
pub fn domain_named(recipient: &str) -> Option<String> {
    let recipient = recipient.trim();
    let domain = if recipient.contains('@') { domain_of(recipient) } else { recipient };
    let domain = domain.trim_end_matches('.').to_lowercase();
    // A user without a domain teaches all.
    let domain = if domain.contains('.') { domain } else { String::new() };
    let is_fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    (domain.len() <= DOMAIN_BYTES_MAX && domain.chars().all(is_fine)).then_some(domain)
}

/// Totals as they are told to who taught.
fn totals(spam: u16, ham: u16) -> Seen {
    let totals = tamis_learning::knowledge::Counts { spam, ham };
    Seen { totals, counts: Vec::new() }
}

/// A key of 16 random bytes.
fn new_key() -> std::io::Result<SiteKey> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(std::io::Error::other)?;
    Ok(SiteKey(key))
}

#[cfg(test)]
mod tests;

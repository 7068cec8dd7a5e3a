//! Variants that the next hop has taken of mails which, as a whole, were not taken.
//!
//! Where recipients are treated differently, one mail becomes several transactions at the next hop. If some succeed and
//! another fails, the previous hop hears a failure and sends all again; what is remembered here is not delivered twice. In
//! memory and bounded: when the edge restarts in between, recipients may get a second copy, but nothing is lost.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tamis_domain::digest::PartDigest;
use tamis_message::digesting::{Dissected, part_digest};

/// Variants remembered. Such failures are rare; beyond it the oldest is forgotten, at the price of a second copy.
pub const VARIANTS_MAX: usize = 4096;

/// How long a variant is remembered: so long previous hops try again (RFC 5321 section 4.5.4.1 asks for 4 to 5 days, and
/// Postfix' `maximal_queue_lifetime` has 5). After that nobody brings the same mail again but as another one.
pub const VARIANT_AGE_MAX: Duration = Duration::from_secs(5 * 24 * 3600);

/// Which variant of which mail: sender, its recipients, and the names of header and parts. The trace that the previous
/// hop adds at each try is in none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariantKey(PartDigest);

impl VariantKey {
    /// The key of the variant for `recipients`. `None` for a mail that does not name itself by a Message-ID: an alarm or a
    /// job may send the same bytes for each event, and a new mail is not to be taken for the retry of an old one.
    #[must_use]
    pub fn new(sender: &str, recipients: &[String], mail: &Dissected) -> Option<Self> {
        if !names_itself(&mail.outline.header) {
            return None;
        }
        let mut all = Vec::new();
        let mut put = |bytes: &[u8]| {
            all.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            all.extend_from_slice(bytes);
        };
        put(sender.as_bytes());
        let mut sorted: Vec<&String> = recipients.iter().collect();
        sorted.sort_unstable();
        put(&(sorted.len() as u64).to_be_bytes());
        sorted.iter().for_each(|recipient| put(recipient.as_bytes()));
        put(&mail.outline.header_digest.map_or([0; 32], |digest| digest.0));
        for part in &mail.outline.parts {
            put(&part.digest.map_or([0; 32], |digest| digest.0));
        }
        Some(Self(part_digest(&all)))
    }
}

/// Whether a header block has a Message-ID (RFC 5322 section 3.6.4), or that of a mail that was sent on.
fn names_itself(header: &[u8]) -> bool {
    header.split(|byte| *byte == b'\n').any(|line| {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let name = line[..colon].trim_ascii_end();
        let is_name = ["message-id", "resent-message-id"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        is_name && line[colon + 1..].contains(&b'@')
    })
}

/// The memory.
#[derive(Debug, Default)]
pub struct Delivered(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// With a number that grows, so that an entry made anew is not removed with its old place in the order.
    numbers: HashMap<VariantKey, u64>,
    order: VecDeque<Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    key: VariantKey,
    number: u64,
    since: Instant,
}

impl Kept {
    /// Forgets what is too old, and beyond `count` the oldest.
    fn prune(&mut self, count: usize, now: Instant) {
        while let Some(oldest) = self.order.front()
            && (self.order.len() > count
                || now.saturating_duration_since(oldest.since) > VARIANT_AGE_MAX)
        {
            if self.numbers.get(&oldest.key) == Some(&oldest.number) {
                self.numbers.remove(&oldest.key);
            }
            self.order.pop_front();
        }
    }
}

impl Delivered {
    /// Whether the next hop has taken this variant before.
    pub fn contains(&self, key: &VariantKey, now: Instant) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.prune(VARIANTS_MAX, now);
        kept.numbers.contains_key(key)
    }

    /// The next hop took this variant, but the mail as a whole was refused.
    pub fn remember(&self, key: VariantKey, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.next;
        kept.next += 1;
        kept.numbers.insert(key, number);
        kept.order.push_back(Entry { key, number, since: now });
        kept.prune(VARIANTS_MAX, now);
    }

    /// The mail as a whole was taken: the same mail sent again is a new one.
    pub fn forget(&self, key: &VariantKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).numbers.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tamis_message::digesting::dissect;
    use tamis_runtime::clock;

    fn key(number: usize) -> VariantKey {
        let mail = dissect(b"Message-ID: <1@example.org>\r\nSubject: x\r\n\r\nbody\r\n");
        let to = [format!("{number}@example.com")];
        VariantKey::new("a@example.org", &to, &mail).expect("it has a name")
    }

    #[test]
    fn the_oldest_is_forgotten_past_the_limit_and_not_before() {
        let (delivered, now) = (Delivered::default(), clock::now());
        (0..VARIANTS_MAX).for_each(|number| delivered.remember(key(number), now));
        assert!(delivered.contains(&key(0), now));
        delivered.remember(key(VARIANTS_MAX), now);
        assert!(!delivered.contains(&key(0), now) && delivered.contains(&key(1), now));
        delivered.forget(&key(1));
        assert!(!delivered.contains(&key(1), now));
    }

    #[test]
    fn a_variant_is_forgotten_past_its_age_and_not_before_and_leaves_nothing() {
        let (delivered, now) = (Delivered::default(), clock::now());
        let (old, older) = (now + VARIANT_AGE_MAX, now + VARIANT_AGE_MAX + Duration::from_nanos(1));
        delivered.remember(key(0), now);
        delivered.remember(key(1), now + Duration::from_secs(1));
        assert!(delivered.contains(&key(0), old), "a previous hop may still try");
        assert!(!delivered.contains(&key(0), older) && delivered.contains(&key(1), older));
        delivered.remember(key(0), older);
        assert!(delivered.contains(&key(0), older), "made anew, it counts from then");
        let kept = delivered.0.lock().unwrap();
        assert_eq!((kept.numbers.len(), kept.order.len()), (2, 2));
    }

    #[test]
    fn a_retry_with_another_trace_is_the_same_mail_and_other_text_is_not() {
        let recipients = ["a@example.com".to_owned(), "b@example.com".to_owned()];
        let turned = [recipients[1].clone(), recipients[0].clone()];
        let key = |received: &str, body: &str, to: &[String]| {
            let mail = format!(
                "Received: {received}\r\nSubject: x\r\nmessage-Id : <1@a.test>\r\n\r\n{body}\r\n"
            );
            VariantKey::new("s@example.org", to, &dissect(mail.as_bytes()))
        };
        assert_eq!(key("one", "text", &recipients), key("two", "text", &turned));
        assert_ne!(key("one", "text", &recipients), key("one", "other", &recipients));
        assert_ne!(key("one", "text", &recipients), key("one", "text", &recipients[..1]));
        assert!(key("one", "text", &recipients).is_some());
    }

    #[test]
    fn a_mail_that_does_not_name_itself_may_be_another_one_with_the_same_bytes() {
        for header in
            ["Subject: alarm", "Message-ID:", "X: Message-ID: <1@a.test>", "References: <1@a.test>"]
        {
            let mail = format!("{header}\r\n\r\nMessage-ID: <1@a.test>\r\n");
            assert_eq!(
                VariantKey::new("s@a.test", &[], &dissect(mail.as_bytes())),
                None,
                "{header}"
            );
        }
        let sent_on = dissect(b"Resent-Message-ID: <1@a.test>\r\n\r\ntext\r\n");
        assert!(VariantKey::new("s@a.test", &[], &sent_on).is_some());
    }
}

//! Variants that the next hop has taken of mails which, as a whole, were not taken.
//!
//! Where recipients are treated differently, one mail becomes several transactions at the next hop. If some succeed and
//! another fails, the previous hop hears a failure and sends all again; what is remembered here is not delivered twice. In
//! memory and bounded: when the edge restarts in between, recipients may get a second copy, but nothing is lost.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tamis_domain::digest::PartDigest;
use tamis_message::digesting::{Dissected, part_digest};

/// Variants remembered. Such failures are rare; beyond it the oldest is forgotten, at the price of a second copy.
pub const VARIANTS_MAX: usize = 4096;

/// Which variant of which mail: sender, its recipients, and the names of header and parts. The trace that the previous
/// hop adds at each try is in none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariantKey(PartDigest);

impl VariantKey {
    /// The key of the variant for `recipients`.
    #[must_use]
    pub fn new(sender: &str, recipients: &[String], mail: &Dissected) -> Self {
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
        Self(part_digest(&all))
    }
}

/// The memory.
#[derive(Debug, Default)]
pub struct Delivered(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// With a number that grows, so that an entry made anew is not removed with its old place in the order.
    numbers: HashMap<VariantKey, u64>,
    order: VecDeque<(VariantKey, u64)>,
    next: u64,
}

impl Delivered {
    /// Whether the next hop has taken this variant before.
    pub fn contains(&self, key: &VariantKey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).numbers.contains_key(key)
    }

    /// The next hop took this variant, but the mail as a whole was refused.
    pub fn remember(&self, key: VariantKey) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.next;
        kept.next += 1;
        kept.numbers.insert(key, number);
        kept.order.push_back((key, number));
        while kept.order.len() > VARIANTS_MAX {
            if let Some((oldest, number)) = kept.order.pop_front()
                && kept.numbers.get(&oldest) == Some(&number)
            {
                kept.numbers.remove(&oldest);
            }
        }
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

    fn key(number: usize) -> VariantKey {
        let mail = dissect(b"Subject: x\r\n\r\nbody\r\n");
        VariantKey::new("a@example.org", &[format!("{number}@example.com")], &mail)
    }

    #[test]
    fn the_oldest_is_forgotten_past_the_limit_and_not_before() {
        let delivered = Delivered::default();
        (0..VARIANTS_MAX).for_each(|number| delivered.remember(key(number)));
        assert!(delivered.contains(&key(0)));
        delivered.remember(key(VARIANTS_MAX));
        assert!(!delivered.contains(&key(0)) && delivered.contains(&key(1)));
        delivered.forget(&key(1));
        assert!(!delivered.contains(&key(1)));
    }

    #[test]
    fn a_retry_with_another_trace_is_the_same_mail_and_other_text_is_not() {
        let recipients = ["a@example.com".to_owned(), "b@example.com".to_owned()];
        let turned = [recipients[1].clone(), recipients[0].clone()];
        let key = |received: &str, body: &str, to: &[String]| {
            let mail = format!("Received: {received}\r\nSubject: x\r\n\r\n{body}\r\n");
            VariantKey::new("s@example.org", to, &dissect(mail.as_bytes()))
        };
        assert_eq!(key("one", "text", &recipients), key("two", "text", &turned));
        assert_ne!(key("one", "text", &recipients), key("one", "other", &recipients));
        assert_ne!(key("one", "text", &recipients), key("one", "text", &recipients[..1]));
    }
}

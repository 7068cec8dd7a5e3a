//! What was learned: mails and their class in each scope, and how often each token was seen. The counts of a scope are at
//! any time exactly the sum over the mails that it remembers; so forgetting a mail undoes its learning to the last unit.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::tokens::Token;

/// Identity of a mail: see [`crate::tokens::identity`].
pub type MailName = [u8; 16];

/// Mails that a scope may be told to remember at most: counts have 16 bits.
pub const MAILS_MAX: usize = 60_000;

/// Tokens with counts in one scope; beyond it the oldest mails are forgotten. In this process each takes 9 to 18 bytes.
pub const TOKENS_MAX: usize = 4_000_000;

/// Domains with knowledge of their own; mail of further ones is learned for all alone.
pub const DOMAINS_MAX: usize = 1_000;

/// Tokens of all mails that all domains together remember, each counted for every mail that has it; beyond it the domain
/// that remembers most forgets its oldest. In this process each takes 4 to 22 bytes: 350 MB at the very most.
pub const DOMAINS_TOKENS_MAX: usize = 16_000_000;

/// What somebody called a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

impl Class {
    const fn place(self) -> usize {
        match self {
            Self::Spam => 0,
            Self::Ham => 1,
        }
    }

    /// The word used in logs and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Ham => "ham",
        }
    }
}

/// How often something was seen in mails of either class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In mails learned as spam.
    pub spam: u16,
    /// In mails learned as ham.
    pub ham: u16,
}

impl Counts {
    fn of(&mut self, class: Class) -> &mut u16 {
        match class {
            Class::Spam => &mut self.spam,
            Class::Ham => &mut self.ham,
        }
    }

    /// Whether it was never seen.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.spam == 0 && self.ham == 0
    }
}

/// What became of a wish to learn or unlearn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mail was new.
    Learned,
    /// It was known as the other class and is this one now.
    Moved,
    /// It was known so already; nothing changed.
    Known,
    /// It was known, and is as if it had never been learned.
    Unlearned,
    /// It was not known; nothing changed.
    Unknown,
}

/// Bounds of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Mails remembered; at most [`MAILS_MAX`].
    pub mails_max: usize,
    /// Tokens counted.
    pub tokens_max: usize,
    /// Tokens of the mails of all domains together.
    pub domains_tokens_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { mails_max: 20_000, tokens_max: TOKENS_MAX, domains_tokens_max: DOMAINS_TOKENS_MAX }
    }
}

/// Tokens are keyed hashes already: nobody outside can choose them to collide.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0.rotate_left(8) ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u32(&mut self, token: u32) {
        self.0 = u64::from(token).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// One remembered mail of a scope.
#[derive(Clone, Debug)]
struct Mail {
    class: Class,
    tokens: Arc<[Token]>,
    order: u64,
}

/// Knowledge of one scope: all mail, or that of one domain.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    counts: HashMap<Token, Counts, BuildHasherDefault<TokenHasher>>,
    totals: Counts,
    mails: HashMap<MailName, Mail>,
    /// By class, oldest first.
    order: [BTreeMap<u64, MailName>; 2],
    next: u64,
    /// Tokens of all mails, each counted for every mail that has it.
    remembered: usize,
}

impl Scope {
    /// Mails of either class.
    #[must_use]
    pub const fn totals(&self) -> Counts {
        self.totals
    }

    /// Tokens with counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mails.is_empty()
    }

    /// How often a token was seen.
    #[must_use]
    pub fn counts(&self, token: Token) -> Counts {
        self.counts.get(&token).copied().unwrap_or_default()
    }

    /// The class of a mail, if it is remembered.
    #[must_use]
    pub fn class(&self, name: &MailName) -> Option<Class> {
        self.mails.get(name).map(|mail| mail.class)
    }

    /// Learns a mail, and forgets the oldest ones of the class that has more beyond `bounds`.
    ///
    /// `tokens` are ascending, none twice. A mail that is known keeps the tokens that it was learned with only if its class
    /// stays; else the new ones count.
    pub fn learn(
        &mut self,
        name: MailName,
        class: Class,
        tokens: &Arc<[Token]>,
        bounds: &Bounds,
    ) -> Outcome {
        let outcome = match self.class(&name) {
            Some(known) if known == class => return Outcome::Known,
            Some(_) => {
                self.forget(&name);
                Outcome::Moved
            }
            None => Outcome::Learned,
        };
        for token in tokens.iter() {
            let count = self.counts.entry(*token).or_default().of(class);
            *count = count.saturating_add(1);
        }
        *self.totals.of(class) += 1;
        self.order[class.place()].insert(self.next, name);
        self.remembered += tokens.len();
        self.mails.insert(name, Mail { class, tokens: Arc::clone(tokens), order: self.next });
        self.next += 1;
        while self.mails.len() > bounds.mails_max.clamp(1, MAILS_MAX)
            || (self.counts.len() > bounds.tokens_max && self.mails.len() > 1)
        {
            self.forget_oldest();
        }
        outcome
    }

    /// Undoes what learning a mail did.
    pub fn forget(&mut self, name: &MailName) -> Outcome {
        let Some(mail) = self.mails.remove(name) else { return Outcome::Unknown };
        self.order[mail.class.place()].remove(&mail.order);
        self.remembered -= mail.tokens.len();
        for token in mail.tokens.iter() {
            if let Some(counts) = self.counts.get_mut(token) {
                let count = counts.of(mail.class);
                *count = count.saturating_sub(1);
                if counts.is_none() {
                    self.counts.remove(token);
                }
            }
        }
        let total = self.totals.of(mail.class);
        *total = total.saturating_sub(1);
        Outcome::Unlearned
    }

    /// Makes room: the oldest mail of the class that has more, so that many mails of one class never push out the other.
    fn forget_oldest(&mut self) {
        let [spam, ham] = &self.order;
        let (first_spam, first_ham) = (spam.first_key_value(), ham.first_key_value());
        let oldest = match spam.len().cmp(&ham.len()) {
            Ordering::Greater => first_spam,
            Ordering::Less => first_ham,
            Ordering::Equal => first_spam.min(first_ham),
        };
        if let Some(oldest) = oldest.map(|(_, name)| *name) {
            self.forget(&oldest);
        }
    }

    /// All remembered mails, oldest first: name, class, tokens.
    pub fn mails(&self) -> impl Iterator<Item = (&MailName, Class, &Arc<[Token]>)> {
        let mut all: Vec<(&u64, &MailName)> = self.order.iter().flatten().collect();
        all.sort_unstable();
        all.into_iter().filter_map(|(_, name)| {
            let mail = self.mails.get(name)?;
            Some((name, mail.class, &mail.tokens))
        })
    }
}

/// All scopes of a site.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    bounds: Bounds,
    /// Of all mail.
    pub global: Scope,
    domains: HashMap<String, Scope>,
}

impl Knowledge {
    /// Nothing yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// What is known of a domain's mail.
    #[must_use]
    pub fn domain(&self, domain: &str) -> Option<&Scope> {
        self.domains.get(domain)
    }

    /// All domains with knowledge of their own.
    pub fn domains(&self) -> impl Iterator<Item = (&str, &Scope)> {
        self.domains.iter().map(|(domain, scope)| (domain.as_str(), scope))
    }

    /// Whether learning this would change anything.
    #[must_use]
    pub fn is_news(&self, name: &MailName, class: Class, domain: &str) -> bool {
        let is_new = |scope: &Scope| scope.class(name) != Some(class);
        let of_domain = match self.domains.get(domain) {
            Some(scope) => is_new(scope),
            None => !domain.is_empty() && self.domains.len() < DOMAINS_MAX,
        };
        is_new(&self.global) || of_domain
    }

    /// Whether anything is known of this mail.
    #[must_use]
    pub fn knows(&self, name: &MailName, domain: &str) -> bool {
        let knows = |scope: &Scope| scope.class(name).is_some();
        knows(&self.global) || self.domains.get(domain).is_some_and(knows)
    }

    /// Learns a mail for `domain` alone: how a domain's memory of what all have forgotten comes back from a file.
    pub fn learn_apart(
        &mut self,
        name: MailName,
        class: Class,
        tokens: &Arc<[Token]>,
        domain: &str,
    ) -> Outcome {
        if domain.is_empty()
            || !(self.domains.len() < DOMAINS_MAX || self.domains.contains_key(domain))
        {
            return Outcome::Unknown;
        }
        let scope = self.domains.entry(domain.to_owned()).or_default();
        let outcome = scope.learn(name, class, tokens, &self.bounds);
        self.make_room();
        outcome
    }

    /// Lets the domains that remember most forget until all of them together are within their bound.
    fn make_room(&mut self) {
        let mut all: usize = self.domains.values().map(|scope| scope.remembered).sum();
        while all > self.bounds.domains_tokens_max {
            let most = self.domains.iter().max_by_key(|(domain, it)| (it.remembered, *domain));
            let Some(domain) = most.map(|(domain, _)| domain.clone()) else { break };
            let Some(scope) = self.domains.get_mut(&domain) else { break };
            all -= scope.remembered;
            scope.forget_oldest();
            all += scope.remembered;
            if scope.is_empty() {
                self.domains.remove(&domain);
            }
        }
    }

    /// Learns a mail for all, and for `domain` (empty: for none). What it did to the knowledge of the narrowest scope.
    pub fn learn(
        &mut self,
        name: MailName,
        class: Class,
        tokens: &Arc<[Token]>,
        domain: &str,
    ) -> Outcome {
        let of_all = self.global.learn(name, class, tokens, &self.bounds);
        match self.learn_apart(name, class, tokens, domain) {
            Outcome::Unknown => of_all,
            of_domain if of_all == Outcome::Known => of_domain,
            _ => of_all,
        }
    }

    /// Undoes the learning of a mail for all and for `domain`.
    pub fn unlearn(&mut self, name: &MailName, domain: &str) -> Outcome {
        let of_all = self.global.forget(name);
        let of_domain =
            self.domains.get_mut(domain).map_or(Outcome::Unknown, |scope| scope.forget(name));
        if self.domains.get(domain).is_some_and(Scope::is_empty) {
            self.domains.remove(domain);
        }
        if of_all == Outcome::Unlearned { of_all } else { of_domain }
    }
}

#[cfg(test)]
mod tests;

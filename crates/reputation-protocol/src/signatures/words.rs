//! What a report does to the words that stand about one signature: written once, for the votes in the table and for the
//! histories on disk, so that both come to the same. No trust comes into it.
//!
//! The sketch of a signature is the one that a majority names (Boyer and Moore 1981, the majority vote): who names another
//! opposes it, and when more organisations oppose than name it, the sketch that came last takes its place and all
//! words but that one are neutral again. Nobody's word is counted for a sketch that he did not name.

use tamis_domain::reputation::Class;

use super::REPORTERS_KEPT_MAX;

/// What a reporter said of the sketch that is stored with a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// Nothing since it is stored.
    #[default]
    Nothing,
    /// He named it.
    Stored,
    /// He named another one.
    Other,
}

impl Named {
    /// Its number on disk: 0, 1 or 2.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Stored => 1,
            Self::Other => 2,
        }
    }

    /// What has this number, if anything.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Nothing),
            1 => Some(Self::Stored),
            2 => Some(Self::Other),
            _ => None,
        }
    }
}

/// The sketch that came with a report, beside the one that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// None came: the reporter's former word about it stands.
    Nothing,
    /// One came, and none is stored.
    First,
    /// The stored one.
    Stored,
    /// Another one.
    Other,
}

/// One reporter's word, a vote or a history.
pub(super) trait Word {
    fn is_by_reporter_of(&self, other: &Self) -> bool;
    fn class(&self) -> Class;
    fn is_operator(&self) -> bool;
    fn named(&self) -> Named;
    fn name(&mut self, named: Named);
    fn is_contradicted(&self) -> bool;
    fn set_contradicted(&mut self, is_contradicted: bool);

    /// Says from now on what `newer` says of everything but the sketch.
    fn renew(&mut self, newer: &Self);

    /// Is as young as `newer`, if that is younger.
    fn prolong(&mut self, newer: &Self);

    /// Spam, phishing or malware.
    fn accuses(&self) -> bool {
        matches!(self.class(), Class::Spam | Class::Phishing | Class::Malware)
    }

    /// The operator's word that wins over every other.
    fn overrules(&self) -> bool {
        matches!(self.class(), Class::Allowed) && self.is_operator()
    }

    /// An accusation that an operator may contradict, and has not yet.
    fn may_be_contradicted(&self) -> bool {
        self.accuses() && !self.is_operator() && !self.is_contradicted()
    }
}

/// One word more among those of a signature. `count` tells how many organisations named the sketch so. Whether the
/// sketch that came with it is to be stored.
pub(super) fn hear<W: Word>(
    words: &mut Vec<W>,
    word: W,
    given: Given,
    count: impl Fn(&[W], Named) -> usize,
) -> bool {
    let Some(at) = take(words, word) else { return false };
    let is_stored = match given {
        Given::Nothing => return false,
        Given::First => true,
        Given::Stored => false,
        Given::Other => {
            words[at].name(Named::Other);
            words[at].is_operator() || is_outvoted(words, count)
        }
    };
    if is_stored {
        words.iter_mut().for_each(|word| word.name(Named::Nothing));
    }
    if given != Given::Other || is_stored {
        words[at].name(Named::Stored);
    }
    is_stored
}

/// An operator's sketch is never outvoted.
fn is_outvoted<W: Word>(words: &[W], count: impl Fn(&[W], Named) -> usize) -> bool {
    let is_operators = |word: &W| word.is_operator() && word.named() == Named::Stored;
    !words.iter().any(is_operators) && count(words, Named::Other) > count(words, Named::Stored)
}

/// Where the word stands; none: nowhere. A known reporter renews his own, which becomes the last one where it was no
/// accusation before and is one now. Of more than [`REPORTERS_KEPT_MAX`] only an operator's finds a place, that of the
/// last that is no operator's; any other renews the time of the first.
fn take<W: Word>(words: &mut Vec<W>, word: W) -> Option<usize> {
    if let Some(at) = words.iter().position(|own| own.is_by_reporter_of(&word)) {
        let did_accuse = words[at].accuses();
        words[at].renew(&word);
        if did_accuse && word.accuses() {
            return Some(at);
        }
        words[at].set_contradicted(false);
        if word.accuses() {
            words[at..].rotate_left(1);
            return words.len().checked_sub(1);
        }
        return Some(at);
    }
    if words.len() < REPORTERS_KEPT_MAX {
        words.push(word);
        return words.len().checked_sub(1);
    }
    if word.is_operator()
        && let Some(at) = words.iter().rposition(|other| !other.is_operator())
    {
        words[at] = word;
        return Some(at);
    }
    words.first_mut()?.prolong(&word);
    None
}

/// An operator contradicts the accusations that stand, each once however often he says so. Calls `seen` with those.
pub(super) fn contradict<W: Word>(words: &mut [W], mut seen: impl FnMut(&W)) {
    for word in words.iter_mut().filter(|word| word.may_be_contradicted()) {
        word.set_contradicted(true);
        seen(word);
    }
}

//! Groups of features: what an explanation names.

/// What kind of thing a feature is. Numbers are part of the format of a base: a new group goes to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Single words of the visible text.
    Words,
    /// Two neighbouring words of the visible text.
    Pairs,
    /// Runs of four characters of the visible text, in any script.
    Letters,
    /// Words of the subject, single and in pairs.
    Subject,
    /// Runs of four characters of the subject.
    SubjectLetters,
    /// The shape of From: words of the name, shape of the address.
    Sender,
    /// Shapes of links: scheme, host, path, query, what is shown for them. Never a host name.
    Links,
    /// Words of paths and queries, labels before the owner's domain, words shown.
    LinkWords,
    /// Facts of the header that survive a change of server.
    Header,
    /// The tree of parts, their types, character sets and encodings.
    Structure,
    /// How the text is written: capitals, digits, punctuation, quoting, length.
    Style,
    /// How sender, signer, links and recipient fit together.
    Relations,
}

/// How many groups there are.
pub const GROUPS: usize = Group::ALL.len();

impl Group {
    /// Every group, in the order of the format.
    pub const ALL: [Self; 12] = [
        Self::Words,
        Self::Pairs,
        Self::Letters,
        Self::Subject,
        Self::SubjectLetters,
        Self::Sender,
        Self::Links,
        Self::LinkWords,
        Self::Header,
        Self::Structure,
        Self::Style,
        Self::Relations,
    ];

    /// The number of this group in features and bases, from 0.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The group with this number, if this version knows it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// What an explanation calls it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Words => "words of the text",
            Self::Pairs => "phrases of the text",
            Self::Letters => "spelling of the text",
            Self::Subject => "words of the subject",
            Self::SubjectLetters => "spelling of the subject",
            Self::Sender => "name and form of the sender",
            Self::Links => "form of the links",
            Self::LinkWords => "words of the links",
            Self::Header => "fields of the header",
            Self::Structure => "structure of the mail",
            Self::Style => "style of the text",
            Self::Relations => "sender, signer and links beside each other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_their_numbers() {
        for (at, group) in Group::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(group.code()), at);
            assert_eq!(Group::from_code(group.code()), Some(group));
        }
        assert_eq!(Group::from_code(GROUPS as u8), None);
        assert_eq!(Group::Relations.code(), 11, "the last one: a new group goes to the end");
    }
}

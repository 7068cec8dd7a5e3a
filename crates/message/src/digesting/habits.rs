//! How mail programs differ where a mail is ambiguous (`docs/decisions/0016-readings.md`).
//!
//! A reading is that of a program with one set of habits, from the first place on where its habits matter. The usual
//! reading has none of these.

/// Readings of one text beside the usual one: one for each habit, and one of a program that has them all. Each costs one
/// more pass over what follows the first ambiguous place, so a hostile mail costs five times its bytes at most.
pub const READINGS_MAX: usize = 4;

/// What a program does otherwise than the usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// Of repeated fields and parameters the last counts, names of the type win over those of the disposition, words
    /// that resemble a transfer encoding are one, and an encoded multipart is decoded before it is split.
    pub(super) last: bool,
    /// A line is a delimiter if it begins like one, also of a container that was closed; a missing boundary is guessed
    /// from the first line that looks like a delimiter; a broken line ends the header of a part, not of a mail; NUL bytes
    /// in a header are nothing; a blank in front of the colon makes a line no field.
    pub(super) loose: bool,
    /// A lone carriage return ends a line.
    pub(super) returns: bool,
}

impl Habits {
    /// Of the readings beside the usual one, those that have `habit`, in the order in which their parts are told.
    pub(super) const ALL: [Self; READINGS_MAX] = [
        Self { last: true, loose: false, returns: false },
        Self { last: false, loose: true, returns: false },
        Self { last: false, loose: false, returns: true },
        Self { last: true, loose: true, returns: true },
    ];
}

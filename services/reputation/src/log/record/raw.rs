//! Records that are walked over and not decoded: a search for one signature looks at keys only, and a merge copies what
//! did not change.

use tamis_domain::digest::{Signature, SignatureKind};

use super::fields::Fields;
use super::{ADD, DELETE, RETRACT, read_change};
use tamis_reputation_protocol::signatures::Change;

/// Bytes of a [`Key`].
pub(in crate::log) const KEY_BYTES: usize = 13;

/// Bytes of a kind and a whole value.
const SIGNATURE_BYTES: usize = 17;

const SKETCH_BYTES: usize = 64;

/// What the table knows a signature by: its kind and the first 96 bits of its value. Sorted as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::log) struct Key(pub [u8; KEY_BYTES]);

impl Key {
    pub fn new(kind: SignatureKind, value_prefix: &[u8; 12]) -> Self {
        let mut bytes = [kind.code(); KEY_BYTES];
        bytes[1..].copy_from_slice(value_prefix);
        Self(bytes)
    }

    pub fn of(signature: &Signature) -> Self {
        let mut bytes = [signature.kind.code(); KEY_BYTES];
        bytes[1..].copy_from_slice(&signature.value[..KEY_BYTES - 1]);
        Self(bytes)
    }

    /// The key at the start of a signature's bytes.
    fn at(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk::<KEY_BYTES>().map(|bytes| Self(*bytes))
    }
}

/// A change that was not decoded.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct RawChange<'a> {
    /// The signature that it is about.
    pub key: Key,
    /// Where it begins in the payload.
    pub at: usize,
    /// The lowest epoch that it can have made. It made this one, unless changes before it in the same commit were
    /// deletions or retractions that found something: those count too, but a log alone cannot tell.
    pub epoch: u64,
    bytes: &'a [u8],
}

impl RawChange<'_> {
    pub fn read(&self) -> Option<Change> {
        read_change(self.bytes)
    }
}

/// The changes of one commit, not decoded. Ends with `None` inside where the bytes are no change.
pub(in crate::log) struct RawChanges<'a> {
    fields: Fields<'a>,
    length: usize,
    left: u32,
    adds: u64,
    epoch_before: u64,
}

impl<'a> RawChanges<'a> {
    pub fn of(payload: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        let (epoch_before, _, left) = fields.commit_head()?;
        Some(Self { fields, length: payload.len(), left, adds: 0, epoch_before })
    }

    fn change(&mut self) -> Option<RawChange<'a>> {
        let bytes = self.fields.0;
        let at = self.length - bytes.len();
        let tag = self.fields.u8()?;
        let key = Key::at(self.fields.take(SIGNATURE_BYTES)?)?;
        self.fields.u32()?;
        self.fields.name()?;
        let epoch = self.epoch_before + self.adds + 1;
        match tag {
            ADD => {
                self.adds += 1;
                self.fields.take(3)?;
                skip_sketch(&mut self.fields)?;
            }
            DELETE | RETRACT => {}
            _ => return None,
        }
        Some(RawChange { key, at, epoch, bytes })
    }
}

impl<'a> Iterator for RawChanges<'a> {
    type Item = Option<RawChange<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let change = self.change();
        if change.is_none() {
            self.left = 0;
        }
        Some(change)
    }
}

/// A saved signature that was not decoded.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct RawSaved<'a> {
    pub key: Key,
    pub is_sketched: bool,
    pub bytes: &'a [u8],
}

impl<'a> RawSaved<'a> {
    fn first(fields: &mut Fields<'a>) -> Option<Self> {
        let bytes = fields.0;
        let key = Key::at(fields.take(SIGNATURE_BYTES)?)?;
        let is_sketched = skip_sketch(fields)?;
        fields.u64()?;
        for _ in 0..fields.u8()? {
            fields.name()?;
            fields.take(4 + 4 + 4 + 2)?;
        }
        let length = bytes.len() - fields.0.len();
        Some(Self { key, is_sketched, bytes: &bytes[..length] })
    }
}

/// The saved signatures of one payload. Ends with `None` inside where the bytes are none.
pub(in crate::log) fn saved_records(payload: &[u8]) -> impl Iterator<Item = Option<RawSaved<'_>>> {
    let mut fields = Fields(payload);
    std::iter::from_fn(move || {
        if fields.0.is_empty() {
            return None;
        }
        let saved = RawSaved::first(&mut fields);
        if saved.is_none() {
            fields = Fields(&[]);
        }
        Some(saved)
    })
}

fn skip_sketch(fields: &mut Fields<'_>) -> Option<bool> {
    match fields.u8()? {
        0 => Some(false),
        1 => fields.take(SKETCH_BYTES).map(|_| true),
        _ => None,
    }
}

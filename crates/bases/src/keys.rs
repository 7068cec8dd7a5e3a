//! Keys of publishers: Ed25519 (RFC 8032). Each kind of statement is signed behind words of its own, so that one can never
//! be shown as another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::label::Label;
use crate::wire::{hex, unhex};

/// Bytes of a seed, of which a key pair is made.
pub const SEED_BYTES: usize = 32;

const MANIFEST: &[u8] = b"tamis bases manifest 1\0";
const ENDORSEMENT: &[u8] = b"tamis bases key 1\0";
const KEY_ID: &str = "tamis bases key id 1";

/// Who may have signed: what is written into configurations and manifests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// Short name of a public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// Text that is no key, or bytes that are none: the fault of who wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key: 64 hexadecimal digits in lower case")]
pub struct BadKey;

impl PublicKey {
    /// Its short name: BLAKE3 in derive-key mode, cut to 128 bits.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let long = blake3::derive_key(KEY_ID, &self.0);
        let mut short = [0; 16];
        short.copy_from_slice(&long[..16]);
        KeyId(short)
    }

    fn verify(&self, domain: &[u8], statement: &[u8], signature: &Signature) -> bool {
        let message = [domain, statement].concat();
        UnparsedPublicKey::new(&ED25519, self.0).verify(&message, &signature.0).is_ok()
    }

    /// Whether this key signed these bytes of a manifest.
    #[must_use]
    pub fn signed_manifest(&self, bytes: &[u8], signature: &Signature) -> bool {
        self.verify(MANIFEST, bytes, signature)
    }

    /// Whether this key said that `key` may sign for `channel`.
    #[must_use]
    pub fn endorsed(&self, channel: &Label, key: &Self, signature: &Signature) -> bool {
        self.verify(ENDORSEMENT, &endorsement(channel, key), signature)
    }
}

fn endorsement(channel: &Label, key: &PublicKey) -> Vec<u8> {
    // The key has a fixed length and stands first, so the two cannot run into each other.
    [&key.0, channel.as_str().as_bytes()].concat()
}

/// A key pair. Its seed is a secret: nothing of it is shown.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The pair of a seed of [`SEED_BYTES`] random bytes.
    ///
    /// # Errors
    /// [`BadKey`] if the library refuses the seed.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadKey)?;
        Ok(Self { pair, public: PublicKey(public) })
    }

    /// What others need to know of it.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs the bytes of a manifest.
    #[must_use]
    pub fn sign_manifest(&self, bytes: &[u8]) -> Signature {
        self.sign(MANIFEST, bytes)
    }

    /// Says that `key` may sign for `channel`.
    #[must_use]
    pub fn endorse(&self, channel: &Label, key: &PublicKey) -> Signature {
        self.sign(ENDORSEMENT, &endorsement(channel, key))
    }

    fn sign(&self, domain: &[u8], statement: &[u8]) -> Signature {
        let signed = self.pair.sign(&[domain, statement].concat());
        let mut signature = Signature([0; 64]);
        // RFC 8032: always 64 bytes. Were it otherwise, the signature would be one that nobody accepts.
        if signed.as_ref().len() == signature.0.len() {
            signature.0.copy_from_slice(signed.as_ref());
        }
        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

/// Reads a seed from the text of a key file: 64 digits, blanks around them.
///
/// # Errors
/// [`BadKey`].
pub fn read_seed(text: &str) -> Result<[u8; SEED_BYTES], BadKey> {
    unhex(text.trim()).ok_or(BadKey)
}

/// The text of a key file.
#[must_use]
pub fn write_seed(seed: &[u8; SEED_BYTES]) -> String {
    hex(seed) + "\n"
}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        unhex(text).map(Self).ok_or(BadKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}...)", hex(&self.0[..8]))
    }
}

//! From secrets to keys. The only place that calls the cryptographic library.

use std::fmt;

use aws_lc_rs::{aead, agreement, constant_time, hkdf, hmac};

use super::Fault;
use super::keys::Key;
use crate::packet::{MAC_BYTES, PUBLIC_BYTES, SEALED_HEADER_BYTES};

/// 32 secret bytes.
pub(super) type Secret = [u8; 32];

const KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = aead::NONCE_LEN;

/// Random secrets from one seed. Each draw replaces the state by a hash of it, so that what was drawn before cannot be
/// computed from what is kept ("fast key erasure", Bernstein 2017): the seed does not undo forward secrecy.
pub(super) struct Draw {
    state: Secret,
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw")
    }
}

impl Draw {
    pub(super) const fn new(seed: Secret) -> Self {
        Self { state: seed }
    }

    pub(super) fn secret(&mut self) -> Secret {
        let mut both = [[0; 32]; 2];
        let mut stream = blake3::Hasher::new_keyed(&self.state).finalize_xof();
        both.iter_mut().for_each(|half| stream.fill(half));
        let [state, secret] = both;
        self.state = state;
        secret
    }

    pub(super) fn word(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.secret();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// One side's ephemeral pair (X25519, RFC 7748).
pub(super) struct Ephemeral {
    private: agreement::PrivateKey,
    pub(super) public: [u8; PUBLIC_BYTES],
}

impl Ephemeral {
    pub(super) fn new(secret: &Secret) -> Result<Self, Fault> {
        let private = agreement::PrivateKey::from_private_key(&agreement::X25519, secret)
            .map_err(|_| Fault::Library)?;
        let public = private.compute_public_key().map_err(|_| Fault::Library)?;
        let public = public.as_ref().try_into().map_err(|_| Fault::Library)?;
        Ok(Self { private, public })
    }

    /// The keys of a session with the owner of `theirs`.
    pub(super) fn agree(
        &self,
        theirs: &[u8; PUBLIC_BYTES],
        key: &Key,
        transcript: &Transcript,
    ) -> Result<SessionKeys, Fault> {
        let theirs = agreement::UnparsedPublicKey::new(&agreement::X25519, theirs);
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, key.session());
        // The library refuses a shared secret of zeros.
        let pseudorandom = agreement::agree(&self.private, theirs, Fault::Public, |shared| {
            Ok(salt.extract(shared))
        })?;
        SessionKeys::expand(&pseudorandom, transcript)
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ephemeral")
    }
}

/// What both sides have seen of each other: all that makes this session another one.
pub(super) struct Transcript {
    bytes: [u8; 8 + 2 * PUBLIC_BYTES + 8],
}

impl Transcript {
    pub(super) fn new(
        key: &Key,
        client: &[u8; PUBLIC_BYTES],
        server: &[u8; PUBLIC_BYTES],
        session: u64,
    ) -> Self {
        let mut bytes = [0; 8 + 2 * PUBLIC_BYTES + 8];
        bytes[..8].copy_from_slice(&key.id().0);
        bytes[8..40].copy_from_slice(client);
        bytes[40..72].copy_from_slice(server);
        bytes[72..].copy_from_slice(&session.to_be_bytes());
        Self { bytes }
    }
}

/// All keys of one session.
#[derive(Debug)]
pub(super) struct SessionKeys {
    pub(super) questions: Direction,
    pub(super) answers: Direction,
    confirm: hmac::Key,
}

impl SessionKeys {
    fn expand(pseudorandom: &hkdf::Prk, transcript: &Transcript) -> Result<Self, Fault> {
        let material: [u8; 2 * (KEY_BYTES + NONCE_BYTES) + 32] =
            expand(pseudorandom, &[b"tamis seal v1 keys", &transcript.bytes])?;
        let (questions, rest) = material.split_at(KEY_BYTES + NONCE_BYTES);
        let (answers, confirm) = rest.split_at(KEY_BYTES + NONCE_BYTES);
        Ok(Self {
            questions: Direction::new(questions)?,
            answers: Direction::new(answers)?,
            confirm: hmac::Key::new(hmac::HMAC_SHA256, confirm),
        })
    }

    /// The code of a session datagram, over all before it.
    pub(super) fn mac(&self, covered: &[u8]) -> [u8; MAC_BYTES] {
        mac(&self.confirm, covered)
    }
}

/// AES-128-GCM in one direction (NIST SP 800-38D). The nonce is that of TLS 1.3 (RFC 8446, section 5.3): the counter,
/// padded on the left, under a mask that belongs to the key.
pub(super) struct Direction {
    key: aead::LessSafeKey,
    mask: [u8; NONCE_BYTES],
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direction")
    }
}

impl Direction {
    fn new(material: &[u8]) -> Result<Self, Fault> {
        let (key, mask) = material.split_at(KEY_BYTES);
        let key = aead::UnboundKey::new(&aead::AES_128_GCM, key).map_err(|_| Fault::Library)?;
        let mask = mask.try_into().map_err(|_| Fault::Library)?;
        Ok(Self { key: aead::LessSafeKey::new(key), mask })
    }

    fn nonce(&self, counter: u64) -> aead::Nonce {
        let mut nonce = self.mask;
        for (byte, of_counter) in nonce[NONCE_BYTES - 8..].iter_mut().zip(counter.to_be_bytes()) {
            *byte ^= of_counter;
        }
        aead::Nonce::assume_unique_for_key(nonce)
    }

    /// Seals what stands behind the sealed header, and adds the tag.
    pub(super) fn seal(&self, counter: u64, datagram: &mut Vec<u8>) -> Result<(), Fault> {
        let (head, body) =
            datagram.split_first_chunk_mut::<SEALED_HEADER_BYTES>().ok_or(Fault::Library)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(counter), aead::Aad::from(&*head), body)
            .map_err(|_| Fault::Library)?;
        datagram.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens what stands behind the sealed header of `datagram` into `opened`.
    pub(super) fn open(
        &self,
        counter: u64,
        datagram: &[u8],
        opened: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let (head, sealed) =
            datagram.split_first_chunk::<SEALED_HEADER_BYTES>().ok_or(Fault::Tag)?;
        opened.clear();
        opened.extend_from_slice(sealed);
        let length = self
            .key
            .open_in_place(self.nonce(counter), aead::Aad::from(head), opened)
            .map_err(|_| Fault::Tag)?
            .len();
        opened.truncate(length);
        Ok(())
    }
}

/// `N` bytes of HKDF-Expand (RFC 5869, section 2.3).
pub(super) fn expand<const N: usize>(
    pseudorandom: &hkdf::Prk,
    info: &[&[u8]],
) -> Result<[u8; N], Fault> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    let okm = pseudorandom.expand(info, Length(N)).map_err(|_| Fault::Library)?;
    okm.fill(&mut out).map_err(|_| Fault::Library)?;
    Ok(out)
}

pub(super) fn mac(key: &hmac::Key, covered: &[u8]) -> [u8; MAC_BYTES] {
    let mut cut = [0; MAC_BYTES];
    cut.copy_from_slice(&hmac::sign(key, covered).as_ref()[..MAC_BYTES]);
    cut
}

pub(super) fn are_equal(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

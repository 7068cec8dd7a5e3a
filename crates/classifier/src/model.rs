//! A base that is held in memory, and the one that is built in.

use std::fmt;
use std::sync::Arc;

use crate::base::{Base, Refusal};

/// Trained by `cargo xtask train`; `docs/detection.md` says on what.
static BUILT_IN: &[u8] = include_bytes!("../data/content.base");

/// The bytes of a base that was found sound.
#[derive(Clone)]
pub struct Model {
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    BuiltIn,
    Read(Arc<[u8]>),
}

impl Model {
    /// The base that this program carries.
    #[must_use]
    pub fn built_in() -> Self {
        Self { bytes: Bytes::BuiltIn }
    }

    /// A base from a file.
    ///
    /// # Errors
    /// As [`Base::read`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, Refusal> {
        Base::read(&bytes)?;
        Ok(Self { bytes: Bytes::Read(bytes.into()) })
    }

    /// The base. One that cannot be read, which a test rules out, knows nothing.
    #[must_use]
    pub fn base(&self) -> Base<'_> {
        Base::read(self.bytes()).unwrap_or(Base::EMPTY)
    }

    /// The bytes: what facts that depend on the model are named by.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::BuiltIn => BUILT_IN,
            Bytes::Read(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({} bytes)", self.bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_base_is_sound_and_small() {
        assert!(Base::read(BUILT_IN).is_ok());
        assert!(BUILT_IN.len() <= 2 << 20, "{} bytes", BUILT_IN.len());
        assert!(Model::read(BUILT_IN.to_vec()).is_ok());
        assert!(Model::read(b"no base".to_vec()).is_err());
    }
}

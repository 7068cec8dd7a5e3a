//! What a mail is judged by: one policy and one set of bases, taken once and kept for the mail's whole life.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result};
use tamis_checks::bases::{Bases, CODE_GENERATION, HashList};
use tamis_classifier::model::Model;
use tamis_domain::policy::Policy;
use tamis_message::digesting::part_digest;

/// Policy, bases and model, together.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What the administrator wants.
    pub policy: Policy,
    /// What the checks know.
    pub bases: Arc<Bases>,
    /// The content model, unless it is switched off.
    pub content: Option<Model>,
}

/// The snapshot in force, swapped whole.
#[derive(Debug, Default)]
pub struct Current(RwLock<Arc<Snapshot>>);

/// Bytes of a hash list read. `HashList` has a limit of entries; this one keeps a wrong file from filling the memory.
const HASH_LIST_BYTES_MAX: u64 = 256 << 20;

impl Snapshot {
    /// Policy and the hash list in a file, if there is one; no content model.
    ///
    /// # Errors
    /// The file cannot be read or a line of it makes no sense: the administrator's fault, named with the line.
    pub fn load(policy: Policy, hash_list: Option<&Path>) -> Result<Self> {
        let text = match hash_list {
            None => String::new(),
            Some(path) => {
                let size =
                    std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
                anyhow::ensure!(size <= HASH_LIST_BYTES_MAX, "{}: too long", path.display());
                std::fs::read_to_string(path).with_context(|| path.display().to_string())?
            }
        };
        let place = || hash_list.unwrap_or(Path::new("")).display().to_string();
        let hashes = HashList::read(&text).with_context(place)?;
        let bases = Arc::new(bases(hashes, &text));
        Ok(Self { policy, bases, content: None })
    }

    /// The same with the content model that is built in: what it makes of a part is remembered, so facts get another
    /// generation.
    #[must_use]
    pub fn with_content_model(self) -> Self {
        self.with_model(Model::built_in())
    }

    /// The same with another content model, as evaluation tries it.
    #[must_use]
    pub fn with_model(mut self, model: Model) -> Self {
        let names = [self.bases.generation.to_be_bytes().to_vec(), model.bytes().to_vec()].concat();
        let generation = generation(&names);
        self.bases = Arc::new(Bases { generation, ..(*self.bases).clone() });
        self.content = Some(model);
        self
    }
}

/// Bases whose generation names the code and the data of the part checks: another list, other facts.
fn bases(hashes: HashList, text: &str) -> Bases {
    Bases { generation: generation(text.as_bytes()), hashes }
}

/// The generation of facts that depend on this data and on the code.
fn generation(data: &[u8]) -> u32 {
    let [a, b, c, ..] = part_digest(data).0;
    u32::from_be_bytes([a, b, c, 0]) | (CODE_GENERATION & 0xff)
}

impl Current {
    /// Puts a snapshot in force.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(RwLock::new(Arc::new(snapshot)))
    }

    /// The one in force now; keep it for the whole mail.
    #[must_use]
    pub fn take(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force. Mails in hand keep theirs.
    pub fn swap(&self, snapshot: Snapshot) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}

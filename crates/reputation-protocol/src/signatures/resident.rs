//! Where signatures stand: those without a sketch by their hash, those with one in a slab with two indexes.

use tamis_domain::digest::Sketch;

use super::exact::{Exact, Place};
use super::ids::{self, Ids, Owners};
use super::kept::{Kept, Name, Said};
use super::near::{Near, Rank, Ranks};
use super::slab::{Entry, Lanes, Slab};
use super::trust::Trust;
use super::votes::{Vote, Votes};
use super::words::Given;
use crate::hashing::Seeded;

/// All signatures with their votes.
#[derive(Debug)]
pub(super) struct Resident {
    hash: Seeded,
    /// Signatures without a sketch.
    exact: Exact,
    /// Of these, signatures of kinds that may have one.
    bare: usize,
    /// Signatures with a sketch, by name and by similarity.
    slab: Slab,
    names: Ids,
    near: Near,
    votes: Votes,
}

/// Where a signature stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot {
    Exact(Place),
    Sketched(u32),
}

impl Resident {
    /// With room for so many signatures without a sketch and with one.
    pub(super) fn with_room(hash: Seeded, exact: usize, sketched: usize) -> Self {
        Self {
            hash,
            exact: Exact::with_room(hash, exact),
            bare: 0,
            slab: Slab::default(),
            names: Ids::with_room(sketched),
            near: Near::with_room(hash, sketched),
            votes: Votes::default(),
        }
    }

    /// Signatures without a sketch.
    pub(super) const fn bare_len(&self) -> usize {
        self.exact.len()
    }

    /// Signatures with one.
    pub(super) const fn sketched_len(&self) -> usize {
        self.slab.len()
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.near.evicted()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.exact.memory_bytes()
            + self.slab.memory_bytes()
            + self.names.memory_bytes()
            + self.near.memory_bytes()
            + self.votes.memory_bytes()
    }

    /// The votes of a list.
    pub(super) const fn votes(&self) -> &Votes {
        &self.votes
    }

    /// Calls `seen` with name, votes and agreement of every signature of this kind that resembles `sketch`.
    pub(super) fn visit_near(
        &self,
        kind: u8,
        sketch: &Sketch,
        agreement_min: u8,
        mut seen: impl FnMut(Name, Kept, u8),
    ) {
        self.near.visit(kind, sketch, agreement_min, &self.slab, |id, agreement| {
            let entry = self.slab.entry(id);
            seen(entry.name(), entry.kept, agreement);
        });
    }

    pub(super) fn spot(&self, name: &Name) -> Option<Spot> {
        let may_have_sketch = name.kind().has_sketch();
        if may_have_sketch && let Some(id) = self.sketched(name) {
            return Some(Spot::Sketched(id));
        }
        if may_have_sketch && self.bare == 0 {
            return None;
        }
        self.exact.find(name).map(Spot::Exact)
    }

    pub(super) fn sketched(&self, name: &Name) -> Option<u32> {
        let hash = name.hash(self.hash);
        self.names.find(hash, ids::tag_of(hash), |id| self.slab.entry(id).name() == *name)
    }

    pub(super) fn kept(&self, spot: Spot) -> Kept {
        match spot {
            Spot::Exact(place) => self.exact.kept(place),
            Spot::Sketched(id) => self.slab.entry(id).kept,
        }
    }

    pub(super) fn votes_at(&self, spot: Spot) -> Vec<Vote> {
        match self.kept(spot).said() {
            Said::One(vote) => vec![vote],
            Said::Many(list) => self.votes.list(list).to_vec(),
        }
    }

    /// The sketch that came with a report of what stands at a spot, beside its own.
    pub(super) fn given(&self, spot: Spot, sketch: Option<&Sketch>) -> Given {
        match (spot, sketch) {
            (_, None) => Given::Nothing,
            (Spot::Exact(_), Some(_)) => Given::First,
            (Spot::Sketched(id), Some(sketch)) => {
                if self.near.is_of(id, sketch, &self.slab) {
                    Given::Stored
                } else {
                    Given::Other
                }
            }
        }
    }

    /// Keeps a signature that stands nowhere yet; no votes are no votes.
    pub(super) fn put(
        &mut self,
        name: &Name,
        sketch: Option<&Sketch>,
        votes: &[Vote],
        trust: &Trust,
    ) {
        let kept = match votes {
            [vote] => Kept::one(name.kind, *vote),
            _ => Kept::many(name.kind, self.votes.make(votes)),
        };
        if let Some(sketch) = sketch {
            self.put_sketched(name, sketch, kept, trust);
            return;
        }
        self.bare += usize::from(name.kind().has_sketch());
        self.exact.insert(name, kept);
    }

    /// Keeps other votes of a signature in its place.
    pub(super) fn set(&mut self, name: &Name, spot: Spot, votes: &[Vote]) {
        let kept = match (self.kept(spot).said(), votes) {
            (Said::Many(list), [vote]) => {
                self.votes.free(list);
                Kept::one(name.kind, *vote)
            }
            (Said::One(_), [vote]) => Kept::one(name.kind, *vote),
            (Said::Many(list), _) => Kept::many(name.kind, self.votes.replace(list, votes)),
            (Said::One(_), _) => Kept::many(name.kind, self.votes.make(votes)),
        };
        match spot {
            Spot::Sketched(id) => self.slab.set(id, kept),
            Spot::Exact(place) => self.exact.set(place, kept),
        }
    }

    /// Stores another sketch with a signature, or the first one.
    pub(super) fn sketch(&mut self, name: &Name, spot: Spot, sketch: &Sketch, trust: &Trust) {
        match spot {
            Spot::Exact(place) => {
                let kept = self.exact.kept(place);
                self.exact.remove(place);
                self.bare -= 1;
                self.put_sketched(name, sketch, kept, trust);
            }
            Spot::Sketched(id) => {
                self.near.remove(id, &self.slab);
                self.slab.set_lanes(id, Lanes::of(sketch));
                let Self { slab, votes, near, .. } = self;
                near.insert(
                    id,
                    sketch,
                    slab,
                    &mut Ranks::new(&|id| rank_of(id, slab, votes, trust)),
                );
            }
        }
    }

    /// Whoever named this sketch of a signature made it rank higher.
    pub(super) fn stand(&mut self, spot: Spot, sketch: &Sketch, trust: &Trust) {
        let Spot::Sketched(id) = spot else { return };
        let Self { slab, votes, near, .. } = self;
        near.stand(id, sketch, slab, &mut Ranks::new(&|id| rank_of(id, slab, votes, trust)));
    }

    fn put_sketched(&mut self, name: &Name, sketch: &Sketch, kept: Kept, trust: &Trust) {
        let id = self.slab.insert(Entry::new(Lanes::of(sketch), name, kept));
        let seeded = self.hash;
        let hash = name.hash(seeded);
        let Self { slab, votes, near, names, .. } = self;
        names.push(hash, ids::tag_of(hash), id, &NamesOf { hash: seeded, slab });
        near.insert(id, sketch, slab, &mut Ranks::new(&|id| rank_of(id, slab, votes, trust)));
    }

    pub(super) fn take_out(&mut self, name: &Name, spot: Spot) {
        if let Said::Many(list) = self.kept(spot).said() {
            self.votes.free(list);
        }
        match spot {
            Spot::Exact(place) => {
                self.bare -= usize::from(name.kind().has_sketch());
                self.exact.remove(place);
            }
            Spot::Sketched(id) => {
                self.names.remove(name.hash(self.hash), id);
                self.near.remove(id, &self.slab);
                self.slab.remove(id);
            }
        }
    }
}

/// What an entry of the slab is worth to the index.
fn rank_of(id: u32, slab: &Slab, votes: &Votes, trust: &Trust) -> Rank {
    match slab.entry(id).kept.said() {
        Said::One(vote) => trust.rank(&[vote]),
        Said::Many(list) => trust.rank(votes.list(list)),
    }
}

/// The owners of the index by name.
struct NamesOf<'a> {
    hash: Seeded,
    slab: &'a Slab,
}

impl Owners for NamesOf<'_> {
    fn hash(&self, id: u32) -> u64 {
        self.slab.entry(id).name().hash(self.hash)
    }

    fn touch(&self, id: u32) -> u8 {
        self.slab.entry(id).name().value[0]
    }
}

//! Where programs read differently: other readings begin, each a machine of its own from there on.

use super::super::book::Book;
use super::super::census::Census;
use super::super::delimiter::{Frame, View};
use super::super::entity::{Declared, Entity};
use super::super::habits::{Habits, READINGS_MAX};
use super::{Place, Stage, Walker};

/// Another reading.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) walker: Walker,
    pub(super) book: Book,
    /// Place of its habits in [`Habits::ALL`].
    pub(super) order: usize,
}

pub(super) fn view<'a>(
    frames: &'a [Frame],
    habits: Habits,
    begun: &[bool; READINGS_MAX],
) -> View<'a> {
    let mut loose = Habits::ALL.iter().zip(begun).filter(|(habits, _)| habits.loose);
    View { frames, loose: habits.loose, doubts: loose.any(|(_, begun)| !begun) }
}

impl Walker {
    /// Begins the readings of programs that do otherwise from here on, those whose habits `concern` this place; `begin` is
    /// what they do here.
    pub(super) fn branch(
        &mut self,
        concern: impl Fn(Habits) -> bool,
        book: &Book,
        mut begin: impl FnMut(&mut Self, &mut Book),
    ) {
        for (order, habits) in Habits::ALL.into_iter().enumerate() {
            if self.begun[order] || !concern(habits) {
                continue;
            }
            self.begun[order] = true;
            let mut walker = Self {
                frames: self.frames.clone(),
                stage: self.stage.clone(),
                census: Census::default(),
                branches: Vec::new(),
                ..*self
            };
            walker.adopt(habits);
            let mut other = book.branch();
            begin(&mut walker, &mut other);
            self.branches.push(Branch { walker, book: other, order });
        }
    }

    /// Goes on with other habits, in the message under way within it, too.
    pub(in crate::digesting) fn adopt(&mut self, habits: Habits) {
        self.habits = habits;
        self.begun = [true; READINGS_MAX];
        self.branches.clear();
        if let Stage::Body(body) = &mut self.stage {
            body.taker.adopt(habits);
        }
    }

    /// Begins the readings of programs to which a header block declares something else.
    pub(super) fn doubt(
        &mut self,
        entity: &Entity,
        block: &[u8],
        context: (bool, bool),
        place: Place,
        book: &Book,
    ) {
        let read = |habits| Declared::read(block, context, habits, &mut Book::default()).entity;
        let differs = |habits| !read(habits).is_like(entity);
        self.branch(differs, book, |walker, book| {
            let entity = read(walker.habits);
            walker.stage = walker.begin(&entity, place, book);
        });
    }
}

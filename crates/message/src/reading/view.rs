//! What of an element a person sees, with what it has from the elements around it.

use super::paint::Paint;
use super::style::Style;

/// How text is kept from a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Not displayed at all.
    Gone,
    /// Off the screen, or clipped to nothing.
    Away,
    /// Too small to be read.
    Tiny,
    /// In the colour of the ground.
    Coloured,
}

/// How the text of one element is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    gone: bool,
    away: bool,
    invisible: bool,
    tiny: bool,
    ink: Paint,
    ground: Paint,
    /// Whether the page itself says the ground, and it is not just paper.
    is_painted: bool,
}

impl View {
    /// The page before anything is said.
    pub(super) const PAGE: Self = Self {
        gone: false,
        away: false,
        invisible: false,
        tiny: false,
        ink: Paint::INK,
        ground: Paint::PAPER,
        is_painted: false,
    };

    /// The view of an element of this style within this one.
    pub(super) fn within(self, style: &Style) -> Self {
        let (ground, is_painted) = match style.ground {
            Some(Paint::Nothing) | None => (self.ground, self.is_painted),
            Some(ground) => (ground, true),
        };
        Self {
            gone: self.gone || style.gone.unwrap_or(false) || style.faded.unwrap_or(false),
            away: self.away || style.away.unwrap_or(false),
            invisible: style.invisible.unwrap_or(self.invisible),
            tiny: style.tiny.unwrap_or(self.tiny),
            ink: style.ink.unwrap_or(self.ink),
            ground,
            is_painted,
        }
    }

    /// How its text is hidden, if it is. `paints_unseen` is whether a ground may be painted that is not known here.
    pub(super) fn hides(&self, paints_unseen: bool) -> Option<How> {
        let known = self.is_painted || !paints_unseen;
        if self.gone || self.invisible {
            Some(How::Gone)
        } else if self.away {
            Some(How::Away)
        } else if self.tiny {
            Some(How::Tiny)
        } else if (known || self.ink == Paint::Nothing) && self.ink.is_lost_on(self.ground) {
            Some(How::Coloured)
        } else {
            None
        }
    }
}

//! What is wrong with a node's place in the shared order, as long as it is: told once in the log, always in `stats`.

use std::sync::Arc;

use super::Link;

/// What is wrong now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    /// A part of the node ended: only a start helps.
    pub dead: Option<String>,
    /// What it needs is gone from the order, and nobody gives it a table.
    pub gap: Option<String>,
    /// The copy of the order cannot be written; whether so much waits for it that nothing more is applied.
    pub copy: Option<(String, bool)>,
    /// Others are waited for before the order is begun.
    pub waits: Option<String>,
    /// Writes are not confirmed.
    pub suspended: Option<String>,
}

impl Troubles {
    /// What a person should know.
    pub fn texts(&self) -> Vec<String> {
        let copy = self.copy.as_ref().map(|(why, is_full)| match is_full {
            false => format!("the copy of the shared order cannot be written, it is tried again: {why}"),
            true => format!(
                "the copy of the shared order cannot be written and no more of the order is applied here: {why}"
            ),
        });
        let suspended = self.suspended.as_ref().map(|why| format!("writes are refused: {why}"));
        [self.dead.clone(), self.gap.clone(), copy, self.waits.clone(), suspended]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether this node falls behind until somebody mends it: others should be asked.
    pub fn is_unfit(&self) -> bool {
        self.dead.is_some() || self.gap.is_some() || self.is_stalled()
    }

    /// Why no write is taken, if one of these is why.
    pub fn closed(&self) -> Option<String> {
        let copy = self.copy.as_ref().filter(|(_, is_full)| *is_full);
        let copy =
            copy.map(|(why, _)| format!("the copy of the shared order cannot be written: {why}"));
        self.dead.clone().or_else(|| self.gap.clone()).or(copy).or_else(|| self.suspended.clone())
    }

    pub fn is_stalled(&self) -> bool {
        self.copy.as_ref().is_some_and(|(_, is_full)| *is_full)
    }
}

/// Held by a thread or task for as long as it lives: a panic of it is a trouble of the node.
pub(super) struct Alarm {
    link: Arc<Link>,
    what: &'static str,
}

impl Alarm {
    pub fn new(link: &Arc<Link>, what: &'static str) -> Self {
        Self { link: Arc::clone(link), what }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.link.dead(self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_mend_makes_a_node_unfit_and_what_passes_by_itself_does_not() {
        let text = |text: &str| Some(text.to_owned());
        let copy = |is_full| Some(("full disk".to_owned(), is_full));
        let none = Troubles::default;
        for (troubles, is_unfit, closed) in [
            (none(), false, None),
            (Troubles { dead: text("ended"), ..none() }, true, Some("ended")),
            (Troubles { gap: text("gone"), ..none() }, true, Some("gone")),
            (Troubles { copy: copy(false), ..none() }, false, None),
            (Troubles { copy: copy(true), ..none() }, true, Some("full disk")),
            (Troubles { waits: text("2 of 3"), ..none() }, false, None),
            (Troubles { suspended: text("replicas"), ..none() }, false, Some("replicas")),
        ] {
            assert_eq!(troubles.is_unfit(), is_unfit, "{troubles:?}");
            let told = troubles.closed();
            assert_eq!(told.is_some(), closed.is_some(), "{troubles:?}");
            assert!(told.unwrap_or_default().contains(closed.unwrap_or_default()), "{troubles:?}");
            assert_eq!(troubles.texts().len(), usize::from(troubles != none()), "{troubles:?}");
        }
    }
}

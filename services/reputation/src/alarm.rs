//! Tells when a thread or task of the service ends that never should.

use std::sync::Arc;

use crate::shared::Shared;

/// Held by a thread or task for as long as it lives: a panic of it is told to a person, and the node is not ready any more.
#[derive(Debug)]
pub struct Alarm {
    shared: Arc<Shared>,
    what: &'static str,
}

impl Alarm {
    /// For `what` of the service.
    #[must_use]
    pub fn new(shared: &Arc<Shared>, what: &'static str) -> Self {
        Self { shared: Arc::clone(shared), what }
    }

    /// Tells of an end that is no panic of the holder.
    pub(crate) fn ring(&self) {
        self.shared.died(self.what);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use tamis_reputation_protocol::signatures::{Rules, Table};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_thread_that_panics_is_told_and_one_that_was_asked_to_end_is_not() {
        let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
        let shared = Arc::new(Shared::new(Table::new(Rules::default()), metrics));
        let run = |dies: bool| {
            let alarm = Alarm::new(&shared, "the writer");
            let thread = std::thread::spawn(move || {
                let _alarm = alarm;
                assert!(!dies, "as a fault of ours");
            });
            assert_eq!(thread.join().is_err(), dies);
        };
        run(false);
        assert!(*shared.is_fit().borrow() && shared.warnings().is_empty());
        run(true);
        assert!(!*shared.is_fit().borrow());
        let said = shared.warnings().join("; ");
        assert!(said.contains("the writer of this node ended unexpectedly"), "{said}");
    }
}

//! Readiness of a node, as long as it lives.

use tamis_proto::reputation::reputation_server::ReputationServer;
use tamis_runtime::admin::Condition;
use tamis_runtime::shutdown::Shutdown;
use tokio::sync::watch;
use tonic_health::server::HealthReporter;

use crate::admin::Admin;

/// Whether nothing is wrong with a node that somebody has to mend.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    /// Its threads and tasks.
    pub parts: watch::Receiver<bool>,
    /// Its place in a shared order, if there is one.
    pub order: Option<watch::Receiver<bool>>,
}

impl Fit {
    fn is_so(&mut self) -> bool {
        let order = self.order.as_mut().is_none_or(|order| *order.borrow_and_update());
        *self.parts.borrow_and_update() && order
    }

    /// Whether it may change again, once it did.
    async fn changed(&mut self) -> bool {
        let order = async {
            // Who tells of the order goes when the node stops.
            let is_told = match &mut self.order {
                Some(order) => order.changed().await.is_ok(),
                None => false,
            };
            if !is_told {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            changed = self.parts.changed() => changed.is_ok(),
            () = order => true,
        }
    }
}

/// A node that falls behind until somebody mends it, or lost a part, is not ready: others should be asked. It answers all
/// the same.
pub(crate) async fn ready_while(mut is_fit: Fit, is_ready: Condition, shutdown: Shutdown) {
    loop {
        is_ready.set(is_fit.is_so());
        tokio::select! {
            goes_on = is_fit.changed() => if !goes_on { return },
            () = shutdown.requested() => return,
        }
    }
}

/// As [`ready_while`], for who asks over gRPC.
pub(crate) async fn serving_while(mut is_fit: Fit, health: HealthReporter) {
    loop {
        match is_fit.is_so() {
            true => health.set_serving::<ReputationServer<Admin>>().await,
            false => health.set_not_serving::<ReputationServer<Admin>>().await,
        }
        if !is_fit.changed().await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_is_fit_while_its_parts_and_its_place_in_the_order_are() {
        let (parts, order) = (watch::Sender::new(true), watch::Sender::new(true));
        let mut alone = Fit { parts: parts.subscribe(), order: None };
        let mut fit = Fit { order: Some(order.subscribe()), ..alone.clone() };
        assert!(fit.is_so() && alone.is_so());
        order.send_replace(false);
        assert!(fit.changed().await && !fit.is_so() && alone.is_so());
        order.send_replace(true);
        assert!(fit.changed().await && fit.is_so());
        drop(order);
        parts.send_replace(false);
        assert!(fit.changed().await && !fit.is_so());
        assert!(alone.changed().await && !alone.is_so());
        drop(parts);
        assert!(!fit.changed().await, "nothing is told any more");
    }
}

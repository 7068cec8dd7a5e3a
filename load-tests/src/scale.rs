//! How large a cluster has to be: from measured costs by a formula, and the same by a simulation of every mail.
//!
//! [`costs`] reads what was measured out of the files that measured it, [`plan`] is the formula, [`queues`] the simulation, and
//! [`report`] puts both beside each other. Nothing here touches a socket or a clock; the seed is a constant.

pub mod costs;
pub mod plan;
pub mod queues;
pub mod report;

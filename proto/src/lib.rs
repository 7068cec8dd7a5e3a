//! The wire between our own services, and its translation to and from the words of the house.
//!
//! **Holds** nothing.
//! **Takes** messages of the wire, or values of `tamis-domain`.
//! **Gives** the other of the two.
//! **May touch** prost and tonic; generated code is committed and compared by a test.
//! **Never** decides anything; its types stay in the carriers and doors of the services.
//! **If it fails** the peer sent something without meaning: [`scan_convert::Unreadable`] names the field.

/// Generated from `tamis/scan/v1/scan.proto`: the dialogue of edge and scanner.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::disallowed_methods
)]
pub mod scan {
    include!("generated/tamis.scan.v1.rs");
}

/// Generated from `tamis/reputation/v1/reputation.proto`: administration of the reputation service.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::disallowed_methods
)]
pub mod reputation {
    include!("generated/tamis.reputation.v1.rs");
}

/// Generated from `tamis/learning/v1/learning.proto`: what people teach a scanner.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::disallowed_methods
)]
pub mod learning {
    include!("generated/tamis.learning.v1.rs");
}

/// Field of a dialogue's request: how many scanners ended while they judged this mail, in decimal digits; absent: none.
/// Scanners that do not know it judge the mail like any other.
pub const FELLED_FIELD: &str = "tamis-felled";

pub mod scan_convert;

//! Sizes of the two programs as they are shipped: stripped.

use std::fs;

use anyhow::Result;

use super::{Binaries, Figure, Goal};

/// Bytes of the programs, which an image holds beside a few megabytes of C library: a tenth to a third above what they
/// have, so that a dependency which nobody meant to ship is noticed.
const TAMIS_BYTES_MAX: f64 = 36_000_000.0;
const TAMIS_EDGE_BYTES_MAX: f64 = 16_000_000.0;

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let size = |name, path, limit| -> Result<Figure> {
        let value = fs::metadata(path)?.len() as f64;
        Ok(Figure::new(name, value, "bytes", Goal::AtMost(limit), "issue:binary"))
    };
    Ok(vec![
        size("binary.tamis", &binaries.tamis, TAMIS_BYTES_MAX)?,
        size("binary.tamis_edge", &binaries.tamis_edge, TAMIS_EDGE_BYTES_MAX)?,
    ])
}

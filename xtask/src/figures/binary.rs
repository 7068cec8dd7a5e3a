//! Sizes of the two programs as they are shipped: stripped.

use std::fs;

use anyhow::Result;

use super::{Binaries, Figure, Goal};

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let size = |name, path| -> Result<Figure> {
        let value = fs::metadata(path)?.len() as f64;
        Ok(Figure::new(name, value, "bytes", Goal::None, "issue:binary"))
    };
    Ok(vec![
        size("binary.tamis", &binaries.tamis)?,
        size("binary.tamis_edge", &binaries.tamis_edge)?,
    ])
}

//! Mails through `tamis check` as anybody would call it, where the corpus is beside the project; nothing where it is not.

use anyhow::Result;

use super::corpus::{mails_per_cpu_second, unpacked};
use super::{Binaries, Figure, Goal};

/// 6,044 real mails, spam and ham.
const ARCHIVE: &str = "mail/spamassassin.tar.xz";

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let Some(folder) = unpacked("check", &[ARCHIVE])? else { return Ok(Vec::new()) };
    let value = mails_per_cpu_second(binaries, &[], &[], &[folder.path().to_path_buf()])?;
    let anchor = "rspamd:150";
    Ok(vec![Figure::new("check.cold", value, "mails/cpu_s", Goal::None, anchor)])
}

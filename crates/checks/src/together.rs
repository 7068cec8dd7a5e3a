//! What only the parts together tell: a packed file and its password beside it, a saved page that acts, links against
//! the sender.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::outline::{Disposition, Outline, Part};
use tamis_domain::reading::PartFacts;

/// Packed files whose content can be locked.
const LOCKABLE: [&str; 9] = ["zip", "rar", "7z", "ace", "arj", "lzh", "tgz", "gz", "zipx"];

/// Judges names of the outline with facts about the parts, `None` where nothing is known.
#[must_use]
pub fn judge(outline: &Outline, facts: &[Option<&PartFacts>]) -> Vec<Evidence> {
    let mut found = Vec::new();
    let has = |number: usize, name: &str| {
        let facts = facts.get(number).copied().flatten();
        facts.is_some_and(|facts| facts.evidence.iter().any(|found| found.name == name))
    };
    let parts = || outline.parts.iter().enumerate();
    let is_told = || parts().any(|(number, _)| has(number, "password_told"));
    for (number, part) in parts() {
        let part_number = u16::try_from(number).unwrap_or(u16::MAX);
        let extension = extension(part);
        if LOCKABLE.contains(&extension.as_str()) && is_told() {
            let detail = "a packed file, and its password in the mail";
            let sign = Evidence::new("archive_password", 2.5, Source::Attachment, detail);
            found.push(sign.in_part(part_number));
        }
        let is_saved = part.disposition == Disposition::Attachment
            && ["htm", "html", "shtml", "xhtml", "svg"].contains(&extension.as_str());
        // Newsletters sent as a file have forms for searching, and scripts that count; they ask for no password.
        let acts = ["form_password", "page_refresh", "page_carried"];
        if is_saved && acts.iter().any(|name| has(number, name)) {
            let detail = "an attached page with a form or script";
            let sign = Evidence::new("page_attached_acts", 2.5, Source::Attachment, detail);
            found.push(sign.in_part(part_number));
        }
    }
    found
}

fn extension(part: &Part) -> String {
    let name = part.file_name.as_deref().unwrap_or_default();
    name.rsplit_once('.').map(|(_, extension)| extension.trim().to_lowercase()).unwrap_or_default()
}

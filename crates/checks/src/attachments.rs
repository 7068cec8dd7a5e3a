//! Names and declared types of attachments. What is inside is judged in [`crate::part`].

use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::outline::{Disposition, Outline, Part};

/// Extensions that a double click runs, on the systems that people read mail with. Programs, scripts, shortcuts,
/// installers, and disk images that carry them past the mark of the web. Office files are not here: they are
/// everybody's work, and their macros are content.
const DANGEROUS: [&str; 58] = [
    "ade",
    "adp",
    "apk",
    "app",
    "appref-ms",
    "appx",
    "bat",
    "chm",
    "cmd",
    "com",
    "cpl",
    "diagcab",
    "dll",
    "exe",
    "hta",
    "img",
    "inf",
    "ins",
    "iqy",
    "iso",
    "isp",
    "jar",
    "jnlp",
    "js",
    "jse",
    "lnk",
    "mde",
    "msc",
    "msi",
    "msix",
    "msp",
    "mst",
    "one",
    "pif",
    "ps1",
    "psm1",
    "reg",
    "scf",
    "scr",
    "sct",
    "settingcontent-ms",
    "shb",
    "shs",
    "slk",
    "sys",
    "udf",
    "url",
    "vb",
    "vbe",
    "vbs",
    "vhd",
    "vhdx",
    "website",
    "wll",
    "wsc",
    "wsf",
    "wsh",
    "xll",
];

/// Extensions that people open without a thought: what a double extension pretends to be.
const TRUSTED_LOOKING: [&str; 28] = [
    "avi", "bmp", "csv", "doc", "docx", "eml", "gif", "htm", "html", "jpeg", "jpg", "mov", "mp3",
    "mp4", "odt", "pdf", "png", "pps", "ppt", "pptx", "rtf", "tif", "tiff", "txt", "wav", "xls",
    "xlsx", "xml",
];

/// Packed files that nobody sends but to pass filters which cannot open them.
const ODD_ARCHIVES: [&str; 12] =
    ["ace", "arc", "arj", "cab", "daa", "lha", "lz", "lzh", "r00", "uue", "xxe", "z"];

/// Spaces in a row that push an extension out of sight.
const GAP_CHARS_MIN: usize = 8;

/// Judges the names of all parts of the outline. Bounded by `PARTS_MAX` and `FILE_NAME_CHARS_MAX`.
#[must_use]
pub fn judge(outline: &Outline) -> Vec<Evidence> {
    let mut found = Vec::new();
    for (number, part) in (0u16..).zip(&outline.parts) {
        if let Some(name) = &part.file_name {
            found.extend(name_signs(part, name).into_iter().map(|sign| sign.in_part(number)));
        }
    }
    found
}

fn name_signs(part: &Part, name: &str) -> Vec<Evidence> {
    let written = name.trim_end_matches(['.', ' ']);
    let mut extensions = written.rsplit('.').take(3).map(|e| e.trim().to_lowercase());
    let last = if written.contains('.') { extensions.next() } else { None }.unwrap_or_default();
    let before =
        extensions.next().filter(|_| written.matches('.').count() >= 2).unwrap_or_default();
    let dangerous = DANGEROUS.contains(&last.as_str());
    let mut found = Vec::new();
    if dangerous {
        found.push(sign("dangerous_extension", 3.0, format!("a file that runs: .{last}")));
    }
    if dangerous && TRUSTED_LOOKING.contains(&before.as_str()) {
        let detail = format!("pretends to be .{before} but is .{last}");
        found.push(sign("double_extension", 4.0, detail).marked(Mark::Suspicious));
    }
    found.extend(turned(name, dangerous));
    if written.contains(&" ".repeat(GAP_CHARS_MIN)) {
        let detail = "spaces push the end of the name out of sight";
        let gap = sign("name_with_gap", 2.5, detail.to_owned());
        found.push(if dangerous { gap.marked(Mark::Suspicious) } else { gap });
    }
    let medium = part.media_type.split('/').next().unwrap_or_default();
    if dangerous && matches!(medium, "image" | "audio" | "video") {
        let detail = format!("declared as {medium} but named .{last}");
        found.push(sign("type_against_name", 4.0, detail).marked(Mark::Suspicious));
    }
    if ODD_ARCHIVES.contains(&last.as_str()) {
        let detail = format!("a packed file that few programs make: .{last}");
        found.push(sign("odd_archive", 2.0, detail));
    }
    if part.disposition == Disposition::Attachment
        && matches!(last.as_str(), "htm" | "html" | "shtml" | "xhtml" | "svg")
    {
        found.push(sign("page_attached", 0.5, format!("a web page as an attachment: .{last}")));
    }
    found
}

/// Characters that turn the direction of writing: `annexe` + RLO + `fdp.exe` shows as `annexeexe.pdf`.
fn turned(name: &str, dangerous: bool) -> Option<Evidence> {
    let turning = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let overriding = |c: char| matches!(c, '\u{202d}' | '\u{202e}');
    if name.contains(overriding) {
        let found = sign("turned_name", 5.0, "a character turns the name around".to_owned());
        return Some(if dangerous { found.marked(Mark::Suspicious) } else { found });
    }
    // Embeddings and isolates are honest in names that mix scripts, but not in front of a program.
    (dangerous && name.contains(turning)).then(|| {
        sign("turned_name", 5.0, "a character turns part of the name".to_owned())
            .marked(Mark::Suspicious)
    })
}

fn sign(name: &'static str, weight: f32, detail: String) -> Evidence {
    Evidence::new(name, weight, Source::Attachment, detail)
}

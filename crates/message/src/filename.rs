//! File names as a recipient reads them, and as his system does. Lists of dangerous extensions are the checks' affair.

/// Characters of an extension at most; behind a dot, longer words are sentences.
pub const EXTENSION_CHARS_MAX: usize = 12;

/// Blanks in a row that push the real extension out of sight.
pub const BLANKS_MIN: usize = 8;

/// The extension that the recipient's system acts on, in lower case: without blanks and dots behind it, which Windows
/// drops, and without invisible characters.
#[must_use]
pub fn extension(name: &str) -> Option<String> {
    split(&plain(name)).map(|(_, extension)| extension)
}

/// The last two extensions in lower case, such as `("pdf", "exe")` of `invoice.pdf .exe`.
#[must_use]
pub fn double_extension(name: &str) -> Option<(String, String)> {
    let name = plain(name);
    let (stem, last) = split(&name)?;
    let (_, before) = split(stem.trim_end())?;
    let is_extension = before.chars().any(char::is_alphabetic) && before.chars().count() <= 5;
    is_extension.then_some((before, last))
}

/// Whether the name has a character that turns the direction of writing, so that `gpj.exe` reads as `exe.jpg`.
#[must_use]
pub fn has_direction_trick(name: &str) -> bool {
    name.contains([
        '\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    ])
}

/// Whether a long run of blanks hides what comes behind it.
#[must_use]
pub fn has_long_blanks(name: &str) -> bool {
    let mut run = 0;
    name.trim_end().chars().any(|c| {
        run = if c.is_whitespace() || c == '_' || c == '\u{3000}' { run + 1 } else { 0 };
        run >= BLANKS_MIN
    })
}

/// The name without path, invisible characters, and the blanks and dots at the end.
fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen: String =
        name.chars().filter(|&c| !crate::reading::is_invisible(c) && !c.is_control()).collect();
    seen.trim_end_matches(|c: char| c.is_whitespace() || c == '.').to_owned()
}

fn split(name: &str) -> Option<(&str, String)> {
    let (stem, extension) = name.rsplit_once(['.', '．', '。'])?;
    let extension = extension.trim().to_lowercase();
    let short = (1..=EXTENSION_CHARS_MAX).contains(&extension.chars().count());
    (short && !extension.contains(char::is_whitespace)).then_some((stem, extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_those_that_a_system_acts_on() {
        for (name, expect) in [
            ("a.EXE", Some("exe")),
            ("a.exe. ", Some("exe")),
            ("a.pdf        .scr", Some("scr")),
            ("c:\\dir.d\\a", None),
            ("photo\u{202e}gpj.exe", Some("exe")),
            ("a.e\u{200b}xe", Some("exe")),
            ("no extension", None),
            ("Report. of the year", None),
            (".bashrc", Some("bashrc")),
            ("", None),
        ] {
            assert_eq!(extension(name).as_deref(), expect, "{name}");
        }
        let name = |length: usize| format!("a.{}", "x".repeat(length));
        assert!(extension(&name(EXTENSION_CHARS_MAX)).is_some());
        assert!(extension(&name(EXTENSION_CHARS_MAX + 1)).is_none());
    }

    #[test]
    fn double_extensions_have_two_words_not_numbers() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(double_extension("Invoice.PDF.exe"), pair("pdf", "exe"));
        assert_eq!(double_extension("invoice.pdf    .exe"), pair("pdf", "exe"));
        assert_eq!(double_extension("x.tar.gz"), pair("tar", "gz"));
        assert_eq!(double_extension("v1.2.exe"), None);
        assert_eq!(double_extension("report.final version.pdf"), None);
        assert_eq!(double_extension("a.exe"), None);
    }

    #[test]
    fn tricks_of_sight_are_seen() {
        assert!(has_direction_trick("photo\u{202e}gpj.exe"));
        assert!(!has_direction_trick("photo.jpg"));
        assert!(has_long_blanks(&format!("a.pdf{}.exe", " ".repeat(BLANKS_MIN))));
        assert!(!has_long_blanks(&format!("a.pdf{}.exe", " ".repeat(BLANKS_MIN - 1))));
        assert!(!has_long_blanks("a.pdf                "));
    }
}

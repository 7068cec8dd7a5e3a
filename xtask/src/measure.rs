//! Reads Rust sources as a reader counts them: lines, documentation, functions and their lengths.
//!
//! A small lexer blanks comments, strings and character literals, so that braces can be matched. It is exact
//! enough for counting; it is no parser.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What is counted in one source file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Path relative to the workspace.
    pub(crate) path: PathBuf,
    /// Lines outside test modules, without blank ones.
    pub(crate) lines: usize,
    /// Lines of tests.
    pub(crate) test_lines: usize,
    /// Lines of documentation and comments, outside tests.
    pub(crate) doc_lines: usize,
    /// Calls of `unwrap` and `expect` outside tests.
    pub(crate) unwraps: usize,
    /// Name and number of lines of each function outside tests.
    pub(crate) functions: Vec<(String, usize)>,
    /// All lines with comments, strings and literals blanked, tests too.
    pub(crate) code: Vec<String>,
    /// Number of the line where an inline test module begins; the length of the file where there is none.
    pub(crate) tests_from: usize,
}

/// Every Rust source of the workspace that a person wrote, sorted by path.
pub(crate) fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for folder in ["crates", "services", "proto", "xtask", "fuzz"] {
        walk(&root.join(folder), &mut found)?;
    }
    found.sort();
    found.iter().map(|path| read(root, path)).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["generated", "target", "corpus", "seeds"].contains(&name.as_str()) {
            walk(&path, found)?;
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn read(root: &Path, path: &Path) -> Result<Source> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let relative = path.strip_prefix(root).unwrap_or(path).to_path_buf();
    Ok(count(relative, &text))
}

/// Whether the whole file is a test: in a `tests` or `benches` folder, or a sibling named so.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/tests/")
        || text.contains("/testkit/")
        || text.starts_with("fuzz/")
        || text.ends_with("tests.rs")
}

fn count(path: PathBuf, text: &str) -> Source {
    let code: Vec<String> = blank(text).lines().map(str::to_owned).collect();
    let inline = code.iter().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(code.len());
    let tests_from = if is_test_file(&path) { 0 } else { inline };
    let mut source = Source { path, tests_from, ..Source::default() };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        match () {
            () if line.is_empty() => {}
            () if number >= tests_from => source.test_lines += 1,
            () => {
                source.lines += 1;
                source.doc_lines += usize::from(line.starts_with("//"));
            }
        }
    }
    for line in code.iter().take(tests_from) {
        source.unwraps += line.matches(".unwrap()").count() + line.matches(".expect(").count();
    }
    source.functions = functions(&code[..tests_from.min(code.len())]);
    source.code = code;
    source
}

/// Name and length of each function with a body.
fn functions(code: &[String]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (start, line) in code.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        if let Some(length) = body_length(&code[start..]) {
            found.push((name, length));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let at = line.find("fn ").filter(|at| line[..*at].ends_with([' ', '(']) || *at == 0)?;
    let name: String =
        line[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Lines from the signature to the brace that closes the body; `None` for a declaration without one.
fn body_length(code: &[String]) -> Option<usize> {
    let mut depth = 0_usize;
    for (number, line) in code.iter().enumerate() {
        for c in line.chars() {
            match c {
                ';' if depth == 0 => return None,
                '{' => depth += 1,
                '}' => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(number + 1);
                    }
                }
                _ => {}
            }
        }
    }
    None
}

/// The text with comments, strings and character literals replaced by blanks; line ends stay.
pub(crate) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let skipped = skip(&chars[at..]);
        if skipped == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..at + skipped].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at += skipped;
        }
    }
    out
}

/// How many characters from here are a comment, a string or a character literal.
fn skip(rest: &[char]) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => until(rest, &['*', '/'], 2),
        ['r', '"', ..] => until(rest, &['"'], 2),
        ['r', '#', '"', ..] => until(rest, &['"', '#'], 3),
        ['"', ..] => string(rest),
        ['\'', '\\', ..] => rest.iter().skip(3).position(|c| *c == '\'').map_or(0, |at| at + 4),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn until(rest: &[char], end: &[char], from: usize) -> usize {
    let found = rest.get(from..).and_then(|tail| tail.windows(end.len()).position(|w| w == end));
    found.map_or(rest.len(), |at| from + at + end.len())
}

fn string(rest: &[char]) -> usize {
    let mut escaped = false;
    for (at, c) in rest.iter().enumerate().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_strings_and_comments_do_not_count() {
        let text =
            "fn a() {\n  let x = \"}\"; // }\n  let y = '}';\n  let z = r#\"}\"#;\n}\nfn b();\n";
        let source = count(PathBuf::from("x.rs"), text);
        assert_eq!(source.functions, [("a".to_owned(), 5)]);
    }

    #[test]
    fn tests_are_counted_apart() {
        let text =
            "/// Doc.\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n  fn t() { x.unwrap(); }\n}\n";
        let source = count(PathBuf::from("x.rs"), text);
        assert_eq!((source.lines, source.doc_lines, source.test_lines), (2, 1, 4));
        assert_eq!(source.unwraps, 0);
    }
}

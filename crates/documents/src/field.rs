//! Field instructions of word processors (ECMA-376 part 1, section 17.16.5): the same words in RTF, Word and OOXML.

/// What a field does when it is followed or updated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// `HYPERLINK "target"`.
    Link(String),
    /// `INCLUDEPICTURE`, `INCLUDETEXT`, `LINK`, `IMPORT` of something on the network.
    Fetch(String),
    /// `DDE` and `DDEAUTO`: data from another program, which is started for it.
    Dde,
    /// Page numbers and all the rest.
    Other,
}

/// Bytes of an instruction that are read.
pub(crate) const INSTRUCTION_BYTES_MAX: usize = 8192;

/// Words of an instruction that are read; a HYPERLINK has two and some switches.
const WORDS_MAX: usize = 32;

impl Instruction {
    pub(crate) fn read(field: &str) -> Self {
        let field = &field[..field.floor_char_boundary(INSTRUCTION_BYTES_MAX)];
        let words = words(field);
        let Some((verb, rest)) = words.split_first() else { return Self::Other };
        let verb = verb.to_ascii_uppercase();
        match verb.as_str() {
            "HYPERLINK" => link(rest).map_or(Self::Other, Self::Link),
            "INCLUDEPICTURE" | "INCLUDETEXT" | "INCLUDE" | "IMPORT" | "LINK" | "RD" => {
                let target = rest.iter().find(|word| is_remote(word));
                target.map_or(Self::Other, |target| Self::Fetch(target.clone()))
            }
            "DDE" | "DDEAUTO" => Self::Dde,
            _ => Self::Other,
        }
    }
}

/// Whether a target is on the network. Documents name files of their writer's disk all the time.
pub(crate) fn is_remote(target: &str) -> bool {
    let start: String = target.trim().chars().take(24).collect::<String>().to_ascii_lowercase();
    ["http:", "https:", "ftp:", "\\\\", "//", "mhtml:", "ms-", "file://"]
        .iter()
        .any(|scheme| start.starts_with(scheme))
        && !start.starts_with("file:///")
}

/// The address of a HYPERLINK, with the place in it that `\l` names.
fn link(words: &[String]) -> Option<String> {
    let mut target: Option<String> = None;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        match word.strip_prefix('\\') {
            // Switches with a value; it is no address.
            Some("l" | "L" | "o" | "O" | "t" | "T") => at += 1,
            Some(switch) if switch.len() <= 1 => {}
            _ if target.is_none() => target = Some(word.clone()),
            _ => {}
        }
    }
    target
}

/// Words, quoted or not. Quotes may be typographic. A backslash in quotes stands for the character after it.
fn words(field: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = field.trim_start().chars().peekable();
    while let Some(&first) = chars.peek() {
        if words.len() >= WORDS_MAX {
            break;
        }
        if first.is_whitespace() || first == '\0' {
            chars.next();
            continue;
        }
        let mut word = String::new();
        if is_quote(first) {
            chars.next();
            while let Some(c) = chars.next() {
                match c {
                    '\\' if chars.peek().is_some_and(|c| matches!(c, '\\' | '"')) => {
                        word.extend(chars.next());
                    }
                    c if is_quote(c) => break,
                    c => word.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !is_quote(*c)) {
                word.push(c);
            }
        }
        words.push(word);
    }
    words
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart_as_word_processors_do() {
        let link = |to: &str| Instruction::Link(to.to_owned());
        let fetch = |to: &str| Instruction::Fetch(to.to_owned());
        for (field, expect) in [
            (" HYPERLINK \"http://a.test/x?y=1\" ", link("http://a.test/x?y=1")),
            ("hyperlink http://a.test/", link("http://a.test/")),
            ("HYPERLINK \\l \"bookmark\"", Instruction::Other),
            ("HYPERLINK \"http://a.test/\" \\o \"a tip\" \\t \"_blank\"", link("http://a.test/")),
            ("HYPERLINK \\o \"tip\" \"http://a.test/\"", link("http://a.test/")),
            ("HYPERLINK \"\\\\\\\\server\\\\share\"", link("\\\\server\\share")),
            ("HYPERLINK \u{201c}http://a.test/\u{201d}", link("http://a.test/")),
            ("DDEAUTO c:\\\\windows\\\\system32\\\\cmd.exe \"/k calc\"", Instruction::Dde),
            ("dde \"a\" \"b\"", Instruction::Dde),
            ("INCLUDEPICTURE \"http://a.test/p.png\" \\d", fetch("http://a.test/p.png")),
            ("INCLUDEPICTURE \"C:\\\\tmp\\\\p.png\" \\d", Instruction::Other),
            ("LINK Word.Document.8 \"//a.test/x\" \"\" \\a", fetch("//a.test/x")),
            ("PAGE \\* MERGEFORMAT", Instruction::Other),
            ("", Instruction::Other),
            ("HYPERLINK", Instruction::Other),
            ("\"unclosed", Instruction::Other),
        ] {
            assert_eq!(Instruction::read(field), expect, "{field}");
        }
    }

    #[test]
    fn an_instruction_is_read_up_to_its_limits() {
        let target = "a".repeat(INSTRUCTION_BYTES_MAX);
        let Instruction::Link(read) = Instruction::read(&format!("HYPERLINK {target}")) else {
            panic!("no link");
        };
        assert_eq!(read.len(), INSTRUCTION_BYTES_MAX - "HYPERLINK ".len());
        for (switches, expect) in [(WORDS_MAX - 2, true), (WORDS_MAX - 1, false)] {
            let field = format!("HYPERLINK {}http://a.test/", "\\n ".repeat(switches));
            assert_eq!(Instruction::read(&field) != Instruction::Other, expect);
        }
    }
}

//! Reads `.talk` files and plays them to a session.
//!
//! First line: `session: server|client smtp|lmtp` and options. Then, one a line:
//! `C:` what the client says and `S:` what the server says (CR LF added; `C~`/`S~` adds nothing; `\r \n \t \\ \xNN`),
//! `caller:` an order or answer of the session's caller, `see:` an output to the caller, `wait:` time that passes,
//! `peer: closes`. Lines of the session under test and `see:` are expected; the rest is played.

#![allow(dead_code)]

pub mod drive;
pub mod prng;

use std::path::Path;
use std::time::Duration;

/// Something that is done to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Bytes(Vec<u8>),
    PeerCloses,
    Caller(String),
    Wait(Duration),
}

/// Something that the session does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Wire(String),
    Content(String),
    Fact(String),
}

/// One act and all that follows from it.
#[derive(Clone, Debug)]
pub struct Scene {
    pub line: usize,
    pub act: Option<Act>,
    pub expect: Vec<Seen>,
}

#[derive(Clone, Debug)]
pub struct Talk {
    pub name: String,
    pub is_server: bool,
    pub options: Vec<String>,
    pub scenes: Vec<Scene>,
}

/// All talks of a folder under `tests/talks`, in order of name.
pub fn talks(folder: &str) -> Vec<Talk> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/talks").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        parse(&name, &std::fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

fn parse(name: &str, text: &str) -> Talk {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let (_, first) = lines.next().unwrap();
    let words = first.strip_prefix("session: ").unwrap_or_else(|| panic!("{name}: no session"));
    let options: Vec<String> = words.split(' ').map(String::from).collect();
    let is_server = options[0] == "server";
    let mut talk = Talk {
        name: name.to_owned(),
        is_server,
        options,
        scenes: vec![Scene { line: 1, act: None, expect: vec![] }],
    };
    for (line, content) in lines {
        talk.add(line, content);
    }
    talk
}

impl Talk {
    fn add(&mut self, line: usize, content: &str) {
        let (mark, text) = content.split_at_checked(2).unwrap_or((content, ""));
        let text = text.strip_prefix(' ').unwrap_or(text);
        let bytes = match mark {
            "C:" | "S:" => [unescape(text), b"\r\n".to_vec()].concat(),
            "C~" | "S~" => unescape(text),
            _ => return self.add_other(line, content),
        };
        let from_peer = mark.starts_with('C') == self.is_server;
        let last = self.scenes.last_mut().unwrap();
        if !from_peer {
            return push(&mut last.expect, Seen::Wire(escape(&bytes)));
        }
        match last {
            Scene { act: Some(Act::Bytes(before)), expect, .. } if expect.is_empty() => {
                before.extend(bytes);
            }
            _ => self.act(line, Act::Bytes(bytes)),
        }
    }

    fn add_other(&mut self, line: usize, content: &str) {
        let (mark, text) = content.split_once(": ").unwrap_or_else(|| panic!("line {line}"));
        match mark {
            "see" => {
                let expect = &mut self.scenes.last_mut().unwrap().expect;
                match text.strip_prefix("content ") {
                    Some(content) => push(expect, Seen::Content(escape(&unescape(content)))),
                    None => push(expect, Seen::Fact(text.to_owned())),
                }
            }
            "caller" => self.act(line, Act::Caller(text.to_owned())),
            "wait" => {
                let (number, unit) = text.split_at(text.len() - 1);
                let factor = if unit == "m" { 60 } else { 1 };
                let seconds = number.parse::<u64>().unwrap() * factor;
                self.act(line, Act::Wait(Duration::from_secs(seconds)));
            }
            "peer" => self.act(line, Act::PeerCloses),
            _ => panic!("{}: line {line}: what is {mark}?", self.name),
        }
    }

    fn act(&mut self, line: usize, act: Act) {
        self.scenes.push(Scene { line, act: Some(act), expect: vec![] });
    }
}

/// Adds what was seen, joined to the same kind before it.
pub fn push(seen: &mut Vec<Seen>, next: Seen) {
    match (seen.last_mut(), next) {
        (Some(Seen::Wire(before)), Seen::Wire(text)) => before.push_str(&text),
        (Some(Seen::Content(before)), Seen::Content(text)) => before.push_str(&text),
        (_, next) => seen.push(next),
    }
}

/// Bytes as readable text; the inverse of [`unescape`].
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let used = match rest[0] {
            b'x' => {
                let digits = std::str::from_utf8(&rest[1..3]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                3
            }
            letter => {
                bytes.push(match letter {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    other => other,
                });
                1
            }
        };
        rest = &rest[used..];
    }
    bytes
}

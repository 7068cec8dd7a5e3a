//! The configuration file of a Tamis under test: what the test wrote, completed with free ports.

use super::free_port;
use std::collections::BTreeMap;
use std::path::Path;

/// Addresses that every instance gets unless the test names its own. In `tamis all` the admin
/// addresses of single roles stay closed, but the keys are known there too.
const LISTENERS: [(&str, &str); 9] = [
    ("edge", "milter"),
    ("edge", "lmtp"),
    ("edge", "smtp"),
    ("edge", "admin"),
    ("scanner", "listen"),
    ("scanner", "admin"),
    ("reputation", "listen"),
    ("reputation", "grpc"),
    ("reputation", "admin"),
];

/// A configuration with nothing left open.
#[derive(Clone, Debug)]
pub(super) struct Completed {
    /// The file.
    pub(super) text: String,
    /// Its plain values by section and key, quotes removed.
    values: BTreeMap<(String, String), String>,
}

impl Completed {
    /// Completes what the test wrote. `directory` is for the state and the spool of this instance.
    pub(super) fn new(written: &str, directory: &Path) -> Self {
        let mut completed = Self { text: written.to_owned(), values: values(written) };
        for (section, key) in LISTENERS {
            completed.default_address(section, key);
        }
        completed.default_address("all", "admin");
        // The roles find each other: each asks where the next one listens.
        let scanner = format!("[\"http://{}\"]", completed.value("scanner", "listen"));
        completed.default("edge", "scanners", &scanner);
        let reputation = format!("[\"{}\"]", completed.value("reputation", "listen"));
        completed.default("scanner", "reputation", &reputation);
        for (section, key) in [("edge", "spool_dir"), ("reputation", "state_dir")] {
            let path = format!("\"{}\"", directory.join(key).display());
            completed.default(section, key, &path);
        }
        completed
    }

    /// A value as text, empty when the key is not set.
    pub(super) fn value(&self, section: &str, key: &str) -> &str {
        self.values.get(&(section.to_owned(), key.to_owned())).map_or("", String::as_str)
    }

    fn default_address(&mut self, section: &str, key: &str) {
        if !self.is_set(section, key) {
            self.default(section, key, &format!("\"127.0.0.1:{}\"", free_port()));
        }
    }

    fn is_set(&self, section: &str, key: &str) -> bool {
        self.values.contains_key(&(section.to_owned(), key.to_owned()))
    }

    fn default(&mut self, section: &str, key: &str, value: &str) {
        if self.is_set(section, key) {
            return;
        }
        let header = format!("[{section}]");
        let line = format!("{key} = {value}\n");
        let mut at = 0;
        let mut inserted = false;
        let text = std::mem::take(&mut self.text);
        for written in text.split_inclusive('\n') {
            at += written.len();
            if written.trim() == header {
                let newline = if written.ends_with('\n') { "" } else { "\n" };
                self.text = format!("{}{newline}{line}{}", &text[..at], &text[at..]);
                inserted = true;
                break;
            }
        }
        if !inserted {
            let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            self.text = format!("{text}{newline}{header}\n{line}");
        }
        self.values
            .insert((section.to_owned(), key.to_owned()), value.trim_matches('"').to_owned());
    }
}

/// The `key = value` lines of each plain section. Enough to see what a test has set: tests write one
/// key a line.
fn values(text: &str) -> BTreeMap<(String, String), String> {
    let mut section = String::new();
    let mut found = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.split(" #").next().unwrap_or("").trim().trim_matches('"');
            found.insert((section.clone(), key.trim().to_owned()), value.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Completed;
    use std::path::Path;

    fn complete(written: &str) -> Completed {
        Completed::new(written, Path::new("/var/tmp/instance"))
    }

    #[test]
    fn an_empty_file_gets_every_address_once() {
        let completed = complete("");
        assert_eq!(completed.text.matches("[edge]").count(), 1);
        assert_eq!(completed.text.matches("milter =").count(), 1);
        let scanner = completed.value("scanner", "listen").to_owned();
        assert!(scanner.starts_with("127.0.0.1:"));
        assert!(completed.text.contains(&format!("scanners = [\"http://{scanner}\"]")));
    }

    #[test]
    fn what_the_test_wrote_stays() {
        let completed = complete(
            "[edge]\nmilter = \"\"\nnext_hop = \"127.0.0.1:25\" # back\n[policy]\ntag = 1\n",
        );
        assert_eq!(completed.value("edge", "milter"), "");
        assert_eq!(completed.value("edge", "next_hop"), "127.0.0.1:25");
        assert_eq!(completed.text.matches("milter =").count(), 1);
        assert_eq!(completed.text.matches("[edge]").count(), 1);
        assert!(completed.text.find("lmtp =") < completed.text.find("[policy]"));
    }

    #[test]
    fn a_header_without_line_end_is_completed_too() {
        assert!(complete("[edge]").text.starts_with("[edge]\n"));
    }
}

//! Programs that send mail: swaks for one, Postfix's smtp-source for many.

use super::process::run;
use super::root;
use std::process::{Command, Stdio};

/// What swaks said and how it ended.
#[derive(Clone, Debug)]
pub struct SwaksResult {
    /// Exit status: 0 when the mail was taken; other values name the step that was refused.
    pub code: i32,
    /// The whole conversation as swaks prints it.
    pub transcript: String,
}

impl SwaksResult {
    /// Asserts that the mail was taken, showing the conversation otherwise.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn taken(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.transcript);
        self
    }
}

/// Sends with swaks to a port of 127.0.0.1; `arguments` as in its manual.
///
/// # Panics
/// When swaks is not installed.
#[must_use]
pub fn swaks(port: u16, arguments: &[&str]) -> SwaksResult {
    let output = Command::new("swaks")
        .args(["--server", "127.0.0.1", "--port", &port.to_string(), "--timeout", "30s"])
        .args(["--helo", "client.sender.test"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("swaks: {error}; ./test installs it"));
    SwaksResult {
        code: output.status.code().unwrap_or(-1),
        transcript: String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
    }
}

/// A stream of equal mails from Postfix's load generator.
#[derive(Clone, Debug)]
pub struct SmtpSource {
    /// How many mails.
    pub mails: u32,
    /// How many connections at once.
    pub sessions: u32,
    /// Bytes of text in each mail.
    pub text_bytes: u32,
    /// Envelope sender.
    pub from: String,
    /// Envelope recipient.
    pub to: String,
    /// Speak LMTP instead of SMTP.
    pub lmtp: bool,
}

impl Default for SmtpSource {
    fn default() -> Self {
        Self {
            mails: 100,
            sessions: 4,
            text_bytes: 2_000,
            from: "source@sender.test".to_owned(),
            to: "bob@example.test".to_owned(),
            lmtp: false,
        }
    }
}

/// Sends the whole stream to a port of 127.0.0.1 and returns when the last mail was taken.
///
/// # Panics
/// When one of them was not taken: smtp-source stops at the first refusal.
pub fn smtp_source(port: u16, source: &SmtpSource) {
    let mut command = root("postfix").command("smtp-source");
    command.args(["-s", &source.sessions.to_string(), "-m", &source.mails.to_string()]);
    command.args(["-l", &source.text_bytes.to_string(), "-f", &source.from, "-t", &source.to]);
    if source.lmtp {
        command.arg("-L");
    }
    run(command.arg(format!("inet:127.0.0.1:{port}")));
}

//! The Dovecot recipe of docs/learning.md with the files of deploy/dovecot: moving mail into and out of Junk teaches.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tamis_testkit::peers::{PEER_WAIT_MAX, Process, Tamis, free_port, own_program, wait_for};
use tempfile::TempDir;

/// The user `nobody` of Debian: Dovecot lets root have no mailbox.
const NOBODY: u32 = 65_534;

const CONF: &str = include_str!("../../../../deploy/dovecot/90-tamis-learning.conf");
const SPAM: &str = include_str!("../../../../deploy/dovecot/learn-spam.sieve");
const HAM: &str = include_str!("../../../../deploy/dovecot/learn-ham.sieve");
const SCRIPT: &str = include_str!("../../../../deploy/dovecot/tamis-learn");

struct Dovecot {
    port: u16,
    directory: TempDir,
    _process: Process,
}

impl Dovecot {
    fn start(scanner: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("tamis-peer-").tempdir().unwrap();
        let (path, port) = (directory.path(), free_port());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["tamis", "home"] {
            fs::create_dir(path.join(folder)).unwrap();
            chown(path.join(folder), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let recipe = path.join("tamis");
        // The users of the mailboxes may not enter where it was built.
        let program = own_program("tamis").get_program().to_owned();
        fs::copy(program, path.join("tamis-program")).unwrap();
        let script = SCRIPT
            .replace("http://127.0.0.1:7062", scanner)
            .replace("exec tamis", &format!("exec {}", path.join("tamis-program").display()));
        for (name, text) in
            [("learn-spam.sieve", SPAM), ("learn-ham.sieve", HAM), ("tamis-learn", &script)]
        {
            fs::write(recipe.join(name), text).unwrap();
            fs::set_permissions(recipe.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let own = CONF.replace("/etc/dovecot/tamis", &recipe.display().to_string());
        let config = path.join("dovecot.conf");
        fs::write(&config, format!("{}{own}", base(path, port))).unwrap();
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let log = path.join("process.log");
        let mut process = Process::spawn("dovecot", &mut command, &log);
        process.wait_ready(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, directory, _process: process }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("dovecot.log")).unwrap_or_default()
    }
}

/// What any Dovecot has; the recipe comes behind it.
fn base(path: &Path, port: u16) -> String {
    let path = path.display();
    format!(
        "base_dir = {path}/run\nstate_dir = {path}/state\nlog_path = {path}/dovecot.log\nprotocols = imap\n\
         listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nfirst_valid_uid = 1\n\
         mail_location = maildir:{path}/home/%u\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {port}\n  }}\n  inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
         passdb {{\n  driver = static\n  args = password=secret\n}}\n\
         userdb {{\n  driver = static\n  args = uid={NOBODY} gid={NOBODY} home={path}/home/%u\n}}\n\
         namespace inbox {{\n  inbox = yes\n  mailbox Junk {{\n    auto = create\n  }}\n  mailbox Trash {{\n    auto = create\n  }}\n}}\n"
    )
}

/// A user's mail program.
struct Imap {
    reader: BufReader<TcpStream>,
    count: u32,
}

impl Imap {
    fn login(port: u16, user: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PEER_WAIT_MAX)).unwrap();
        let mut imap = Self { reader: BufReader::new(stream), count: 0 };
        let _greeting = imap.line();
        imap.say(&format!("LOGIN {user} secret"));
        imap
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    /// Says a command and waits for its OK.
    fn say(&mut self, command: &str) {
        self.count += 1;
        let tag = format!("t{}", self.count);
        self.reader.get_mut().write_all(format!("{tag} {command}\r\n").as_bytes()).unwrap();
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "{command}: hung up");
            if let Some(answer) = line.strip_prefix(&format!("{tag} ")) {
                assert!(answer.starts_with("OK"), "{command}: {answer}");
                return;
            }
        }
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn moving_mail_into_junk_and_out_of_it_teaches_the_scanner() {
    let state = tempfile::tempdir().unwrap();
    let scanner = Tamis::start(
        &["scanner"],
        Some(&format!(
            "[scanner]\nreputation = []\n[scanner.learning]\ndirectory = \"{}\"\n",
            state.path().display()
        )),
    );
    let url = format!("http://{}", scanner.address("scanner", "listen"));
    let dovecot = Dovecot::start(&url);
    let letter = "From: a@sender.test\r\nTo: ann@example.test\r\nSubject: watches\r\n\
                  Message-Id: <1@sender.test>\r\n\r\nCheap watches, order now.\r\n";
    let mut imap = Imap::login(dovecot.port, "ann@example.test");
    imap.say(&format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len()));
    imap.say("SELECT INBOX");
    imap.say("MOVE 1 Junk");
    let heard = |outcome: &str| {
        let look = || scanner.log().contains(outcome).then_some(());
        wait_for(outcome, Duration::from_secs(30), look, || scanner.log() + &dovecot.log());
    };
    heard("outcome=Learned class=\"spam\"");
    imap.say("SELECT Junk");
    imap.say("COPY 1 Trash");
    imap.say("MOVE 1 INBOX");
    heard("outcome=Moved class=\"ham\"");
    assert_eq!(scanner.log().matches("mail taught").count(), 2, "throwing it away teaches nothing");
    let file = state.path().join("letter.eml");
    fs::write(&file, letter).unwrap();
    let file = file.display().to_string();
    let unlearn = |user: &str| {
        let done = Tamis::run(&["unlearn", "--server", &url, "--user", user, &file]);
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    assert_eq!(unlearn("ann@example.test"), "unlearned 1; the scanner remembers 0 spam and 0 ham");
    assert_eq!(unlearn("ann@example.test"), "unknown 1; the scanner remembers 0 spam and 0 ham");
}

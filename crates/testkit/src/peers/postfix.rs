//! A private Postfix: own configuration, queue, mailboxes and log inside its root.

use super::postfix_files::{MAILBOX_UID, MAILBOXES};
use super::process::{all_gone_in, kill_all_in, run, send_signal, tail};
use super::{PEER_WAIT_MAX, PostfixConfig, Root, Signal, root, wait_for};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Files that Postfix's own start-up scripts want beside main.cf.
const CONTROL_FILES: [&str; 4] =
    ["postfix-files", "dynamicmaps.cf", "post-install", "postfix-script"];
/// How long its programs may take to end by themselves: each finishes the mail in its hands.
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Between two pushes of what waits, in a long wait.
const PUSH_PERIOD: Duration = Duration::from_secs(5);
/// Queues that hold mail not yet delivered.
const QUEUES: [&str; 5] = ["maildrop", "incoming", "active", "deferred", "hold"];

/// A running Postfix; stopped, and its directory removed, when dropped.
#[derive(Debug)]
pub struct Postfix {
    root: Root,
    /// Directory of this instance, inside the root.
    home: String,
    /// The ports of the listeners, in the order of the configuration.
    pub ports: Vec<u16>,
}

impl Postfix {
    /// Starts an instance and returns when it accepts connections.
    ///
    /// # Panics
    /// When the roots are missing or Postfix refuses to start; its messages are shown.
    #[must_use]
    pub fn start(config: &PostfixConfig) -> Self {
        let root = root("postfix");
        let home = root.instance("postfix");
        let ports = config.services.iter().map(|service| service.port).collect();
        let postfix = Self { root, home, ports };
        postfix.write_files(config);
        // `start` returns once the master process listens.
        run(&mut postfix.control("postfix", &["start"]));
        postfix
    }

    fn write_files(&self, config: &PostfixConfig) {
        let write = |name: &str, text: String| {
            let path = self.path(name);
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        };
        for directory in ["conf/dynamicmaps.cf.d", "conf/postfix-files.d", "queue", "data"] {
            make_directory(&self.path(directory));
        }
        for name in CONTROL_FILES {
            let from = self.root.path("/etc/postfix").join(name);
            fs::copy(&from, self.path("conf").join(name))
                .unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
        write("conf/main.cf", config.main_cf(&self.home));
        write("conf/master.cf", config.master_cf());
        write("conf/mailboxes", PostfixConfig::mailboxes());
        for mailbox in MAILBOXES {
            make_directory(&self.path("maildir").join(mailbox));
        }
        run(self.root.command("chown").args([
            "-R",
            &MAILBOX_UID.to_string(),
            &format!("{}/maildir", self.home),
        ]));
        run(self.root.command("chown").args(["postfix", &format!("{}/data", self.home)]));
    }

    /// The port of the first listener.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// A file of this instance, seen from outside the root.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path(&self.home).join(name)
    }

    /// A Postfix program (`postqueue`, `postsuper`, ...) that works on this instance.
    #[must_use]
    pub fn control(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.root.command(program);
        command.args(["-c", &format!("{}/conf", self.home)]).args(arguments);
        command
    }

    /// Waits until the mailbox holds at least `count` mails and gives all of them, oldest first.
    ///
    /// # Panics
    /// When they do not come in time; the end of the mail log is shown.
    #[must_use]
    pub fn maildir(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        self.maildir_within(user, count, PEER_WAIT_MAX)
    }

    /// As `maildir`, with a limit of its own for long streams of mail.
    ///
    /// # Panics
    /// When they do not come in time; the end of the mail log is shown.
    #[must_use]
    pub fn maildir_within(&self, user: &str, count: usize, limit: Duration) -> Vec<Vec<u8>> {
        let mut pusher = Pusher::new(self);
        wait_for(
            &format!("{count} mails for {user}"),
            limit,
            || {
                pusher.push_when_due();
                (self.mail_count(user) >= count).then(|| self.mails_now(user))
            },
            || self.log(),
        )
    }

    /// How many mails are in a mailbox at this moment.
    #[must_use]
    pub fn mail_count(&self, user: &str) -> usize {
        count_files(&self.path("maildir").join(user).join("new"))
    }

    /// The mails in a mailbox at this moment, oldest first.
    #[must_use]
    pub fn mails_now(&self, user: &str) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.path("maildir").join(user).join("new")) else {
            return Vec::new(); // made by the first delivery
        };
        let mut paths: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                Some((fs::metadata(&path).ok()?.modified().ok()?, path))
            })
            .collect();
        paths.sort();
        paths.iter().filter_map(|(_, path)| fs::read(path).ok()).collect()
    }

    /// Everything this instance logged.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("mail.log")).unwrap_or_default()).into_owned()
    }

    /// Waits for a text in the log and gives the line that holds it.
    ///
    /// # Panics
    /// When it does not come in time.
    #[must_use]
    pub fn wait_log(&self, text: &str) -> String {
        let find = || self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
        wait_for(&format!("'{text}' in the mail log"), PEER_WAIT_MAX, find, || self.log())
    }

    /// Whether no mail is waiting anywhere: nothing to pick up, deliver, retry or release.
    #[must_use]
    pub fn queue_is_empty(&self) -> bool {
        QUEUES.iter().all(|queue| count_files(&self.path("queue").join(queue)) == 0)
    }

    /// Waits until no mail is waiting anywhere.
    ///
    /// # Panics
    /// When the limit passes first; shows the queue.
    pub fn wait_queue_empty(&self, limit: Duration) {
        let mut pusher = Pusher::new(self);
        wait_for(
            "an empty queue",
            limit,
            || {
                pusher.push_when_due();
                self.queue_is_empty().then_some(())
            },
            || format!("{}\n{}{}", tail(&self.log()), self.mailq(), self.queue_files()),
        );
    }

    /// The files of the queue, with those that no list of Postfix shows: mail that is still coming in.
    fn queue_files(&self) -> String {
        let queues = QUEUES.map(|queue| self.path("queue").join(queue));
        run(Command::new("find").args(queues).args([
            "-type",
            "f",
            "-printf",
            "%p %m %s bytes, %TT\\n",
        ]))
    }

    /// The queue as the administrator sees it.
    #[must_use]
    pub fn mailq(&self) -> String {
        run(&mut self.control("postqueue", &["-p"]))
    }

    /// Tries all waiting mail now.
    pub fn flush(&self) {
        run(&mut self.control("postqueue", &["-f"]));
    }

    /// Releases what a milter quarantined.
    pub fn release_held(&self) {
        run(&mut self.control("postsuper", &["-H", "ALL"]));
    }

    /// Hands in a mail as a local program does, by `sendmail(1)`.
    ///
    /// # Panics
    /// When Postfix does not take it.
    pub fn submit(&self, from: &str, recipients: &[&str], mail: &[u8]) {
        let mut command = self.root.command("sendmail");
        command.args(["-C", &format!("{}/conf", self.home), "-i", "-f", from]).args(recipients);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        if let Some(mut input) = child.stdin.take() {
            let _ = input.write_all(mail);
        }
        let status = child.wait().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(status.success(), "sendmail: {status}\n{}", tail(&self.log()));
    }

    /// Stops it as `postfix stop` does, which asks the master process to end and then looks once a
    /// second; true when every process ended by itself.
    fn stop(&self) -> bool {
        let home = self.path("");
        let master = fs::read_to_string(self.path("queue/pid/master.pid")).unwrap_or_default();
        if let Ok(pid) = master.trim().parse() {
            send_signal(Signal::Terminate, pid);
        }
        let clean = all_gone_in(&home, STOP_WAIT_MAX);
        kill_all_in(&home);
        clean
    }
}

/// Tries waiting mail once more in a long wait. A deferred mail that the queue manager takes up while the delivery before still
/// holds its file ("skipped, still being delivered") goes back to `incoming` for a minute, whatever the back-off times say, and
/// is then seen by the next look there, which nothing asks for when no other mail comes in.
struct Pusher<'a> {
    postfix: &'a Postfix,
    next: Instant,
}

impl<'a> Pusher<'a> {
    fn new(postfix: &'a Postfix) -> Self {
        Self { postfix, next: Instant::now() + PUSH_PERIOD }
    }

    fn push_when_due(&mut self) {
        if Instant::now() >= self.next {
            self.postfix.flush();
            self.next = Instant::now() + PUSH_PERIOD;
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let clean = self.stop();
        let _ = fs::remove_dir_all(self.path(""));
        assert!(clean || thread::panicking(), "Postfix left processes behind when it was stopped");
    }
}

fn make_directory(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Files in a directory and its hashed sub-directories.
fn count_files(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => count_files(&entry.path()),
            _ => 1,
        })
        .sum()
}

//! A private Sendmail: own configuration, queue and pid file inside its root.

use super::process::{kill_all_in, run, tail};
use super::{PEER_WAIT_MAX, Process, Root, free_port, root, wait_for};
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

/// The daemon inside its root.
const PROGRAM: &str = "/usr/libexec/sendmail/sendmail";

/// Where Sendmail hands every mail on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendmailNext {
    /// By SMTP to this port of 127.0.0.1.
    Smtp(u16),
    /// By LMTP to this port of 127.0.0.1; a reply for each recipient.
    Lmtp(u16),
}

/// What a private Sendmail should look like.
#[derive(Clone, Debug)]
pub struct SendmailConfig {
    /// Port on 127.0.0.1 where it takes mail.
    pub port: u16,
    /// Next hop of all mail.
    pub next: SendmailNext,
    /// Answers the client only after delivery (mode `i`), instead of queueing first (mode `b`).
    pub interactive: bool,
    /// Value of `INPUT_MAIL_FILTER`, e.g. `S=inet:7065@127.0.0.1, F=T`.
    pub milter: Option<String>,
    /// Additional lines of the .mc file, before the mailers.
    pub mc: Vec<String>,
}

impl SendmailConfig {
    /// Takes mail on a free port, hands it on to `next` before it answers.
    #[must_use]
    pub fn new(next: SendmailNext) -> Self {
        Self { port: free_port(), next, interactive: true, milter: None, mc: Vec::new() }
    }

    /// Filters through the milter on this port; tempfails when it is gone.
    #[must_use]
    pub fn milter(mut self, port: u16) -> Self {
        self.milter = Some(format!("S=inet:{port}@127.0.0.1, F=T, T=C:5m;S:10s;R:10s;E:5m"));
        self
    }

    /// Takes mail into its queue first and delivers in the background, as a relay in the field does.
    #[must_use]
    pub fn queueing(mut self) -> Self {
        self.interactive = false;
        self
    }

    fn mc_file(&self, home: &str) -> String {
        let mode = if self.interactive { 'i' } else { 'b' };
        let milter = self
            .milter
            .as_ref()
            .map_or(String::new(), |filter| format!("INPUT_MAIL_FILTER(`tamis', `{filter}')dnl\n"));
        // The letter z makes a mailer speak LMTP.
        let (port, z) = match self.next {
            SendmailNext::Smtp(port) => (port, ""),
            SendmailNext::Lmtp(port) => (port, "z"),
        };
        format!(
            "VERSIONID(`test')dnl\nOSTYPE(`linux')dnl\n\
             FEATURE(`nocanonify')dnl\nFEATURE(`accept_unresolvable_domains')dnl\n\
             FEATURE(`accept_unqualified_senders')dnl\nFEATURE(`promiscuous_relay')dnl\n\
             define(`QUEUE_DIR',`{home}/queue')dnl\ndefine(`ALIAS_FILE',`')dnl\n\
             define(`STATUS_FILE',`{home}/statistics')dnl\n\
             define(`HELP_FILE',`')dnl\ndefine(`confHOST_STATUS_DIRECTORY',`')dnl\n\
             define(`confPID_FILE',`{home}/pid')dnl\n\
             define(`confSERVICE_SWITCH_FILE',`{home}/service.switch')dnl\n\
             define(`confDELIVERY_MODE',`{mode}')dnl\ndefine(`confTO_DATAFINAL',`20m')dnl\n\
             define(`confTO_IDENT',`0')dnl\ndefine(`confDOMAIN_NAME',`relay.example.test')dnl\n\
             define(`confMIN_QUEUE_AGE',`0')dnl\n\
             define(`SMART_HOST',`tamisnext:[127.0.0.1]')dnl\n\
             define(`MAIL_HUB',`tamisnext:[127.0.0.1]')dnl\n\
             FEATURE(`no_default_msa')dnl\n\
             DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={own}')dnl\n{milter}{extra}\n\
             MAILER(`smtp')dnl\nMAILER_DEFINITIONS\n\
             Mtamisnext, P=[IPC], F=lsDFMuX{z}8mk, S=EnvFromSMTP/HdrFromSMTP, \
             R=EnvToSMTP/HdrFromSMTP, E=\\r\\n, L=990, T=DNS/RFC822/SMTP, A=TCP $h {port}\n",
            own = self.port,
            extra = self.mc.join("\n"),
        )
    }
}

/// A running Sendmail; killed, and its directory removed, when dropped.
#[derive(Debug)]
pub struct Sendmail {
    /// Where it takes mail.
    pub port: u16,
    root: Root,
    home: String,
    process: Process,
}

impl Sendmail {
    /// Starts an instance and returns when it accepts connections.
    ///
    /// # Panics
    /// When the roots are missing or Sendmail refuses to start; its messages are shown.
    #[must_use]
    pub fn start(config: &SendmailConfig) -> Self {
        let root = root("sendmail");
        let home = root.instance("sendmail");
        let outside = root.path(&home);
        fs::create_dir_all(outside.join("queue"))
            .unwrap_or_else(|error| panic!("{}: {error}", outside.display()));
        for (name, text) in [
            ("sendmail.mc", config.mc_file(&home)),
            ("service.switch", "hosts files\naliases files\n".to_owned()),
        ] {
            fs::write(outside.join(name), text)
                .unwrap_or_else(|error| panic!("{}/{name}: {error}", outside.display()));
        }
        // m4 prints the configuration; the shell inside the root puts it where Sendmail looks.
        run(root.command("sh").args([
            "-c",
            "cd \"$0\" && chmod 700 queue && m4 -D_CF_DIR_=/usr/share/sendmail/cf/ \
             /usr/share/sendmail/cf/m4/cf.m4 sendmail.mc >sendmail.cf",
            &home,
        ]));
        let mut command = root.command(PROGRAM);
        // A queue run each second stands for the minutes or hours of the field.
        command.args(["-C", &format!("{home}/sendmail.cf"), "-bD", "-q1s"]);
        command.args(["-X", &format!("{home}/traffic")]);
        let mut process = Process::spawn("sendmail", &mut command, &outside.join("output"));
        process.wait_ready(|| TcpStream::connect(("127.0.0.1", config.port)).is_ok());
        Self { port: config.port, root, home, process }
    }

    /// A file of this instance, seen from outside the root.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path(&self.home).join(name)
    }

    /// What it printed, and all that it said and heard.
    #[must_use]
    pub fn log(&self) -> String {
        let traffic = fs::read(self.path("traffic")).unwrap_or_default();
        self.process.log() + &String::from_utf8_lossy(&traffic)
    }

    /// The queue as the administrator sees it; `arguments` such as `-qQ` for what is quarantined.
    #[must_use]
    pub fn mailq(&self, arguments: &[&str]) -> String {
        let mut command = self.root.command(PROGRAM);
        run(command.args(["-C", &format!("{}/sendmail.cf", self.home), "-bp"]).args(arguments))
    }

    /// Waits until nothing is queued.
    ///
    /// # Panics
    /// When the limit passes first; shows the queue.
    pub fn wait_queue_empty(&self, limit: Duration) {
        let queued = || fs::read_dir(self.path("queue")).map_or(0, Iterator::count);
        wait_for(
            "an empty queue",
            limit,
            || (queued() == 0).then_some(()),
            || self.mailq(&[]) + tail(&self.log()),
        );
    }

    /// As `wait_queue_empty`, within the usual limit.
    ///
    /// # Panics
    /// When the limit passes first.
    pub fn wait_delivered(&self) {
        self.wait_queue_empty(PEER_WAIT_MAX);
    }
}

impl Drop for Sendmail {
    fn drop(&mut self) {
        self.process.kill9();
        kill_all_in(&self.path(""));
        let _ = fs::remove_dir_all(self.path(""));
    }
}

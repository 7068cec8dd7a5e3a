//! What can be typed.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tamis_runtime::listen::ListenAddress;

/// Scans mail for spam and malware: one program, several roles.
#[derive(Debug, Parser)]
#[command(name = "tamis", version, max_term_width = 100)]
pub struct Cli {
    /// What to do; nothing said is `all` on embedded defaults.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run edge, scanner and reputation in one process, on embedded defaults.
    All(Role),
    /// Run the edge beside an MTA.
    Edge(Role),
    /// Run a scanner.
    Scanner(Role),
    /// Run a reputation server.
    Reputation(Role),
    /// Judge files and folders by the same code as the service.
    Check(Check),
    /// Give verdicts again from their records, or say what another policy or other bases change.
    Replay(Replay),
    /// Add, delete and explain signatures of known mail.
    Signature(Signature),
    /// Teach a scanner that mails are spam or not, as users do.
    Learn(Learn),
    /// Undo exactly what learning these mails did.
    Unlearn(Unlearn),
    /// Publish, pull and go back from signed bases.
    Bases(Bases),
    /// Ask a process on this machine how it is; exit status 0 if the answer is yes. Reads no configuration.
    Probe(Probe),
    /// Read a configuration file and say what it means, or what is wrong with it.
    CheckConfig {
        /// The file.
        file: PathBuf,
    },
}

/// Options of every role.
#[derive(Debug, Default, Args)]
pub struct Role {
    /// Configuration file (TOML). Without one, everything listens on loopback and keeps to itself.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `tamis probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// What to ask.
    #[arg(value_enum)]
    pub what: Asked,
    /// Where its metrics and health are served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9070")]
    pub at: ListenAddress,
    /// Where it answers questions about reputation: asked, too. Not of use with `require_seal`.
    #[arg(long, value_name = "ADDRESS")]
    pub udp: Option<SocketAddr>,
}

/// What a process is asked.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Asked {
    /// Whether it runs; never depends on others.
    Live,
    /// Whether it can do its work.
    Ready,
}

/// Options of `tamis check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Say of each mail in sentences why it has its status, and what would change it.
    #[arg(long, conflicts_with = "json")]
    pub explain: bool,
    /// Write down what each verdict follows from, for `tamis replay`: into a file for one mail, a folder for several.
    #[arg(long, value_name = "FILE|DIR")]
    pub record: Option<PathBuf>,
    /// Mails judged at the same time [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Address of the SMTP client that brought the mail.
    #[arg(long, value_name = "A")]
    pub ip: Option<IpAddr>,
    /// Its HELO name.
    #[arg(long, value_name = "H")]
    pub helo: Option<String>,
    /// Envelope sender; "" is the null sender of bounces.
    #[arg(long, value_name = "A")]
    pub from: Option<String>,
    /// Envelope recipient; may be given several times.
    #[arg(long, value_name = "A")]
    pub rcpt: Vec<String>,
    /// Make no network look-up of any kind.
    #[arg(long)]
    pub offline: bool,
    /// Configuration file: its policy, hash list, Redis and reputation servers. Without one nothing is asked.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Mails, folders of mails, or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Options of `tamis replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Say of each mail in sentences why it has its status, and what would change it.
    #[arg(long, conflicts_with = "json")]
    pub explain: bool,
    /// Judge this mail anew by the policy and the bases of now, and say how the verdict differs from the record's.
    #[arg(long, value_name = "MAIL", conflicts_with_all = ["json", "explain"])]
    pub now: Option<PathBuf>,
    /// With --now: make no network look-up of any kind; what others said then holds still.
    #[arg(long, requires = "now")]
    pub offline: bool,
    /// With --now: configuration file, as for check.
    #[arg(long, value_name = "FILE", requires = "now")]
    pub config: Option<PathBuf>,
    /// Records, or folders of records; with --now one.
    #[arg(required = true, value_name = "RECORD")]
    pub paths: Vec<PathBuf>,
}

/// Options of `tamis signature`.
#[derive(Debug, Args)]
pub struct Signature {
    /// Administration address of the reputation server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7063", global = true)]
    pub server: String,
    /// Configuration file: its [tls] section is used for https:// servers.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// File with the token of a reporter, where the server wants one.
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub action: SignatureAction,
}

/// What to do with signatures.
#[derive(Debug, Subcommand)]
pub enum SignatureAction {
    /// Report mails (or signatures such as text:0123..., or domains as sender:example.com) as known.
    Add {
        /// What they are.
        #[arg(long, value_enum, default_value = "spam")]
        class: Class,
        /// Strength of the listing, 1 to 100.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
        weight: u8,
        /// Who reports [default: postmaster, or who the token belongs to].
        #[arg(long)]
        reporter: Option<String>,
        /// Report the links of the mails too, not only their texts and attachments.
        #[arg(long)]
        links: bool,
        /// Files with mails, or signatures.
        #[arg(required = true, value_name = "FILE|SIGNATURE")]
        what: Vec<String>,
    },
    /// Take back what one reported oneself.
    Retract {
        /// Whose reports go [default: as for add].
        #[arg(long)]
        reporter: Option<String>,
        /// The links of the mails too.
        #[arg(long)]
        links: bool,
        /// Files with mails, or signatures.
        #[arg(required = true, value_name = "FILE|SIGNATURE")]
        what: Vec<String>,
    },
    /// Delete the listings of mails or signatures, whoever reported them (operators only).
    Del {
        /// Who deletes [default: as for add].
        #[arg(long)]
        reporter: Option<String>,
        /// The links of the mails too.
        #[arg(long)]
        links: bool,
        /// Files with mails, or signatures.
        #[arg(required = true, value_name = "FILE|SIGNATURE")]
        what: Vec<String>,
    },
    /// Say who reported a signature, when, as what, and how often it was asked for.
    Why {
        /// Files with mails, or signatures.
        #[arg(required = true, value_name = "FILE|SIGNATURE")]
        what: Vec<String>,
    },
    /// Say how many signatures there are, how durable they are, and what was asked.
    Stats,
    /// Make a token for a reporter, and the lines for the server's file of reporters. Asks no server.
    Reporter {
        /// Its name: organisation/host or organisation.
        #[arg(value_name = "NAME")]
        name: String,
        /// It may delete, and its `allowed` wins over every report.
        #[arg(long)]
        operator: bool,
    },
    /// Make a key for sealed questions, the line for the scanner's file and for that of its servers. Asks no server.
    Key {
        /// Whose it is, for people to read: organisation/host or organisation.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Options of `tamis learn`.
#[derive(Debug, Args)]
pub struct Learn {
    /// What the mails are.
    #[arg(value_enum)]
    pub class: Taught,
    /// How to reach the scanner, and which mails.
    #[command(flatten)]
    pub lesson: Lesson,
}

/// Options of `tamis unlearn`.
#[derive(Debug, Args)]
pub struct Unlearn {
    /// How to reach the scanner, and which mails.
    #[command(flatten)]
    pub lesson: Lesson,
}

/// Which mails are taught, to whom, for whom.
#[derive(Debug, Args)]
pub struct Lesson {
    /// Address of a scanner.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7062")]
    pub server: String,
    /// Configuration file: its [tls] section is used for https:// scanners.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File with the token that the scanner wants ([scanner.learning] token_file).
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Address or domain of the user who says so: what he teaches weighs more for his domain.
    #[arg(long, value_name = "A", default_value = "")]
    pub user: String,
    /// Print nothing but complaints.
    #[arg(long)]
    pub quiet: bool,
    /// Mails, folders of mails, or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// What a mail is taught to be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Taught {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

/// Options of `tamis bases`.
#[derive(Debug, Args)]
pub struct Bases {
    /// Configuration file: its [bases] and [tls] sections.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub action: BasesAction,
}

/// What to do with bases.
#[derive(Debug, Subcommand)]
pub enum BasesAction {
    /// Make a key to sign with, and print the public key that others trust.
    Keygen {
        /// Where to write the secret key.
        file: PathBuf,
    },
    /// Sign the files of a directory as the next generation; a running service pushes it.
    Publish {
        /// The directory: its files are the release.
        dir: PathBuf,
        /// Public key that may sign from now on; may be given several times.
        #[arg(long, value_name = "KEY")]
        introduce: Vec<String>,
        /// Public key that may sign no more; may be given several times.
        #[arg(long, value_name = "KEY")]
        retire: Vec<String>,
        /// Days for which a site may bring this release into force.
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
        valid_days: u16,
    },
    /// Fetch what the upstream has now, once.
    Pull,
    /// Say which bases are in force, and what was refused.
    Status,
    /// Go back to the release before; the one left behind is not taken again, a newer one is. A service that publishes
    /// here holds until `resume`.
    Rollback,
    /// After `rollback` where releases are signed: sign what is in force as the next generation, so that sites take it, and
    /// let the service publish again.
    Resume {
        /// Days for which a site may bring this release into force.
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
        valid_days: u16,
    },
}

/// Class of a report.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Class {
    /// Spam.
    Spam,
    /// Phishing.
    Phishing,
    /// Malware.
    Malware,
    /// Bulk mail, neither good nor bad.
    Bulk,
    /// Known good; wins over all others.
    Allowed,
}

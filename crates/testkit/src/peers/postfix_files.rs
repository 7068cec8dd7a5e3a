//! `main.cf` and `master.cf` of a private Postfix.

use super::free_port;
use std::fmt::Write as _;

/// Domain whose mailboxes the private Postfix keeps.
pub(super) const DOMAIN: &str = "example.test";
/// Mailboxes by name; every other address of the domain lands in `all`.
pub(super) const MAILBOXES: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "all"];
/// Owner of the mailboxes: Debian's `nobody`.
pub(super) const MAILBOX_UID: u32 = 65_534;

/// One listener of Postfix, with what it does to the mail it takes.
#[derive(Clone, Debug)]
pub struct SmtpdService {
    /// Port on 127.0.0.1.
    pub port: u16,
    options: Vec<(String, String)>,
}

impl Default for SmtpdService {
    fn default() -> Self {
        Self::new()
    }
}

impl SmtpdService {
    /// A listener on a free port that filters nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { port: free_port(), options: Vec::new() }
    }

    /// A listener that takes filtered mail back: believes XFORWARD, filters nothing again.
    #[must_use]
    pub fn reinjection() -> Self {
        Self::new()
            .option("content_filter", "")
            .option("smtpd_milters", "")
            .option("smtpd_authorized_xforward_hosts", "127.0.0.0/8")
            .option(
                "receive_override_options",
                "no_unknown_recipient_checks,no_header_body_checks,no_milters,no_address_mappings",
            )
    }

    /// Sends each mail through the milter on this port of 127.0.0.1.
    #[must_use]
    pub fn milter(self, port: u16) -> Self {
        self.option("smtpd_milters", &format!("inet:127.0.0.1:{port}"))
    }

    /// After-queue filter by SMTP.
    #[must_use]
    pub fn content_filter_smtp(self, port: u16) -> Self {
        self.option("content_filter", &format!("tamis:[127.0.0.1]:{port}"))
    }

    /// After-queue filter by LMTP: a reply for each recipient.
    #[must_use]
    pub fn content_filter_lmtp(self, port: u16) -> Self {
        self.option("content_filter", &format!("tamislmtp:inet:127.0.0.1:{port}"))
    }

    /// Before-queue proxy by SMTP.
    #[must_use]
    pub fn proxy_filter(self, port: u16) -> Self {
        self.option("smtpd_proxy_filter", &format!("127.0.0.1:{port}"))
    }

    /// Any parameter of main.cf, for this listener alone.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    fn master_lines(&self) -> String {
        let mut lines = format!("127.0.0.1:{} inet n - n - - smtpd\n", self.port);
        for (name, value) in &self.options {
            let _ = writeln!(lines, "  -o {{ {name} = {value} }}");
        }
        lines
    }
}

/// What a private Postfix should look like.
#[derive(Clone, Debug, Default)]
pub struct PostfixConfig {
    /// Listeners, at least one.
    pub services: Vec<SmtpdService>,
    /// Additions to main.cf; a later line wins over the defaults of the harness.
    pub main: Vec<(String, String)>,
    /// Additional lines of master.cf, each complete.
    pub master: Vec<String>,
}

impl PostfixConfig {
    /// With these listeners and nothing else.
    #[must_use]
    pub fn new(services: impl IntoIterator<Item = SmtpdService>) -> Self {
        Self { services: services.into_iter().collect(), ..Self::default() }
    }

    /// Any parameter of main.cf.
    #[must_use]
    pub fn main(mut self, name: &str, value: &str) -> Self {
        self.main.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `main.cf` for an instance whose directory inside the root is `home`.
    pub(super) fn main_cf(&self, home: &str) -> String {
        let mut text = format!(
            "compatibility_level = 3.6\n\
             config_directory = {home}/conf\nqueue_directory = {home}/queue\n\
             data_directory = {home}/data\nmaillog_file_prefixes = /srv\n\
             maillog_file = {home}/mail.log\nmyhostname = mx.{DOMAIN}\nmydestination =\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
             smtp_dns_support_level = disabled\nsmtp_host_lookup = native\n\
             alias_maps =\nalias_database =\nlocal_recipient_maps =\n\
             virtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_base = {home}/maildir\n\
             virtual_mailbox_maps = texthash:{home}/conf/mailboxes\n\
             virtual_uid_maps = static:{MAILBOX_UID}\nvirtual_gid_maps = static:{MAILBOX_UID}\n\
             virtual_minimum_uid = 100\nvirtual_mailbox_limit = 0\nmailbox_size_limit = 0\n\
             message_size_limit = 104857600\nsmtpd_authorized_xclient_hosts = 127.0.0.0/8\n\
             smtpd_client_connection_count_limit = 0\n"
        );
        // Retries within seconds instead of minutes, no tar pits: tests wait for these.
        text.push_str(
            "queue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n\
             transport_retry_time = 1s\nin_flow_delay = 0\nsmtpd_error_sleep_time = 0\n\
             smtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\n",
        );
        for (name, value) in &self.main {
            let _ = writeln!(text, "{name} = {value}");
        }
        text
    }

    /// `master.cf`: the listeners, the two ways out to a content filter, and Postfix's own programs,
    /// none of them in a chroot, since the whole instance already sits in one.
    pub(super) fn master_cf(&self) -> String {
        let mut text: String = self.services.iter().map(SmtpdService::master_lines).collect();
        text.push_str(
            "tamis unix - - n - 10 smtp -o smtp_send_xforward_command=yes\n  \
             -o disable_mime_output_conversion=yes -o smtp_data_done_timeout=1200s\n\
             tamislmtp unix - - n - 10 lmtp -o lmtp_send_xforward_command=yes\n  \
             -o lmtp_data_done_timeout=1200s\n\
             pickup unix n - n 1 1 pickup\ncleanup unix n - n - 0 cleanup\n\
             qmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n\
             bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
             trace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n\
             flush unix n - n 1000 0 flush\nproxymap unix - - n - - proxymap\n\
             proxywrite unix - - n - 1 proxymap\nsmtp unix - - n - - smtp\n\
             relay unix - - n - - smtp\nlmtp unix - - n - - lmtp\n\
             showq unix n - n - - showq\nerror unix - - n - - error\n\
             retry unix - - n - - error\ndiscard unix - - n - - discard\n\
             local unix - n n - - local\nvirtual unix - n n - - virtual\n\
             anvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n\
             postlog unix-dgram n - n - 1 postlogd\n",
        );
        for line in &self.master {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// The table of mailboxes.
    pub(super) fn mailboxes() -> String {
        let mut text = format!("@{DOMAIN} all/\n");
        for name in MAILBOXES {
            let _ = writeln!(text, "{name}@{DOMAIN} {name}/");
        }
        text
    }
}

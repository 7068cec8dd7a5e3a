//! Three real Postfixes, each with its edge in another place, and the sink behind them, in roots that
//! `scripts/roots.sh` makes. All of them end with the first process of their root's namespace.

use super::network::{Network, Role};
use super::texts::{LMTP_PORT, MILTER_PORT, SMTP_PORT};

/// Where mail is given to a Postfix. Not 25, where a mail server of this machine may listen on all addresses.
pub(super) const MAIL_PORT: u16 = 2525;
/// Where judged mail comes back, as in the samples of `docs/postfix.md`.
pub(super) const BACK_PORT: u16 = 10028;
/// Where the sink takes what was judged.
pub(super) const SINK_PORT: u16 = 2526;
/// Domain whose mail is taken.
pub(super) const DOMAIN: &str = "example.test";

/// Run in the root with the folder of the server: it shows that folder inside and becomes the server.
pub(super) const START: &str = r#"set -eu
root=$TAMIS_TEST_ROOTS/postfix
mkdir -p "$root/srv/mx"
mount --bind "$1" "$root/srv/mx"
mkdir -p "$1/queue" "$1/data" "$1/conf/dynamicmaps.cf.d" "$1/conf/postfix-files.d"
for file in postfix-files dynamicmaps.cf post-install postfix-script; do
  cp "$root/etc/postfix/$file" "$1/conf/"
done
chroot "$root" chown postfix /srv/mx/data
exec chroot "$root" postfix -c /srv/mx/conf start-fg
"#;

/// The same for the sink, a program of Postfix: each mail is a file, with its envelope in the first lines.
pub(super) const START_SINK: &str = r#"set -eu
root=$TAMIS_TEST_ROOTS/postfix
mkdir -p "$root/srv/sink" "$1/mails"
chown nobody "$1/mails"
mount --bind "$1" "$root/srv/sink"
exec chroot "$root" smtp-sink -u nobody -d '/srv/sink/mails/%Y%m%d%H%M%S.' "inet:$2" 256
"#;

/// `main.cf`. The listeners are named in `master.cf`: Postfix believes of `inet_interfaces` only addresses that an
/// interface lists, and loopback lists one.
pub(super) fn main_cf(network: Network, number: u8) -> String {
    format!(
        "compatibility_level = 3.6\nconfig_directory = /srv/mx/conf\nqueue_directory = /srv/mx/queue\n\
         data_directory = /srv/mx/data\nmaillog_file_prefixes = /srv\nmaillog_file = /srv/mx/mail.log\n\
         myhostname = mx-{number}.{DOMAIN}\nmydestination =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
         smtp_bind_address = {own}\nmynetworks = 127.0.0.0/8\nsmtp_dns_support_level = disabled\n\
         smtp_host_lookup = native\nalias_maps =\nalias_database =\nlocal_recipient_maps =\n\
         relay_domains = {DOMAIN}\nrelay_recipient_maps =\nrelayhost = [{sink}]:{SINK_PORT}\n\
         message_size_limit = 67108864\nsmtpd_client_connection_count_limit = 0\n\
         milter_default_action = tempfail\nmilter_content_timeout = 60s\n\
         queue_run_delay = 5s\nminimal_backoff_time = 5s\nmaximal_backoff_time = 30s\n",
        own = network.ip(Role::Postfix, number),
        sink = network.ip(Role::Sink, 1),
    )
}

/// How Postfix and its edge talk: as a milter, as a proxy before the queue, or by LMTP after it.
fn door(network: Network, number: u8) -> String {
    let edge = network.ip(Role::Edge, number);
    match number {
        2 => format!("smtpd_proxy_filter={edge}:{SMTP_PORT}"),
        3 => format!("content_filter=tamis:inet:{edge}:{LMTP_PORT}"),
        _ => format!("smtpd_milters=inet:{edge}:{MILTER_PORT}"),
    }
}

/// `master.cf`: where mail comes in, where judged mail comes back, and Postfix' own programs.
pub(super) fn master_cf(network: Network, number: u8) -> String {
    let own = network.ip(Role::Postfix, number);
    format!(
        "{own}:{MAIL_PORT} inet n - n - - smtpd\n  -o {door}\n\
         {own}:{BACK_PORT} inet n - n - - smtpd\n  -o content_filter= -o smtpd_milters= -o smtpd_proxy_filter=\n  \
         -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n  \
         -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters\n\
         tamis unix - - n - 20 lmtp -o lmtp_send_xforward_command=yes\n\
         pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\nverify unix - - n - 1 verify\nflush unix n - n 1000 0 flush\n\
         proxymap unix - - n - - proxymap\nproxywrite unix - - n - 1 proxymap\nsmtp unix - - n - - smtp\n\
         relay unix - - n - - smtp\nshowq unix n - n - - showq\nerror unix - - n - - error\n\
         retry unix - - n - - error\ndiscard unix - - n - - discard\nanvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\npostlog unix-dgram n - n - 1 postlogd\n",
        door = door(network, number),
    )
}

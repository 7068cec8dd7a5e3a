//! Pages on which mail systems explain their refusals: the only links that formal mail may show of its own.
//!
//! A page stands here if its maker runs a mail system or a list that mail systems ask, and if nobody else can put pages
//! there or send a reader on from there: no shorteners, no forums, no pages of customers.

use tamis_domain::reading::Link;

/// Pages, `host/beginning of the path`. Whole hosts only where nobody else can put pages there.
const EXPLAINING: [&str; 64] = [
    // Google, Microsoft, Yahoo and AOL, Apple.
    "support.google.com/",
    "www.google.com/support",
    "mail.google.com/support",
    "groups.google.com/support",
    "go.microsoft.com/fwlink",
    "support.microsoft.com/",
    "technet.microsoft.com/",
    "products.office.com/",
    "support.office.com/",
    "sender.office.com/",
    "mail.live.com/mail/troubleshooting.aspx",
    "mail.live.com/mail/policies.aspx",
    "postmaster.live.com/",
    "help.yahoo.com/",
    "postmaster.yahoo.com/",
    "postmaster.yahooinc.com/",
    "senders.yahooinc.com/",
    "postmaster.verizonmedia.com/",
    "www.yahoo-help.jp/",
    "postmaster.aol.com/",
    "postmaster.info.aol.com/",
    "support.apple.com/",
    // Providers of one country or some.
    "help.mail.ru/",
    "mail.i.ua/err/",
    "postmaster.1and1.com/",
    "postmaster.gmx.com/",
    "postmaster.gmx.net/",
    "postmaster.web.de/",
    "postmaster.mail.com/",
    "postmaster.t-online.de/",
    "postmaster.comcast.net/",
    "www.cox.com/residential/support/",
    "postmaster.free.fr/",
    "service.mail.qq.com/",
    "tech.support.ntt.com/ocn/",
    "www.ocn.ne.jp/0/",
    // Filters and services in front of mail servers.
    "support.proofpoint.com/",
    "ipcheck.proofpoint.com/",
    "community.mimecast.com/docs/",
    "csi.cloudmark.com/",
    "developers.cloudflare.com/email-routing/",
    "www.barracudacentral.org/",
    "www.barracudanetworks.com/reputation",
    "ers.trendmicro.com/",
    "ipremoval.sms.symantec.com/",
    "www.messagelabs.com/support",
    // Lists.
    "www.spamhaus.org/",
    "check.spamhaus.org/",
    "www.abuseat.org/",
    "www.spamcop.net/",
    "lookup.uribl.com/",
    "psbl.org/",
    "www.sorbs.net/",
    "www.senderscore.org/",
    "abusix.com/",
    // Standards.
    "www.openspf.org/",
    "spf.pobox.com/",
    "www.postfix.org/",
    "tools.ietf.org/html/rfc",
    "datatracker.ietf.org/doc/html/rfc",
    "www.ietf.org/rfc/",
    "www.rfc-editor.org/",
    "mipassoc.org/arf/",
    "www.mipassoc.org/arf/",
];

/// Whether this page explains refusals; `link` is `host/path`, as facts keep it.
#[must_use]
pub(super) fn is_explaining(link: &str) -> bool {
    let rooted = format!("{link}/");
    EXPLAINING.iter().any(|page| rooted.starts_with(page))
}

/// The same for a link of a page.
#[must_use]
pub(super) fn is_explaining_link(link: &Link) -> bool {
    let target = link.target.to_ascii_lowercase();
    let web = ["http://", "https://"].iter().find_map(|scheme| target.strip_prefix(scheme));
    web.map_or_else(|| link.target.starts_with("mailto:"), is_explaining)
}

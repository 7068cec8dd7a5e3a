//! One mail through every door of real MTAs: the same names of its header and parts, the same status. Each MTA shows us
//! another rendering: added Received, other folds, other blanks in To, LF or CRLF, lines in another order.

use crate::mails::{gtube, with_attachment};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Postfix, PostfixConfig, Sendmail, SendmailConfig, SendmailNext, Sink,
    SmtpdService, Tamis, wait_for,
};

/// A mail whose rendering differs on the way: folded subject, addresses without blanks, 8-bit text, quoted-printable, a line
/// with a dot, an enclosed mail, blank lines at the end.
fn letter(text: &str) -> Vec<u8> {
    let head = "From: \"Ann, the first\" <ann@sender.test>\r\n\
                To: bob@example.test,carol@example.test\r\nSubject: one letter\r\n  for\tevery door\r\n\
                Date: Fri, 02 Jan 2026 10:00:00 +0000\r\nMessage-Id: <letter@sender.test>\r\n\
                MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"==x==\"\r\n\r\n";
    let parts = [
        format!("Content-Type: text/plain; charset=utf-8\r\n\r\nGr\u{fc}\u{df}e\r\n.dot\r\n{text}"),
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         <p>Gr=C3=BC=C3=9Fe from a soft=\r\n line</p>  =\r\n"
            .to_owned(),
        "Content-Type: message/rfc822\r\n\r\nFrom: dan@sender.test\r\nSubject: inner\r\n\r\ninside\r\n"
            .to_owned(),
        "Content-Type: application/octet-stream; name=\"a.bin\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgcICQ==\r\n"
            .to_owned(),
    ];
    let mut mail = head.to_owned();
    for part in parts {
        mail.push_str(&format!("--==x==\r\n{part}\r\n"));
    }
    mail.push_str("--==x==--\r\n\r\n\r\n");
    mail.into_bytes()
}

/// What Tamis made of one mail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    header: String,
    parts: String,
    status: String,
}

fn text(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap_or("").to_owned()
}

/// The names that the debug log tells, joined with the status of the line about the same mail.
fn seen(tamis: &Tamis) -> Vec<(String, Seen)> {
    let parse = |line: &String| serde_json::from_str::<Value>(line).expect("a JSON line");
    let statuses: BTreeMap<String, String> = tamis
        .log_lines("mail")
        .iter()
        .map(parse)
        .map(|line| (text(&line, "id"), text(&line, "status")))
        .collect();
    let names = tamis.log_lines("names");
    let named = names.iter().map(parse).filter_map(|line| {
        let status = statuses.get(&text(&line, "id"))?.clone();
        let seen = Seen { header: text(&line, "header"), parts: text(&line, "parts"), status };
        Some((text(&line, "door"), seen))
    });
    named.collect()
}

/// Everything that hands mail to one Tamis, whose next hop is a sink.
struct Doors {
    tamis: Tamis,
    _sink: Sink,
    postfix: Postfix,
    by_milter: Sendmail,
    by_lmtp: Sendmail,
}

/// Postfix: milter, milter for local programs, after the queue by SMTP and LMTP, before the queue. Sendmail: milter, LMTP.
const WAYS: usize = 7;

fn doors() -> Doors {
    let sink = Sink::smtp().start();
    let tamis = Tamis::start(
        &["all"],
        Some(&format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\n[telemetry]\nlog = \"json\"\n\
             level = \"info,tamis_edge=debug\"\n",
            sink.port
        )),
    );
    let services = [
        SmtpdService::new().milter(tamis.milter_port()),
        SmtpdService::new().content_filter_smtp(tamis.smtp_port()),
        SmtpdService::new().content_filter_lmtp(tamis.lmtp_port()),
        SmtpdService::new().proxy_filter(tamis.smtp_port()),
    ];
    let milter = format!("inet:127.0.0.1:{}", tamis.milter_port());
    let postfix = Postfix::start(&PostfixConfig::new(services).main("non_smtpd_milters", &milter));
    let config = SendmailConfig::new(SendmailNext::Smtp(sink.port)).milter(tamis.milter_port());
    let by_milter = Sendmail::start(&config);
    let by_lmtp = Sendmail::start(&SendmailConfig::new(SendmailNext::Lmtp(tamis.lmtp_port())));
    Doors { tamis, _sink: sink, postfix, by_milter, by_lmtp }
}

impl Doors {
    fn send_everywhere(&self, mail: &[u8]) {
        let recipients = ["bob@example.test", "carol@example.test"];
        let ports = self.postfix.ports.iter().chain([&self.by_milter.port, &self.by_lmtp.port]);
        for port in ports {
            let reply = Dialogue::connect(*port).send("ann@sender.test", &recipients, mail);
            assert_eq!(reply.code, 250, "port {port}: {:?}", reply.lines);
        }
        let local: Vec<u8> = mail.iter().copied().filter(|byte| *byte != b'\r').collect();
        self.postfix.submit("ann@sender.test", &recipients, &local);
    }

    fn wait_seen(&self, count: usize) -> Vec<(String, Seen)> {
        let look = || Some(seen(&self.tamis)).filter(|seen| seen.len() >= count);
        wait_for("a mail through every door", PEER_WAIT_MAX, look, || {
            self.tamis.log() + &self.postfix.log()
        })
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_mail_has_one_name_and_one_status_through_every_door_of_every_mta() {
    let doors = doors();
    let table = with_attachment("table", "The figures of May.", &[7; 70_000]);
    let mails = [letter("See you.\r\n\r\n\r\n"), letter(&gtube()), table];
    for (number, mail) in mails.iter().enumerate() {
        doors.send_everywhere(mail);
        let seen = doors.wait_seen(WAYS * (number + 1)).split_off(WAYS * number);
        let different: BTreeSet<_> = seen.iter().map(|(_, seen)| seen).collect();
        assert_eq!(different.len(), 1, "mail {number}: {seen:#?}");
        let leaves = seen[0].1.parts.split(',').count();
        assert_eq!(leaves, if number == 2 { 2 } else { 5 }, "an enclosed header counts as a part");
        assert!(!seen[0].1.header.is_empty());
        assert_eq!(seen[0].1.status, ["not_detected", "spam", "not_detected"][number]);
    }
    let used: BTreeSet<_> = doors.wait_seen(1).into_iter().map(|(door, _)| door).collect();
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["lmtp", "milter", "smtp"]);
}

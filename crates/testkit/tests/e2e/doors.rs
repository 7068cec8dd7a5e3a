//! The doors as other people's test programs knock: miltertest, swaks; and as a smuggler does.

use crate::mails::{header, mail, spam, status};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use tamis_testkit::peers::{Dialogue, PEER_WAIT_MAX, Sink, Tamis, swaks};

fn all(policy: &str) -> (Tamis, Sink) {
    let sink = Sink::smtp().start();
    let config = format!("[edge]\nnext_hop = \"127.0.0.1:{}\"\n{policy}", sink.port);
    (Tamis::start(&["all"], Some(&config)), sink)
}

/// Runs a script of miltertest, which speaks milter as its own library does.
#[track_caller]
fn miltertest(port: u16, script: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("script.lua");
    let opening = format!(
        "conn = mt.connect(\"inet:{port}@127.0.0.1\")\n\
         if conn == nil then error(\"no connection\") end\n\
         function expect(what, reply)\n  if mt.getreply(conn) ~= reply then\n    \
         error(what .. \": \" .. mt.getreply(conn))\n  end\nend\n"
    );
    fs::write(&file, opening + script).expect("a script");
    let output = Command::new("miltertest").arg("-s").arg(&file).output();
    let output = output.expect("./test installs miltertest");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// A session up to the end of the header; the text follows.
const BEGINNING: &str = r#"
function begin(subject)
  mt.macro(conn, SMFIC_MAIL, "i", "4TEST")
  assert(mt.mailfrom(conn, "<ann@sender.test>") == nil)
  expect("MAIL", SMFIR_CONTINUE)
  assert(mt.rcptto(conn, "<bob@example.test>") == nil)
  expect("RCPT", SMFIR_CONTINUE)
  mt.header(conn, "From", "Ann <ann@sender.test>")
  mt.header(conn, "To", "Bob <bob@example.test>")
  mt.header(conn, "Subject", subject)
  mt.header(conn, "Date", "Fri, 02 Jan 2026 10:00:00 +0000")
  mt.header(conn, "Message-Id", "<m@sender.test>")
  mt.header(conn, "X-Tamis-Status", "trusted")
  mt.eoh(conn)
end
mt.conninfo(conn, "mx.sender.test", "192.0.2.7")
expect("connect", SMFIR_CONTINUE)
mt.helo(conn, "mx.sender.test")
expect("HELO", SMFIR_CONTINUE)
"#;

#[test]
#[ignore = "needs the peers that ./test installs"]
fn miltertest_sees_marks_added_forgeries_removed_and_the_next_mail_judged_anew() {
    let (tamis, _sink) = all("");
    let script = format!(
        "{BEGINNING}
begin(\"one\")
mt.bodystring(conn, \"{gtube}\\r\\n\")
mt.eom(conn)
expect(\"end of spam\", SMFIR_CONTINUE)
if not mt.eom_check(conn, MT_HDRINSERT, \"X-Spam-Flag\") then error(\"no flag\") end
if not mt.eom_check(conn, MT_HDRINSERT, \"X-Tamis-Id\") then error(\"no id\") end
if not mt.eom_check(conn, MT_HDRCHANGE, \"Subject\") then error(\"no tag\") end
if not mt.eom_check(conn, MT_HDRDELETE, \"X-Tamis-Status\") then error(\"a forgery stays\") end
begin(\"two\")
mt.bodystring(conn, \"Hello.\\r\\n\")
mt.eom(conn)
expect(\"end of a clean mail\", SMFIR_CONTINUE)
if mt.eom_check(conn, MT_HDRINSERT, \"X-Spam-Flag\") then error(\"flagged\") end
if not mt.eom_check(conn, MT_HDRINSERT, \"X-Tamis-Status\") then error(\"no status\") end
begin(\"three\")
mt.abort(conn)
mt.disconnect(conn)
",
        gtube = crate::mails::gtube()
    );
    miltertest(tamis.milter_port(), &script);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn miltertest_gets_a_refusal_with_words_of_its_own() {
    let (tamis, _sink) = all("[policy.actions]\nspam = \"reject\"\n");
    let script = format!(
        "{BEGINNING}
begin(\"one\")
mt.bodystring(conn, \"{gtube}\\r\\n\")
mt.eom(conn)
expect(\"end of spam\", SMFIR_REPLYCODE)
mt.disconnect(conn)
",
        gtube = crate::mails::gtube()
    );
    miltertest(tamis.milter_port(), &script);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn swaks_brings_mail_by_smtp_and_by_lmtp() {
    let (tamis, sink) = all("");
    let to = ["--from", "ann@sender.test", "--to", "bob@example.test,carol@example.test"];
    let _ = swaks(tamis.smtp_port(), &to).taken();
    let lmtp: Vec<&str> = ["--protocol", "LMTP"].into_iter().chain(to).collect();
    let said = swaks(tamis.lmtp_port(), &lmtp).taken().transcript;
    let answers = said.split(" -> .").last().unwrap_or("").matches("<-  250 2.").count();
    assert_eq!(answers, 2, "one answer for each recipient: {said}");
    for mail in sink.wait(2) {
        assert_eq!(mail.recipients, ["bob@example.test", "carol@example.test"]);
        assert_eq!(header(&mail.content, "X-Tamis-Rung"), ["full"]);
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn what_a_peer_tells_about_its_client_is_believed_only_where_configured() {
    let lists = "[policy.lists]\nblacklisted = [\"203.0.113.0/24\"]\n";
    for (trusted, expected) in [("127.0.0.0/8", "blacklisted"), ("192.0.2.1", "not_detected")] {
        let sink = Sink::smtp().start();
        let config = format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\ntrusted_peers = [\"{trusted}\"]\n{lists}",
            sink.port
        );
        let tamis = Tamis::start(&["all"], Some(&config));
        let mut client = Dialogue::connect(tamis.smtp_port());
        client.expect("EHLO mx.sender.test", 250);
        let told = client.say("XFORWARD ADDR=203.0.113.9 NAME=mx.sender.test");
        assert_eq!(told.code == 250, expected == "blacklisted", "{:?}", told.lines);
        client.expect("MAIL FROM:<ann@sender.test>", 250);
        client.expect("RCPT TO:<bob@example.test>", 250);
        client.expect("DATA", 354);
        let reply = client.content(&mail("forwarded", "Hello."), 1).remove(0);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
        assert_eq!(status(&sink.wait(1)[0].content), expected);
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn lmtp_answers_each_recipient_by_the_policy_of_the_own_group() {
    let group = |name: &str, action: &str| {
        format!(
            "[[policy.group]]\nname = \"{name}\"\nrecipients = [\"{name}@example.test\"]\n\
             [policy.group.actions]\nspam = \"{action}\"\n"
        )
    };
    let groups = [("bob", "reject"), ("carol", "tempfail"), ("dave", "discard")];
    let (tamis, sink) = all(&groups.map(|(name, action)| group(name, action)).concat());
    let mut client = Dialogue::connect(tamis.lmtp_port());
    client.expect("LHLO mx.sender.test", 250);
    client.expect("MAIL FROM:<ann@sender.test>", 250);
    for name in ["bob", "alice", "carol", "dave"] {
        client.expect(&format!("RCPT TO:<{name}@example.test>"), 250);
    }
    client.expect("DATA", 354);
    let replies = client.content(&spam("four ways"), 4);
    let codes: Vec<_> = replies.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [550, 250, 451, 250], "{replies:?}");
    let refusal = replies[0].lines.concat();
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients, ["alice@example.test"]);
    let id = header(&mails[0].content, "X-Tamis-Id").concat();
    assert!(refusal.starts_with("550 5.7.1 ") && refusal.contains(&id), "{refusal}");
    assert!(tamis.wait_log(&id).contains("mixed"));
}

/// What ends a mail for one server and not for the other lets a sender write the second one's mails.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn no_second_mail_can_be_smuggled_through_in_the_first() {
    let smuggled = "MAIL FROM:<admin@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\
                    Subject: smuggled\r\n\r\nforged\r\n.\r\n";
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\n", "\n\n.\r\n"] {
        let (tamis, sink) = all("");
        let mut client = Dialogue::connect(tamis.smtp_port());
        for line in ["EHLO c.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@example.test>"] {
            client.expect(line, 250);
        }
        client.expect("DATA", 354);
        let mut bytes = mail("outer", "Hello.");
        bytes.truncate(bytes.len() - 2);
        bytes.extend_from_slice(end.as_bytes());
        bytes.extend_from_slice(smuggled.as_bytes());
        client.write(&bytes);
        let _ = client.reply();
        client.write(b"QUIT\r\n");
        while client.reply().code != 0 {}
        let from: Vec<_> = sink.mails().into_iter().map(|mail| mail.from).collect();
        assert!(!from.contains(&"admin@example.test".to_owned()), "{end:?}: {from:?}");
        assert!(sink.count() <= 1, "{end:?}");
        for mail in sink.mails() {
            let text = String::from_utf8_lossy(&mail.content).replace("\r\n", "");
            assert!(
                !text.contains(['\r', '\n']),
                "{end:?} goes on to a server that may read it otherwise"
            );
        }
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_door_that_is_talked_nonsense_to_stays_open_for_others() {
    let (tamis, sink) = all("");
    for port in [tamis.milter_port(), tamis.lmtp_port(), tamis.smtp_port()] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("an open door");
        let _ = stream.set_read_timeout(Some(PEER_WAIT_MAX));
        let _ = stream.write_all(&[0xff; 70_000]);
        let _ = stream.write_all(b"\r\nQUIT\r\n");
        let _ = stream.read(&mut [0; 4096]);
    }
    let mut client = Dialogue::connect(tamis.smtp_port());
    let reply = client.send("ann@sender.test", &["bob@example.test"], &spam("after"));
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
    assert_eq!(status(&sink.wait(1)[0].content), "spam");
}

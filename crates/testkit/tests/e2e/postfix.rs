//! Real Postfix in front of a real Tamis: the milter and the before-queue proxy.

use crate::mails::{eicar, header, mail, spam, status, with_attachment};
use std::time::{Duration, Instant};
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Postfix, PostfixConfig, SmtpdService, Tamis, free_port, swaks,
};

/// `tamis all` and a Postfix that filters through its milter.
fn behind_milter(config: &str) -> (Tamis, Postfix) {
    let tamis = Tamis::start(&["all"], Some(config));
    let service = SmtpdService::new().milter(tamis.milter_port());
    let postfix = Postfix::start(&PostfixConfig::new([service]));
    (tamis, postfix)
}

/// A Postfix that shows each mail to Tamis before it takes it, and takes it back on another port.
fn behind_proxy(policy: &str) -> (Tamis, Postfix) {
    let back = SmtpdService::reinjection();
    let config = format!("[edge]\nnext_hop = \"127.0.0.1:{}\"\n{policy}", back.port);
    let tamis = Tamis::start(&["all"], Some(&config));
    let front = SmtpdService::new().proxy_filter(tamis.smtp_port());
    let postfix = Postfix::start(&PostfixConfig::new([front, back]));
    (tamis, postfix)
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_marks_a_clean_mail_and_believes_no_header_of_the_sender() {
    let (_tamis, postfix) = behind_milter("");
    let mut forged =
        b"X-Tamis-Status: trusted\r\nX-Spam-Flag: NO\r\nX-Tamis-Status: formal\r\n".to_vec();
    forged.extend(mail("clean", "See you on Monday."));
    let mut client = Dialogue::connect(postfix.port());
    assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &forged).code, 250);
    let delivered = &postfix.maildir("bob", 1)[0];
    assert_eq!(status(delivered), "not_detected");
    assert_eq!(header(delivered, "X-Spam-Flag"), Vec::<String>::new());
    for name in ["X-Tamis-Score", "X-Tamis-Rung", "X-Tamis-Id"] {
        assert_eq!(header(delivered, name).len(), 1, "{name}");
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_judges_each_mail_of_a_session_by_itself() {
    let (_tamis, postfix) = behind_milter("");
    let mut client = Dialogue::connect(postfix.port());
    for (name, content) in [("first", spam("one")), ("second", mail("two", "Hello."))] {
        let reply = client.send("ann@sender.test", &["bob@example.test"], &content);
        assert_eq!(reply.code, 250, "{name}: {:?}", reply.lines);
    }
    let delivered = postfix.maildir("bob", 2);
    let mut found: Vec<_> = delivered.iter().map(|mail| status(mail)).collect();
    found.sort();
    assert_eq!(found, ["not_detected", "spam"]);
    let marked = delivered.iter().find(|mail| status(mail) == "spam").unwrap();
    assert_eq!(header(marked, "X-Spam-Flag"), ["YES"]);
    assert_eq!(header(marked, "Subject"), ["[SPAM] one"]);
    let summary = header(marked, "X-Spam-Status").concat();
    for part in ["Yes", "score=", "required=", "gtube"] {
        assert!(summary.contains(part), "{part} in {summary}");
    }
    assert!(header(marked, "X-Tamis-Evidence").concat().contains("gtube"));
    let clean = delivered.iter().find(|mail| status(mail) != "spam").unwrap();
    assert_eq!(header(clean, "Subject"), ["two"]);
    assert!(header(clean, "X-Spam-Status").concat().starts_with("No"));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_holds_a_known_malicious_attachment_without_being_told_to() {
    let (_tamis, postfix) = behind_milter("");
    let mut client = Dialogue::connect(postfix.port());
    let content = with_attachment("infected", "See the table.", eicar().as_bytes());
    let reply = client.send("ann@sender.test", &["bob@example.test"], &content);
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
    let _ = postfix.wait_log("milter triggers HOLD");
    assert_eq!(postfix.mail_count("bob"), 0);
    postfix.release_held();
    let released = &postfix.maildir("bob", 1)[0];
    assert_eq!(status(released), "infected");
    assert_eq!(header(released, "Subject"), ["[VIRUS] infected"]);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_moves_and_drops_recipients_whose_group_wants_it() {
    let (_tamis, postfix) = behind_milter(
        "[[policy.group]]\nname = \"strict\"\nrecipients = [\"carol@example.test\"]\n\
         [policy.group.actions]\nspam = \"discard\"\n\
         [[policy.group]]\nname = \"moved\"\nrecipients = [\"dave@example.test\"]\n\
         [policy.group.actions]\nspam = { redirect = [\"erin@example.test\"] }\n\
         [[policy.group]]\nname = \"refusing\"\nrecipients = [\"bob@example.test\"]\n\
         [policy.group.actions]\nspam = \"reject\"\n",
    );
    let mut client = Dialogue::connect(postfix.port());
    let recipients =
        ["alice@example.test", "bob@example.test", "carol@example.test", "dave@example.test"];
    let reply = client.send("ann@sender.test", &recipients, &spam("mixed"));
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
    for user in ["alice", "bob", "erin"] {
        assert_eq!(status(&postfix.maildir(user, 1)[0]), "spam", "{user}");
    }
    postfix.wait_queue_empty(PEER_WAIT_MAX);
    assert_eq!((postfix.mail_count("carol"), postfix.mail_count("dave")), (0, 0));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_sees_long_bodies_whole() {
    let (_tamis, postfix) = behind_milter("");
    let mut text = "An ordinary line of text that fills the mail.\r\n".repeat(5_000);
    text.push_str(&crate::mails::gtube());
    let mut client = Dialogue::connect(postfix.port());
    let reply = client.send("ann@sender.test", &["bob@example.test"], &mail("long", &text));
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
    assert_eq!(status(&postfix.maildir("bob", 1)[0]), "spam");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_rejects_with_a_text_that_the_log_knows() {
    let (tamis, postfix) = behind_milter("[policy.actions]\nspam = \"reject\"\n");
    let mut client = Dialogue::connect(postfix.port());
    let reply = client.send("ann@sender.test", &["bob@example.test"], &spam("refused"));
    assert_eq!(reply.code, 550, "{:?}", reply.lines);
    let text = reply.lines.join(" ");
    let id = text.split("(id ").nth(1).and_then(|rest| rest.split(')').next());
    let line = tamis.wait_log(id.unwrap_or_else(|| panic!("no id in {text}")));
    assert!(line.contains("gtube") && line.contains("reject"), "{line}");
    assert_eq!(postfix.mail_count("bob"), 0);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_quarantine_holds_the_mail_until_the_administrator_releases_it() {
    let (_tamis, postfix) = behind_milter("[policy.actions]\nspam = \"quarantine\"\n");
    let mut client = Dialogue::connect(postfix.port());
    let reply = client.send("ann@sender.test", &["bob@example.test"], &spam("held"));
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
    let _ = postfix.wait_log("milter triggers HOLD");
    assert!(!postfix.queue_is_empty());
    postfix.release_held();
    assert_eq!(postfix.maildir("bob", 1).len(), 1);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_judges_mail_of_local_programs_too() {
    let tamis = Tamis::start(&["all"], None);
    let milter = format!("inet:127.0.0.1:{}", tamis.milter_port());
    let config = PostfixConfig::new([SmtpdService::new()]).main("non_smtpd_milters", &milter);
    let postfix = Postfix::start(&config);
    let content = String::from_utf8_lossy(&spam("local")).replace("\r\n", "\n");
    postfix.submit("ann@sender.test", &["bob@example.test"], content.as_bytes());
    assert_eq!(status(&postfix.maildir("bob", 1)[0]), "spam");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_knows_the_client_by_its_address() {
    let (_tamis, postfix) = behind_milter("[policy.lists]\nblacklisted = [\"203.0.113.0/24\"]\n");
    let client = "ADDR=203.0.113.9 NAME=mx.sender.test HELO=mx.sender.test PROTO=ESMTP";
    let arguments = ["--from", "ann@sender.test", "--to", "bob@example.test", "--xclient", client];
    let _ = swaks(postfix.port(), &arguments).taken();
    assert_eq!(status(&postfix.maildir("bob", 1)[0]), "blacklisted");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn without_the_milter_mail_waits_at_the_sender_and_comes_when_it_is_back() {
    let (mut tamis, postfix) = behind_milter("");
    tamis.kill9();
    let content = mail("patient", "Hello.");
    let mut client = Dialogue::connect(postfix.port());
    let refused = client.send("ann@sender.test", &["bob@example.test"], &content);
    assert_eq!(refused.code, 451, "{:?}", refused.lines);
    tamis.restart();
    let mut client = Dialogue::connect(postfix.port());
    assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &content).code, 250);
    assert_eq!(status(&postfix.maildir("bob", 1)[0]), "not_detected");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn without_a_scanner_the_milter_does_what_the_policy_says() {
    let nobody = free_port();
    let config = |mode: &str| {
        format!(
            "[edge]\nscanners = [\"http://127.0.0.1:{nobody}\"]\nunscanned = \"{mode}\"\ndeadline_ms = 2000\n"
        )
    };
    for (mode, code) in [("tempfail", 451), ("reject", 550), ("accept", 250)] {
        let tamis = Tamis::thin_edge(&config(mode));
        let service = SmtpdService::new().milter(tamis.milter_port());
        let postfix = Postfix::start(&PostfixConfig::new([service]));
        let mut client = Dialogue::connect(postfix.port());
        let content = mail("unjudged", "Hello.");
        let reply = client.send("ann@sender.test", &["bob@example.test"], &content);
        assert_eq!(reply.code, code, "{mode}: {:?}", reply.lines);
        if mode == "accept" {
            let delivered = &postfix.maildir("bob", 1)[0];
            assert_eq!(header(delivered, "X-Tamis-Rung"), ["not_scanned"]);
        }
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn proxy_shows_the_client_the_refusal_before_the_mail_is_taken() {
    let (_tamis, postfix) = behind_proxy("[policy.actions]\nspam = \"reject\"\n");
    let mut client = Dialogue::connect(postfix.port());
    let refused = client.send("ann@sender.test", &["bob@example.test"], &spam("refused"));
    assert_eq!(refused.code, 550, "{:?}", refused.lines);
    let mut client = Dialogue::connect(postfix.port());
    let taken = client.send("ann@sender.test", &["bob@example.test"], &mail("ok", "Hello."));
    assert_eq!(taken.code, 250, "{:?}", taken.lines);
    assert_eq!(status(&postfix.maildir("bob", 1)[0]), "not_detected");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn proxy_knows_the_client_that_speaks_to_postfix() {
    let (_tamis, postfix) = behind_proxy("[policy.lists]\nblacklisted = [\"203.0.113.0/24\"]\n");
    let client = "ADDR=203.0.113.9 NAME=mx.sender.test HELO=mx.sender.test PROTO=ESMTP";
    let arguments = ["--from", "ann@sender.test", "--to", "bob@example.test", "--xclient", client];
    let _ = swaks(postfix.port(), &arguments).taken();
    let delivered = &postfix.maildir("bob", 1)[0];
    assert_eq!(status(delivered), "blacklisted");
    assert!(header(delivered, "Subject")[0].starts_with("[SPAM] "));
}

/// Postfix says the envelope in one process and the content in another. If nothing between them had an answer, its TCP would
/// hold the content back until ours acknowledges the envelope, which takes 40 ms (`NO_REPLY_DATA`): with every single mail.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn no_mail_waits_for_an_acknowledgement_of_tcp_at_the_milter_door() {
    let (_tamis, postfix) = behind_milter("");
    let mut fastest = Duration::MAX;
    for number in 0..40 {
        let letter = mail(&format!("letter-{number}"), &format!("Hello {number}."));
        let mut client = Dialogue::connect(postfix.port());
        for line in ["EHLO c.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@example.test>"] {
            client.expect(line, 250);
        }
        client.expect("DATA", 354);
        let said = Instant::now();
        assert_eq!(client.content(&letter, 1)[0].code, 250);
        fastest = fastest.min(said.elapsed());
    }
    assert!(fastest < Duration::from_millis(38), "the fastest of 40 mails took {fastest:?}");
}

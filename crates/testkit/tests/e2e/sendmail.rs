//! Real Sendmail: with the milter, and as the first and the last of a chain with Tamis in the middle.

use crate::mails::{mail, spam, status};
use tamis_testkit::peers::{
    Dialogue, PEER_WAIT_MAX, Rule, Sendmail, SendmailConfig, SendmailNext, Sink, Stage, Tamis,
    wait_for,
};

/// A Sendmail that filters through the milter and relays to a sink.
fn behind_milter(config: &str) -> (Tamis, Sendmail, Sink) {
    let sink = Sink::smtp().start();
    let tamis = Tamis::start(&["all"], Some(config));
    let next = SendmailNext::Smtp(sink.port);
    let sendmail = Sendmail::start(&SendmailConfig::new(next).milter(tamis.milter_port()));
    (tamis, sendmail, sink)
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_judges_each_mail_of_a_session_by_itself() {
    let (_tamis, sendmail, sink) = behind_milter("");
    let mut client = Dialogue::connect(sendmail.port);
    for content in [spam("one"), mail("two", "Hello.")] {
        let reply = client.send("ann@sender.test", &["bob@example.test"], &content);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
    }
    let found: Vec<_> = sink.wait(2).iter().map(|mail| status(&mail.content)).collect();
    assert_eq!(found, ["spam", "not_detected"]);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_rejects_with_a_text_that_the_log_knows() {
    let (tamis, sendmail, sink) = behind_milter("[policy.actions]\nspam = \"reject\"\n");
    let mut client = Dialogue::connect(sendmail.port);
    let reply = client.send("ann@sender.test", &["bob@example.test"], &spam("refused"));
    assert_eq!(reply.code, 550, "{:?}", reply.lines);
    let text = reply.lines.join(" ");
    let id = text.split("(id ").nth(1).and_then(|rest| rest.split(')').next());
    let _ = tamis.wait_log(id.unwrap_or_else(|| panic!("no id in {text}")));
    assert_eq!(sink.count(), 0);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn milter_quarantine_keeps_the_mail_with_its_reason_in_the_queue() {
    let (_tamis, sendmail, sink) = behind_milter("[policy.actions]\nspam = \"quarantine\"\n");
    let mut client = Dialogue::connect(sendmail.port);
    let reply = client.send("ann@sender.test", &["bob@example.test"], &spam("held"));
    assert_eq!(reply.code, 250, "{:?}", reply.lines);
    wait_for(
        "the mail among the quarantined",
        PEER_WAIT_MAX,
        || sendmail.mailq(&["-qQ"]).contains("ann@sender.test").then_some(()),
        || sendmail.mailq(&["-qQ"]),
    );
    assert_eq!(sink.count(), 0);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn without_the_milter_mail_waits_at_the_sender() {
    let (mut tamis, sendmail, sink) = behind_milter("");
    tamis.kill9();
    let mut client = Dialogue::connect(sendmail.port);
    let content = mail("patient", "Hello.");
    let reply = client.send("ann@sender.test", &["bob@example.test"], &content);
    assert_eq!(reply.code, 451, "{:?}", reply.lines);
    tamis.restart();
    let mut client = Dialogue::connect(sendmail.port);
    assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &content).code, 250);
    assert_eq!(status(&sink.wait(1)[0].content), "not_detected");
}

/// Sendmail, LMTP, Tamis, SMTP, Sendmail, sink: the set-up of the first manual.
#[test]
#[ignore = "needs the peers that ./test installs"]
fn the_chain_of_two_delivers_each_mail_once_to_each_recipient() {
    let sink = Sink::smtp()
        .rule(Rule::at(Stage::Recipient).when("bob@").times(1).say("450 4.2.1 later"))
        .start();
    let last = Sendmail::start(&SendmailConfig::new(SendmailNext::Smtp(sink.port)).queueing());
    let policy = "[[policy.group]]\nname = \"strict\"\nrecipients = [\"carol@example.test\"]\n\
                  [policy.group.actions]\nspam = \"discard\"\n";
    let config = format!("[edge]\nnext_hop = \"127.0.0.1:{}\"\n{policy}", last.port);
    let tamis = Tamis::start(&["all"], Some(&config));
    let next = SendmailNext::Lmtp(tamis.lmtp_port());
    let first = Sendmail::start(&SendmailConfig::new(next).queueing());
    let mut client = Dialogue::connect(first.port);
    let recipients = ["alice@example.test", "bob@example.test", "carol@example.test"];
    assert_eq!(client.send("ann@sender.test", &recipients, &spam("chain")).code, 250);
    first.wait_delivered();
    last.wait_delivered();
    let mails = sink.mails();
    assert!(mails.iter().all(|mail| status(&mail.content) == "spam"));
    let mut reached: Vec<_> = mails.into_iter().flat_map(|mail| mail.recipients).collect();
    reached.sort();
    assert_eq!(reached, ["alice@example.test", "bob@example.test"]);
}

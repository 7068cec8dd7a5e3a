//! Real Postfix that queues first and then filters through Tamis, by SMTP and by LMTP.

use crate::mails::{header, mail, spam, status};
use std::time::Duration;
use tamis_testkit::peers::{
    Dialogue, Postfix, PostfixConfig, Rule, Sink, SmtpdService, Stage, Tamis, swaks,
};

/// Limit for retries that come every second.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// How the queue hands mail to Tamis.
#[derive(Clone, Copy)]
enum By {
    Smtp,
    Lmtp,
}

/// A front that filters each mail through Tamis, which hands it to `next_hop`.
fn front(by: By, next_hop: u16, policy: &str) -> (Tamis, SmtpdService) {
    let config = format!("[edge]\nnext_hop = \"127.0.0.1:{next_hop}\"\n{policy}");
    let tamis = Tamis::start(&["all"], Some(&config));
    let service = match by {
        By::Smtp => SmtpdService::new().content_filter_smtp(tamis.smtp_port()),
        By::Lmtp => SmtpdService::new().content_filter_lmtp(tamis.lmtp_port()),
    };
    (tamis, service)
}

fn round_trip(by: By, policy: &str) -> (Tamis, Postfix) {
    let back = SmtpdService::reinjection();
    let (tamis, service) = front(by, back.port, policy);
    (tamis, Postfix::start(&PostfixConfig::new([service, back])))
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn every_mail_comes_back_once_and_marked() {
    for by in [By::Smtp, By::Lmtp] {
        let (_tamis, postfix) = round_trip(by, "");
        let mut client = Dialogue::connect(postfix.port());
        for content in [mail("plain", "Hello."), spam("sold")] {
            let recipients = ["alice@example.test", "bob@example.test"];
            assert_eq!(client.send("ann@sender.test", &recipients, &content).code, 250);
        }
        postfix.wait_queue_empty(RETRY_WAIT_MAX);
        for user in ["alice", "bob"] {
            let mut found: Vec<_> = postfix.maildir(user, 2).iter().map(|m| status(m)).collect();
            found.sort();
            assert_eq!(found, ["not_detected", "spam"], "{user}");
        }
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn the_queue_id_of_the_front_reaches_the_log_behind() {
    for by in [By::Smtp, By::Lmtp] {
        let (_tamis, postfix) = round_trip(by, "");
        let arguments = ["--from", "ann@sender.test", "--to", "bob@example.test"];
        let _ = swaks(postfix.port(), &arguments).taken();
        let _ = postfix.maildir("bob", 1);
        let _ = postfix.wait_log("orig_queue_id=");
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn the_address_of_the_first_client_counts_not_that_of_postfix() {
    for by in [By::Smtp, By::Lmtp] {
        let lists = "[policy.lists]\nblacklisted = [\"203.0.113.0/24\"]\n";
        let (_tamis, postfix) = round_trip(by, lists);
        let client = "ADDR=203.0.113.9 NAME=mx.sender.test HELO=mx.sender.test PROTO=ESMTP";
        let arguments =
            ["--from", "ann@sender.test", "--to", "bob@example.test", "--xclient", client];
        let _ = swaks(postfix.port(), &arguments).taken();
        assert_eq!(status(&postfix.maildir("bob", 1)[0]), "blacklisted");
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn each_recipient_is_treated_by_the_policy_of_the_own_group() {
    let policy = "[[policy.group]]\nname = \"strict\"\nrecipients = [\"carol@example.test\"]\n\
                  [policy.group.actions]\nspam = \"discard\"\n\
                  [[policy.group]]\nname = \"moved\"\nrecipients = [\"dave@example.test\"]\n\
                  [policy.group.actions]\nspam = { redirect = [\"erin@example.test\"] }\n";
    let (_tamis, postfix) = round_trip(By::Lmtp, policy);
    let mut client = Dialogue::connect(postfix.port());
    let recipients = ["alice@example.test", "carol@example.test", "dave@example.test"];
    assert_eq!(client.send("ann@sender.test", &recipients, &spam("mixed")).code, 250);
    assert_eq!(status(&postfix.maildir("alice", 1)[0]), "spam");
    assert_eq!(status(&postfix.maildir("erin", 1)[0]), "spam");
    postfix.wait_queue_empty(RETRY_WAIT_MAX);
    assert_eq!(postfix.mails_now("carol").len(), 0);
    assert_eq!(postfix.mails_now("dave").len(), 0);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_next_hop_that_refuses_for_now_gets_each_mail_once_in_the_end() {
    for by in [By::Smtp, By::Lmtp] {
        let sink = Sink::smtp()
            .rule(Rule::at(Stage::Connect).times(1).close())
            .rule(Rule::at(Stage::Recipient).times(1).say("451 4.3.0 later"))
            .rule(Rule::at(Stage::Dot).times(1).say("451 4.3.0 later"))
            .rule(Rule::at(Stage::Content).times(1).close())
            .start();
        let (_tamis, service) = front(by, sink.port, "");
        let postfix = Postfix::start(&PostfixConfig::new([service]));
        let mut client = Dialogue::connect(postfix.port());
        let content = mail("again", "Hello.");
        assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &content).code, 250);
        postfix.wait_queue_empty(RETRY_WAIT_MAX);
        assert_eq!(sink.count(), 1, "{}", sink.transcript().join("\n"));
    }
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_recipient_refused_by_the_next_hop_does_not_cost_the_others_their_mail() {
    let sink = Sink::smtp()
        .rule(Rule::at(Stage::Recipient).when("bob@").times(1).say("450 4.2.1 later"))
        .start();
    let (_tamis, service) = front(By::Lmtp, sink.port, "");
    let postfix = Postfix::start(&PostfixConfig::new([service]));
    let mut client = Dialogue::connect(postfix.port());
    let recipients = ["alice@example.test", "bob@example.test"];
    assert_eq!(client.send("ann@sender.test", &recipients, &mail("two", "Hello.")).code, 250);
    postfix.wait_queue_empty(RETRY_WAIT_MAX);
    let mut reached: Vec<_> = sink.mails().into_iter().flat_map(|mail| mail.recipients).collect();
    reached.sort();
    assert_eq!(reached, recipients, "each once");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn without_a_scanner_mail_waits_in_the_queue_and_is_judged_when_one_is_back() {
    let mut scanner = Tamis::start(&["scanner"], Some("[scanner]\nreputation = []\n"));
    for by in [By::Smtp, By::Lmtp] {
        let back = SmtpdService::reinjection();
        let edge = Tamis::thin_edge(&format!(
            "[edge]\nnext_hop = \"127.0.0.1:{}\"\nscanners = [\"http://{}\"]\ndeadline_ms = 1000\n",
            back.port,
            scanner.address("scanner", "listen")
        ));
        let service = match by {
            By::Smtp => SmtpdService::new().content_filter_smtp(edge.smtp_port()),
            By::Lmtp => SmtpdService::new().content_filter_lmtp(edge.lmtp_port()),
        };
        let postfix = Postfix::start(&PostfixConfig::new([service, back]));
        scanner.kill9();
        let mut client = Dialogue::connect(postfix.port());
        let content = mail("patient", "Hello.");
        assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &content).code, 250);
        let _ = postfix.wait_log("status=deferred");
        assert_eq!(postfix.mail_count("bob"), 0, "nothing passes unjudged");
        scanner.restart();
        let delivered = &postfix.maildir("bob", 1)[0];
        assert_eq!(header(delivered, "X-Tamis-Rung"), ["full"]);
        postfix.wait_queue_empty(RETRY_WAIT_MAX);
        assert_eq!(postfix.mail_count("bob"), 1);
    }
}

//! The harness itself: each real program starts, does its work, and goes away without a trace.

use std::time::Duration;
use tamis_testkit::peers::{
    Dialogue, Postfix, PostfixConfig, Redis, RedisCluster, RedisSentinel, Rule, Sendmail,
    SendmailConfig, SendmailNext, Sink, SmtpSource, SmtpdService, Stage, processes_in, smtp_source,
    swaks,
};

/// Limit for a stream of some hundred mails.
const STREAM_WAIT_MAX: Duration = Duration::from_secs(60);

fn contains(mail: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(mail).contains(text)
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn postfix_delivers_what_swaks_sends_and_leaves_nothing_behind() {
    let postfix = Postfix::start(&PostfixConfig::new([SmtpdService::new()]));
    let arguments = ["--from", "a@sender.test", "--to", "bob@example.test", "--body", "first"];
    let _ = swaks(postfix.port(), &arguments).taken();
    let mails = postfix.maildir("bob", 1);
    assert!(contains(&mails[0], "first"));
    assert!(postfix.log().contains("status=sent"));
    postfix.wait_queue_empty(STREAM_WAIT_MAX);
    let home = postfix.path("");
    drop(postfix);
    assert_eq!(processes_in(&home), Vec::<u32>::new());
    assert!(!home.exists());
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn two_postfixes_run_side_by_side_and_one_feeds_the_other() {
    let second = Postfix::start(&PostfixConfig::new([SmtpdService::reinjection()]));
    let filtered = SmtpdService::new().content_filter_smtp(second.port());
    let first = Postfix::start(&PostfixConfig::new([filtered]));
    let arguments = ["--from", "a@sender.test", "--to", "alice@example.test,carol@example.test"];
    let _ = swaks(first.port(), &arguments).taken();
    assert_eq!(second.maildir("alice", 1).len() + second.maildir("carol", 1).len(), 2);
    assert_eq!(first.mails_now("alice").len(), 0);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn postfix_obeys_a_reply_for_each_recipient_of_an_lmtp_filter() {
    let sink = Sink::lmtp()
        .announce("XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")
        .rule(Rule::at(Stage::Dot).when("bob@").times(1).say("450 4.3.0 later"))
        .start();
    let filtered = SmtpdService::new().content_filter_lmtp(sink.port);
    let postfix = Postfix::start(&PostfixConfig::new([filtered]));
    let arguments = ["--from", "a@sender.test", "--to", "alice@example.test,bob@example.test"];
    let _ = swaks(postfix.port(), &arguments).taken();
    let mails = sink.wait(2);
    assert_eq!(mails[0].recipients, ["alice@example.test"], "bob was told to come again");
    assert_eq!(mails[1].recipients, ["bob@example.test"], "and came");
    assert!(mails[0].forwarded.iter().any(|line| line.contains("IDENT=")));
    postfix.wait_queue_empty(STREAM_WAIT_MAX);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn mail_handed_in_by_a_local_program_is_delivered() {
    let postfix = Postfix::start(&PostfixConfig::new([SmtpdService::new()]));
    postfix.submit("a@sender.test", &["dave@example.test"], b"Subject: local\n\nby hand\n");
    assert!(contains(&postfix.maildir("dave", 1)[0], "by hand"));
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_stream_of_mails_arrives_whole() {
    let postfix = Postfix::start(&PostfixConfig::new([SmtpdService::new()]));
    smtp_source(postfix.port(), &SmtpSource { mails: 200, ..SmtpSource::default() });
    assert_eq!(postfix.maildir_within("bob", 200, STREAM_WAIT_MAX).len(), 200);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn sendmail_relays_to_the_sink_by_smtp() {
    let sink = Sink::smtp().start();
    let sendmail = Sendmail::start(&SendmailConfig::new(SendmailNext::Smtp(sink.port)));
    let arguments = ["--from", "a@sender.test", "--to", "bob@example.test", "--body", "relayed"];
    let _ = swaks(sendmail.port, &arguments).taken();
    let mails = sink.wait(1);
    assert_eq!((&*mails[0].from, &*mails[0].recipients[0]), ("a@sender.test", "bob@example.test"));
    assert!(contains(&mails[0].content, "relayed"));
    let home = sendmail.path("");
    drop(sendmail);
    assert_eq!(processes_in(&home), Vec::<u32>::new());
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_queueing_sendmail_relays_by_lmtp_and_comes_again_for_the_refused_recipient() {
    let sink = Sink::lmtp()
        .rule(Rule::at(Stage::Dot).when("bob@").times(1).say("450 4.3.0 later"))
        .start();
    let config = SendmailConfig::new(SendmailNext::Lmtp(sink.port)).queueing();
    let sendmail = Sendmail::start(&config);
    let arguments = ["--from", "a@sender.test", "--to", "alice@example.test,bob@example.test"];
    let _ = swaks(sendmail.port, &arguments).taken();
    let mails = sink.wait(2);
    assert_eq!(mails[0].recipients, ["alice@example.test"]);
    assert_eq!(mails[1].recipients, ["bob@example.test"]);
    assert!(sink.transcript().iter().any(|line| line.contains("LHLO")));
    sendmail.wait_delivered();
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn redis_answers_and_is_empty_after_a_restart() {
    let mut redis = Redis::start();
    assert_eq!(redis.cli(&["set", "k", "v"]).trim(), "OK");
    redis.restart();
    assert_eq!(redis.cli(&["dbsize"]).trim(), "0");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn redis_answers_over_tls_to_who_trusts_its_authority() {
    let redis = Redis::tls();
    assert!(redis.url().starts_with("rediss://"));
    assert_eq!(redis.cli(&["ping"]).trim(), "PONG");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn sentinels_name_another_master_that_kept_the_data() {
    let mut group = RedisSentinel::start();
    assert_eq!(group.cli(&["set", "k", "v"]).trim(), "OK");
    let old = group.kill_master();
    group.wait_failover(old);
    assert_ne!(group.master_port(), old);
    assert_eq!(group.cli(&["get", "k"]).trim(), "v");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_cluster_serves_every_key_after_the_loss_of_a_master() {
    let mut cluster = RedisCluster::start();
    assert_eq!(cluster.cli(&["set", "k", "v"]).trim(), "OK");
    let old = cluster.kill_master_of("k");
    cluster.wait_failover(old);
    assert_eq!(cluster.cli(&["get", "k"]).trim(), "v");
}

#[test]
fn the_sink_answers_as_scripted_and_keeps_what_it_took() {
    let sink = Sink::smtp()
        .rule(Rule::at(Stage::Recipient).when("nobody@").say("550 5.1.1 no such user"))
        .rule(Rule::at(Stage::Dot).after(1).times(1).say("451 4.3.0 later"))
        .start();
    let mut dialogue = Dialogue::connect(sink.port);
    assert_eq!(dialogue.greeting.code, 220);
    let mail = b"Subject: s\r\n\r\n.one dot\r\n..two\r\n";
    assert_eq!(dialogue.send("a@sender.test", &["nobody@example.test"], mail).code, 550);
    assert_eq!(dialogue.send("a@sender.test", &["bob@example.test"], mail).code, 250);
    assert_eq!(dialogue.send("a@sender.test", &["bob@example.test"], mail).code, 451);
    assert_eq!(dialogue.send("a@sender.test", &["bob@example.test"], mail).code, 250);
    let mails = sink.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].content, mail);
}

#[test]
fn the_sink_closes_in_the_middle_when_told_to() {
    let sink = Sink::smtp().rule(Rule::at(Stage::Content).times(1).close()).start();
    let mut dialogue = Dialogue::connect(sink.port);
    assert_eq!(dialogue.send("a@sender.test", &["bob@example.test"], b"S: 1\r\n\r\n").code, 0);
    let mut dialogue = Dialogue::connect(sink.port);
    assert_eq!(dialogue.send("a@sender.test", &["bob@example.test"], b"S: 2\r\n\r\n").code, 250);
    assert_eq!(sink.count(), 1);
}

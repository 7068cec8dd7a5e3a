//! What an administrator relies on: metrics, health, an end in good order.

use crate::mails::mail;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use tamis_testkit::peers::{Dialogue, Rule, Signal, Sink, Stage, Tamis};

#[test]
#[ignore = "needs the peers that ./test installs"]
fn promtool_accepts_the_metrics_of_a_server_that_has_worked() {
    let sink = Sink::smtp().start();
    let config = format!("[edge]\nnext_hop = \"127.0.0.1:{}\"\n", sink.port);
    let tamis = Tamis::start(&["all"], Some(&config));
    let mut client = Dialogue::connect(tamis.smtp_port());
    assert_eq!(client.send("ann@sender.test", &["bob@example.test"], &mail("m", "Hi.")).code, 250);
    let (code, metrics) = tamis.get("/metrics");
    assert_eq!(code, 200);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("./test installs promtool");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn asked_to_end_it_finishes_the_mail_in_hand() {
    let slow = Rule::at(Stage::Dot).delay(Duration::from_secs(2));
    let sink = Sink::smtp().rule(slow).start();
    let config = format!("[edge]\nnext_hop = \"127.0.0.1:{}\"\n", sink.port);
    let mut tamis = Tamis::start(&["all"], Some(&config));
    let mut client = Dialogue::connect(tamis.smtp_port());
    for line in ["EHLO c.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@example.test>"] {
        client.expect(line, 250);
    }
    client.expect("DATA", 354);
    let mut content = mail("last", "Hello.");
    content.extend_from_slice(b".\r\n");
    client.write(&content);
    let _ = sink.wait(1);
    tamis.signal(Signal::Terminate);
    assert_eq!(client.reply().code, 250);
    assert!(tamis.wait_exit(Duration::from_secs(20)).success());
    assert_eq!(sink.count(), 1);
}

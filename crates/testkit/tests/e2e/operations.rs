//! What an administrator relies on: metrics, health, an end in good order.

use crate::mails::mail;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use tamis_testkit::peers::{Dialogue, Rule, Signal, Sink, Stage, Tamis};

/// What promtool says against the metrics of a process.
fn promtool(tamis: &Tamis) -> String {
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
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said.into_owned()
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn promtool_accepts_the_metrics_of_every_role_that_has_worked() {
    let sink = Sink::smtp().start();
    let next_hop = format!("next_hop = \"127.0.0.1:{}\"\n", sink.port);
    let all = Tamis::start(&["all"], Some(&format!("[edge]\n{next_hop}")));
    let reputation = Tamis::start(&["reputation"], None);
    let asked = reputation.address("reputation", "listen");
    let scanner =
        Tamis::start(&["scanner"], Some(&format!("[scanner]\nreputation = [\"{asked}\"]\n")));
    let listen = scanner.address("scanner", "listen");
    let edge = Tamis::thin_edge(&format!("[edge]\n{next_hop}scanners = [\"http://{listen}\"]\n"));
    for port in [all.smtp_port(), edge.smtp_port()] {
        let mut client = Dialogue::connect(port);
        let reply = client.send("ann@sender.test", &["bob@example.test"], &mail("m", "Hi."));
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
    }
    for (name, role) in
        [("all", &all), ("reputation", &reputation), ("scanner", &scanner), ("edge", &edge)]
    {
        assert_eq!(promtool(role), "", "{name}");
    }
    assert!(edge.metric("tamis_edge_mails_total") > 0.0);
    assert!(scanner.metric("tamis_scanner_mails_total") > 0.0);
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

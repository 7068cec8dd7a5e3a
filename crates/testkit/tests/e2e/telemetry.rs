//! What an administrator sees of a mail without seeing the mail: logs, health. Traces are in `traces.rs`.

use crate::mails::mail;
use serde_json::Value;
use tamis_testkit::peers::{Dialogue, PEER_WAIT_MAX, Sink, Tamis, wait_for};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const TEXT: &str =
    "The marigold parcel has arrived and waits for its owner beside the old counter.";

#[test]
#[ignore = "needs the peers that ./test installs"]
fn json_logs_are_json_and_hold_nothing_of_the_mail_but_its_id() {
    let sink = Sink::smtp().start();
    let config = format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\n[telemetry]\nlog = \"json\"\n\
         [policy.lists]\nblacklisted = [\"eve.surname@secret-sender.test\"]\n",
        sink.port
    );
    let tamis = Tamis::start(&["all"], Some(&config));
    let mut client = Dialogue::connect(tamis.smtp_port());
    for from in ["ann.surname@secret-sender.test", "eve.surname@secret-sender.test"] {
        let content = mail("marigold subject", TEXT);
        let reply = client.send(from, &["bob.surname@secret-receiver.test"], &content);
        assert_eq!(reply.code, 250, "{:?}", reply.lines);
    }
    let two = || Some(tamis.log_lines("mail")).filter(|lines| lines.len() == 2);
    let lines = wait_for("two lines", PEER_WAIT_MAX, two, || tamis.log());
    let found: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(found[0]["status"], "not_detected");
    assert_eq!(found[1]["status"], "blacklisted");
    for (line, mail) in found.iter().zip(sink.wait(2)) {
        for field in ["time", "level", "id", "door", "score", "rung", "action", "size", "ms"] {
            assert!(!line[field].is_null(), "no {field} in {line}");
        }
        let id = crate::mails::header(&mail.content, "X-Tamis-Id");
        assert_eq!(id, [line["id"].as_str().unwrap_or("")]);
    }
    let log = tamis.log();
    for line in log.lines().filter(|line| !line.contains("listens on") && !line.contains("http://"))
    {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "no JSON: {line}");
    }
    for secret in ["surname", "secret-", "marigold", "Ann", "sender.test"] {
        assert!(!log.contains(secret), "'{secret}' in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn health_is_told_by_http_and_by_grpc() {
    let reputation = Tamis::start(&["reputation"], None);
    let scanner = Tamis::start(&["scanner"], None);
    let edge = Tamis::thin_edge("");
    for role in [&reputation, &scanner, &edge] {
        for path in ["/healthz/live", "/healthz/ready"] {
            assert_eq!(role.get(path).0, 200, "{path}");
        }
        assert_eq!(role.get("/nothing").0, 404);
    }
    for address in [scanner.address("scanner", "listen"), reputation.address("reputation", "grpc")]
    {
        let channel =
            tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("a URL");
        let mut client = HealthClient::new(channel.connect().await.expect("gRPC"));
        let question = HealthCheckRequest { service: String::new() };
        let answer = client.check(question).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
}

//! The scanner with DNS: what a mail is worth by what is found, and what happens when DNS is slow or gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::ResponseCode;
use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::{Client, Door, Envelope};
use tamis_domain::policy::Policy;
use tamis_domain::status::Rung;
use tamis_domain::verdict::Verdict;
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_scanner::Scanner;
use tamis_scanner::ask::lists::TypedList;
use tamis_scanner::config::{Typed, TypedDns};
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;

use crate::mails::{KEY_NAME, key_record, plain, signed};
use crate::server::{Entry, Server, Zone, a, ptr, txt};

const NOW_S: i64 = 1_795_341_600;

fn zone() -> Zone {
    Zone::from([
        ("example.org".into(), vec![txt(b"v=spf1 ip4:192.0.2.0/24 -all")]),
        ("_dmarc.example.org".into(), vec![txt(b"v=DMARC1; p=reject")]),
        (KEY_NAME.into(), vec![key_record()]),
        ("9.2.0.192.in-addr.arpa".into(), vec![ptr("mx.example.org")]),
        ("mx.example.org".into(), vec![a("192.0.2.9")]),
    ])
}

fn list(name: &str, about: &str, rating: f32) -> TypedList {
    TypedList {
        name: name.into(),
        zone: format!("{name}.list.example"),
        about: about.into(),
        rating,
        ratings: Default::default(),
    }
}

fn scanner(server: &Server, lists: Vec<TypedList>, budget_ms: u64) -> Arc<Scanner> {
    scanner_with(server, lists, budget_ms, &tamis_runtime::metrics::Metrics::new())
}

fn scanner_with(
    server: &Server,
    lists: Vec<TypedList>,
    budget_ms: u64,
    registry: &tamis_runtime::metrics::Metrics,
) -> Arc<Scanner> {
    let dns = TypedDns {
        servers: vec![server.address.to_string()],
        budget_ms,
        timeout_ms: 400,
        lists,
        ..TypedDns::default()
    };
    let config = Typed { reputation: Vec::new(), dns, ..Typed::default() }.check().unwrap();
    let metrics = Metrics::new(registry);
    let snapshot = Snapshot::load(Policy::default(), None).unwrap();
    Arc::new(Scanner::new(&config, snapshot, metrics))
}

async fn judge(scanner: &Scanner, mail: &str, client: &str) -> Verdict {
    judge_from(scanner, mail, client, "ann@example.org").await
}

async fn judge_from(scanner: &Scanner, mail: &str, client: &str, sender: &str) -> Verdict {
    let dissected = dissect(mail.as_bytes());
    let inline = (0_u16..)
        .zip(&dissected.spans)
        .filter_map(|(part, span)| {
            let span = span.as_ref()?;
            Some(Content { part, bytes: decode(span, span.of(mail.as_bytes())) })
        })
        .collect();
    let client = client.parse().ok().map(|address| Client { address, name: None });
    let envelope = Envelope {
        client,
        helo: Some("mx.example.org".into()),
        sender: sender.into(),
        recipients: vec!["bob@example.com".into()],
        door: Door::Smtp,
        verified: true,
        ..Envelope::default()
    };
    let outline = dissected.outline;
    let remaining = Duration::from_secs(10);
    let offer = Offer { id: MailId([1; 16]), envelope, outline, inline, remaining };
    scanner.judge(offer, NOW_S).await.unwrap()
}

/// Findings of DNS with their weights.
fn found(verdict: &Verdict) -> Vec<(&str, f32)> {
    let from_dns = ["spf_", "dkim_", "dmarc_", "arc_", "dns_list_", "reverse_"];
    let mut found: Vec<(&str, f32)> = verdict
        .evidence
        .iter()
        .map(|it| (it.name.as_ref(), it.weight))
        .filter(|(name, _)| from_dns.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(b.0));
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sent_a_mail_is_found_by_asking() {
    let server = Server::start(zone()).await;
    let scanner = scanner(&server, Vec::new(), 5000);
    let verdict = judge(&scanner, &signed(), "192.0.2.9").await;
    assert_eq!(found(&verdict), [("dmarc_pass", 0.0)]);
    assert_eq!(verdict.rung, Rung::Full);
    // A stranger with the same words.
    let verdict = judge(&scanner, &plain("www.example.org"), "198.51.100.7").await;
    assert_eq!(found(&verdict), [("dmarc_reject", 3.0), ("reverse_none", 0.8), ("spf_fail", 0.0)]);
    // One's own machine needs no record.
    let verdict = judge(&scanner, &plain("www.example.org"), "10.1.2.3").await;
    assert_eq!(found(&verdict), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_asked_about_client_sender_and_links_and_their_ratings_add_up() {
    let server = Server::start(zone()).await;
    let listed = |name: &str| server.say(name, vec![a("127.0.0.2")]);
    listed("9.2.0.192.one.list.example");
    listed("9.2.0.192.two.list.example");
    listed("example.org.three.list.example");
    listed("bad.example.four.list.example");
    let lists = vec![
        list("one", "client", 1.5),
        list("two", "client", 2.0),
        list("three", "sender", 1.0),
        list("four", "link", 4.0),
        list("five", "link", 9.0),
    ];
    let scanner = scanner(&server, lists, 5000);
    let verdict = judge(&scanner, &plain("www.bad.example"), "192.0.2.9").await;
    let expect = [
        ("dmarc_pass", 0.0),
        ("dns_list_client", 3.5),
        ("dns_list_link", 4.0),
        ("dns_list_sender", 1.0),
    ];
    assert_eq!(found(&verdict), expect);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_does_not_serve_us_is_left_alone() {
    let server = Server::start(zone()).await;
    for client in 7..9 {
        server.say(&format!("{client}.100.51.198.one.list.example"), vec![a("127.255.255.254")]);
    }
    let scanner = scanner(&server, vec![list("one", "client", 5.0)], 5000);
    for client in ["198.51.100.7", "198.51.100.8"] {
        let verdict = judge(&scanner, &plain("www.example.org"), client).await;
        assert!(found(&verdict).iter().all(|(name, _)| !name.starts_with("dns_list")), "no rating");
    }
    let asked = server.names.lock().unwrap();
    let asked = asked.iter().filter(|name| name.ends_with("one.list.example")).count();
    assert_eq!(asked, 1, "the second mail does not ask it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dns_that_is_gone_costs_one_budget_and_a_rung_and_then_nothing() {
    let server = Server::start(Zone::new()).await;
    let names = ["example.org", "_dmarc.example.org", "_dmarc.org", "9.2.0.192.in-addr.arpa"];
    for name in names.iter().chain(&[KEY_NAME]) {
        server.say(name, vec![Entry::Silence]);
    }
    let budget = Duration::from_millis(1000);
    let scanner = scanner(&server, Vec::new(), 1000);
    let began = Instant::now();
    let verdict = judge(&scanner, &signed(), "192.0.2.9").await;
    let waited = began.elapsed();
    assert_eq!(verdict.rung, Rung::Cached, "the verdict says that something is missing");
    assert_eq!(found(&verdict), [], "what is not known is no evidence");
    assert!(waited < budget + Duration::from_millis(700), "{waited:?}");
    // Its failures are remembered: the next mail of the same sender waits for none of them.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let before = server.asked();
    let verdict = judge(&scanner, &signed(), "192.0.2.9").await;
    assert_eq!(server.asked(), before);
    assert_eq!(found(&verdict), []);
    assert_eq!(verdict.rung, Rung::Cached, "and it is said again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_whose_servers_fail_lowers_no_rung() {
    let mut zone = zone();
    zone.insert("example.org".into(), vec![Entry::Code(ResponseCode::ServFail)]);
    zone.insert("_dmarc.example.org".into(), vec![Entry::Code(ResponseCode::ServFail)]);
    let server = Server::start(zone).await;
    let scanner = scanner(&server, Vec::new(), 5000);
    let verdict = judge(&scanner, &plain("www.example.org"), "198.51.100.7").await;
    assert_eq!(verdict.rung, Rung::Full);
    assert_eq!(found(&verdict), [("reverse_none", 0.8)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_forger_makes_slow_or_long_hides_nothing() {
    let server = Server::start(zone()).await;
    let silent = |name: &str| server.say(name, vec![Entry::Silence]);
    silent("forger.example");
    silent("7.100.51.198.in-addr.arpa");
    let mut mail = String::new();
    for number in 1..=49 {
        silent(&format!("s{number}._domainkey.forger.example"));
        let tags = format!("a=rsa-sha256; d=forger.example; s=s{number}; b=AAAA");
        mail.push_str(&format!("ARC-Seal: i={number}; cv=none; {tags}\r\n"));
        let signed = format!("c=relaxed/relaxed; h=from; bh=AAAA; {tags}");
        mail.push_str(&format!("ARC-Message-Signature: i={number}; {signed}\r\n"));
        mail.push_str(&format!("DKIM-Signature: v=1; {signed}\r\n"));
    }
    mail.push_str(&plain("www.example.org"));
    for number in 0..40 {
        mail.push_str(&format!("http://host{number}.example/\r\n"));
    }
    let lists = vec![list("one", "link", 1.0), list("two", "client", 1.5)];
    server.say("7.100.51.198.two.list.example", vec![a("127.0.0.2")]);
    let scanner = scanner(&server, lists, 1200);
    let began = Instant::now();
    let verdict = judge_from(&scanner, &mail, "198.51.100.7", "x@forger.example").await;
    let waited = began.elapsed();
    let found = found(&verdict);
    assert!(found.contains(&("dmarc_reject", 3.0)), "{found:?}");
    assert!(found.contains(&("dns_list_client", 1.5)), "{found:?}");
    assert!(waited < Duration::from_millis(1200 + 700), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_a_public_suffix_a_neighbour_is_a_stranger_whatever_policy_stands_there() {
    let server = Server::start(Zone::from([
        ("_dmarc.co.uk".into(), vec![txt(b"v=DMARC1; p=reject")]),
        ("neighbour.co.uk".into(), vec![txt(b"v=spf1 ip4:192.0.2.0/24 -all")]),
        ("9.2.0.192.in-addr.arpa".into(), vec![ptr("mx.example.org")]),
        ("mx.example.org".into(), vec![a("192.0.2.9")]),
        ("example.co.uk".into(), vec![a("192.0.2.1")]),
    ]))
    .await;
    let scanner = scanner(&server, Vec::new(), 5000);
    let mail = plain("www.example.org").replace("ann@example.org", "ann@example.co.uk");
    let verdict = judge_from(&scanner, &mail, "192.0.2.9", "x@neighbour.co.uk").await;
    assert_eq!(found(&verdict), [("dmarc_reject", 3.0)], "his SPF passes, and it is not hers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_border_servers_results_are_believed_without_a_question() {
    let dns =
        TypedDns { trusted_authserv_ids: vec!["mx.example.com".into()], ..TypedDns::default() };
    let config = Typed { reputation: Vec::new(), dns, ..Typed::default() }.check().unwrap();
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    let snapshot = Snapshot::load(Policy::default(), None).unwrap();
    let scanner = Scanner::new(&config, snapshot, metrics);
    let results = "Authentication-Results: mx.example.com; dmarc=fail (p=reject) \
                   header.from=example.org policy.dmarc=reject\r\n";
    let mail = format!("{results}{}", plain("www.example.org"));
    let verdict = judge(&scanner, &mail, "10.0.0.1").await;
    assert_eq!(found(&verdict), [("dmarc_reject", 3.0)]);
    assert_eq!(verdict.rung, Rung::Full);
    let verdict =
        judge(&scanner, &mail.replace("mx.example.com", "mx.example.net"), "10.0.0.1").await;
    assert_eq!(found(&verdict), [], "nobody believes a stranger's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_list_has_its_own_figures_and_links_are_asked_about_by_their_owner() {
    let server = Server::start(zone()).await;
    server.say("9.2.0.192.one.list.example", vec![a("127.0.0.2")]);
    server.say("9.2.0.192.refused.list.example", vec![a("127.255.255.254")]);
    server.say("9.2.0.192.broken.list.example", vec![Entry::Code(ResponseCode::ServFail)]);
    let lists = vec![
        list("one", "client", 1.0),
        list("refused", "client", 1.0),
        list("broken", "client", 1.0),
        list("links", "link", 1.0),
    ];
    let registry = tamis_runtime::metrics::Metrics::new();
    let scanner = scanner_with(&server, lists, 5000, &registry);
    judge(&scanner, &plain("a.b.shop.co.uk"), "192.0.2.9").await;
    judge(&scanner, &plain("other.shop.co.uk"), "192.0.2.9").await;
    let text = registry.text().unwrap();
    for (list, outcome, count) in [
        ("one", "listed", 2),
        ("refused", "refused", 1),
        ("refused", "resting", 1),
        ("broken", "failed", 2),
        ("links", "not_listed", 2),
    ] {
        let line = format!("{{list=\"{list}\",outcome=\"{outcome}\"}} {count}\n");
        let of_lists = text.lines().filter(|line| line.contains("dns_lists"));
        assert!(
            of_lists.map(|line| format!("{line}\n")).any(|it| it.ends_with(&line)),
            "{line}{text}"
        );
    }
    let asked = server.names.lock().unwrap();
    let of_links: Vec<_> =
        asked.iter().filter(|name| name.ends_with("links.list.example")).collect();
    assert_eq!(of_links, ["shop.co.uk.links.list.example"], "one owner, one question");
}

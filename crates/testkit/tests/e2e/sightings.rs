//! Bulk that nobody reported, counted by real servers and told between them.

use std::time::{Duration, Instant};

use tamis_domain::reputation::Class;
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::packet::Item;
use tamis_testkit::peers::{Redis, Tamis};

use crate::asker::Asker;
use crate::reputation_nodes::{Nodes, agreed, until};

const ON: &str = "sightings = true\n";

fn link(name: &str) -> Item {
    Item::exact(naming::link(name))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_thousand_copies_are_bulk_within_five_seconds_and_an_allowed_newsletter_stays_allowed() {
    let server = Tamis::start(&["reputation"], Some(&format!("[reputation]\n{ON}")));
    let grpc = format!("http://{}", server.address("reputation", "grpc"));
    let newsletter = link("news.example/issue");
    let told = newsletter.signature.to_string();
    let allow = ["signature", "--server", &grpc, "add", "--class", "allowed", &told];
    assert!(Tamis::run(&allow).status.success());

    let (campaign, rare) = (link("campaign.example/offer"), link("rare.example/page"));
    let mut asker = Asker::of(&server).await;
    let began = Instant::now();
    for copy in 0..1_000 {
        assert_eq!(asker.ask(newsletter, true).await.map(|it| it.class), Some(Class::Allowed));
        asker.ask(campaign, true).await;
        if copy == 0 {
            asker.ask(rare, true).await;
        }
    }
    while asker.ask(campaign, false).await.map(|it| it.class) != Some(Class::Bulk) {
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    assert_eq!(asker.ask(rare, false).await, None);
    let why = ["signature", "--server", &grpc, "why", &campaign.signature.to_string()];
    // It is bulk after the first hundred; the others are counted behind the answers.
    let mut said = String::new();
    while !said.contains("seen 1000 times") {
        assert!(began.elapsed() < Duration::from_secs(20), "{said}");
        said = String::from_utf8_lossy(&Tamis::run(&why).stdout).into_owned();
    }
    assert!(said.contains("not listed"), "{said}");
    assert_eq!(asker.ask(newsletter, false).await.map(|it| it.class), Some(Class::Allowed));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn questions_that_do_not_ask_for_it_are_not_counted() {
    let server =
        Tamis::start(&["reputation"], Some(&format!("[reputation]\n{ON}bulk_copies = 2\n")));
    let mut asker = Asker::of(&server).await;
    let (quiet, counted) = (link("quiet.example"), link("counted.example"));
    for _ in 0..50 {
        asker.ask(quiet, false).await;
        asker.ask(counted, true).await;
    }
    let began = Instant::now();
    while asker.ask(counted, false).await.is_none() {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(asker.ask(quiet, false).await, None);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn copies_seen_by_three_nodes_add_up_through_redis() {
    let redis = Redis::start();
    let nodes = Nodes::start_with(&redis.url(), 3, 3, ON);
    agreed(&nodes).await;
    let mut askers = Vec::new();
    for node in &nodes.running {
        askers.push(Asker::of(node).await);
    }
    let campaign = link("campaign.example/offer");
    // Forty at each: a hundred only together.
    for asker in &mut askers {
        for _ in 0..40 {
            asker.ask(campaign, true).await;
        }
    }
    for asker in &mut askers {
        until("bulk at every node", &nodes, async || {
            asker.ask(campaign, false).await.is_some_and(|it| it.class == Class::Bulk)
        })
        .await;
    }
}

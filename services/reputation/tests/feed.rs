//! From a report at a hub to an answer at a site behind a region: services over real QUIC and UDP on the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "bases/support.rs"]
#[allow(dead_code)]
mod bases;
#[path = "feed/support.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bases::Authority;
use support::{Node, link};
use tamis_bases::filter::file::FilterFile;
use tamis_domain::digest::Signature;
use tamis_domain::reputation::Class;
use tamis_reputation::log::{frame, record};
use tamis_reputation::service::Service;
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Authority as Voice, Change};
use tamis_runtime::metrics::Metrics;

/// From a report at the hub to its answer at a site behind a region.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// Hubs, each with a region and a site of its own, that work side by side: nearly all the time is waiting.
const CHAINS: usize = 3;

/// Writes at each hub.
const WRITES: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reported_at_the_hub_is_answered_at_a_site_behind_a_region_in_time() {
    let authority = Arc::new(Authority::new());
    let chains: Vec<_> = (0..CHAINS).map(|_| tokio::spawn(chain(Arc::clone(&authority)))).collect();
    let mut times = Vec::new();
    for chain in chains {
        times.extend(chain.await.unwrap());
    }
    times.sort();
    let (p50, longest) = (times[times.len() / 2], times[times.len() - 1]);
    let count = times.len();
    println!(
        "reported at the hub to answered at the site, {count} times: p50 {p50:?}, the longest {longest:?}"
    );
    assert!(longest < ANSWER_TIME_MAX, "{times:?}");
}

/// How long each write at a hub took to a site behind a region.
async fn chain(authority: Arc<Authority>) -> Vec<Duration> {
    let mut hub = Node::hub(&authority, None).await;
    let mut region = Node::below(&authority, &hub).await;
    let mut site = Node::below(&authority, &region).await;
    hub.add(link("first.example"), Class::Spam).await;
    site.wait_for(link("first.example"), Some(Class::Spam)).await;
    let mut times = Vec::new();
    for number in 0..WRITES {
        let item = link(&format!("{number}.example"));
        assert_eq!(site.class(item).await, None);
        hub.add(item, Class::Phishing).await;
        times.push(site.wait_for(item, Some(Class::Phishing)).await);
    }
    assert_eq!(region.class(link("0.example")).await, Some(Class::Phishing));

    let why = site.why(link("3.example")).await;
    assert!(why.listed && why.base_generation > 1, "{why:?}");
    assert_eq!((why.base_channel.as_str(), why.reports.len()), ("main", 1));
    assert_eq!(why.reports[0].reporter, "desk");
    let base = site.stats().await.base.unwrap();
    assert_eq!((base.epoch, base.signatures), (WRITES as u64 + 1, WRITES as u64 + 1));
    assert_eq!(hub.stats().await.base, None, "a publisher needs no copy of its own table");

    hub.delete(link("3.example")).await;
    let took = site.wait_for(link("3.example"), None).await;
    println!("deleted at the hub to unknown at the site: {took:?}");
    assert!(took < ANSWER_TIME_MAX);
    assert!(!site.why(link("3.example")).await.listed);
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sites_own_allowed_overrules_the_base_until_it_is_deleted() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, None).await;
    let mut site = Node::below(&authority, &hub).await;
    let item = link("partner.example");
    hub.add(item, Class::Spam).await;
    site.wait_for(item, Some(Class::Spam)).await;
    site.add(item, Class::Allowed).await;
    assert_eq!(site.class(item).await, Some(Class::Allowed));
    assert_eq!(site.why(item).await.base_generation, 0);
    site.delete(item).await;
    assert_eq!(site.class(item).await, Some(Class::Spam));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_hub_a_site_answers_on_also_after_its_own_start_and_catches_up_after() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, None).await;
    let mut site = Node::below(&authority, &hub).await;
    hub.add(link("old.example"), Class::Spam).await;
    site.wait_for(link("old.example"), Some(Class::Spam)).await;
    let generation = site.stats().await.base.unwrap().generation;
    let hub = hub.stopped().await;
    assert_eq!(site.class(link("old.example")).await, Some(Class::Spam));
    let mut site = site.stopped().await.started().await;
    // No waiting: it does not answer before it has loaded what it had.
    assert_eq!(site.class(link("old.example")).await, Some(Class::Spam));
    let mut hub = hub.started().await;
    hub.add(link("new.example"), Class::Spam).await;
    site.wait_for(link("new.example"), Some(Class::Spam)).await;
    let after = site.stats().await.base.unwrap();
    assert_eq!((after.epoch, after.signatures), (2, 2));
    assert_eq!(after.generation, generation + 1, "what a restart does not change is not published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_compacts_its_log_again_and_again_loses_no_site() {
    const REPORTS: u64 = 400;
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, Some(4096)).await;
    let mut site = Node::below(&authority, &hub).await;
    for number in 0..REPORTS {
        hub.add(link(&format!("{number}.example")), Class::Spam).await;
    }
    hub.delete(link("7.example")).await;
    site.wait_for_epoch(REPORTS + 1).await;
    for number in 0..REPORTS {
        let expected = (number != 7).then_some(Class::Spam);
        assert_eq!(site.class(link(&format!("{number}.example"))).await, expected, "{number}");
    }
    let names: Vec<String> = site.files().into_iter().map(|(name, _)| name).collect();
    println!("files of the last release: {names:?}");
    assert!(names.iter().any(|name| name == "signatures.snapshot"), "{names:?}");
    assert_eq!(site.why(link("9.example")).await.reports.len(), 1, "found in the snapshot");
    hub.add(link("last.example"), Class::Spam).await;
    site.wait_for(link("last.example"), Some(Class::Spam)).await;
}

/// Damage to the files of a release, and a word of the refusal.
type Damage = (&'static str, fn(&mut Vec<(String, Vec<u8>)>), &'static str);

const DAMAGES: [Damage; 6] = [
    ("a bit of the snapshot", |files| of(files, "signatures.snapshot")[100] ^= 1, "checksum"),
    (
        "a snapshot without its end",
        |files| {
            let bytes = of(files, "signatures.snapshot");
            bytes.truncate(bytes.len() - 1);
        },
        "snapshot",
    ),
    ("no snapshot", |files| files.retain(|(name, _)| name != "signatures.snapshot"), "epoch 0"),
    (
        "a log that ends in half a record",
        |files| {
            let bytes = of(files, "signatures.log.000");
            bytes.truncate(bytes.len() - 1);
        },
        "no whole record",
    ),
    (
        "a log with a gap, behind a good change",
        |files| {
            let bytes = of(files, "signatures.log.000");
            let epoch = last_epoch(bytes);
            frame::push(bytes, &record::commit(epoch, None, &[bad_change()]));
            frame::push(bytes, &record::commit(epoch + 5, None, &[bad_change()]));
        },
        "follow epoch",
    ),
    ("rules of no table", |files| of(files, "signatures.rules").fill(b'x'), "reporters_needed"),
];

fn of<'a>(files: &'a mut [(String, Vec<u8>)], name: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|(it, _)| it == name).unwrap().1
}

fn last_epoch(log: &[u8]) -> u64 {
    let (mut reader, mut epoch) = (frame::Reader::new(log, 0), 0);
    while let frame::Next::Payload(payload) = reader.frame().unwrap() {
        let commit = record::read_commit(&payload).unwrap();
        epoch = commit.epoch_before + commit.changes.len() as u64;
    }
    epoch
}

fn bad_change() -> Change {
    let signature: Signature = link("smuggled.example").signature;
    Change::Add {
        signature,
        sketch: None,
        class: Class::Spam,
        weight: 50,
        reporter: "desk".to_owned(),
        authority: Voice::Operator,
        at_unix_s: 1_800_000_000,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_but_damaged_signatures_are_refused_whole_and_those_in_force_stay() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, Some(4096)).await;
    for number in 0..100 {
        hub.add(link(&format!("{number}.example")), Class::Spam).await;
    }
    let mut site = Node::below(&authority, &hub).await;
    for (round, (damage, make, word)) in DAMAGES.into_iter().enumerate() {
        // The log behind the snapshot is never empty: it is what some of the damage is done to.
        let fresh = link(&format!("round{round}.example"));
        let epoch = hub.add(fresh, Class::Spam).await;
        site.wait_for_epoch(epoch).await;
        assert_eq!(site.warnings(), Vec::<String>::new(), "{damage}");
        hub = hub.stopped().await;
        let mut files = hub.files();
        make(&mut files);
        let by_hand = hub.publish_by_hand(&files).await;
        site.wait_for_warning(word).await;
        println!("{damage}: {:?}", site.warnings());
        let refused = format!("tamis_bases_refused_total{{reason=\"signatures\"}} {}", round + 1);
        assert!(site.metric(&refused), "{refused}");
        for name in ["0.example".to_owned(), format!("round{round}.example")] {
            assert_eq!(site.class(link(&name)).await, Some(Class::Spam), "{damage}: {name}");
        }
        assert_eq!(site.class(link("smuggled.example")).await, None, "{damage}");
        let base = site.stats().await.base.unwrap();
        assert_eq!((base.epoch, base.signatures), (epoch, epoch), "{damage}");
        assert_eq!(site.why(fresh).await.reports.len(), 1, "{damage}");
        by_hand.stopped().await;
        hub = hub.started().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_lists_nothing_leaves_the_base_empty_and_files_beside_signatures_arrive() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, None).await;
    let mut site = Node::below(&authority, &hub).await;
    hub.add(link("a.example"), Class::Spam).await;
    site.wait_for(link("a.example"), Some(Class::Spam)).await;
    let hub = hub.stopped().await;
    let by_hand = hub.publish_by_hand(&[("words".to_owned(), b"one".to_vec())]).await;
    site.wait_for(link("a.example"), None).await;
    assert_eq!((site.stats().await.base, site.warnings()), (None, Vec::new()));
    by_hand.stopped().await;
    let _hub = hub.started().await;
    site.wait_for(link("a.example"), Some(Class::Spam)).await;
    let files = site.files();
    assert!(files.contains(&("words".to_owned(), b"one".to_vec())), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_goes_back_answers_from_the_older_release_until_a_newer_one_comes() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, None).await;
    let mut site = Node::below(&authority, &hub).await;
    hub.add(link("good.example"), Class::Spam).await;
    site.wait_for(link("good.example"), Some(Class::Spam)).await;
    hub.add(link("mistake.example"), Class::Spam).await;
    site.wait_for(link("mistake.example"), Some(Class::Spam)).await;
    site.directory().roll_back().unwrap();
    site.wait_for(link("mistake.example"), None).await;
    assert_eq!(site.class(link("good.example")).await, Some(Class::Spam));
    hub.delete(link("mistake.example")).await;
    hub.add(link("next.example"), Class::Spam).await;
    site.wait_for(link("next.example"), Some(Class::Spam)).await;
    assert_eq!(site.class(link("mistake.example")).await, None);
    assert_eq!(site.class(link("good.example")).await, Some(Class::Spam));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_went_back_says_so_and_publishes_nothing_until_it_is_told_to() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, None).await;
    let mut site = Node::below(&authority, &hub).await;
    hub.add(link("good.example"), Class::Spam).await;
    site.wait_for(link("good.example"), Some(Class::Spam)).await;
    hub.add(link("mistake.example"), Class::Spam).await;
    site.wait_for(link("mistake.example"), Some(Class::Spam)).await;
    let back = hub.directory().roll_back().unwrap().generation();
    hub.wait_for_warning("publishing is held").await;
    assert!(hub.metric("tamis_bases_publishing_held 1"));
    // What is reported meanwhile, and a new start, change nothing of that.
    hub.add(link("later.example"), Class::Spam).await;
    let mut hub = hub.stopped().await.started().await;
    hub.wait_for_warning("publishing is held").await;
    assert_eq!(hub.directory().in_force().unwrap().unwrap().generation(), back);
    assert_eq!(hub.class(link("later.example")).await, Some(Class::Spam), "here it is answered");

    hub.delete(link("mistake.example")).await;
    hub.resume();
    site.wait_for(link("later.example"), Some(Class::Spam)).await;
    assert_eq!(site.class(link("mistake.example")).await, None);
    assert_eq!(site.class(link("good.example")).await, Some(Class::Spam));
    assert!(hub.warnings().iter().all(|warning| !warning.contains("held")), "{:?}", hub.warnings());
    assert!(hub.directory().in_force().unwrap().unwrap().generation() > back + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_with_room_for_less_refuses_the_base_by_name_of_the_setting() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, None).await;
    let site = Node::below(&authority, &hub).await;
    let mut site = site.stopped().await;
    site.config.rules.signatures_max = 2;
    let mut site = site.started().await;
    hub.add(link("a.example"), Class::Spam).await;
    hub.add(link("b.example"), Class::Spam).await;
    site.wait_for(link("b.example"), Some(Class::Spam)).await;
    hub.add(link("c.example"), Class::Spam).await;
    site.wait_for_warning("signatures_max").await;
    assert_eq!(site.class(link("c.example")).await, None);
    assert_eq!(site.class(link("b.example")).await, Some(Class::Spam));
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_without_a_log_on_disk_is_refused_at_the_start() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, None).await.stopped().await;
    hub.config.state_dir = None;
    let refused = Service::bind(hub.config.clone(), &Metrics::new()).await.unwrap_err();
    assert!(refused.what.contains("state_dir"), "{refused}");
}

fn filter(bytes: &[u8]) -> FilterFile {
    FilterFile::from_bytes(bytes).unwrap()
}

fn may_be_listed(filter: &FilterFile, item: &Item) -> bool {
    filter.may_hold(item.signature.kind.code(), &item.signature.value, None)
}

/// Waits until a filter holds an item, and gives it.
async fn filter_with(item: &Item, read: impl Fn() -> Option<Vec<u8>>) -> FilterFile {
    let began = Instant::now();
    loop {
        if let Some(found) = read().map(|bytes| filter(&bytes))
            && may_be_listed(&found, item)
        {
            return found;
        }
        assert!(began.elapsed() < support::PATIENCE, "no filter with it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_comes_with_the_bases_and_a_site_writes_one_of_its_own_reports_and_the_bases() {
    let authority = Authority::new();
    // So little that the log is compacted again and again while filters are made.
    let hub = Node::hub(&authority, Some(4096)).await;
    let hub_filter = hub.dir.path().join("listed.filter");
    let mut hub = hub.stopped().await;
    hub.config.filter = Some(hub_filter.clone());
    let mut hub = hub.started().await;
    let site = Node::below(&authority, &hub).await;
    let site_filter = site.dir.path().join("listed.filter");
    let mut site = site.stopped().await;
    site.config.filter = Some(site_filter.clone());
    let mut site = site.started().await;
    for number in 0..200 {
        hub.add(link(&format!("{number}.example")), Class::Spam).await;
    }
    let last = link("last.example");
    hub.add(last, Class::Spam).await;
    site.wait_for(last, Some(Class::Spam)).await;
    site.add(link("own.example"), Class::Phishing).await;

    let at_hub = filter_with(&last, || std::fs::read(&hub_filter).ok()).await;
    assert_eq!(at_hub.head.base_generation, 0);
    let files = || {
        let files = site.directory().in_force().ok()??.path("signatures.filter");
        std::fs::read(files?).ok()
    };
    let in_bases = filter_with(&last, files).await;
    let at_site = filter_with(&link("own.example"), || std::fs::read(&site_filter).ok()).await;
    assert!(at_site.head.base_generation > 0 && may_be_listed(&at_site, &last));
    for number in 0..200 {
        let item = link(&format!("{number}.example"));
        for filter in [&at_hub, &in_bases, &at_site] {
            assert!(may_be_listed(filter, &item), "{number}");
        }
    }
    assert!(!may_be_listed(&in_bases, &link("own.example")), "its reports stay at the site");
    let strangers = (0..2_000).map(|number| link(&format!("stranger{number}.example")));
    let wrong = strangers.filter(|item| may_be_listed(&at_site, item)).count();
    assert!(wrong < 100, "{wrong} of 2,000 strangers");
    let now_s = tamis_runtime::clock::unix_seconds();
    assert!((now_s - 60..now_s).contains(&at_site.head.covers_unix_s), "{:?}", at_site.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_written_is_told_in_stats_and_is_written_again_when_it_can() {
    let authority = Authority::new();
    let mut hub = Node::hub(&authority, Some(4096)).await.stopped().await;
    let path = hub.dir.path().join("listed.filter");
    hub.config.filter = Some(path.clone());
    let mut hub = hub.started().await;
    // Enough for a snapshot, whose part of the filter is kept.
    for number in 0..200 {
        hub.add(link(&format!("{number}.example")), Class::Spam).await;
    }
    filter_with(&link("199.example"), || std::fs::read(&path).ok()).await;
    let kept = hub.dir.path().join("state/filter");
    // Somebody cleans up; again, where a filter in the making filled it meanwhile.
    while std::fs::remove_dir_all(&kept).and_then(|()| std::fs::write(&kept, "")).is_err() {}
    let late = link("late.example");
    hub.add(late, Class::Spam).await;
    hub.wait_for_warning("no filter of listed signatures").await;
    assert!(hub.stats().await.warnings.iter().any(|warning| warning.contains("no filter")));
    std::fs::remove_file(&kept).unwrap();
    filter_with(&late, || std::fs::read(&path).ok()).await;
    let began = Instant::now();
    while !hub.warnings().is_empty() {
        assert!(began.elapsed() < support::PATIENCE, "{:?}", hub.warnings());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! Bases between sites, over real QUIC on the loopback: hub, region and site in one process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "bases/support.rs"]
#[allow(dead_code)]
mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::{Authority, Forger, Node, files, noise};
use tamis_bases::chunks::CHUNK_BYTES_MAX;
use tamis_reputation::bases::error::BasesError;
use tamis_reputation::bases::serving::SUBSCRIBERS_MAX;

/// From `publish` at the hub to being in force at a site behind a region.
const PUSH_TIME_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_release_reaches_a_site_behind_a_region_in_time_and_only_what_changed_travels() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    let log = noise(1, 3 << 20);
    hub.publish(&files(&[("signatures.log", &log), ("words", b"one two")]));
    let region = Node::below(&authority, &hub).await;
    let site = Node::below(&authority, &region).await;
    region.wait_for(1).await;
    let release = site.wait_for(1).await;
    assert_eq!(fs::read(release.path("signatures.log").unwrap()).unwrap(), log);
    let whole = site.metrics().fetched_bytes();
    assert!(whole >= log.len() as u64);

    let mut longer = log.clone();
    let mut times = Vec::new();
    for generation in 2..=6 {
        longer.extend(noise(generation, 20_000));
        let before = site.metrics().fetched_bytes();
        let publishing = files(&[("signatures.log", &longer), ("words", b"one two")]);
        let began = Instant::now();
        hub.publish(&publishing);
        let release = site.wait_for(generation).await;
        times.push(began.elapsed());
        assert_eq!(fs::read(release.path("signatures.log").unwrap()).unwrap(), longer);
        let travelled = site.metrics().fetched_bytes() - before;
        println!("generation {generation}: {travelled} bytes for 20,000 new ones");
        assert!(travelled < 3 * CHUNK_BYTES_MAX as u64, "{travelled}");
    }
    println!("published at the hub to in force two hops away: {times:?}");
    assert!(times.iter().all(|time| *time < PUSH_TIME_MAX), "{times:?}");
    assert_eq!((hub.metrics().subscribers(), region.metrics().subscribers()), (1, 1));
    assert_eq!(site.metrics().refusals("downgrade"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_certificates_are_exchanged_serves_who_trusts_the_new_ones_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let hub = Node::hub(&old).await;
    hub.publish(&files(&[("words", b"one")]));
    let before = Node::below(&old, &hub).await;
    before.wait_for(1).await;
    old.becomes(&new);
    let after = Node::below(&new, &hub).await;
    after.wait_for(1).await;
    hub.publish(&files(&[("words", b"two")]));
    // Who was here stays: the certificate was good when it came.
    before.wait_for(2).await;
    after.wait_for(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_cut_goes_on_without_fetching_twice() {
    let authority = Authority::new();
    let forger = Forger::new(&authority).await;
    let log = noise(2, 3 << 20);
    let manifest = forger.release(1, &files(&[("signatures.log", &log)]));
    // Each connection brings so many chunks and then no more.
    forger.cut_after(20);
    forger.push(manifest);
    let site = Node::under(&authority, forger.address(), forger.key()).await;
    let release = site.wait_for(1).await;
    assert_eq!(fs::read(release.path("signatures.log").unwrap()).unwrap(), log);
    let (connections, fetched) = (forger.connections(), site.metrics().fetched_bytes());
    println!("{connections} connections, {fetched} bytes fetched");
    assert!(connections >= 3, "the pull was not cut");
    assert_eq!(fetched, forger.bytes_of_chunks(), "each byte came once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tampering_upstream_sends_is_refused_and_the_old_bases_stay() {
    let authority = Authority::new();
    let forger = Forger::new(&authority).await;
    forger.push(forger.release(1, &files(&[("words", b"good")])));
    let site = Node::under(&authority, forger.address(), forger.key()).await;
    site.wait_for(1).await;

    let good = forger.release(2, &files(&[("words", &noise(3, 300_000))]));
    let mut damaged = good.clone();
    // In the name of the list of chunks, before signer and signature.
    let at = damaged.len() - 100;
    damaged[at] ^= 1;
    forger.push(damaged);
    site.wait_for_refusal("signature").await;

    forger.push(good[..good.len() - 1].to_vec());
    site.wait_for_refusal("malformed").await;

    forger.push(forger.signed_by_a_stranger(2));
    site.wait_for_refusal("unknown_key").await;

    forger.push(forger.release(1, &files(&[("words", b"other")])));
    site.wait_for_refusal("equivocation").await;

    forger.push(forger.expired(2));
    site.wait_for_refusal("expired").await;

    // The manifest is right, the chunks are not: one bit in each.
    forger.tamper(true);
    forger.push(good.clone());
    site.wait_for_refusal("chunk").await;
    assert_eq!(site.generation(), 1);
    let release = site.in_force().unwrap();
    assert_eq!(fs::read(release.path("words").unwrap()).unwrap(), b"good");

    // The chunks are right, what they make is not what the manifest says.
    forger.tamper(false);
    forger.push(forger.wrong_whole(2));
    site.wait_for_refusal("whole").await;
    assert_eq!(site.generation(), 1);

    // An honest upstream again: the site takes the next release.
    forger.push(forger.release(3, &files(&[("words", b"better")])));
    let release = site.wait_for(3).await;
    assert_eq!(fs::read(release.path("words").unwrap()).unwrap(), b"better");

    forger.push(good);
    site.wait_for_refusal("downgrade").await;
    assert_eq!(site.generation(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_taken_back_stays_away_and_the_next_one_comes() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    let site = Node::below(&authority, &hub).await;
    for (generation, text) in [(1, "one"), (2, "two")] {
        hub.publish(&files(&[("words", text.as_bytes())]));
        site.wait_for(generation).await;
    }
    let back = site.directory().roll_back().unwrap();
    assert_eq!(back.generation(), 1);
    let release = site.wait_for(1).await;
    assert_eq!(fs::read(release.path("words").unwrap()).unwrap(), b"one");
    assert!(matches!(site.directory().roll_back(), Err(BasesError::NothingBefore(1))));

    // The hub says again what it has: after a new start of the site, it is refused and stays away.
    let site = site.restarted().await;
    site.wait_for_refusal("taken_back").await;
    assert_eq!(site.generation(), 1);
    hub.publish(&files(&[("words", b"three")]));
    site.wait_for(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_and_the_old_one_is_worth_nothing_afterwards() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    let site = Node::below(&authority, &hub).await;
    let late = Node::below(&authority, &hub).await;
    hub.publish(&files(&[("words", b"one")]));
    site.wait_for(1).await;
    late.wait_for(1).await;
    let late = late.stopped().await;

    hub.introduce(support::NEW_KEY);
    site.wait_for(2).await;
    hub.retire_old_by_new();
    site.wait_for(3).await;
    let trusted = site.in_force().unwrap();
    assert_eq!(trusted.signed.signer, support::key(support::NEW_KEY).public().id());

    // Whoever missed the introduction believes the new key, since the old one endorsed it.
    let late = late.started().await;
    late.wait_for(3).await;
    assert!(matches!(hub.try_publish_by_old(), Err(BasesError::Unpublishable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_one_release_and_never_a_mixture() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    let dir = hub.root();
    let content = |generation: u64| format!("{generation} ").repeat(5_000).into_bytes();
    let publish = |generation| {
        let content = content(generation);
        hub.publish(&files(&[("a", &content), ("b", &content), ("c", &content)]));
    };
    publish(1);
    let done = std::sync::atomic::AtomicBool::new(false);
    let (reads, seen) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut seen) = (0_u64, std::collections::BTreeSet::new());
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let release = dir.join(fs::read_link(dir.join("current")).unwrap());
                let all: Vec<Vec<u8>> = ["a", "b", "c"]
                    .map(|file| fs::read(release.join("files").join(file)).unwrap())
                    .into();
                assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "a mixture");
                seen.insert(String::from_utf8_lossy(&all[0][..2]).into_owned());
                reads += 1;
            }
            (reads, seen)
        });
        (2..=12).for_each(publish);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap()
    });
    println!("{reads} reads saw {} releases", seen.len());
    assert!(seen.len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_releases_and_their_chunks_go_and_those_in_use_stay() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    for generation in 1..=5 {
        hub.publish(&files(&[("own", &noise(generation, 40_000)), ("same", &noise(99, 40_000))]));
    }
    let directory = hub.directory();
    let numbers = || -> Vec<u64> {
        directory.releases().unwrap().iter().map(|(generation, _)| *generation).collect()
    };
    assert_eq!(
        numbers(),
        [1, 2, 3, 4, 5],
        "who reads one that is some seconds old has time for it"
    );
    let chunks = || support::chunks(&hub.root());
    let before = chunks();
    directory.collect(Duration::ZERO, &directory.lock().unwrap()).unwrap();
    assert_eq!(numbers(), [3, 4, 5], "the one in force and two before");
    // Three own pieces, three lists of them, one shared piece and its list.
    println!("{before} chunks before, {} after", chunks());
    assert!(before >= 12);
    assert_eq!(chunks(), 8);
    let pulled = Node::below(&authority, &hub).await;
    pulled.wait_for(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_certificate_of_our_authority_or_wants_another_channel_gets_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let hub = Node::hub(&ours).await;
    hub.publish(&files(&[("words", b"one")]));
    let stranger = Node::below(&theirs, &hub).await;
    let other = Node::of_channel(&ours, &hub, "test").await;
    let friend = Node::below(&ours, &hub).await;
    friend.wait_for(1).await;
    assert_eq!((stranger.generation(), other.generation()), (0, 0));
    assert!(stranger.pull_once().await.is_err());
    assert!(other.pull_once().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_as_many_subscribers_as_it_says_and_one_more_when_one_has_left() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    hub.publish(&files(&[("words", b"one")]));
    hub.wait_for(1).await;
    let endpoint = hub.endpoint();
    let mut taken = Vec::new();
    for number in 0..SUBSCRIBERS_MAX {
        let subscribed = hub.subscribed(&endpoint).await;
        taken.push(subscribed.unwrap_or_else(|| panic!("subscriber {number} is refused")));
    }
    assert_eq!(hub.metrics().subscribers(), SUBSCRIBERS_MAX as i64);
    assert!(hub.subscribed(&endpoint).await.is_none(), "one more than there are places");
    assert!(taken.iter().all(|connection| connection.close_reason().is_none()));
    taken.pop().unwrap().close(0_u32.into(), b"");
    let began = Instant::now();
    while hub.subscribed(&endpoint).await.is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "no place after one left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pull_by_hand_takes_what_is_there_and_then_nothing() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    hub.publish(&files(&[("words", b"one")]));
    let site = Node::below(&authority, &hub).await.stopped().await;
    fs::remove_dir_all(site.root()).unwrap();
    let release = site.pull_once().await.unwrap().unwrap();
    assert_eq!(release.generation(), 1);
    assert!(site.pull_once().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_chunk_on_disk_is_fetched_anew() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    let log = noise(5, 500_000);
    hub.publish(&files(&[("log", &log)]));
    let site = Node::below(&authority, &hub).await;
    site.wait_for(1).await;
    let site = site.stopped().await;
    let damaged = support::damage_chunks(&site.root());
    let site = site.started().await;
    let longer = [&log[..], b"more"].concat();
    hub.publish(&files(&[("log", &longer)]));
    let release = site.wait_for(2).await;
    assert_eq!(fs::read(release.path("log").unwrap()).unwrap(), longer);
    println!("{damaged} chunks were damaged");
}

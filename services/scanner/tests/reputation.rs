//! The client of the reputation service against servers of a few lines: shards, servers that say they are cut off, and
//! the filter that spares questions.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tamis_bases::filter;
use tamis_bases::filter::file::{FilterFile, Head};
use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::envelope::{Door, Envelope};
use tamis_domain::reputation::{Class, Listing};
use tamis_domain::status::Rung;
use tamis_reputation_protocol::packet::{Answer, Item, Question};
use tamis_reputation_protocol::sharding::{Shard, ShardMap};
use tamis_runtime::clock;
use tamis_scanner::Scanner;
use tamis_scanner::ask::questions::Asked;
use tamis_scanner::ask::reputation::{Heard, Plan, Service, TypedShard};
use tamis_scanner::config::Typed;
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;
use tokio::net::UdpSocket;

/// Long: a test machine may be busy. Only what is meant to be silent is waited for.
const BUDGET: Duration = Duration::from_millis(400);

/// Far shorter than in service: a test that changes files is done at once, and sees the same order of events.
const LOOK_PERIOD: Duration = Duration::from_millis(10);

/// A server that lists what it was told to, and counts.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    sightings: Arc<AtomicU64>,
    items: Arc<AtomicU64>,
}

impl Server {
    async fn start(listed: Vec<Item>, is_stale: bool) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let [asked, sightings, items] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
        let counters = (Arc::clone(&asked), Arc::clone(&sightings), Arc::clone(&items));
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Question::decode(&buffer[..length]) else { continue };
                counters.0.fetch_add(1, Ordering::Relaxed);
                counters.1.fetch_add(u64::from(question.is_sighting), Ordering::Relaxed);
                counters.2.fetch_add(question.items.len() as u64, Ordering::Relaxed);
                let listings = question.items.iter().map(|item| listing(item, &listed)).collect();
                let id = question.id;
                let answer = Answer {
                    id,
                    epoch: 1,
                    is_stale,
                    fresh_cookie: None,
                    is_elsewhere: false,
                    listings,
                };
                let _ = socket.send_to(&answer.encode(), from).await;
            }
        });
        Self { address, asked, sightings, items }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn name(&self) -> String {
        self.address.to_string()
    }
}

/// Exact by value, near by sketch alone.
fn listing(item: &Item, listed: &[Item]) -> Option<Listing> {
    let exact = listed.iter().any(|it| it.signature == item.signature);
    let near = item.sketch.is_some() && listed.iter().any(|it| it.sketch == item.sketch);
    let similarity = if exact { 32 } else { 24 };
    let class = Class::Spam;
    (exact || near).then_some(Listing { class, weight: 50, reporters: 3, age_hours: 0, similarity })
}

fn part(place: u16) -> Item {
    let mut value = [9; 16];
    value[..2].copy_from_slice(&place.to_be_bytes());
    Item::exact(Signature { kind: SignatureKind::Part, value })
}

fn text(place: u16, lane: u16) -> Item {
    let mut item = part(place);
    item.signature.kind = SignatureKind::Text;
    Item { sketch: Some(Sketch(std::array::from_fn(|at| lane.wrapping_add(at as u16)))), ..item }
}

fn asked(items: &[Item]) -> Vec<Asked> {
    items.iter().map(|item| Asked { item: *item, part: Some(1) }).collect()
}

fn plan(shards: &[(u16, &[&Server])]) -> Plan {
    let shard = |(from, servers): &(u16, &[&Server])| Shard {
        from: *from,
        servers: servers.iter().map(|server| server.name()).collect(),
    };
    Plan {
        map: ShardMap::new(shards.iter().map(shard).collect()).unwrap(),
        map_file: None,
        filter_file: None,
        look_period: LOOK_PERIOD,
        filter_age_max: None,
        is_sighting: false,
        key: None,
        budget: BUDGET,
    }
}

fn start(plan: Plan) -> Service {
    Service::start(plan, Metrics::new(&tamis_runtime::metrics::Metrics::new()))
}

async fn ask(service: &Service, items: &[Item]) -> (Heard, Vec<Option<u8>>) {
    let sieving = service.sieving();
    let (heard, answered) = service.ask(asked(items), &sieving, clock::now() + 2 * BUDGET).await;
    (heard, answered.iter().map(|it| it.listing.map(|listing| listing.similarity)).collect())
}

/// Asks until `is_done`, since lanes open and files are read by and by.
async fn until(service: &Service, items: &[Item], is_done: impl Fn(Heard) -> bool) -> Heard {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let (heard, _) = ask(service, items).await;
        if is_done(heard) {
            return heard;
        }
        assert!(Instant::now() < end, "{heard:?} to the end");
        tokio::task::yield_now().await;
    }
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn each_shard_is_asked_what_it_holds_and_every_one_for_likeness() {
    let (low, high) = (part(0x0001), part(0x9000));
    let similar = text(0xf000, 7);
    let one = Server::start(vec![low], false).await;
    let two = Server::start(vec![high, similar], false).await;
    let service = start(plan(&[(0, &[&one]), (0x8000, &[&two])]));
    until(&service, &[low, high], |heard| heard == Heard::Answered).await;
    let (items_one, items_two) =
        (one.items.load(Ordering::Relaxed), two.items.load(Ordering::Relaxed));
    // This text's own value belongs to the first shard; the one like it lies in the second.
    let (heard, found) = ask(&service, &[low, high, text(0x0002, 7), part(0x0003)]).await;
    assert_eq!((heard, found), (Heard::Answered, vec![Some(32), Some(32), Some(24), None]));
    assert_eq!(one.items.load(Ordering::Relaxed) - items_one, 3);
    assert_eq!(two.items.load(Ordering::Relaxed) - items_two, 2);
    let before = two.asked();
    assert_eq!(ask(&service, &[low]).await, (Heard::Answered, vec![Some(32)]));
    assert_eq!(two.asked(), before, "nothing of it belongs there");
}

#[tokio::test]
async fn a_shard_that_is_silent_costs_its_items_and_not_the_others() {
    let low = part(0x0001);
    let one = Server::start(vec![low], false).await;
    let two = Server::start(Vec::new(), false).await;
    let mut plan = plan(&[(0, &[&one]), (0x8000, &[&two])]);
    // Somebody is bound there and never answers.
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mute_name = mute.local_addr().unwrap().to_string();
    let shards = vec![
        Shard { from: 0, servers: vec![one.name()] },
        Shard { from: 0x8000, servers: vec![mute_name] },
    ];
    plan.map = ShardMap::new(shards).unwrap();
    let service = start(plan);
    until(&service, &[low], |heard| heard == Heard::Answered).await;
    let (heard, found) = ask(&service, &[low, part(0x9000)]).await;
    assert_eq!((heard, found), (Heard::Partly, vec![Some(32), None]));
    assert!(heard.may_have_missed());
    assert_eq!(ask(&service, &[part(0x9000)]).await.0, Heard::Silent);
}

#[tokio::test]
async fn a_server_that_says_it_is_cut_off_ranks_behind_one_that_is_not_and_still_serves_alone() {
    let item = part(1);
    let stale = Server::start(vec![item], true).await;
    let fresh = Server::start(vec![item], false).await;
    let service = start(plan(&[(0, &[&stale, &fresh])]));
    until(&service, &[item], |heard| heard == Heard::Answered).await;
    for _ in 0..500 {
        assert_eq!(ask(&service, &[item]).await.0, Heard::Answered);
    }
    let (stale_asked, fresh_asked) = (stale.asked(), fresh.asked());
    assert!(fresh_asked > 450 && stale_asked < 60, "{stale_asked} and {fresh_asked}");
    let alone = start(plan(&[(0, &[&stale])]));
    until(&alone, &[item], |heard| heard == Heard::Answered).await;
}

/// A filter that covers everything until `seconds` ago.
fn filter_file(keys: Vec<u64>, seconds: u64) -> Vec<u8> {
    let head = Head { covers_unix_s: clock::unix_seconds() - seconds, ..Head::default() };
    FilterFile::of(head, filter::build(keys).unwrap()).to_bytes()
}

/// Puts a file into its place as its makers do.
fn replace(path: &Path, bytes: &[u8]) {
    let next = path.with_extension("next");
    std::fs::write(&next, bytes).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn without_a_filter_that_can_be_believed_every_question_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let listed = part(0x0101);
    let server = Server::start(vec![listed], false).await;
    let good = filter_file(vec![], 0);
    let path = write(directory.path(), "filter", &good);
    let age_max = Some(Duration::from_secs(60));
    let filtered = Plan {
        filter_file: Some(path.clone()),
        filter_age_max: age_max,
        ..plan(&[(0, &[&server])])
    };
    let service = start(filtered.clone());
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let bad: [(&str, Option<Vec<u8>>); 5] = [
        ("it is gone", None),
        ("one bit of it is wrong", Some(damaged)),
        ("it is cut short", Some(good[..good.len() - 1].to_vec())),
        ("what it covers is long ago", Some(filter_file(vec![], 61))),
        ("it is empty", Some(Vec::new())),
    ];
    for (what, bytes) in bad {
        replace(&path, &filter_file(vec![], 0));
        until(&service, &[listed], |heard| heard == Heard::Spared).await;
        match bytes {
            Some(bytes) => replace(&path, &bytes),
            None => std::fs::remove_file(&path).unwrap(),
        }
        until(&service, &[listed], |heard| heard == Heard::Answered).await;
        assert_eq!(ask(&service, &[listed]).await, (Heard::Answered, vec![Some(32)]), "{what}");
        assert_eq!(service.filter_keys(), None, "{what}");
    }
    // From a clock that is an hour ahead, nobody knows how old it is.
    replace(&path, &filter_file(vec![], 0));
    until(&service, &[listed], |heard| heard == Heard::Spared).await;
    let head = Head { covers_unix_s: clock::unix_seconds() + 3_600, ..Head::default() };
    replace(&path, &FilterFile::of(head, filter::build(vec![]).unwrap()).to_bytes());
    until(&service, &[listed], |heard| heard == Heard::Answered).await;

    // Of several shards, a filter knows the one whose service wrote it.
    replace(&path, &filter_file(vec![], 0));
    let shards = plan(&[(0, &[&server]), (0x8000, &[&server])]).map;
    let sharded = start(Plan { map: shards, ..filtered });
    until(&service, &[listed], |heard| heard == Heard::Spared).await;
    assert_eq!(ask(&sharded, &[listed]).await.0, Heard::Answered);
}

#[tokio::test]
async fn a_filter_that_is_dropped_in_mid_question_is_still_the_one_that_is_asked_by() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(Vec::new(), false).await;
    let path = write(directory.path(), "filter", &filter_file(vec![], 0));
    let service = start(Plan { filter_file: Some(path.clone()), ..plan(&[(0, &[&server])]) });
    let items: Vec<Item> = (0..300).map(part).collect();
    until(&service, &items, |heard| heard == Heard::Spared).await;
    let sieving = service.sieving();
    std::fs::remove_file(&path).unwrap();
    until(&service, &items[..1], |heard| heard == Heard::Answered).await;
    let (heard, _) = service.ask(asked(&items), &sieving, clock::now() + 2 * BUDGET).await;
    assert_eq!(heard, Heard::Spared, "what was chosen by a filter is asked by the same one");
    // Three hundred find no room in one datagram: who asks for them nevertheless is told that part of them was not asked.
    until(&service, &items, |heard| heard == Heard::Partly).await;
    let asked = server.items.load(Ordering::Relaxed);
    assert_eq!(ask(&service, &items).await.0, Heard::Partly);
    assert!(server.items.load(Ordering::Relaxed) - asked < 300);
}

#[tokio::test]
async fn mail_of_which_the_filter_knows_nothing_needs_no_datagram() {
    let directory = tempfile::tempdir().unwrap();
    let (known, similar) = (part(0x0101), text(0x0202, 7));
    let lanes = similar.sketch.unwrap().0;
    let mut keys: Vec<u64> = filter::band_keys(SignatureKind::Text.code(), &lanes).to_vec();
    keys.push(filter::exact_key(SignatureKind::Part.code(), &known.signature.value));
    let bytes = filter_file(keys, 0);
    let path = write(directory.path(), "filter", &bytes);
    let server = Server::start(vec![known, similar], false).await;
    let filtered = Plan { filter_file: Some(path), ..plan(&[(0, &[&server])]) };
    let service = start(filtered.clone());
    let nothing = [part(0x7777), text(0x7778, 900)];
    until(&service, &nothing, |heard| heard == Heard::Spared).await;
    until(&service, &[known], |heard| heard == Heard::Answered).await;
    let (datagrams, items) = (server.asked(), server.items.load(Ordering::Relaxed));
    assert_eq!(ask(&service, &nothing).await, (Heard::Spared, vec![None, None]));
    assert_eq!(server.asked(), datagrams);
    // What may be listed is asked, the rest of the mail is not.
    let mail = [nothing[0], known, text(0x0999, 7)];
    assert_eq!(ask(&service, &mail).await, (Heard::Answered, vec![None, Some(32), Some(24)]));
    assert_eq!(server.items.load(Ordering::Relaxed) - items, 2);

    // Sightings want to see every mail; a filter that is too old spares nobody.
    let counting = start(Plan { is_sighting: true, ..filtered.clone() });
    until(&counting, &nothing, |heard| heard == Heard::Answered).await;
    assert!(counting.filter_keys().is_none_or(|keys| keys == 17));
    assert!(server.sightings.load(Ordering::Relaxed) > 0);
    let old = start(Plan { filter_age_max: Some(Duration::ZERO), ..filtered });
    until(&old, &nothing, |heard| heard == Heard::Answered).await;
    assert_eq!(old.filter_keys(), None);
}

#[tokio::test]
async fn a_filter_or_map_that_is_no_good_changes_nothing_and_a_good_one_takes_over() {
    let directory = tempfile::tempdir().unwrap();
    let item = part(1);
    let (old, new) = (Server::start(vec![], false).await, Server::start(vec![item], false).await);
    let map = write(
        directory.path(),
        "servers",
        b"reputation_shards = [{ from = \"8000\", servers = [] }]",
    );
    let filter = write(directory.path(), "filter", b"no filter");
    let (map_file, filter_file) = (Some(map.clone()), Some(filter));
    let service = start(Plan { map_file, filter_file, ..plan(&[(0, &[&old])]) });
    until(&service, &[item], |heard| heard == Heard::Answered).await;
    assert_eq!(ask(&service, &[item]).await, (Heard::Answered, vec![None]));
    let text =
        format!("reputation_shards = [{{ from = \"0000\", servers = [\"{}\"] }}]", new.name());
    // Renamed into place, as bases do.
    let written = write(directory.path(), "servers.new", text.as_bytes());
    std::fs::rename(written, map).unwrap();
    until(&service, &[item], |_| new.asked() > 0).await;
    assert_eq!(service.filter_keys(), None);
    assert_eq!(service.report().len(), 1);
}

/// A mail with a text, whose contents come with its offer.
fn offer(number: usize) -> Offer {
    // Long enough for a sketch, which every shard is asked for.
    let text = format!(
        "The minutes of meeting {number} are attached, as they are every week. Gardeners reported that young plum trees \
         survived winter under straw, while three older pears need careful pruning before spring; neighbours lend \
         ladders, somebody brings warm soup, children collect fallen branches behind that crooked wooden fence.\r\n"
    );
    let mail = format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: minutes\r\n\r\n{}",
        text
    );
    let dissected = tamis_message::digesting::dissect(mail.as_bytes());
    let inline = (0_u16..).zip(&dissected.spans).filter_map(|(part, span)| {
        let span = span.as_ref()?;
        let bytes = tamis_message::content::decode(span, span.of(mail.as_bytes()));
        Some(Content { part, bytes })
    });
    let inline = inline.collect();
    let envelope = Envelope {
        sender: "ann@example.org".into(),
        recipients: vec!["bob@example.com".into()],
        door: Door::Lmtp,
        verified: true,
        ..Envelope::default()
    };
    let remaining = Duration::from_secs(60);
    Offer { id: MailId([4; 16]), envelope, outline: dissected.outline, inline, remaining }
}

#[tokio::test]
async fn a_verdict_without_one_of_the_shards_does_not_claim_to_be_full() {
    let here = Server::start(Vec::new(), false).await;
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let shard = |from: &str, address: SocketAddr| TypedShard {
        from: from.to_owned(),
        servers: vec![address.to_string()],
    };
    for (second, rung) in [(mute.local_addr().unwrap(), Rung::Cached), (here.address, Rung::Full)] {
        let typed = Typed {
            reputation_shards: vec![shard("0000", here.address), shard("8000", second)],
            reputation_budget_ms: 400,
            ..Typed::default()
        };
        let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
        let snapshot = Snapshot::load(tamis_domain::policy::Policy::default(), None).unwrap();
        let scanner = Scanner::new(&typed.check().unwrap(), snapshot, metrics);
        let end = Instant::now() + Duration::from_secs(20);
        let mut number = 0;
        loop {
            number += 1;
            let verdict = scanner.judge(offer(number), 1_795_000_000).await.unwrap();
            if verdict.rung == rung {
                break;
            }
            // Lanes open by and by; until then nobody answers.
            assert_eq!(verdict.rung, Rung::Local);
            assert!(Instant::now() < end);
            tokio::task::yield_now().await;
        }
    }
}

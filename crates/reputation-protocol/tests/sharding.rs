//! Splitting one mail's items over shards and joining the answers, by seed, and maps that make no sense.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::{Class, Listing};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::sharding::{
    REPLICAS_MAX, SERVER_NAME_BYTES_MAX, SHARDS_MAX, Shard, ShardFault, ShardMap, ShardRange,
};

/// SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn item(&mut self) -> Item {
        let value = (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes();
        let kind = SignatureKind::ALL[self.below(7) as usize];
        let sketched = kind.has_sketch() && self.below(2) == 0;
        let sketch = sketched.then(|| Sketch(std::array::from_fn(|_| self.next() as u16)));
        Item { signature: Signature { kind, value }, sketch }
    }

    fn listing(&mut self) -> Listing {
        let class = Class::ALL[self.below(6) as usize];
        let similarity = 17 + self.below(16) as u8;
        let weight = 1 + self.below(100) as u8;
        Listing { class, weight, reporters: 1, age_hours: 0, similarity }
    }
}

fn servers() -> Vec<String> {
    vec!["reputation.example:7060".to_owned()]
}

fn shard(from: u16) -> Shard {
    Shard { from, servers: servers() }
}

fn map(random: &mut Random) -> ShardMap {
    let mut places: Vec<u16> = (0..random.below(12)).map(|_| random.next() as u16).collect();
    places.push(0);
    places.sort_unstable();
    places.dedup();
    ShardMap::new(places.into_iter().map(shard).collect()).unwrap()
}

fn exact(value: u16) -> Item {
    let [a, b] = value.to_be_bytes();
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&[a, b]);
    Item::exact(Signature { kind: SignatureKind::Part, value: bytes })
}

fn sketched(value: u16) -> Item {
    let mut item = exact(value);
    item.signature.kind = SignatureKind::Text;
    Item { sketch: Some(Sketch([5; 32])), ..item }
}

fn halves() -> ShardMap {
    ShardMap::new(vec![shard(0), shard(0x8000)]).unwrap()
}

fn listing(class: Class, similarity: u8) -> Option<Listing> {
    Some(Listing { class, weight: 50, reporters: 3, age_hours: 1, similarity })
}

#[test]
fn every_value_has_one_owner_whose_range_holds_it_and_no_other_does() {
    let mut random = Random(1);
    for _ in 0..256 {
        let map = map(&mut random);
        for _ in 0..64 {
            let signature = random.item().signature;
            let owner = map.owner(&signature);
            for shard in 0..map.shards().len() {
                let range = map.range(shard).unwrap();
                assert_eq!(range.holds(&signature), shard == owner, "{range} {signature}");
                assert_eq!(range.to_string().parse(), Ok(range));
            }
        }
    }
}

#[test]
fn the_ends_of_a_range_belong_to_it_and_their_neighbours_do_not() {
    let map = ShardMap::new(vec![shard(0), shard(0x4000), shard(0x8000)]).unwrap();
    for (value, owner) in [(0, 0), (0x3fff, 0), (0x4000, 1), (0x7fff, 1), (0x8000, 2), (0xffff, 2)]
    {
        assert_eq!(map.owner(&exact(value).signature), owner, "{value:04x}");
    }
    assert_eq!(map.range(1).unwrap().to_string(), "4000-7fff");
    assert_eq!(map.range(3), None);
}

/// Servers that answer from a common truth: what a listing of an item is, and who holds it.
#[test]
fn split_and_joined_is_what_one_server_with_everything_would_have_said() {
    let mut random = Random(2);
    for _ in 0..512 {
        let map = map(&mut random);
        let items: Vec<Item> = (0..1 + random.below(40)).map(|_| random.item()).collect();
        // Where the listed signature lies that answers each item: its own place, or for a near one anywhere.
        let truth: Vec<Option<(usize, Listing)>> = items
            .iter()
            .map(|item| {
                let listing = (random.below(3) == 0).then(|| random.listing())?;
                let near = item.sketch.is_some() && listing.similarity < 32;
                let holder = random.below(map.shards().len() as u64) as usize;
                Some((if near { holder } else { map.owner(&item.signature) }, listing))
            })
            .collect();
        let split = map.split(&items);
        let answers: Vec<_> = (0..map.shards().len())
            .map(|shard| {
                let asked = split.question(shard, &items);
                let answer = asked.iter().map(|item| {
                    let number = items.iter().position(|it| it == item).unwrap();
                    truth[number].filter(|(holder, _)| *holder == shard).map(|(_, it)| it)
                });
                Some(answer.collect())
            })
            .collect();
        let joined = split.join(&answers);
        let expected: Vec<_> = truth.iter().map(|it| it.map(|(_, listing)| listing)).collect();
        assert_eq!((joined.listings, joined.unknown, joined.silent), (expected, 0, vec![]));
    }
}

#[test]
fn with_one_shard_nothing_changes() {
    let mut random = Random(3);
    let map = ShardMap::unsharded(servers()).unwrap();
    assert!(map.range(0).unwrap().is_whole());
    let items: Vec<Item> = (0..20).map(|_| random.item()).collect();
    let split = map.split(&items);
    assert_eq!(split.question(0, &items), items);
    let listings: Vec<_> = (0..20).map(|_| Some(random.listing())).collect();
    assert_eq!(split.join(&[Some(listings.clone())]).listings, listings);
}

#[test]
fn exact_items_go_to_their_owner_and_sketched_ones_to_everybody() {
    let items = [exact(1), exact(0x9000), sketched(2)];
    let split = halves().split(&items);
    assert_eq!(split.question(0, &items), [items[0], items[2]]);
    assert_eq!(split.question(1, &items), [items[1], items[2]]);
    assert!(split.question(2, &items).is_empty());
}

#[test]
fn a_verdict_before_a_suspicion_then_the_more_similar_then_the_owner() {
    let items = [sketched(2)];
    let split = halves().split(&items);
    let join = |one, two| split.join(&[Some(vec![one]), Some(vec![two])]).listings[0];
    let (spam, near) = (listing(Class::Spam, 32), listing(Class::Phishing, 20));
    assert_eq!(join(spam, near), spam);
    assert_eq!(join(near, spam), spam, "wherever it comes from");
    assert_eq!(join(spam, listing(Class::Allowed, 18)), spam, "a faint likeness hides nothing");
    let allowed = listing(Class::Allowed, 20);
    assert_eq!(join(near, allowed), allowed, "equally near");
    assert_eq!(join(near, listing(Class::Suspected, 31)), near);
    let twin = listing(Class::Malware, 32);
    assert_eq!(join(spam, twin), spam, "the owner has the exact one, the other a twin");
    assert_eq!(join(None, near), near);
    assert_eq!(join(None, None), None);
}

#[test]
fn a_silent_shard_leaves_its_items_unknown_and_is_named() {
    let items = [exact(1), exact(0x9000), sketched(2), sketched(3)];
    let split = halves().split(&items);
    let spam = listing(Class::Spam, 25);
    let joined = split.join(&[Some(vec![None, spam, None]), None]);
    assert_eq!(joined.listings, [None, None, spam, None]);
    assert_eq!(joined.silent, [1]);
    assert_eq!(joined.unknown, 2, "its own exact item, and the text that may resemble one of its");
    let all = split.join(&[None, None]);
    assert_eq!((all.unknown, all.silent), (4, vec![0, 1]));
}

#[test]
fn an_answer_of_another_length_is_none_and_one_that_was_not_asked_is_no_silence() {
    let items = [exact(1)];
    let split = halves().split(&items);
    assert_eq!(split.join(&[Some(vec![]), None]).silent, [0], "shard 1 was not asked");
    assert_eq!(split.join(&[Some(vec![None, None])]).unknown, 1);
    assert_eq!(split.join(&[]).silent, [0]);
}

#[test]
fn maps_that_make_no_sense_are_refused_by_name() {
    let with = |servers: Vec<String>| ShardMap::new(vec![Shard { from: 0, servers }]);
    for (shards, fault) in [
        (vec![], ShardFault::Empty),
        (vec![shard(1)], ShardFault::Gap(1)),
        (vec![shard(0), shard(0)], ShardFault::Order(0)),
        (vec![shard(0), shard(9), shard(8)], ShardFault::Order(8)),
        (vec![shard(0), Shard { from: 5, servers: vec![] }], ShardFault::NoServer(5)),
    ] {
        assert_eq!(ShardMap::new(shards), Err(fault));
    }
    for server in ["host", "host:", "host:0", "host:65536", ":7060", "ho st:1", "h\u{f6}st:1", ""] {
        assert_eq!(with(vec![server.to_owned()]), Err(ShardFault::Server(0)), "{server:?}");
    }
    for server in ["192.0.2.1:7060", "[2001:db8::1]:7060", "reputation:65535"] {
        assert!(with(vec![server.to_owned()]).is_ok(), "{server:?}");
    }
}

#[test]
fn limits_hold_at_n_and_break_at_n_plus_1() {
    let many = |count: usize| ShardMap::new((0..count as u16).map(shard).collect());
    assert!(many(SHARDS_MAX).is_ok());
    assert_eq!(many(SHARDS_MAX + 1), Err(ShardFault::TooMany(SHARDS_MAX + 1)));
    let replicas = |count| ShardMap::unsharded(vec!["a:1".to_owned(); count]);
    assert!(replicas(REPLICAS_MAX).is_ok());
    assert_eq!(replicas(REPLICAS_MAX + 1), Err(ShardFault::Replicas(0)));
    let named = |bytes: usize| ShardMap::unsharded(vec![format!("{}:1", "a".repeat(bytes - 2))]);
    assert!(named(SERVER_NAME_BYTES_MAX).is_ok());
    assert_eq!(named(SERVER_NAME_BYTES_MAX + 1), Err(ShardFault::Server(0)));
}

#[test]
fn hostile_places_are_refused() {
    for text in
        ["", "-", "0-f", "0000", "0000-", "0000-7fff-", "+000-7fff", "0000-fffff", "é00-7fff"]
    {
        assert_eq!(text.parse::<ShardRange>(), Err(ShardFault::Place), "{text:?}");
    }
    assert_eq!("8000-7fff".parse::<ShardRange>(), Err(ShardFault::Backwards));
    assert!("7fff-7fff".parse::<ShardRange>().is_ok());
    assert!("0000-FFFF".parse::<ShardRange>().unwrap().is_whole());
    assert_eq!(Shard::parse("800", servers()), Err(ShardFault::Place));
    assert_eq!(Shard::parse("8000", servers()).unwrap().from, 0x8000);
}

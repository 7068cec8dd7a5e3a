use tamis_domain::digest::SignatureKind;
use tamis_domain::reputation::Class;

use super::*;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word ^ (word >> 29)
    }

    fn item(&mut self, kind: SignatureKind) -> Item {
        let mut value = [0; 16];
        value[..8].copy_from_slice(&self.next().to_be_bytes());
        value[8..].copy_from_slice(&self.next().to_be_bytes());
        let sketch = kind.has_sketch().then(|| Sketch(std::array::from_fn(|_| self.next() as u16)));
        Item { signature: Signature { kind, value }, sketch }
    }

    /// Another copy: its own exact value, `changed` lanes of the sketch different.
    fn copy(&mut self, of: &Item, changed: usize) -> Item {
        let mut copy = self.item(of.signature.kind);
        if let (Some(own), Some(first)) = (&mut copy.sketch, of.sketch) {
            let begin = (self.next() % 32) as usize;
            for lane in 0..32 - changed {
                own.0[(begin + lane) % 32] = first.0[(begin + lane) % 32];
            }
        }
        copy
    }
}

fn memory(tracked_max: usize) -> (Sightings, Instant) {
    let now = Instant::now();
    (Sightings::new(Settings { tracked_max, seed: 3, ..Settings::default() }, now), now)
}

fn see(memory: &mut Sightings, item: Item, client: u8, now: Instant) {
    memory.see(&Sighting { item, client }, now);
}

#[test]
fn a_campaign_is_bulk_from_the_hundredth_copy_and_not_before() {
    let (mut memory, now) = memory(1024);
    let part = Random(1).item(SignatureKind::Part);
    for _ in 0..99 {
        see(&mut memory, part, 5, now);
    }
    assert_eq!(memory.bulk(now).ask(&part), None);
    see(&mut memory, part, 5, now);
    let listing = memory.bulk(now).ask(&part).expect("a hundred copies");
    assert_eq!((listing.class, listing.reporters, listing.similarity), (Class::Bulk, 1, 32));
    assert_eq!(memory.bulk(now).ask(&Random(2).item(SignatureKind::Part)), None);
}

#[test]
fn copies_of_a_personalised_campaign_add_up_under_their_leader() {
    let (mut memory, now) = memory(1024);
    let mut random = Random(3);
    let first = random.item(SignatureKind::Text);
    for number in 0..200 {
        let copy = random.copy(&first, 6);
        see(&mut memory, copy, number % 40, now);
    }
    let bulk = memory.bulk(now);
    let later = random.copy(&first, 6);
    let listing = bulk.ask(&later).expect("similar to two hundred others");
    assert_eq!(listing.class, Class::Bulk);
    assert!(listing.reporters >= 30, "{listing:?}: forty clients, some of which share a bit");
    assert!(listing.similarity >= 20, "{listing:?}");
    assert_eq!(bulk.ask(&random.item(SignatureKind::Text)), None, "another text is not bulk");
}

#[test]
fn clients_count_when_they_are_asked_for() {
    let now = Instant::now();
    let settings = Settings { bulk_clients: 3, ..Settings::default() };
    let mut memory = Sightings::new(settings, now);
    let part = Random(4).item(SignatureKind::Part);
    for _ in 0..1_000 {
        see(&mut memory, part, 1, now);
        see(&mut memory, part, 2, now);
    }
    assert!(memory.bulk(now).is_empty(), "two clients may be one that repeats itself");
    see(&mut memory, part, 3, now);
    assert_eq!(memory.bulk(now).len(), 1);
    assert_eq!(memory.seen(&part), Some(Seen { copies: 2_001, clients: 3 }));
}

#[test]
fn the_window_slides_and_forgets() {
    let (mut memory, start) = memory(1024);
    let part = Random(5).item(SignatureKind::Part);
    for second in 0..600 {
        see(&mut memory, part, 0, start + Duration::from_secs(second));
    }
    let copies = memory.seen(&part).map(|seen| seen.copies).unwrap_or_default();
    assert!((525..=600).contains(&copies), "{copies}: one to eight slots of 75 seconds");
    assert!(memory.bulk(start + Duration::from_secs(900)).len() == 1);
    assert!(memory.bulk(start + Duration::from_secs(1_199)).is_empty());
    assert_eq!(memory.seen(&part), None);
    // A long silence is no loop.
    assert!(memory.bulk(start + Duration::from_secs(1 << 40)).is_empty());
}

#[test]
fn a_flood_of_names_asked_once_does_not_push_a_campaign_out() {
    let (mut memory, now) = memory(1024);
    let mut random = Random(6);
    let campaign = random.item(SignatureKind::Text);
    for round in 0..120_u64 {
        see(&mut memory, campaign, 1, now);
        // Half of the limit is safe; before it luck decides, as for everybody.
        let flood = if round < 50 { 0 } else { 1_000 };
        for _ in 0..flood {
            let kind = if random.next().is_multiple_of(2) {
                SignatureKind::Text
            } else {
                SignatureKind::Link
            };
            let other = random.item(kind);
            see(&mut memory, other, 2, now);
        }
    }
    assert!(memory.bulk(now).ask(&campaign).is_some());
    assert_eq!(memory.bulk(now).len(), 1);
}

#[test]
fn one_client_that_repeats_itself_takes_no_place_for_good() {
    let (mut memory, now) = memory(1024);
    let mut random = Random(12);
    // Fills every set, each name to half of what is bulk.
    for _ in 0..3 * 1024 {
        let junk = random.item(SignatureKind::Part);
        (0..50).for_each(|_| see(&mut memory, junk, 7, now));
    }
    let campaign = random.item(SignatureKind::Text);
    for client in 0..100 {
        let copy = random.copy(&campaign, 5);
        see(&mut memory, copy, client % 3, now);
    }
    assert!(memory.bulk(now).ask(&random.copy(&campaign, 5)).is_some());
    assert_eq!(memory.crowded_out(), 0);
}

#[test]
fn what_several_clients_saw_half_way_to_bulk_stays_before_what_one_client_saw_more_often() {
    let (mut memory, now) = memory(64);
    let mut random = Random(13);
    let campaign = random.item(SignatureKind::Part);
    (0..50).for_each(|copy| see(&mut memory, campaign, copy % 2, now));
    for _ in 0..1_000 {
        let junk = random.item(SignatureKind::Part);
        (0..60).for_each(|_| see(&mut memory, junk, 7, now));
    }
    assert_eq!(memory.seen(&campaign), Some(Seen { copies: 50, clients: 2 }));
}

#[test]
fn memory_has_the_size_it_was_given_whatever_is_seen() {
    let (mut memory, now) = memory(4_096);
    let before = memory.memory_bytes();
    let mut random = Random(7);
    for _ in 0..50_000 {
        let item = random.item(SignatureKind::Text);
        see(&mut memory, item, 1, now);
    }
    assert_eq!(memory.memory_bytes(), before);
    assert!(before < 4_096 * 320, "{before}");
}

#[test]
fn three_nodes_tell_each_other_and_agree_that_it_is_bulk() {
    let (mut random, now) = (Random(8), Instant::now());
    let settings = |seed| Settings { seed, ..Settings::default() };
    let mut nodes: Vec<_> = (0..3).map(|seed| Sightings::new(settings(seed), now)).collect();
    let first = random.item(SignatureKind::Text);
    for copy in 0..150_usize {
        let item = random.copy(&first, 5);
        see(&mut nodes[copy % 3], item, (copy % 3) as u8, now);
    }
    assert!(nodes.iter_mut().all(|node| node.bulk(now).is_empty()), "each saw fifty alone");
    let told: Vec<Vec<u8>> = nodes.iter_mut().map(|node| encode_news(&node.news())).collect();
    for (teller, bytes) in told.iter().enumerate() {
        for (hearer, node) in nodes.iter_mut().enumerate().filter(|(hearer, _)| *hearer != teller) {
            let news = decode_news(bytes).unwrap_or_else(|| panic!("{hearer} cannot read"));
            news.iter().for_each(|news| node.merge(news, now));
        }
    }
    for node in &mut nodes {
        let listing = node.bulk(now).ask(&random.copy(&first, 5)).expect("150 of them");
        assert_eq!(listing.reporters, 3);
        assert!(node.news().is_empty(), "what was told or heard is not told again");
    }
}

#[test]
fn news_hold_at_n_and_leave_out_n_plus_1() {
    let mut random = Random(9);
    let mut of = |count| -> Vec<News> {
        (0..count)
            .map(|_| News { item: random.item(SignatureKind::Text), copies: 2, clients: 1 })
            .collect()
    };
    let (full, more) = (of(NEWS_MAX), of(NEWS_MAX + 1));
    assert_eq!(encode_news(&full).len(), NEWS_BYTES_MAX);
    assert_eq!(decode_news(&encode_news(&full)), Some(full));
    assert_eq!(decode_news(&encode_news(&more)).map(|all| all.len()), Some(NEWS_MAX));
}

#[test]
fn damaged_news_are_refused_whole() {
    let mut random = Random(10);
    let all = [SignatureKind::Text, SignatureKind::Link].map(|kind| News {
        item: random.item(kind),
        copies: 7,
        clients: 5,
    });
    let bytes = encode_news(&all);
    for end in 0..bytes.len() {
        assert_eq!(decode_news(&bytes[..end]), None, "cut at {end}");
    }
    for (at, byte) in [(0, 2), (3, 0), (3, 0x84), (3, 0x08)] {
        let mut bad = bytes.clone();
        bad[at] = byte;
        assert_eq!(decode_news(&bad), None, "{byte} at {at}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(decode_news(&longer), None);
}

#[test]
fn only_so_many_are_bulk_and_the_largest_stay() {
    let mut random = Random(11);
    let seen = |copies| Seen { copies, clients: 1 };
    let all: Vec<_> = (0..=BULK_MAX as u32)
        .map(|copies| (random.item(SignatureKind::Part).signature, None, seen(copies + 100)))
        .collect();
    let least = all[0].0;
    assert_eq!(Bulk::of(all[1..].to_vec(), 17).len(), BULK_MAX);
    let bulk = Bulk::of(all, 17);
    assert_eq!(bulk.len(), BULK_MAX);
    assert_eq!(bulk.ask(&Item::exact(least)), None);
}

//! Seeds of bases: manifests, lists, filters, messages.

use tamis_bases::chunks::Name;
use tamis_bases::filter::build;
use tamis_bases::keys::{PublicKey, SigningKey};
use tamis_bases::lists::{Entry, List};
use tamis_bases::manifest::{Endorsed, FileEntry, Manifest};
use tamis_bases::messages::{Ask, Head, Subscribe, push};

use super::{Made, seed};

pub fn all() -> Vec<Made> {
    [manifests(), lists(), filters(), messages()].concat()
}

fn manifest() -> Vec<u8> {
    let hub = SigningKey::from_seed(&[1; 32]).unwrap();
    let next = SigningKey::from_seed(&[2; 32]).unwrap();
    let channel = "main".parse().unwrap();
    let file = |name: &str, bytes| FileEntry {
        name: name.parse().unwrap(),
        bytes,
        whole: Name::of(name.as_bytes()),
        list: Name::of(b"list"),
    };
    let manifest = Manifest {
        keys: vec![
            Endorsed::by(&hub, &channel, hub.public()),
            Endorsed::by(&hub, &channel, next.public()),
        ],
        channel,
        generation: 7,
        previous: 6,
        created_unix_s: 1_800_000_000,
        not_after_unix_s: 1_802_592_000,
        retired: vec![PublicKey([9; 32])],
        files: vec![file("filter.exact", 70_000), file("signatures.log", 5_000_000_000)],
    };
    manifest.sign(&hub).unwrap().encode()
}

fn manifests() -> Vec<Made> {
    let whole = manifest();
    let changed = |at: usize, to: u8| {
        let mut changed = whole.clone();
        changed[at] = to;
        changed
    };
    let of = |name, bytes| seed("bases_manifest", name, bytes);
    vec![
        of("whole.bin", whole.clone()),
        of("wrong_format.bin", changed(3, 2)),
        of("wrong_channel_length.bin", changed(4, 200)),
        of("generation_zero.bin", [&whole[..9], &[0; 8], &whole[17..]].concat()),
        of("too_many_keys.bin", changed(41, 9)),
        of("wrong_signature.bin", changed(whole.len() - 1, 0)),
        of("truncated.bin", whole[..whole.len() - 30].to_vec()),
        of("one_byte_more.bin", [&whole[..], &[0]].concat()),
        // Values to pick a manifest from.
        of("picked.bin", (0..=255).rev().collect()),
    ]
}

fn lists() -> Vec<Made> {
    let entries = |count: u8, bytes| -> Vec<Entry> {
        (0..count).map(|at| Entry { name: Name([at; 32]), bytes }).collect()
    };
    let flat = List { is_of_lists: false, entries: entries(5, 65_536) }.encode();
    let above = List { is_of_lists: true, entries: entries(3, 10_000_000) }.encode();
    let empty = List { is_of_lists: false, entries: Vec::new() }.encode();
    let of = |name, bytes| seed("bases_list", name, bytes);
    vec![
        of("piece_too_long.bin", [&above[..4], &[0], &above[5..]].concat()),
        of("truncated.bin", flat[..flat.len() - 1].to_vec()),
        of("count_too_high.bin", [&flat[..5], &[0xff, 0xff], &flat[7..]].concat()),
        of("zeros.bin", vec![0; 300]),
        of("flat.bin", flat),
        of("above.bin", above),
        of("empty.bin", empty),
    ]
}

fn filters() -> Vec<Made> {
    let few = build((1..=20).map(|key| key * 0x0123_4567_89ab_cdef).collect()).unwrap().to_bytes();
    let empty = build(Vec::new()).unwrap().to_bytes();
    let changed = |at: usize, to: u8| {
        let mut changed = few.clone();
        changed[at] = to;
        changed
    };
    let of = |name, bytes| seed("bases_filter", name, bytes);
    vec![
        of("few.bin", few.clone()),
        of("empty.bin", empty),
        of("too_many_shards.bin", changed(4, 63)),
        of("wrong_count.bin", changed(12, 21)),
        of("long_segments.bin", changed(25, 31)),
        of("many_segments.bin", changed(26, 0xff)),
        of("truncated.bin", few[..few.len() - 1].to_vec()),
        of("keys.bin", (0..200).map(|at: u32| (at * 37) as u8).collect()),
    ]
}

fn messages() -> Vec<Made> {
    let subscribe = Subscribe { channel: "main".parse().unwrap(), generation: 41 }.encode();
    let ask = Ask { names: vec![Name([5; 32]), Name([6; 32])] }.encode();
    let of = |name, bytes| seed("bases_messages", name, bytes);
    vec![
        of("subscribe_truncated.bin", subscribe[..subscribe.len() - 1].to_vec()),
        of("subscribe.bin", subscribe),
        of("ask_of_none.bin", vec![3, 0]),
        of("ask_count_too_high.bin", [&[3, 17], &ask[2..]].concat()),
        of("ask.bin", ask),
        of("push.bin", push(&manifest())),
        of("push_of_nothing.bin", vec![2]),
        of("head.bin", Head::Here(65_536).encode().to_vec()),
        of("head_too_long.bin", Head::Here(262_145).encode().to_vec()),
        of("absent_with_length.bin", vec![0, 0, 0, 0, 1]),
    ]
}

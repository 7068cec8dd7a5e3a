//! What is believed of a manifest, and what is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::{endorsed, file, key, manifest, signed};
use tamis_bases::keys::{PublicKey, SigningKey, read_seed, write_seed};
use tamis_bases::label::Label;
use tamis_bases::lists::FILE_BYTES_MAX;
use tamis_bases::manifest::{
    FILES_MAX, KEYS_MAX, MANIFEST_BYTES_MAX, Malformed, Manifest, RETIRED_MAX, Signed,
};
use tamis_bases::standing::{Blame, Judged, Next, Refusal, Standing};

const NOW_UNIX_S: u64 = 1_500;

fn main_channel() -> Label {
    "main".parse().unwrap()
}

/// Judges by a receiver that trusts `keys` and has `in_force`.
fn judge(bytes: &[u8], keys: &[PublicKey], in_force: Option<&Signed>) -> Result<Judged, Refusal> {
    judge_at(bytes, keys, in_force, 0, NOW_UNIX_S)
}

fn judge_at(
    bytes: &[u8],
    keys: &[PublicKey],
    in_force: Option<&Signed>,
    refused_up_to: u64,
    now_unix_s: u64,
) -> Result<Judged, Refusal> {
    let channel = main_channel();
    Standing { channel: &channel, keys, in_force, retired: &[], refused_up_to, now_unix_s }
        .judge(bytes)
}

fn is_newer(judged: &Result<Judged, Refusal>) -> bool {
    matches!(judged, Ok(Judged::Newer(_)))
}

/// With files, two keys and a retired one: every field has some value.
fn full(by: &SigningKey) -> Signed {
    let mut store = support::Store::new();
    let mut full = manifest(5, vec![endorsed(by, by.public()), endorsed(by, key(8).public())]);
    full.retired = vec![key(9).public()];
    full.files = vec![file(&mut store, "a", b"one"), file(&mut store, "b.log", b"two")];
    full.sign(by).unwrap()
}

#[test]
fn a_newer_manifest_of_a_trusted_key_is_believed_and_the_one_in_force_is_the_same() {
    let hub = key(1);
    let (old, new) = (signed(4, &hub), full(&hub));
    for in_force in [None, Some(&old)] {
        let judged = judge(&new.encode(), &[hub.public()], in_force);
        assert_eq!(judged, Ok(Judged::Newer(Box::new(new.clone()))));
    }
    assert_eq!(judge(&new.encode(), &[hub.public()], Some(&new)), Ok(Judged::Same));
}

#[test]
fn a_manifest_changed_in_any_bit_cut_at_any_byte_or_lengthened_is_refused() {
    let hub = key(1);
    let bytes = full(&hub).encode();
    let refused = |bytes: &[u8]| judge(bytes, &[hub.public()], None).unwrap_err();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            refused(&changed);
        }
        assert!(matches!(refused(&bytes[..at]), Refusal::Malformed(_)), "cut at {at}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(refused(&longer), Refusal::Malformed(Malformed::Longer));
}

#[test]
fn replays_and_downgrades_are_refused() {
    let hub = key(1);
    let in_force = signed(5, &hub);
    let judged = judge(&signed(4, &hub).encode(), &[hub.public()], Some(&in_force));
    assert_eq!(judged, Err(Refusal::Downgrade { generation: 4, in_force: 5 }));
}

#[test]
fn two_contents_of_one_generation_are_an_alarm() {
    let hub = key(1);
    let (ours, theirs) = (signed(5, &hub), full(&hub));
    let refusal = judge(&theirs.encode(), &[hub.public()], Some(&ours)).unwrap_err();
    assert!(matches!(refusal, Refusal::Equivocation { generation: 5, .. }), "{refusal}");
    assert_eq!((refusal.blame(), refusal.next()), (Blame::Publisher, Next::Alarm));
    // Nobody raises the alarm without a trusted key.
    let forged = full(&key(2));
    let refusal = judge(&forged.encode(), &[hub.public()], Some(&ours)).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownKey(key(2).public().id()));
}

#[test]
fn a_manifest_is_good_to_its_last_second_and_not_after() {
    let hub = key(1);
    let bytes = signed(5, &hub).encode();
    let at = |now| judge_at(&bytes, &[hub.public()], None, 0, now);
    assert!(is_newer(&at(2_000)));
    assert_eq!(at(2_001), Err(Refusal::Expired { generation: 5, not_after_unix_s: 2_000 }));
}

#[test]
fn another_channel_another_key_and_another_statement_are_refused() {
    let hub = key(1);
    let mut other = manifest(5, vec![endorsed(&hub, hub.public())]);
    other.channel = "test".parse().unwrap();
    let judged = judge(&other.sign(&hub).unwrap().encode(), &[hub.public()], None);
    assert_eq!(judged, Err(Refusal::Channel("test".parse().unwrap())));

    let stranger = key(2);
    let judged = judge(&signed(5, &stranger).encode(), &[hub.public()], None);
    assert_eq!(judged, Err(Refusal::UnknownKey(stranger.public().id())));

    // A stranger who says that he is the trusted key.
    let mut forged = signed(5, &stranger);
    forged.signer = hub.public().id();
    let judged = judge(&forged.encode(), &[hub.public()], None);
    assert_eq!(judged, Err(Refusal::Signature(hub.public().id())));

    // An endorsement is no signature of a manifest, even of the same bytes.
    let mut crossed = signed(5, &hub);
    crossed.signature = hub.endorse(&main_channel(), &hub.public());
    let judged = judge(&crossed.encode(), &[hub.public()], None);
    assert_eq!(judged, Err(Refusal::Signature(hub.public().id())));
}

#[test]
fn a_new_key_is_believed_by_who_missed_its_introduction() {
    let (old, new) = (key(1), key(2));
    let keys = vec![endorsed(&old, old.public()), endorsed(&old, new.public())];
    let introduction = manifest(6, keys.clone()).sign(&old).unwrap();
    let later = manifest(7, keys).sign(&new).unwrap();
    let trusted = [old.public()];
    assert!(is_newer(&judge(&introduction.encode(), &trusted, None)));
    assert!(is_newer(&judge(&later.encode(), &trusted, Some(&introduction))));
    assert!(is_newer(&judge(&later.encode(), &trusted, None)), "whoever missed generation 6");
    // A chain: the second key endorses a third one.
    let third = key(3);
    let keys = vec![
        endorsed(&old, old.public()),
        endorsed(&old, new.public()),
        endorsed(&new, third.public()),
    ];
    let chained = manifest(8, keys).sign(&third).unwrap();
    assert!(is_newer(&judge(&chained.encode(), &trusted, None)));
}

#[test]
fn a_key_that_nobody_trusted_endorsed_is_not_believed() {
    let (hub, stranger) = (key(1), key(2));
    // He endorses himself, then claims that the hub did.
    let judged = judge(&signed(5, &stranger).encode(), &[hub.public()], None);
    assert_eq!(judged, Err(Refusal::UnknownKey(stranger.public().id())));
    let mut claimed = endorsed(&stranger, stranger.public());
    claimed.by = hub.public().id();
    let forged = manifest(5, vec![claimed]).sign(&stranger).unwrap();
    let judged = judge(&forged.encode(), &[hub.public()], None);
    assert_eq!(judged, Err(Refusal::UnknownKey(stranger.public().id())));
    // The hub's endorsement for another channel does not count on this one.
    let mut elsewhere = endorsed(&hub, stranger.public());
    elsewhere.signature = hub.endorse(&"test".parse().unwrap(), &stranger.public());
    let forged = manifest(5, vec![elsewhere]).sign(&stranger).unwrap();
    assert!(judge(&forged.encode(), &[hub.public()], None).is_err());
}

#[test]
fn a_retired_key_signs_and_endorses_no_more_and_stays_retired() {
    let (old, new, third) = (key(1), key(2), key(3));
    let mut rotated = manifest(7, vec![endorsed(&old, new.public())]);
    rotated.retired = vec![old.public()];
    let rotated = rotated.sign(&new).unwrap();
    // The configuration still names the old key.
    let trusted = [old.public()];
    assert!(is_newer(&judge(&rotated.encode(), &trusted, None)));

    let judged = judge(&signed(8, &old).encode(), &trusted, Some(&rotated));
    assert_eq!(judged, Err(Refusal::RetiredKey(old.public().id())));

    let mut sneaked = manifest(8, vec![endorsed(&old, third.public())]);
    sneaked.retired = vec![old.public()];
    let judged = judge(&sneaked.sign(&third).unwrap().encode(), &trusted, Some(&rotated));
    assert_eq!(judged, Err(Refusal::UnknownKey(third.public().id())));

    let forgetful = manifest(8, vec![endorsed(&new, new.public())]).sign(&new).unwrap();
    let judged = judge(&forgetful.encode(), &trusted, Some(&rotated));
    assert_eq!(judged, Err(Refusal::KeyComesBack(8)));

    let mut next = manifest(8, vec![endorsed(&new, new.public())]);
    next.retired = vec![old.public()];
    assert!(is_newer(&judge(&next.sign(&new).unwrap().encode(), &trusted, Some(&rotated))));
}

#[test]
fn what_was_taken_back_does_not_come_again_and_a_newer_one_does() {
    let hub = key(1);
    let (kept, refused, newer) = (signed(4, &hub), signed(5, &hub), signed(6, &hub));
    let judged = |it: &Signed| judge_at(&it.encode(), &[hub.public()], Some(&kept), 5, NOW_UNIX_S);
    assert_eq!(judged(&refused), Err(Refusal::TakenBack(5)));
    assert!(is_newer(&judged(&newer)));
    assert_eq!(judged(&kept), Ok(Judged::Same));
}

#[test]
fn what_no_reader_would_take_is_not_signed() {
    let hub = key(1);
    let own = endorsed(&hub, hub.public());
    let base = || manifest(5, vec![own.clone()]);
    let entry = |name: &str| file(&mut support::Store::new(), name, b"");
    let stranger = |number: usize| endorsed(&hub, PublicKey([number as u8; 32]));
    let table: Vec<(Manifest, Malformed)> = vec![
        (Manifest { generation: 0, previous: 0, ..base() }, Malformed::Generation),
        (Manifest { previous: 5, ..base() }, Malformed::Generation),
        (Manifest { not_after_unix_s: 999, ..base() }, Malformed::Times),
        (Manifest { keys: vec![], ..base() }, Malformed::Keys),
        (Manifest { keys: vec![own.clone(), own.clone()], ..base() }, Malformed::Keys),
        (Manifest { retired: vec![hub.public()], ..base() }, Malformed::Keys),
        (Manifest { keys: (0..=KEYS_MAX).map(stranger).collect(), ..base() }, Malformed::Keys),
        (
            Manifest {
                retired: (0..=RETIRED_MAX).map(|at| PublicKey([at as u8; 32])).collect(),
                ..base()
            },
            Malformed::Keys,
        ),
        (Manifest { files: vec![entry("b"), entry("a")], ..base() }, Malformed::Order),
        (Manifest { files: vec![entry("a"), entry("a")], ..base() }, Malformed::Order),
        (
            Manifest {
                files: (0..=FILES_MAX).map(|at| entry(&format!("{at:03}"))).collect(),
                ..base()
            },
            Malformed::Files,
        ),
        (
            Manifest {
                files: vec![tamis_bases::manifest::FileEntry {
                    bytes: FILE_BYTES_MAX + 1,
                    ..entry("a")
                }],
                ..base()
            },
            Malformed::FileTooLong,
        ),
    ];
    for (wrong, why) in table {
        assert_eq!(wrong.clone().sign(&hub), Err(why));
    }
}

#[test]
fn the_longest_manifest_is_read_and_a_byte_beyond_the_limit_is_not_looked_at() {
    let hub = key(1);
    let endorse = |at: u8| endorsed(&hub, key(at).public());
    let mut longest = manifest(5, (1..=KEYS_MAX as u8).map(endorse).collect());
    longest.channel = "c".repeat(64).parse().unwrap();
    longest.retired = (0..RETIRED_MAX).map(|at| PublicKey([100 + at as u8; 32])).collect();
    let name = |at| format!("{at:03}{}", "x".repeat(61));
    longest.files =
        (0..FILES_MAX).map(|at| file(&mut support::Store::new(), &name(at), b"")).collect();
    let signed = longest.sign(&hub).unwrap();
    let bytes = signed.encode();
    println!("the longest manifest has {} bytes", bytes.len());
    assert!(bytes.len() <= MANIFEST_BYTES_MAX);
    assert_eq!(Signed::decode(&bytes), Ok(signed));
    let too_long = vec![0; MANIFEST_BYTES_MAX + 1];
    assert_eq!(Signed::decode(&too_long), Err(Malformed::TooLong));
    assert_eq!(Signed::decode(&too_long[1..]), Err(Malformed::Format));
}

#[test]
fn a_key_comes_back_from_its_file_and_shows_no_secret() {
    let seed = [0xa5; 32];
    assert_eq!(read_seed(&write_seed(&seed)), Ok(seed));
    assert!(read_seed("a5a5").is_err());
    let key = SigningKey::from_seed(&seed).unwrap();
    assert_eq!(key.public().to_string().parse(), Ok(key.public()));
    assert!(!format!("{key:?}").contains("a5a5"));
    // RFC 8032, section 7.1, test 1: the public key of a known seed.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let key = SigningKey::from_seed(&read_seed(seed).unwrap()).unwrap();
    assert_eq!(key.public().to_string(), public);
}

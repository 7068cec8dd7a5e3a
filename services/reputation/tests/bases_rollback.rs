//! Going back: what a rollback does not undo, and what happens when its memory on disk is damaged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "bases/support.rs"]
#[allow(dead_code)]
mod support;

use std::fs;

use support::{Authority, Node, files, key, signed_by};
use tamis_bases::standing::Refusal;
use tamis_reputation::bases::error::BasesError;

/// The old key signs generation 1, introduces a new one in 2, and is retired by it in 3.
async fn rotated() -> Node {
    let hub = Node::hub(&Authority::new()).await.stopped().await;
    hub.publish(&files(&[("words", b"one")]));
    hub.introduce(support::NEW_KEY);
    hub.retire_old_by_new();
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_stays_retired_when_the_release_that_retired_it_is_taken_back() {
    let node = rotated().await;
    assert_eq!(node.directory().roll_back().unwrap().generation(), 2);
    let old = key(support::HUB_KEY);
    for attempt in ["at once", "after a new start"] {
        let judged = node.directory().judge(&signed_by(4, &old, &[]));
        assert!(
            matches!(judged, Err(BasesError::Refused(Refusal::RetiredKey(_)))),
            "{attempt}: {judged:?}"
        );
        assert!(node.try_publish_by_old().is_err(), "{attempt}");
    }
    // A newer release by the other key that forgets the retired one is no better.
    let forgetful = node.directory().judge(&support::signed_by_new_key(4, &[]));
    assert!(
        matches!(forgetful, Err(BasesError::Refused(Refusal::KeyComesBack(4)))),
        "{forgetful:?}"
    );
    let honest = support::signed_by_new_key(4, &[old.public()]);
    assert!(node.directory().judge(&honest).is_ok());
    // What the publisher itself makes next names it as retired.
    let next = node.publish_by_new(&files(&[("words", b"four")]));
    assert_eq!(next.signed.manifest.retired, [old.public()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_is_remembered_even_if_all_releases_that_say_so_are_gone() {
    let node = rotated().await;
    node.directory().roll_back().unwrap();
    fs::remove_dir_all(node.root().join("releases").join(format!("{:020}", 3))).unwrap();
    let judged = node.directory().judge(&signed_by(4, &key(support::HUB_KEY), &[]));
    assert!(matches!(judged, Err(BasesError::Refused(Refusal::RetiredKey(_)))), "{judged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bases_of_an_earlier_version_learn_the_retired_keys_from_the_releases_on_disk() {
    let node = rotated().await;
    fs::remove_file(node.root().join("retired-keys")).unwrap();
    node.directory().roll_back().unwrap();
    let judged = node.directory().judge(&signed_by(4, &key(support::HUB_KEY), &[]));
    assert!(matches!(judged, Err(BasesError::Refused(Refusal::RetiredKey(_)))), "{judged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_memory_of_what_was_taken_back_or_retired_refuses_instead_of_forgetting() {
    let node = rotated().await;
    node.directory().roll_back().unwrap();
    let next = support::signed_by_new_key(3, &[key(support::HUB_KEY).public()]);
    let is_taken_back = || {
        let judged = node.directory().judge(&next);
        matches!(judged, Err(BasesError::Refused(Refusal::TakenBack(3))))
    };
    assert!(is_taken_back());
    for (name, bad) in [
        ("taken-back", &b""[..]),
        ("taken-back", b"3"),
        ("taken-back", b"three\n"),
        ("taken-back", b"-1\n"),
        ("taken-back", b"3\n4\n"),
        ("taken-back", b"\xff\xfe\n"),
        ("retired-keys", b""),
        ("retired-keys", b"end 1\n"),
        ("retired-keys", b"00ff\nend 1\n"),
        ("retired-keys", b"end 0\nend 0\n"),
    ] {
        let path = node.root().join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, bad).unwrap();
        let opened = node.try_directory().and_then(|directory| directory.judge(&next));
        let text = format!("{:?}", opened);
        assert!(matches!(opened, Err(BasesError::Damaged { .. })), "{name} {bad:?}: {text}");
        assert!(text.contains(name), "{text}");
        assert!(node.try_publish_by_new(&files(&[("words", b"x")])).is_err(), "{name} {bad:?}");
        fs::write(&path, good).unwrap();
        assert!(is_taken_back());
    }
    // Neither readable nor absent: a directory in its place.
    for name in ["taken-back", "retired-keys"] {
        let path = node.root().join(name);
        let good = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let opened = node.try_directory().and_then(|directory| directory.judge(&next));
        assert!(matches!(opened, Err(BasesError::Io { .. })), "{name}: {opened:?}");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, good).unwrap();
    }
    assert!(is_taken_back());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hub_went_back_to_reaches_its_sites_as_a_newer_release_when_it_resumes() {
    let authority = Authority::new();
    let hub = Node::hub(&authority).await;
    let site = Node::below(&authority, &hub).await;
    hub.publish(&files(&[("words", b"good")]));
    hub.publish(&files(&[("words", b"bad")]));
    site.wait_for(2).await;
    let (directory, key) = (hub.directory(), key(support::HUB_KEY));
    let now = tamis_runtime::clock::unix_seconds();
    assert!(matches!(directory.resume(&key, 60, now), Err(BasesError::NotHeld)));
    directory.roll_back().unwrap();
    assert!(matches!(directory.not_held(), Err(BasesError::Held { in_force: 1, taken_back: 2 })));
    let release = directory.resume(&key, 60, now).unwrap();
    assert_eq!(release.generation(), 3);
    assert!(directory.not_held().is_ok());
    let release = site.wait_for(3).await;
    assert_eq!(fs::read(release.path("words").unwrap()).unwrap(), b"good");
}

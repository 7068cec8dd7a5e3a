//! Whole sessions as text: each talk is played with its bytes whole, one by one, and cut at random places.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod smtp_support;

use smtp_support::drive::Drive;
use smtp_support::prng::Prng;
use smtp_support::{Act, Seen, Talk, talks};

const SEEDS: u64 = 24;

fn all_talks() -> Vec<Talk> {
    [talks("smtp"), talks("lmtp")].concat()
}

fn play(talk: &Talk, how: &str, split: &mut dyn FnMut(&[u8]) -> Vec<Vec<u8>>) {
    let mut drive = Drive::new(talk);
    for scene in &talk.scenes {
        let mut seen = match &scene.act {
            Some(act) => drive.act(act, split),
            None => {
                let mut seen = Vec::new();
                drive.drain(&mut seen);
                seen
            }
        };
        if facts(&seen, "reset Content") > 0 {
            // How much of a refused mail came out before its fault was seen depends on the cuts.
            seen.retain(|seen| !matches!(seen, Seen::Content(_)));
        }
        assert_eq!(seen, scene.expect, "{} line {} ({how})", talk.name, scene.line);
    }
}

#[test]
fn talks_go_as_written_when_bytes_come_at_once() {
    for talk in all_talks() {
        play(&talk, "whole", &mut |bytes| vec![bytes.to_vec()]);
    }
}

#[test]
fn talks_go_the_same_when_bytes_come_one_by_one() {
    for talk in all_talks() {
        play(&talk, "byte by byte", &mut |bytes| bytes.iter().map(|byte| vec![*byte]).collect());
    }
}

#[test]
fn talks_go_the_same_at_random_cuts() {
    for talk in all_talks() {
        for seed in 0..SEEDS {
            let mut prng = Prng::new(seed);
            let mut split =
                |bytes: &[u8]| prng.split(bytes).into_iter().map(<[u8]>::to_vec).collect();
            play(&talk, &format!("seed {seed}"), &mut split);
        }
    }
}

/// Plays a talk until `bytes_left` bytes of the peer have come, then the peer is gone.
fn play_cut(talk: &Talk, mut bytes_left: usize) -> (Vec<Seen>, bool) {
    let mut drive = Drive::new(talk);
    let mut seen = Vec::new();
    drive.drain(&mut seen);
    for scene in talk.scenes.iter().filter_map(|scene| scene.act.as_ref()) {
        let act = match scene {
            Act::Bytes(bytes) if bytes.len() > bytes_left => {
                let act = Act::Bytes(bytes[..bytes_left].to_vec());
                seen.extend(drive.act(&act, &mut |bytes| vec![bytes.to_vec()]));
                break;
            }
            Act::Bytes(bytes) => {
                bytes_left -= bytes.len();
                scene
            }
            Act::PeerCloses => break,
            _ => scene,
        };
        seen.extend(drive.act(act, &mut |bytes| vec![bytes.to_vec()]));
    }
    if !drive.closed() {
        seen.extend(drive.act(&Act::PeerCloses, &mut |_| vec![]));
    }
    if talk.is_server && seen.last() == Some(&Seen::Fact("peer gone".into())) {
        seen.extend(drive.act(&Act::Caller("reply 451 4.3.0 later".into()), &mut |_| vec![]));
    }
    (seen, drive.closed())
}

fn peer_bytes(talk: &Talk) -> usize {
    let bytes = talk.scenes.iter().map(|scene| match &scene.act {
        Some(Act::Bytes(bytes)) => bytes.len(),
        _ => 0,
    });
    bytes.sum()
}

fn facts(seen: &[Seen], start: &str) -> usize {
    let starts = |seen: &&Seen| matches!(seen, Seen::Fact(fact) if fact.starts_with(start));
    seen.iter().filter(starts).count()
}

/// The drive itself asserts that no session says anything good while its caller owes an answer.
#[test]
fn a_peer_gone_after_any_byte_leaves_nothing_open_and_nothing_promised() {
    for talk in all_talks() {
        for cut in 0..=peer_bytes(&talk) {
            let (seen, closed) = play_cut(&talk, cut);
            assert!(closed, "{} cut at {cut}: {:?}", talk.name, seen.last());
            if talk.is_server {
                let ended = facts(&seen, "end of data") + facts(&seen, "reset");
                assert!(
                    facts(&seen, "data") <= ended,
                    "{} cut at {cut}: a mail left open",
                    talk.name
                );
            } else {
                let ended = facts(&seen, "delivered") + facts(&seen, "failed");
                assert!(facts(&seen, "go ahead") <= ended, "{} cut at {cut}: no answer", talk.name);
            }
        }
    }
}

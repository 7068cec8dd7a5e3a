//! The reputation server, asked anything by anybody.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::answering::{Action, Answering, COOKIE_SLOT, Limits, Rate, Silence};
use tamis_reputation_protocol::known::Known;
use tamis_reputation_protocol::packet::{Item, Question, Reply, Shape};
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

use super::packet_there_and_back::question;
use crate::pick::{Pick, start};

/// Seconds since 1970 at which questions are asked.
const NOW_UNIX_S: u32 = 1_800_000_000;

/// A table in which some items are listed. Never changed, so that each run is alone.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new(Rules::default());
    for (number, class) in [(0, Class::Spam), (1, Class::Malware), (2, Class::Allowed)] {
        for kind in SignatureKind::ALL {
            let sketch = Sketch([u16::from(number); Sketch::LANES]);
            let change = Change::Add {
                signature: Signature { kind, value: [number; 16] },
                sketch: kind.has_sketch().then_some(sketch),
                class,
                weight: 50,
                reporter: "edge.test".to_owned(),
                authority: Authority::Operator,
                at_unix_s: NOW_UNIX_S - 3600,
            };
            table.apply(&change).expect("room for a few");
        }
    }
    table
});

/// No reply to what is no question; never more bytes out than in; no lookup without proof.
pub fn answering(data: &[u8]) {
    let now = start();
    // No rates: their tables are large, and they are no decoder.
    let none = Rate { per_second: 0, burst: 1 };
    let limits = Limits { answers: none, challenges: none };
    let mut server = Answering::new([7; 32], limits, now);
    let source = SocketAddr::from(([192, 0, 2, 1], 4000));
    let mut out = vec![0; 100];
    let action = server.handle(data, source, now, NOW_UNIX_S, &Known::table(&TABLE), &mut out);
    assert!(out.len() <= data.len(), "{} bytes for {}", out.len(), data.len());
    match Question::decode(data) {
        // This server has no keys.
        Err(_) if Shape::of(data) != Shape::Open => {
            assert!(matches!(action, Action::Silent(_)), "{action:?}");
        }
        Err(why) => {
            assert_eq!(action, Action::Silent(Silence::Malformed(why)));
            assert!(out.is_empty(), "a reply to what is no question");
        }
        Ok(question) => proven(&mut server, question, source, now),
    }
    let picked = question(&mut Pick::new(data));
    if picked.fits() {
        // Another server: time never goes back for one.
        proven(&mut Answering::new([7; 32], limits, now), picked, source, now);
    }
}

/// Takes the cookie and asks again: soon, late, too late, and from elsewhere.
fn proven(server: &mut Answering, mut question: Question, source: SocketAddr, now: Instant) {
    question.cookie = 0;
    let cookie = match ask(server, &question, source, now) {
        Some(Reply::Challenge(challenge)) => challenge.cookie,
        other => panic!("without a cookie: {other:?}"),
    };
    question.cookie = cookie;
    for (after, fresh) in [(Duration::ZERO, false), (COOKIE_SLOT, true)] {
        let Some(Reply::Answer(answer)) = ask(server, &question, source, now + after) else {
            panic!("a proven question is answered");
        };
        assert_eq!((answer.listings.len(), answer.epoch), (question.items.len(), TABLE.epoch()));
        assert_eq!(answer.fresh_cookie.is_some(), fresh);
        for (item, listing) in question.items.iter().zip(&answer.listings) {
            let travelling = Item { sketch: item.sketch, ..*item };
            assert_eq!(*listing, TABLE.ask(&travelling, NOW_UNIX_S));
        }
    }
    let elsewhere = SocketAddr::from(([192, 0, 2, 2], 4000));
    for (from, at) in [(elsewhere, now), (source, now + 2 * COOKIE_SLOT)] {
        let reply = ask(server, &question, from, at);
        assert!(matches!(reply, Some(Reply::Challenge(_))), "a proof of somebody else counts");
    }
}

fn ask(
    server: &mut Answering,
    question: &Question,
    source: SocketAddr,
    now: Instant,
) -> Option<Reply> {
    let (datagram, mut out) = (question.encode(), Vec::new());
    let action = server.handle(&datagram, source, now, NOW_UNIX_S, &Known::table(&TABLE), &mut out);
    assert!(out.len() <= datagram.len(), "{} bytes for {}", out.len(), datagram.len());
    if let Action::Silent(why) = action {
        assert!(out.is_empty());
        panic!("silent: {why:?}");
    }
    let reply = Reply::decode(&out).expect("our own reply");
    assert_eq!(Reply::id_of(&out), Some(question.id));
    Some(reply)
}

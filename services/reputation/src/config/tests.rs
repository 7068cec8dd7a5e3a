//! Settings that make sense, and those that do not.

use super::*;

#[test]
fn the_defaults_make_sense_and_keep_nothing_on_disk() {
    let config = Typed::default().check().unwrap();
    assert_eq!(config.listen.port(), 7060);
    assert_eq!(config.state_dir, None);
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn a_shared_order_needs_a_place_for_its_copy_and_names_that_redis_can_hold() {
    let typed = || Typed {
        redis: "redis://127.0.0.1:6379".to_owned(),
        state_dir: "/var/lib/x".into(),
        ..Typed::default()
    };
    assert_eq!(typed().check().unwrap().cluster.unwrap().service, "default");
    let long = "n".repeat(NAME_CHARS_MAX + 1);
    let peers = |count: usize| (0..count).map(|node| format!("h{node}:1")).collect();
    for (bad, what) in [
        (Typed { state_dir: PathBuf::new(), ..typed() }, "state_dir"),
        (Typed { redis: "http://h:1".to_owned(), ..typed() }, "scheme"),
        (Typed { redis: String::new(), peers: vec!["h:1".to_owned()], ..typed() }, "peers"),
        (Typed { peers: vec!["h".to_owned()], ..typed() }, "host:port"),
        (Typed { peers: peers(PEERS_MAX + 1), ..typed() }, "peers"),
        (Typed { peers: vec!["h:1".to_owned(), "h:1".to_owned()], ..typed() }, "twice"),
        (Typed { peers: vec!["127.0.0.1:7063".to_owned()], ..typed() }, "this node itself"),
        (
            Typed {
                listen: "192.0.2.10:7060".to_owned(),
                grpc: ListenAddress::Tcp(([0, 0, 0, 0], 7063).into()),
                peers: vec!["192.0.2.11:7063".to_owned(), "192.0.2.10:7063".to_owned()],
                ..typed()
            },
            "\"192.0.2.10:7063\" is this node itself",
        ),
        (Typed { service: "a}b".to_owned(), ..typed() }, "service"),
        (Typed { service: long.clone(), ..typed() }, "service"),
        (Typed { node: long, ..typed() }, "node"),
        (Typed { peer_names: vec!["h".to_owned(); PEERS_MAX + 1], ..typed() }, "peer_names"),
        (Typed { peer_names: vec!["h:1".to_owned()], ..typed() }, "host name"),
        (Typed { redis_acks: ACKS_MAX + 1, ..typed() }, "redis_acks"),
    ] {
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let most = Typed {
        node: "n".repeat(NAME_CHARS_MAX),
        peers: peers(PEERS_MAX),
        redis_acks: ACKS_MAX,
        ..typed()
    };
    assert!(most.check().is_ok());
}

#[test]
fn one_list_of_peers_serves_every_pod_since_each_leaves_itself_out() {
    let peers = ["rep-0.rep.tamis.svc:1", "rep-1.rep.tamis.svc:1", "rep-10.rep.tamis.svc:1"];
    for (node, left) in [
        ("rep-1", &["rep-0.rep.tamis.svc:1", "rep-10.rep.tamis.svc:1"][..]),
        ("rep-10", &["rep-0.rep.tamis.svc:1", "rep-1.rep.tamis.svc:1"]),
        ("rep-1.rep.tamis.svc", &["rep-0.rep.tamis.svc:1", "rep-10.rep.tamis.svc:1"]),
        ("rep", &peers),
        ("", &peers),
    ] {
        let typed = Typed {
            redis: "redis://127.0.0.1:6379".to_owned(),
            state_dir: "/var/lib/x".into(),
            node: node.to_owned(),
            peers: peers.map(str::to_owned).to_vec(),
            ..Typed::default()
        };
        assert_eq!(typed.check().unwrap().cluster.unwrap().peers, left, "{node:?}");
    }
}

#[test]
fn a_shard_is_a_range_of_two_bytes_or_refused_by_its_name() {
    let typed = |shard: &str| Typed {
        shard: shard.to_owned(),
        redis: "redis://127.0.0.1:6379".to_owned(),
        state_dir: "/var/lib/x".into(),
        ..Typed::default()
    };
    let alone = Typed { shard: "0000-7fff".to_owned(), ..Typed::default() }.check().unwrap_err();
    assert!(alone.to_string().contains("redis"), "{alone}");
    let range = |shard: &str| typed(shard).check().unwrap().rules.shard.map(|it| it.to_string());
    assert_eq!(range(""), None);
    for good in ["0000-7fff", "8000-ffff", "0000-ffff", "abcd-abcd"] {
        assert_eq!(range(good).as_deref(), Some(good));
    }
    for bad in ["8000", "8000-7fff", "0-7fff", "0000-10000", "0000-7ffg", "0000 - 7fff", "-"] {
        let error = typed(bad).check().unwrap_err().to_string();
        assert!(error.contains("shard") && error.contains(bad), "{error}");
    }
}

#[test]
fn limits_hold_at_n_and_break_at_n_plus_1() {
    let typed = Typed::default;
    for (good, bad) in [
        (Typed { sockets: 64, ..typed() }, Typed { sockets: 65, ..typed() }),
        (Typed { sockets: 1, ..typed() }, Typed { sockets: 0, ..typed() }),
        (Typed { reporters_needed: u8::MAX, ..typed() }, Typed { reporters_needed: 0, ..typed() }),
        (Typed { agreement_min: 8, ..typed() }, Typed { agreement_min: 7, ..typed() }),
        (Typed { quorum_permille: 1000, ..typed() }, Typed { quorum_permille: 1001, ..typed() }),
        (Typed { sightings_window_s: 8, ..typed() }, Typed { sightings_window_s: 7, ..typed() }),
        (
            Typed { sightings_tracked_max: TRACKED_MAX, ..typed() },
            Typed { sightings_tracked_max: TRACKED_MAX + 1, ..typed() },
        ),
        (Typed { bulk_copies: 2, ..typed() }, Typed { bulk_copies: 1, ..typed() }),
        (Typed { bulk_clients: 64, ..typed() }, Typed { bulk_clients: 65, ..typed() }),
        (Typed { agreement_min: 32, ..typed() }, Typed { agreement_min: 33, ..typed() }),
        (Typed { signatures_max: 1, ..typed() }, Typed { signatures_max: 0, ..typed() }),
        (
            Typed { compact_bytes: COMPACT_BYTES_MIN, ..typed() },
            Typed { compact_bytes: COMPACT_BYTES_MIN - 1, ..typed() },
        ),
        (
            Typed { compact_bytes: COMPACT_BYTES_MAX, ..typed() },
            Typed { compact_bytes: COMPACT_BYTES_MAX + 1, ..typed() },
        ),
    ] {
        assert!(good.clone().check().is_ok(), "{good:?}");
        assert!(bad.clone().check().is_err(), "{bad:?}");
    }
    assert!(Typed { require_seal: true, ..typed() }.check().is_err());
    let filter = || Typed { filter: "/f".into(), state_dir: "/s".into(), ..typed() };
    assert!(filter().check().is_ok());
    assert!(Typed { sightings: true, ..filter() }.check().is_err(), "bulk would be hidden");
    assert!(Typed { state_dir: PathBuf::new(), ..filter() }.check().is_err());
    let missing = Typed { client_keys: "/nonexistent/keys".into(), ..typed() };
    assert!(missing.check().unwrap_err().to_string().contains("/nonexistent/keys"));
    assert!(Typed { listen: "localhost:7060".to_owned(), ..typed() }.check().is_err());
}

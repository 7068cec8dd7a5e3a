//! What a cluster is made of, what is written down of it, and who is taken for one of its processes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::health::Health;
use super::process::parse_stat;
use super::*;

fn settings() -> Settings {
    Settings {
        folder: "/var/tmp/cluster".into(),
        binaries: "/opt/tamis".into(),
        workspace: "/src/tamis".into(),
        network: Network::new(18).unwrap(),
    }
}

fn whole() -> Plan {
    let (hosts, rules) = ("127.0.0.1 localhost", "groups: []\n");
    plan(&settings(), Given { hosts, rules, public_key: "abc" })
}

fn file(path: &str) -> String {
    let found = whole().files.into_iter().find(|(name, _)| name == &PathBuf::from(path));
    found.unwrap_or_else(|| panic!("no file {path}")).1
}

#[test]
fn each_process_has_a_name_and_an_address_of_its_own_on_loopback() {
    let plan = whole();
    let members: Vec<&Member> = plan.stages.iter().flatten().collect();
    assert_eq!(members.len(), 20);
    let names: BTreeSet<&str> = members.iter().map(|one| one.name.as_str()).collect();
    let addresses: BTreeSet<_> = members.iter().map(|one| one.address).collect();
    assert_eq!((names.len(), addresses.len()), (20, 20));
    for member in members {
        let addresses = [member.address, member.health.address()];
        assert!(addresses.iter().all(|one| one.ip().is_loopback()), "{}", member.name);
    }
}

#[test]
fn a_stage_needs_only_those_before_it() {
    let roles: Vec<BTreeSet<String>> = whole()
        .stages
        .iter()
        .map(|stage| {
            stage.iter().map(|one| one.name.split('-').next().unwrap().to_owned()).collect()
        })
        .collect();
    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    let wanted = [
        set(&["mx", "names", "prometheus", "redis", "sentinel", "sink"]),
        set(&["reputation"]),
        set(&["scanner"]),
        set(&["edge"]),
    ];
    assert_eq!(roles, wanted);
}

#[test]
fn edges_find_scanners_by_one_name_and_keep_the_names_of_this_machine() {
    let hosts = file("hosts");
    assert!(hosts.starts_with("127.0.0.1 localhost\n"), "{hosts}");
    assert_eq!(hosts.matches(" scanner.tamis.test\n").count(), 3);
    assert!(file("edge-1/tamis.toml").contains("scanners = [\"http://scanner.tamis.test:7062\"]"));
}

#[test]
fn each_postfix_has_its_edge_in_another_place_and_takes_its_mail_back() {
    let doors = [
        "smtpd_milters=inet:127.18.4.1:7065",
        "smtpd_proxy_filter=127.18.4.2:7067",
        "content_filter=tamis:inet:127.18.4.3:7066",
    ];
    for (number, door) in (1..).zip(doors) {
        let master = file(&format!("mx-{number}/conf/master.cf"));
        assert!(
            master.contains(&format!("127.18.5.{number}:2525 inet n - n - - smtpd\n  -o {door}\n")),
            "{master}"
        );
        assert!(master.contains(&format!("127.18.5.{number}:10028 inet")), "{master}");
        let edge = file(&format!("edge-{number}/tamis.toml"));
        assert!(edge.contains(&format!("next_hop = \"127.18.5.{number}:10028\"")), "{edge}");
    }
}

#[test]
fn a_reputation_node_has_the_others_for_peers() {
    let text = file("reputation-2/tamis.toml");
    assert!(text.contains("peers = [\"127.18.2.1:7063\", \"127.18.2.3:7063\"]"), "{text}");
    assert!(
        !text.contains("[bases]")
            && file("reputation-1/tamis.toml").contains("trusted_keys = [\"abc\"]")
    );
}

#[test]
fn what_is_written_down_is_read_back_and_a_line_cut_off_is_none() {
    let started = |name: &str, pid, health| Started {
        name: name.to_owned(),
        identity: Identity { pid, start: 77 },
        address: "127.18.3.1:7062".to_owned(),
        health,
    };
    let at = "127.18.3.1:9072".parse().unwrap();
    let state = State {
        boot: "b".into(),
        network: Network::new(18).unwrap(),
        binaries: "/opt/my tamis".into(),
        processes: vec![
            started("scanner-1", 12, Health::Http(at, "/healthz/ready".into())),
            started("redis-1", 13, Health::Redis(at)),
            started("sentinel-1", 14, Health::Sentinel(at)),
            started("mx-1", 15, Health::Smtp(at)),
            started("names", 16, Health::Tcp(at)),
        ],
    };
    let text = state.text();
    assert_eq!(State::parse(&text).unwrap(), state);
    let cut = State::parse(&text[..text.len() - 3]).unwrap();
    assert_eq!(cut.processes, state.processes[..4]);
    assert!(State::parse("tamis-cluster\t2\n").is_err());
}

#[test]
fn a_process_that_has_ended_or_only_has_the_same_number_is_not_the_one_that_was_started() {
    let own = Identity::of(std::process::id()).unwrap();
    assert!(own.is_alive());
    assert!(!Identity { start: own.start + 1, ..own }.is_alive());
    assert_eq!(
        process::end(&[Identity { start: own.start + 1, ..own }]).unwrap(),
        0,
        "and this test still runs"
    );
    let rest = "1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
    assert_eq!(parse_stat(&format!("9 (a) b) S 7 {rest}")), Some((7, 4711)));
    assert_eq!(parse_stat(&format!("9 (a) b) Z 7 {rest}")), None);
    assert_eq!(parse_stat("9 (a"), None);
}

#[test]
fn a_process_below_one_of_ours_ends_with_it() {
    let mut child = Command::new("sh").args(["-c", "sleep 600 & wait"]).spawn().unwrap();
    let parent = Identity::of(child.id()).unwrap();
    while process::families(&[parent]).len() < 2 {
        thread::yield_now();
    }
    // Reaped beside, as the first process of a machine does with those whose parent has gone.
    let reaper = thread::spawn(move || child.wait());
    assert_eq!(process::end(&[parent]).unwrap(), 0);
    reaper.join().unwrap().unwrap();
    assert!(!parent.is_alive());
}

#[test]
fn an_answer_means_healthy_or_says_why_not() {
    let at = "127.18.1.1:1".parse().unwrap();
    let table = [
        (Health::Http(at, "/".into()), "HTTP/1.0 200 OK\r\n\r\nready", Ok(())),
        (
            Health::Http(at, "/".into()),
            "HTTP/1.0 503 No\r\n\r\nno peers\n",
            Err("no peers".to_owned()),
        ),
        (Health::Redis(at), "$9\r\nrole:master\r\n", Ok(())),
        (Health::Redis(at), "role:slave\r\nmaster_link_status:up\r\n", Ok(())),
        (
            Health::Redis(at),
            "role:slave\r\nmaster_link_status:down\r\n",
            Err("role:slave".to_owned()),
        ),
        (Health::Sentinel(at), "+OK 3 usable Sentinels", Ok(())),
        (Health::Sentinel(at), "-NOQUORUM 1 usable", Err("-NOQUORUM 1 usable".to_owned())),
        (Health::Smtp(at), "220 ", Ok(())),
        (Health::Tcp(at), "", Ok(())),
        (Health::Smtp(at), "421 ", Err("421".to_owned())),
        (Health::Smtp(at), "", Err("says nothing".to_owned())),
    ];
    for (health, answer, wanted) in table {
        assert_eq!(health.judge(answer), wanted, "{health} {answer:?}");
    }
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let folder = std::env::temp_dir().join(format!("tamis-cluster-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("letter"), "dear").unwrap();
    let refused = take(&folder).unwrap_err().to_string();
    assert!(refused.contains("holds something else"), "{refused}");
    assert!(folder.join("letter").exists());
    fs::remove_file(folder.join("letter")).unwrap();
    drop(take(&folder).unwrap());
    fs::write(folder.join("old"), "log").unwrap();
    drop(take(&folder).unwrap());
    assert!(!folder.join("old").exists(), "what an earlier cluster left goes");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn addresses_stay_within_loopback() {
    assert!(Network::new(0).is_err() && Network::new(255).is_err());
    assert!(Network::new(1).is_ok() && Network::new(254).is_ok());
}

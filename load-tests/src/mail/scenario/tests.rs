use super::*;

const WHOLE: &str = "name = \"x\"\nabout = \"y\"\nseconds = 10\nrate = 5.0\nunder_way_max = 8\n\
                     [doors]\nmilter = 1.0\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

#[test]
fn every_scenario_of_the_tree_is_one_and_is_called_as_its_file() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "toml") {
            let scenario = Scenario::read(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(Some(scenario.name.as_str()), path.file_stem().and_then(|it| it.to_str()));
            assert!(!scenario.due(scenario.rate).unwrap().is_empty());
            let quick = scenario.clone().quick();
            assert!(quick.clone().check().is_ok(), "{}: quick", quick.name);
            assert!(quick.due(quick.rate).unwrap().len() < 400, "{}", quick.name);
            names.push(scenario.name);
        }
    }
    names.sort();
    let wanted = [
        "burst",
        "campaign",
        "cold",
        "large_attachments",
        "mixed",
        "replay",
        "slow_client",
        "steady",
    ];
    for name in wanted {
        assert!(names.iter().any(|it| it == name), "{name} is missing");
    }
}

#[test]
fn what_is_no_scenario_is_refused_with_key_value_and_what_is_allowed() {
    assert!(WHOLE.parse::<Scenario>().is_ok());
    for (change, to, key, allowed) in [
        ("seconds = 10", "seconds = 0", "seconds = 0", "1 to 3600"),
        ("seconds = 10", "seconds = 3601", "seconds = 3601", "1 to 3600"),
        ("rate = 5.0", "rate = nan", "rate = NaN", "to 20000"),
        ("under_way_max = 8", "under_way_max = 4001", "under_way_max = 4001", "1 to 4000"),
        ("milter = 1.0", "milter = -1.0", "= -1", "0 to"),
        ("milter = 1.0", "milter = 0.0", "sum of doors = 0", "to"),
        ("milter = 1.0", "pop3 = 1.0", "pop3", "milter"),
        ("milter = 1.0", "milter = 1.0\n[mails]\nletters = 3", "letters", "unique"),
        ("milter = 1.0", "milter = 1.0\n[mails]\nunique = 0.0", "sum of mails = 0", "to"),
        (
            "milter = 1.0",
            "milter = 1.0\n[mails]\nattachment_bytes = 30000000\nattachments = 18",
            "attachments = 18",
            "1 to 17",
        ),
        (
            "milter = 1.0",
            "milter = 1.0\n[burst]\nfactor = 2.0\nfrom_s = 8.0\nseconds = 3.0",
            "burst.seconds = 3",
            "to 2",
        ),
        (
            "milter = 1.0",
            "milter = 1.0\n[slow]\nshare = 0.5\nbytes_per_second = 199",
            "bytes_per_second = 199",
            "200 to",
        ),
    ] {
        let error = WHOLE.replace(change, to).parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(allowed), "{to}: {error}");
    }
    let at_the_limit = "milter = 1.0\n[mails]\nattachment_bytes = 30000000\nattachments = 17";
    assert!(WHOLE.replace("milter = 1.0", at_the_limit).parse::<Scenario>().is_ok());
    let error = Scenario::read(Path::new("/nowhere.toml")).unwrap_err().to_string();
    assert!(error.contains("/nowhere.toml"), "{error}");
}

#[test]
fn doors_and_slow_clients_have_the_shares_that_the_file_says() {
    let text = WHOLE.replace(
        "milter = 1.0",
        "milter = 3.0\nlmtp = 1.0\n[slow]\nshare = 0.1\nbytes_per_second = 1000",
    );
    let scenario: Scenario = text.parse().unwrap();
    let lmtp = (0..40_000).filter(|number| scenario.door(*number) == Door::Lmtp).count();
    assert!((9_600..10_400).contains(&lmtp), "{lmtp}");
    let slow = (0..40_000).filter(|number| scenario.slowness(*number).is_some()).count();
    assert!((3_700..4_300).contains(&slow), "{slow}");
}

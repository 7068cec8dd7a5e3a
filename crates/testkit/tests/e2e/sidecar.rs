//! What a pod of the overlay `edge-sidecar` is made of, on this machine: Postfix with the milter settings of its manifest, an
//! edge with the configuration of its own, and the socket between them where both see it.

use crate::mails::{mail, status};
use std::fs;
use std::path::{Path, PathBuf};
use tamis_testkit::peers::{Dialogue, Postfix, PostfixConfig, SmtpdService, Tamis, free_port};

fn manifest(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/k8s").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A Postfix with the lines about milters of the manifest, and the directory that both containers mount.
fn postfix() -> (Postfix, PathBuf) {
    let mut config = PostfixConfig::new([SmtpdService::new()]);
    let text = manifest("base/mta/main.cf");
    let mut lines = 0;
    for (name, value) in text.lines().filter_map(|line| line.split_once(" = ")) {
        if name.contains("milter") {
            config = config.main(name, value);
            lines += 1;
        }
    }
    assert!(lines >= 7, "{text}");
    let postfix = Postfix::start(&config);
    let shared = postfix.path("queue/tamis");
    fs::create_dir(&shared).expect("a folder");
    (postfix, shared)
}

/// The configuration of the sidecar, with the addresses of this test.
fn edge(shared: &Path, scanner: &str) -> String {
    let text = manifest("components/edge/tamis.toml");
    let (text, _) = text.split_once("[tls]").expect("a section [tls]");
    let mut replaced = text.to_owned();
    for (old, new) in [
        ("/run/tamis/milter.sock", format!("{}/milter.sock", shared.display())),
        ("0.0.0.0:9071", format!("127.0.0.1:{}", free_port())),
        ("https://scanner.tamis.svc:7062", format!("http://{scanner}")),
        ("spool_dir = \"/spool\"\n", String::new()),
    ] {
        assert!(replaced.contains(old), "{old}: {text}");
        replaced = replaced.replace(old, &new);
    }
    replaced
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn postfix_and_edge_of_the_sidecar_talk_over_their_socket_and_without_it_mail_stays_where_it_is() {
    let (postfix, shared) = postfix();
    let scanner = Tamis::start(&["scanner"], Some("[scanner]\nreputation = []\n"));
    let edge = Tamis::thin_edge(&edge(&shared, &scanner.address("scanner", "listen")));
    for door in ["lmtp", "smtp"] {
        assert_eq!(edge.address("edge", door), "", "no door but the socket");
    }
    let send = |name: &str| {
        let mut client = Dialogue::connect(postfix.port());
        let letter = mail(name, "See you on Sunday.");
        client.send("ann@sender.test", &["bob@example.test"], &letter).code
    };
    assert_eq!(send("first"), 250);
    assert_eq!(status(&postfix.maildir("bob", 1)[0]), "not_detected");
    drop(edge);
    assert!((400..500).contains(&send("second")), "the client is asked to come again");
    assert_eq!(postfix.mail_count("bob"), 1);
}

//! Mutual TLS between our own services: both sides show a certificate of the same authority, or there is no talk.

use crate::mails::{header, mail};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tamis_testkit::peers::{
    Authority, Certificate, Dialogue, PEER_WAIT_MAX, Sink, Tamis, wait_for,
};

/// A `[tls]` section with a certificate for `name` of `own`, trusting `trusted`.
fn tls(own: &Authority, name: &str, trusted: &Authority) -> String {
    let issued = own.issue(name);
    let show = |path: &Path| path.display().to_string();
    format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\n",
        show(&issued.certificate),
        show(&issued.key),
        show(trusted.certificate())
    )
}

/// The answer to one mail through an edge with this `[tls]` section.
fn through(edge_tls: &str, scanner: &Tamis, sink: &Sink) -> u16 {
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\ndeadline_ms = 3000\nscanners = [\"https://localhost:{}\"]\n{edge_tls}",
        sink.port,
        scanner.port("scanner", "listen")
    ));
    let mut client = Dialogue::connect(edge.smtp_port());
    let letter = mail("hello", "See you on Sunday.");
    client.send("ann@sender.test", &["bob@example.test"], &letter).code
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn edge_and_scanner_talk_only_under_certificates_of_one_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let sub = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        Authority::new(&path)
    };
    let (ours, theirs) = (sub("ours"), sub("theirs"));
    let sink = Sink::smtp().start();
    let scanner = Tamis::start(
        &["scanner"],
        Some(&format!("[scanner]\nreputation = []\n{}", tls(&ours, "scanner", &ours))),
    );
    assert_eq!(through(&tls(&ours, "edge", &ours), &scanner, &sink), 250);
    let judged = sink.wait(1);
    assert_eq!(header(&judged[0].content, "X-Tamis-Rung"), ["full"]);
    assert_eq!(
        through(&tls(&theirs, "stranger", &ours), &scanner, &sink),
        451,
        "a client of another authority gets no verdict, so the mail stays where it is"
    );
    assert_eq!(
        through(&tls(&ours, "careful", &theirs), &scanner, &sink),
        451,
        "an edge does not show mail to a scanner of another authority"
    );
    assert_eq!(sink.count(), 1, "and nothing passed unjudged");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn reports_reach_the_reputation_service_under_tls_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    let section = tls(&authority, "reputation", &authority);
    let service = Tamis::start(&["reputation"], Some(&format!("[reputation]\n{section}")));
    let config = folder.path().join("client.toml");
    std::fs::write(&config, tls(&authority, "postmaster", &authority)).expect("a file");
    let port = service.port("reputation", "grpc");
    let url = format!("https://localhost:{port}");
    let known = "part:00112233445566778899aabbccddeeff";
    let ask = |arguments: &[&str]| {
        let output = Tamis::run(arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let file = config.display().to_string();
    let (code, said) = ask(&["signature", "--server", &url, "--config", &file, "add", known]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("added 1"), "{said}");
    let plain = format!("http://127.0.0.1:{port}");
    assert_ne!(
        ask(&["signature", "--server", &plain, "stats"]).0,
        Some(0),
        "plain text is refused"
    );
    let (code, _) = ask(&["signature", "--server", &url, "stats"]);
    assert_ne!(code, Some(0), "and so is who shows no certificate");
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_scanner_that_others_can_reach_does_not_start_without_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("open.toml");
    std::fs::write(&config, "[scanner]\nlisten = \"0.0.0.0:0\"\nadmin = \"\"\n").expect("a file");
    let output = Tamis::run(&["scanner", "--config", &config.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("without TLS"), "{said}");
}

/// The files of one service, as a mounted Secret has them.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(own: &Certificate, trusted: &[&Authority]) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        files.hold(own, trusted);
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join("data").join(name).display().to_string()
    }

    /// Puts other files in their place in one step, as the kubelet does: a link to a directory is exchanged.
    fn hold(&self, own: &Certificate, trusted: &[&Authority]) {
        let read = |path: &Path| std::fs::read(path).expect("a file");
        let bundle: Vec<u8> = trusted.iter().flat_map(|it| read(it.certificate())).collect();
        let versions = std::fs::read_dir(self.folder.path()).expect("a folder").count();
        let version = self.folder.path().join(format!("version-{versions}"));
        std::fs::create_dir(&version).expect("a folder");
        std::fs::write(version.join("ca.crt"), bundle).expect("a file");
        std::fs::write(version.join("tls.crt"), read(&own.certificate)).expect("a file");
        std::fs::write(version.join("tls.key"), read(&own.key)).expect("a file");
        let link = self.folder.path().join("next");
        std::os::unix::fs::symlink(version, &link).expect("a link");
        std::fs::rename(link, self.folder.path().join("data")).expect("a link");
    }

    fn section(&self) -> String {
        format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\n",
            self.path("tls.crt"),
            self.path("tls.key"),
            self.path("ca.crt")
        )
    }
}

/// Waits until the change before this one has been taken.
fn taken(who: &Tamis, changes: f64) {
    let counted = || who.metric("tamis_tls_renewals_total{outcome=\"taken\"}");
    let done = || (counted() >= changes).then_some(());
    wait_for("the renewed files", PEER_WAIT_MAX, done, || who.log());
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn authority_and_certificates_are_rotated_under_load_and_every_mail_is_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let sub = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        Authority::new(&path)
    };
    let (old, new) = (sub("old"), sub("new"));
    let sink = Sink::smtp().start();
    let of_scanner = Files::new(&old.issue("scanner"), &[&old]);
    let of_edge = Files::new(&old.issue("edge"), &[&old]);
    let config = format!("[scanner]\nreputation = []\n{}", of_scanner.section());
    let scanner = Tamis::start(&["scanner"], Some(&config));
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\ndeadline_ms = 5000\nscanners = [\"https://localhost:{}\"]\n{}",
        sink.port,
        scanner.port("scanner", "listen"),
        of_edge.section()
    ));
    let end_before = edge.metric("tamis_tls_certificate_not_after_seconds");
    assert!(end_before > 1.7e9, "{end_before}");
    let is_over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let (edge, is_over) = (&edge, &is_over);
                scope.spawn(move || {
                    let mut sent = 0;
                    while !is_over.load(Ordering::Acquire) {
                        let mut client = Dialogue::connect(edge.smtp_port());
                        let letter = mail("hello", &format!("See you on Sunday, {sender} {sent}."));
                        let reply = client.send("ann@sender.test", &["bob@example.test"], &letter);
                        assert_eq!(reply.code, 250, "mail {sent}: {:?}", reply.lines);
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        // First both trust both authorities, then each shows a certificate of the new one, then the old one goes.
        let (own_scanner, own_edge) = (old.issue("scanner"), old.issue("edge"));
        of_scanner.hold(&own_scanner, &[&old, &new]);
        of_edge.hold(&own_edge, &[&old, &new]);
        taken(&scanner, 1.0);
        taken(&edge, 1.0);
        let (own_scanner, own_edge) = (new.issue("scanner"), new.issue("edge"));
        of_scanner.hold(&own_scanner, &[&old, &new]);
        of_edge.hold(&own_edge, &[&old, &new]);
        taken(&scanner, 2.0);
        taken(&edge, 2.0);
        of_scanner.hold(&own_scanner, &[&new]);
        of_edge.hold(&own_edge, &[&new]);
        taken(&scanner, 3.0);
        taken(&edge, 3.0);
        is_over.store(true, Ordering::Release);
        senders.into_iter().map(|sender| sender.join().expect("a sender")).sum::<usize>()
    });
    let arrived = sink.wait(sent);
    assert!(sent >= 30 && arrived.len() == sent, "{sent} sent, {} arrived", arrived.len());
    for mail in &arrived {
        assert_eq!(header(&mail.content, "X-Tamis-Rung"), ["full"]);
    }
    assert_eq!(through(&tls(&old, "late", &new), &scanner, &sink), 451, "the old one is out");
    assert_eq!(through(&tls(&new, "early", &new), &scanner, &sink), 250);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn mail_waits_while_a_certificate_is_over_and_is_judged_when_it_was_renewed() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    let sink = Sink::smtp().start();
    let of_scanner = Files::new(&authority.issue_for_days("over", -1), &[&authority]);
    let config = format!("[scanner]\nreputation = []\n{}", of_scanner.section());
    let scanner = Tamis::start(&["scanner"], Some(&config));
    let edge = Tamis::thin_edge(&format!(
        "[edge]\nnext_hop = \"127.0.0.1:{}\"\ndeadline_ms = 3000\nscanners = [\"https://localhost:{}\"]\n{}",
        sink.port,
        scanner.port("scanner", "listen"),
        tls(&authority, "edge", &authority)
    ));
    let send = |number: u32| {
        let letter = mail(&format!("hello {number}"), "See you on Sunday.");
        let mut client = Dialogue::connect(edge.smtp_port());
        client.send("ann@sender.test", &["bob@example.test"], &letter).code
    };
    assert_eq!(send(0), 451, "it stays with the previous hop");
    let over = scanner.metric("tamis_tls_certificate_not_after_seconds");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs_f64();
    assert!(over > 1.7e9 && over < now, "whoever looks sees it: {over}");
    of_scanner.hold(&authority.issue("renewed"), &[&authority]);
    taken(&scanner, 1.0);
    let judged = || (send(1) == 250).then_some(());
    wait_for("a verdict under the new certificate", PEER_WAIT_MAX, judged, || edge.log());
    let mails = sink.mails();
    assert_eq!(mails.len(), 1, "and nothing passed unjudged");
    assert_eq!(header(&mails[0].content, "X-Tamis-Rung"), ["full"]);
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_probe_says_yes_while_its_process_lives_and_no_when_the_udp_loop_is_frozen() {
    let reputation = Tamis::start(&["reputation"], None);
    let admin = reputation.address("reputation", "admin");
    let udp = reputation.address("reputation", "listen");
    let probe = |arguments: &[&str]| {
        let output = Tamis::run(&[&["probe"], arguments].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(probe(&["live", "--at", &admin]).0, Some(0));
    assert_eq!(probe(&["ready", "--at", &admin, "--udp", &udp]).0, Some(0));
    // Asked where nobody answers over UDP, it is not ready, though it says so itself.
    let elsewhere = tamis_testkit::peers::free_port();
    let (code, said) =
        probe(&["ready", "--at", &admin, "--udp", &format!("127.0.0.1:{elsewhere}")]);
    assert_eq!(code, Some(75), "{said}");
    reputation.signal(tamis_testkit::peers::Signal::Stop);
    assert_eq!(probe(&["live", "--at", &admin]).0, Some(75));
    reputation.signal(tamis_testkit::peers::Signal::Continue);
    assert_eq!(probe(&["dead"]).0, Some(64), "a question that it does not know");
}

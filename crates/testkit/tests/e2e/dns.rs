//! Authentication and lists against a name server of another maker (NSD).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tamis_testkit::peers::{Process, Tamis, free_port};

/// One zone holds all names, so that any other name does not exist.
const ZONE: &str = "\
$ORIGIN .
$TTL 300
. IN SOA ns.test. admin.test. 1 3600 600 86400 60
. IN NS ns.test.
ns.test. IN A 127.0.0.1
example.org. IN TXT \"v=spf1 include:_spf.example.org -all\"
_spf.example.org. IN TXT \"v=spf1 mx:example.org ?\" \"all\"
example.org. IN MX 10 mx.example.org.
mx.example.org. IN A 192.0.2.9
_dmarc.example.org. IN TXT \"v=DMARC1; p=reject\"
9.2.0.192.in-addr.arpa. IN PTR mx.example.org.
7.100.51.198.clients.list.example. IN A 127.0.0.3
bad.example.links.list.example. IN A 127.0.0.2
";

const MAIL: &str = "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: minutes\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-Id: <1@example.org>\r\n\r\n\
    The minutes are at http://www.bad.example/minutes\r\n";

/// A server that knows the zone and nothing else.
pub fn nsd(directory: &std::path::Path, port: u16) -> Process {
    fs::write(directory.join("root.zone"), ZONE).unwrap();
    let place = directory.display();
    let text = format!(
        "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n zonesdir: \"{place}\"\n \
         pidfile: \"{place}/pid\"\n zonelistfile: \"{place}/zones\"\n xfrdfile: \"{place}/xfrd\"\n \
         database: \"\"\n server-count: 1\nremote-control:\n control-enable: no\n\
         zone:\n name: \".\"\n zonefile: root.zone\n"
    );
    fs::write(directory.join("nsd.conf"), text).unwrap();
    let mut command = Command::new("nsd");
    command.arg("-d").arg("-c").arg(directory.join("nsd.conf"));
    let mut process = Process::spawn("nsd", &mut command, &directory.join("nsd.log"));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    process.wait_ready(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok());
    process
}

#[test]
#[ignore = "needs NSD"]
fn a_name_server_of_another_maker_tells_who_sent_a_mail() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut nsd = nsd(directory.path(), port);
    fs::write(directory.path().join("mail.eml"), MAIL).unwrap();
    let config = format!(
        "[scanner]\nreputation = []\n[scanner.dns]\nenabled = true\nservers = ['127.0.0.1:{port}']\n\
         [[scanner.dns.lists]]\nname = 'clients'\nzone = 'clients.list.example'\nabout = 'client'\n\
         ratings = {{ '127.0.0.3' = 2.5 }}\n\
         [[scanner.dns.lists]]\nname = 'links'\nzone = 'links.list.example'\nabout = 'link'\nrating = 1.5\n"
    );
    fs::write(directory.path().join("tamis.toml"), config).unwrap();
    let check = |client: &str| {
        let arguments = [
            "check",
            "--json",
            "--config",
            "tamis.toml",
            "--ip",
            client,
            "--helo",
            "mx.example.org",
            "--from",
            "ann@example.org",
            "--rcpt",
            "bob@example.com",
            "mail.eml",
        ];
        let output = Tamis::run_in(directory.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let judged: Value = serde_json::from_slice(&output.stdout).expect(&said);
        let sources = ["authentication", "dns_list"];
        let mut found: Vec<String> = judged["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["source"].as_str().is_some_and(|source| sources.contains(&source)))
            .map(|it| format!("{} {}", it["name"].as_str().unwrap(), it["weight"]))
            .collect();
        found.sort();
        (found, judged["rung"].as_str().unwrap().to_owned())
    };
    let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let (found, rung) = check("192.0.2.9");
    assert_eq!(found, owned(&["dmarc_pass 0.0", "dns_list_link 1.5"]));
    assert_eq!(rung, "full");
    let (found, _) = check("198.51.100.7");
    let expect = [
        "dmarc_reject 3.0",
        "dns_list_client 2.5",
        "dns_list_link 1.5",
        "reverse_none 0.8",
        "spf_fail 0.0",
    ];
    assert_eq!(found, owned(&expect));
    nsd.kill9();
    let (found, rung) = check("198.51.100.7");
    assert_eq!((found, rung.as_str()), (Vec::new(), "cached"), "nobody answers any more");
}

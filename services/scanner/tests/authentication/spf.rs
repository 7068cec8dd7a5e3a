//! The suite of RFC 7208 against our own SPF, over a real socket.

use std::collections::BTreeMap;

use hickory_resolver::proto::rr::RecordType;
use serde_json::Value;
use tamis_runtime::clock;
use tamis_scanner::ask::dns::Purpose;
use tamis_scanner::ask::spf::{Who, check};

use crate::server::{Entry, Server, Zone, a, cname, mx, ptr, txt};
use crate::suites::{compare, documents, file};

const KNOWN: &str = include_str!("spf.failing");

fn entries(list: &[Value]) -> Vec<Entry> {
    let has_text = list.iter().any(|entry| entry.get("TXT").is_some());
    let mut entries = Vec::new();
    for entry in list {
        let Some(map) = entry.as_object() else {
            entries.push(Entry::Silence);
            continue;
        };
        for (kind, value) in map {
            let is_silent = value.as_str() == Some("TIMEOUT");
            match kind.as_str() {
                "SPF" if has_text => {}
                "TXT" if value.as_str() == Some("NONE") => {}
                "SPF" | "TXT" if is_silent => entries.push(Entry::SilenceFor(RecordType::TXT)),
                "SPF" | "TXT" => entries.push(txt(&text(value))),
                "A" | "AAAA" if is_silent => entries.push(Entry::SilenceFor(RecordType::A)),
                "A" | "AAAA" => entries.push(a(value.as_str().unwrap())),
                "MX" if is_silent => entries.push(Entry::SilenceFor(RecordType::MX)),
                "MX" => {
                    let preference = value[0].as_str().unwrap().parse().unwrap();
                    entries.push(mx(preference, value[1].as_str().unwrap()));
                }
                "PTR" if is_silent => entries.push(Entry::SilenceFor(RecordType::PTR)),
                "PTR" => entries.push(ptr(value.as_str().unwrap())),
                "CNAME" => entries.push(cname(value.as_str().unwrap())),
                other => panic!("a record of kind {other}"),
            }
        }
    }
    entries
}

fn text(value: &Value) -> Vec<u8> {
    match value {
        Value::Array(strings) => strings.iter().flat_map(text).collect(),
        one => one.as_str().unwrap().as_bytes().to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_of_rfc_7208_comes_out_as_the_list_says() {
    let Some(suite) = file("vectors/auth/pyspf/test/rfc7208-tests.yml") else { return };
    let (mut ran, mut failed) = (0, BTreeMap::new());
    for scenario in documents(&suite.path) {
        let zone: Zone = scenario["zonedata"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, list)| {
                (name.to_ascii_lowercase(), entries(list.as_array().map_or(&[], Vec::as_slice)))
            })
            .collect();
        let server = Server::start(zone).await;
        for (case, test) in scenario["tests"].as_object().unwrap() {
            let of = |key: &str| test[key].as_str().unwrap_or_default();
            // Each case its own resolver: a failure that one remembers is none of the next one's.
            let dns = server.dns_with(|plan| plan.timeout = std::time::Duration::from_millis(150));
            let session = dns.session(clock::now() + std::time::Duration::from_secs(20));
            let who = Who {
                client: of("host").parse().unwrap(),
                helo: of("helo"),
                sender: of("mailfrom"),
            };
            let result = check(session.of(Purpose::Spf), who).await.word();
            let expected: Vec<&str> = match &test["result"] {
                Value::Array(any) => any.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            ran += 1;
            if !expected.contains(&result) {
                failed.insert(case.clone(), format!("{result} instead of {expected:?}"));
            }
        }
    }
    compare("RFC 7208", ran, &failed, KNOWN);
}

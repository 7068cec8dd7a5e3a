//! Signatures: the ARC validation suite, DKIM vectors of another verifier, and mails signed here.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::LazyLock;
use std::time::Duration;

use tamis_domain::authentication::{Arc, DkimResult, DmarcPolicy, DmarcResult, Spf, SpfResult};
use tamis_message::digesting::dissect;
use tamis_runtime::clock;
use tamis_scanner::ask::signatures::{
    AUTHORS_MAX, SIGNATURES_MAX, SIGNED_NAMES_MAX, Signed, Verified, Verifier,
};

use crate::mails::{KEY_NAME, key_record, plain, signed, signed_for, signed_with};
use crate::server::{Entry, Server, Zone, txt};
use crate::suites::{compare, documents, file};

/// 2026-11-22, when the mails of these tests were written.
const NOW_S: i64 = 1_795_341_600;

const KNOWN: &str = include_str!("arc.failing");

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new().unwrap());

/// Verifies a mail with these records.
async fn verify(mail: &[u8], zone: Zone, spf: Option<&Spf>) -> Verified {
    verify_with(&Server::start(zone).await, mail, spf, &[]).await
}

async fn verify_with(
    server: &Server,
    mail: &[u8],
    spf: Option<&Spf>,
    trusted_sealers: &[String],
) -> Verified {
    let dns = server.dns();
    let session = dns.session(clock::now() + Duration::from_secs(5));
    let outline = dissect(mail).outline;
    let of = Signed {
        header: &outline.header,
        is_whole: true,
        body_hashes: &outline.body_hashes,
        spf_domain: spf.map_or("", |spf| &spf.domain),
        trusted_sealers,
        now_s: NOW_S,
    };
    VERIFIER.verify(&session, of, ready(spf.cloned())).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_arc_validation_suite_comes_out_as_the_list_says() {
    let path = "vectors/auth/valimail-arc/tests/arc-draft-validation-tests.yml";
    let Some(suite) = file(path) else { return };
    let (mut ran, mut failed) = (0, BTreeMap::new());
    for scenario in documents(&suite.path) {
        let records = scenario["txt-records"].as_object();
        let zone: Zone = records
            .into_iter()
            .flatten()
            .map(|(name, text)| {
                let text = text.as_str().unwrap_or_default();
                (name.to_ascii_lowercase(), vec![txt(text.as_bytes())])
            })
            .collect();
        let server = Server::start(zone).await;
        for (case, test) in scenario["tests"].as_object().unwrap() {
            let mail = test["message"].as_str().unwrap_or_default().replace('\n', "\r\n");
            // The suite knows no trust: whoever seals is believed.
            let sealers: Vec<String> = mail
                .split(|c: char| c == ';' || c.is_whitespace())
                .filter_map(|tag| tag.strip_prefix("d="))
                .map(str::to_lowercase)
                .collect();
            let found = verify_with(&server, mail.as_bytes(), None, &sealers).await.arc;
            let word = match found {
                Arc::None => "none",
                Arc::Pass { .. } => "pass",
                Arc::Fail => "fail",
                Arc::Unknown => "unknown",
            };
            let expected = test["cv"].as_str().unwrap_or("none").to_ascii_lowercase();
            ran += 1;
            if word != if expected.is_empty() { "none" } else { &expected } {
                failed.insert(case.clone(), format!("{word} instead of {expected}"));
            }
        }
    }
    compare("ARC validation", ran, &failed, KNOWN);
}

#[tokio::test]
async fn signatures_of_another_verifiers_vectors_hold() {
    let Some(folder) = file("vectors/auth/stalwart-mail-auth/dkim") else { return };
    for entry in std::fs::read_dir(&folder.path).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (records, mail) = text.split_once("\n\n").unwrap();
        let zone = records
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, value)| (name.to_ascii_lowercase(), vec![txt(value.as_bytes())]))
            .collect();
        // As it came over the wire, and as it lies in a file.
        for mail in [mail.replace('\n', "\r\n"), mail.to_owned()] {
            let found = verify(mail.as_bytes(), Zone::clone(&zone), None).await;
            let results: Vec<_> = found.dkim.iter().map(|dkim| dkim.result).collect();
            // One of them was signed for a day.
            let is_expired = mail.contains(" x=1667930064;");
            let expect = if is_expired { DkimResult::Unusable } else { DkimResult::Pass };
            assert!(results.contains(&expect), "{}: {results:?}", path.display());
        }
    }
}

fn zone() -> Zone {
    Zone::from([
        (KEY_NAME.to_owned(), vec![key_record()]),
        ("_dmarc.example.org".to_owned(), vec![txt(b"v=DMARC1; p=reject; np=quarantine")]),
        ("example.org".to_owned(), vec![crate::server::a("192.0.2.1")]),
    ])
}

#[tokio::test]
async fn a_signed_mail_passes_and_each_change_is_told_apart() {
    let mail = signed();
    let spf = Spf { result: SpfResult::None, domain: "example.org".into() };
    let check = |mail: String, zone: Zone| {
        let spf = spf.clone();
        async move { verify(mail.as_bytes(), zone, Some(&spf)).await }
    };
    let found = check(mail.clone(), zone()).await;
    assert_eq!(found.dkim[0].result, DkimResult::Pass);
    assert_eq!(found.dkim[0].domain, "example.org");
    assert_eq!(found.dmarc.result, DmarcResult::Pass);

    let without_key = || {
        let mut zone = zone();
        zone.remove(KEY_NAME);
        zone
    };
    let silent_key = || {
        let mut zone = zone();
        zone.insert(KEY_NAME.to_owned(), vec![Entry::Silence]);
        zone
    };
    for (mail, zone, dkim, dmarc) in [
        (mail.replace("Hello", "Hallo"), zone(), DkimResult::BodyChanged, DmarcResult::Fail),
        (mail.replace("greetings", "Greetings"), zone(), DkimResult::Broken, DmarcResult::Fail),
        (mail.clone(), without_key(), DkimResult::NoKey, DmarcResult::Fail),
        (mail.clone(), silent_key(), DkimResult::Unknown, DmarcResult::Unknown),
        (mail.replace("v=1;", "v=1; l=5;"), zone(), DkimResult::Unusable, DmarcResult::Fail),
    ] {
        let found = check(mail, zone).await;
        assert_eq!(found.dkim[0].result, dkim);
        assert_eq!(
            (found.dmarc.result, found.dmarc.policy),
            (dmarc, DmarcPolicy::Reject),
            "{dkim:?}"
        );
    }
    // Below the domain with the record, in a name that does not exist: the owner's wish for such names.
    let forged = mail.replace("ann@example.org", "ann@nowhere.example.org").replace("Hello", "Hi");
    assert_eq!(check(forged, zone()).await.dmarc.policy, DmarcPolicy::Quarantine);
}

#[tokio::test]
async fn without_the_bodys_hash_nothing_is_claimed_about_it() {
    let server = Server::start(zone()).await;
    let dns = server.dns();
    let session = dns.session(clock::now() + Duration::from_secs(5));
    let mail = signed();
    let outline = dissect(mail.as_bytes()).outline;
    let spf = Spf { result: SpfResult::None, domain: "example.org".into() };
    for (is_whole, body_hashes, dkim, dmarc) in [
        (true, &[][..], DkimResult::Unknown, DmarcResult::Unknown),
        // Who sends more header than any server passes on cannot hide from DMARC behind it.
        (false, &outline.body_hashes[..], DkimResult::Unusable, DmarcResult::Fail),
    ] {
        let header = &outline.header;
        let (spf_domain, trusted_sealers) = ("example.org", &[][..]);
        let now_s = NOW_S;
        let of = Signed { header, is_whole, body_hashes, spf_domain, trusted_sealers, now_s };
        let spf = ready(Some(spf.clone()));
        let (_, found) = VERIFIER.verify(&session, of, spf).await;
        assert_eq!(found.dkim[0].result, dkim);
        assert_eq!(found.dmarc.result, dmarc, "it may have been signed");
    }
}

#[tokio::test]
async fn a_second_author_exempts_nobody_from_the_first_ones_policy() {
    let spf = Spf { result: SpfResult::None, domain: String::new() };
    let plain = plain("www.example.org");
    let forged = |from: &str| plain.replace("Ann <ann@example.org>", from);
    let mut zone = zone();
    zone.insert("_dmarc.soft.example".to_owned(), vec![txt(b"v=DMARC1; p=quarantine")]);
    zone.insert("soft.example".to_owned(), vec![crate::server::a("192.0.2.1")]);
    for (from, policy) in [
        ("ann@example.org, x@shop.example", DmarcPolicy::Reject),
        ("x@shop.example, ann@example.org", DmarcPolicy::Reject),
        ("x@soft.example, ann@example.org", DmarcPolicy::Reject),
        ("ann@example.org, x@soft.example", DmarcPolicy::Reject),
        ("x@soft.example, x@shop.example", DmarcPolicy::Quarantine),
    ] {
        let found = verify(forged(from).as_bytes(), Zone::clone(&zone), Some(&spf)).await.dmarc;
        assert_eq!((found.result, found.policy), (DmarcResult::Fail, policy), "{from}");
    }
    // His own signature says nothing for her.
    let signed = signed_with(&forged("x@shop.example, ann@example.org"), "shop.example", &["From"]);
    let found = verify(signed.as_bytes(), Zone::clone(&zone), Some(&spf)).await.dmarc;
    assert_eq!(found.result, DmarcResult::Fail);
    let many: Vec<String> = (1..AUTHORS_MAX).map(|at| format!("x@n{at}.example")).collect();
    for (more, expect) in [("", DmarcResult::Fail), ("x@n.example, ", DmarcResult::None)] {
        let from = format!("{more}{}, ann@example.org", many.join(", "));
        let found = verify(forged(&from).as_bytes(), Zone::clone(&zone), Some(&spf)).await.dmarc;
        assert_eq!(found.result, expect, "{from}");
    }
}

#[tokio::test]
async fn a_signature_ends_when_it_says_by_the_time_of_the_judgement() {
    let server = Server::start(zone()).await;
    let dns = server.dns();
    for (after_s, expect) in [(0, DkimResult::Unusable), (1, DkimResult::Pass)] {
        let mail = signed_for(&plain("www.example.org"), 60);
        let ends: i64 =
            mail.split("x=").nth(1).unwrap().split(';').next().unwrap().trim().parse().unwrap();
        let session = dns.session(clock::now() + Duration::from_secs(5));
        let outline = dissect(mail.as_bytes()).outline;
        let of = Signed {
            header: &outline.header,
            is_whole: true,
            body_hashes: &outline.body_hashes,
            spf_domain: "",
            trusted_sealers: &[],
            now_s: ends - after_s,
        };
        let found = VERIFIER.verify(&session, of, ready(None)).await.1;
        assert_eq!(found.dkim[0].result, expect, "{after_s} s before its end");
    }
}

#[tokio::test]
async fn a_chain_over_more_than_n_names_costs_no_question() {
    let seal = "a=ed25519-sha256; d=list.example; s=s1; i=1; b=AAAA";
    for (names, asks) in [(SIGNED_NAMES_MAX, true), (SIGNED_NAMES_MAX + 1, false)] {
        let list = format!("h=from{}", ":to".repeat(names - 1));
        let mail = format!(
            "ARC-Seal: cv=none; {seal}\r\nARC-Message-Signature: {seal}; c=relaxed/relaxed; {list}; bh=AAAA\r\n\
             ARC-Authentication-Results: i=1; mx.list.example; none\r\nFrom: ann@example.org\r\n\r\nHello\r\n"
        );
        let server = Server::start(zone()).await;
        let trusted = ["list.example".to_owned()];
        assert_eq!(verify_with(&server, mail.as_bytes(), None, &trusted).await.arc, Arc::Fail);
        let asked = server.names.lock().unwrap().iter().any(|name| name.contains("list.example"));
        assert_eq!(asked, asks, "{names}");
    }
}

#[tokio::test]
async fn a_chain_of_somebody_who_is_not_believed_costs_no_question() {
    let seal = "a=ed25519-sha256; d=list.example; s=s1; i=1; b=AAAA";
    let mail = format!(
        "ARC-Seal: cv=none; {seal}\r\nARC-Message-Signature: {seal}; c=relaxed/relaxed; h=from; bh=AAAA\r\n\
         ARC-Authentication-Results: i=1; mx.list.example; none\r\nFrom: ann@example.org\r\n\r\nHello\r\n"
    );
    for (trusted, expect) in [(vec![], Arc::Unknown), (vec!["list.example".to_owned()], Arc::Fail)]
    {
        let server = Server::start(zone()).await;
        let found = verify_with(&server, mail.as_bytes(), None, &trusted).await.arc;
        assert_eq!(found, expect);
        let asked = server.names.lock().unwrap().iter().any(|name| name.contains("list.example"));
        assert_eq!(asked, !trusted.is_empty());
    }
}

#[tokio::test]
async fn signatures_are_verified_up_to_n() {
    let mail = signed();
    let (signature, rest) = mail.split_at(mail.find("From:").unwrap());
    let broken = signature.replace("s=s1", "s=s2");
    for (before, passes) in [(SIGNATURES_MAX - 1, true), (SIGNATURES_MAX, false)] {
        let mail = format!("{}{signature}{rest}", broken.repeat(before));
        let found = verify(mail.as_bytes(), zone(), None).await;
        assert_eq!(found.dkim.len(), SIGNATURES_MAX);
        assert_eq!(found.dkim.iter().any(|it| it.result == DkimResult::Pass), passes, "{before}");
    }
}

#[tokio::test]
async fn signatures_over_more_than_n_names_are_not_looked_at() {
    let mail = signed_with(&plain("www.example.org"), "example.org", &["From"]);
    let at = mail.find("h=").unwrap();
    let end = at + mail[at..].find(';').unwrap();
    // The names are put in after signing: a signature that is looked at is a broken one.
    for (names, expect) in
        [(SIGNED_NAMES_MAX, DkimResult::Broken), (SIGNED_NAMES_MAX + 1, DkimResult::Unusable)]
    {
        let list = format!("h=From{}", ":To".repeat(names - 1));
        let mail = format!("{}{list}{}", &mail[..at], &mail[end..]);
        assert_eq!(verify(mail.as_bytes(), zone(), None).await.dkim[0].result, expect, "{names}");
    }
}

#[tokio::test]
async fn tags_that_stand_twice_or_are_misspelt_do_not_hide_a_failure() {
    let mail = signed().replace("Hello", "Hallo");
    let spf = Spf { result: SpfResult::None, domain: "example.org".into() };
    for (from, to) in [
        ("c=relaxed/relaxed;", "c=simple/simple; c=relaxed/relaxed;"),
        ("c=relaxed/relaxed;", "c=simple/simple; C=relaxed/relaxed;"),
        ("c=relaxed/relaxed;", "C=relaxed/relaxed;"),
        ("c=relaxed/relaxed;", "c=relaxed/relaxed; d=example.org;"),
    ] {
        assert!(mail.contains(from), "{mail}");
        let found = verify(mail.replace(from, to).as_bytes(), zone(), Some(&spf)).await;
        assert_eq!(found.dkim[0].result, DkimResult::Unusable, "{to}");
        assert_eq!(found.dmarc.result, DmarcResult::Fail, "{to}");
    }
}

#[tokio::test]
async fn a_domain_in_another_form_has_the_same_records() {
    let spf = Spf { result: SpfResult::None, domain: "example.org".into() };
    let found = verify(
        plain("www.example.org").replace("<ann@example.org>", "<ann@example.org.>").as_bytes(),
        zone(),
        Some(&spf),
    )
    .await;
    assert_eq!(
        (found.dmarc.result, found.dmarc.policy),
        (DmarcResult::Fail, DmarcPolicy::Reject),
        "a dot at the end"
    );
    let records = |domain: &str| {
        Zone::from([
            (format!("s1._domainkey.{domain}"), vec![key_record()]),
            (format!("_dmarc.{domain}"), vec![txt(b"v=DMARC1; p=reject")]),
            (domain.to_owned(), vec![crate::server::a("192.0.2.1")]),
        ])
    };
    let mail = plain("www.example.org").replace("<ann@example.org>", "<ann@b\u{fc}cher.example>");
    let zone = || records("xn--bcher-kva.example");
    let found = verify(mail.as_bytes(), zone(), Some(&spf)).await;
    assert_eq!(found.dmarc.result, DmarcResult::Fail, "letters beyond ASCII");
    let mail = signed_with(&mail, "xn--bcher-kva.example", &["From", "To"]);
    let found = verify(mail.as_bytes(), zone(), Some(&spf)).await;
    assert_eq!(found.dkim[0].result, DkimResult::Pass);
    assert_eq!(found.dmarc.result, DmarcResult::Pass, "aligned in either form");
}

use super::*;
use tamis_domain::reading::{Mailbox, Relay};

#[track_caller]
fn list(value: &str, expect: &[(&str, &str)]) {
    let expect: Vec<_> = expect
        .iter()
        .map(|(name, address)| Mailbox { name: (*name).to_owned(), address: (*address).to_owned() })
        .collect();
    assert_eq!(mailboxes(value.as_bytes()), expect, "{value}");
}

#[test]
fn mailboxes_in_every_dress() {
    list("a@example.com", &[("", "a@example.com")]);
    list("A B <a@example.com>, c@example.org", &[("A B", "a@example.com"), ("", "c@example.org")]);
    list("\"B, A\\\" x\" <a@example.com>", &[("B, A\" x", "a@example.com")]);
    list("=?utf-8?Q?J=C3=BCrgen?= <a@example.com>", &[("Jürgen", "a@example.com")]);
    list("a@example.com (The (real) A)", &[("The (real) A", "a@example.com")]);
    list(
        "Team: a@example.com, B <b@example.com>; c@example.com",
        &[("", "a@example.com"), ("B", "b@example.com"), ("", "c@example.com")],
    );
    list("undisclosed-recipients:;", &[]);
    list("No Address Here", &[("No Address Here", "")]);
    list("x <a@example.com> <b@example.com>", &[("x", "a@example.com"), ("", "b@example.com")]);
    list("<@relay.test,@b.test:a@example.com>", &[("", "a@example.com")]);
    list("\"boss@bank.test\" <x@evil.test>", &[("boss@bank.test", "x@evil.test")]);
    list("<a@example.com", &[("", "a@example.com")]);
    list(",, ;", &[]);
}

#[test]
fn mailboxes_are_bounded_at_n_and_n_plus_1() {
    for count in [MAILBOXES_MAX, MAILBOXES_MAX + 1] {
        let value = "a@b,".repeat(count);
        assert_eq!(mailboxes(value.as_bytes()).len(), MAILBOXES_MAX);
    }
    let block = format!("To: {}\nCc: x@y\n", "a@b,".repeat(MAILBOXES_MAX));
    assert_eq!(read(block.as_bytes()).to.len(), MAILBOXES_MAX);
}

#[test]
fn relays_are_bounded_at_n_and_n_plus_1() {
    for count in [RELAYS_MAX, RELAYS_MAX + 1] {
        let read = read("Received: by x\n".repeat(count).as_bytes());
        assert_eq!((read.received.len(), read.fields.len()), (RELAYS_MAX, count));
    }
}

#[test]
fn dates_in_every_dress_are_the_same_second() {
    for value in [
        "Sat, 21 Nov 2026 22:16:52 +0100 (CET)",
        "21 Nov 26 21:16:52 GMT",
        "Sat, 21 Nov 2026 16:16:52 EST",
        "Sat Nov 21 21:16:52 2026",
        "Sat,21-Nov-2026  21:16:52 -0000",
        "21 November 2026 22:16:52 +0100",
    ] {
        assert_eq!(date_s(value), Some(1_795_295_812), "{value}");
    }
    assert_eq!(date_s("Thu, 1 Jan 1970 00:00:00 +0000"), Some(0));
    assert_eq!(date_s("29 Feb 2024 12:00 +0000"), Some(1_709_208_000));
    for value in [
        "",
        "yesterday",
        "32 Nov 2026 1:2:3",
        "1 Nov 2026 25:00:00",
        "1 2 3",
        "99999999999999999999 Nov 1",
    ] {
        assert_eq!(date_s(value), None, "{value}");
    }
}

#[track_caller]
fn check_relay(
    value: &str,
    helo: Option<&str>,
    address: Option<&str>,
    name: Option<&str>,
    by: &str,
    with: Option<&str>,
) {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let expect = Relay {
        helo: owned(helo),
        address: address.map(|text| text.parse().unwrap()),
        name: owned(name),
        by: Some(by.to_owned()),
        with: owned(with),
        date_s: Some(0),
    };
    assert_eq!(relay(&format!("{value}; Thu, 1 Jan 1970 00:00:00 +0000")), expect, "{value}");
}

#[test]
fn relays_as_five_programs_write_them() {
    let (helo, ip, name) = (Some("helo.test"), Some("192.0.2.9"), Some("mx.example.com"));
    let postfix = "from helo.test (mx.example.com [192.0.2.9]) (using TLSv1.3 (256/256 bits)) by in.test (Postfix) with ESMTPS id 1 for <a@b.test>";
    check_relay(postfix, helo, ip, name, "in.test", Some("ESMTPS"));
    check_relay(
        "from helo.test (unknown [192.0.2.9]) by in.test (Postfix) with SMTP id 1",
        helo,
        ip,
        None,
        "in.test",
        Some("SMTP"),
    );
    let sendmail = "from helo.test (IDENT:x@mx.example.com [192.0.2.9] (may be forged)) by in.test (8.17/8.17) with ESMTP id 1";
    check_relay(sendmail, helo, ip, name, "in.test", Some("ESMTP"));
    let exim = "from mx.example.com ([192.0.2.9]:4321 helo=helo.test) by in.test with esmtps (TLS1.3) (Exim 4.96) (envelope-from <a@b>) id 1";
    check_relay(exim, helo, ip, name, "in.test", Some("esmtps"));
    check_relay(
        "from [192.0.2.9] (port=1 helo=helo.test) by in.test with esmtp (Exim 4.96)",
        helo,
        ip,
        None,
        "in.test",
        Some("esmtp"),
    );
    let exchange = "from helo.test (192.0.2.9) by in.test (192.0.2.1) with Microsoft SMTP Server (TLS) id 15.1";
    check_relay(exchange, helo, ip, None, "in.test", Some("Microsoft"));
    check_relay(
        "from mx.example.com (HELO helo.test) (192.0.2.9) by in.test with SMTP",
        helo,
        ip,
        name,
        "in.test",
        Some("SMTP"),
    );
    check_relay(
        "from unknown (HELO helo.test) (joe@192.0.2.9) by in.test with SMTP",
        helo,
        ip,
        None,
        "in.test",
        Some("SMTP"),
    );
    let pro = "from [192.0.2.9] (account joe HELO helo.test) by in.test (CommuniGate Pro SMTP 6) with ESMTP id 1";
    check_relay(pro, helo, ip, None, "in.test", Some("ESMTP"));
    let six = "from helo.test (mx.example.com. [IPv6:2001:db8::1]) by in.test with ESMTPS id 1";
    check_relay(six, helo, Some("2001:db8::1"), name, "in.test", Some("ESMTPS"));
    check_relay("by in.test with SMTP id 1", None, None, None, "in.test", Some("SMTP"));
    assert_eq!(relay("(qmail 12 invoked by uid 0); 1 Jan 1970 00:00:00 +0000").date_s, Some(0));
    assert_eq!(relay("((((("), Relay::default());
}

#[test]
fn a_block_is_read_in_order() {
    let read = read(
        b"Return-Path: <>\r\nReceived: by a\r\nReceived: by b\r\nSubject: =?utf-8?Q?caf=C3=A9?=\r\n =?utf-8?Q?_x?=\r\nFrom: \
          A <a@b.test>\r\nFrom: c@d.test\r\nTO: e@f.test\r\ncc: g@h.test\r\nSender: s@t.test\r\nMessage-ID: <1@x> (y)\r\nbroken\r\nDate: 1 Jan 1970 00:00:01 +0000\r\n",
    );
    assert_eq!(read.return_path.as_deref(), Some(""));
    assert_eq!(
        read.received.iter().filter_map(|relay| relay.by.as_deref()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(read.subject, "café x");
    assert_eq!(read.from.len(), 2);
    assert_eq!(
        read.to.iter().map(|to| to.address.as_str()).collect::<Vec<_>>(),
        ["e@f.test", "g@h.test"]
    );
    assert_eq!(read.sender.as_ref().map(|sender| sender.address.as_str()), Some("s@t.test"));
    assert_eq!(read.message_id.as_deref(), Some("1@x"));
    assert_eq!(read.date_s, Some(1));
    assert_eq!(read.fields.len(), 11);
    assert_eq!(read.value("subject"), Some("café x"));
}

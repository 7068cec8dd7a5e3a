//! Lists: what of the mail is looked up, and that nothing of it is quoted.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by stopping

use tamis_checks::lists::judge;
use tamis_domain::envelope::{Client, Envelope};
use tamis_domain::evidence::Mark;
use tamis_domain::policy::lists::Lists;
use tamis_domain::policy::{Policy, Typed};
use tamis_domain::reading::{HeaderReading, Mailbox};

fn lists(trusted: &[&str], blacklisted: &[&str]) -> Lists {
    let mut typed = Typed::default();
    typed.lists.trusted = trusted.iter().map(ToString::to_string).collect();
    typed.lists.blacklisted = blacklisted.iter().map(ToString::to_string).collect();
    Policy::try_from(typed).unwrap().global().rules().lists.clone()
}

fn mail(verified: bool) -> (Envelope, HeaderReading) {
    let envelope = Envelope {
        sender: "bounce@envelope.example".to_owned(),
        client: Some(Client { address: "192.0.2.7".parse().unwrap(), name: None }),
        verified,
        ..Envelope::default()
    };
    let from = vec![Mailbox { name: String::new(), address: "author@header.example".to_owned() }];
    (envelope, HeaderReading { from, ..HeaderReading::default() })
}

#[test]
fn each_part_of_the_mail_is_looked_up_and_named_in_the_detail() {
    for (entry, detail) in [
        ("bounce@envelope.example", "envelope sender is blacklisted by address"),
        ("@envelope.example", "envelope sender is blacklisted by domain"),
        ("author@header.example", "From is blacklisted by address"),
        (".example", "envelope sender is blacklisted by parent domain"),
        ("192.0.2.0/28", "client is blacklisted by network"),
    ] {
        let (envelope, header) = mail(true);
        let found = judge(&envelope, &header, &lists(&[], &[entry]));
        assert_eq!(found.len(), 1, "{entry}");
        assert_eq!(found[0].detail, detail, "{entry}");
        assert_eq!(found[0].mark, Some(Mark::Blacklisted));
    }
}

#[test]
fn trust_that_can_be_forged_says_so() {
    for (entry, verified, detail) in [
        ("192.0.2.7", true, Some("client is trusted by network")),
        ("192.0.2.7", false, None),
        ("@header.example", true, Some("From is trusted by domain (can be forged)")),
        ("@header.example", false, Some("From is trusted by domain (can be forged)")),
    ] {
        let (envelope, header) = mail(verified);
        let found = judge(&envelope, &header, &lists(&[entry], &[]));
        assert_eq!(found.first().map(|found| found.detail.as_str()), detail, "{entry} {verified}");
    }
}

#[test]
fn no_list_names_the_null_sender() {
    let (mut envelope, _) = mail(true);
    envelope.sender.clear();
    let all = lists(&[], &["@envelope.example", ".example"]);
    assert_eq!(judge(&envelope, &HeaderReading::default(), &all), vec![]);
}

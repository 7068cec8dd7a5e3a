//! The content model in the scanner: what it says, that a remembered part says the same, and that it can be off.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_domain::evidence::Evidence;
use tamis_domain::policy::Policy;
use tamis_domain::status::Status;
use tamis_scanner::Scanner;
use tamis_scanner::config::Typed;
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;

/// An invented offer of the kind that nobody asked for.
const OFFER: &str = "From: \"Prof. Barrister\" <office4471@mail.example>\r\nTo: undisclosed-recipients:;\r\n\
    Reply-To: barrister@gmail.com\r\nSubject: URGENT BUSINESS PROPOSAL!!!\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\n\r\nDear beneficiary,\r\n\r\nI am the lawyer of a late client who left the sum of \
    $18.5 million dollars in our bank without next of kin. Kindly reply with your full name, address and phone \
    number to claim this fund. Treat it as urgent and confidential. God bless you.\r\n";

/// An invented answer among people who work together.
const ANSWER: &str = "From: Ann Example <ann@example.org>\r\nTo: dev@lists.example.org\r\n\
    Subject: Re: [dev] build fails on the new compiler\r\nIn-Reply-To: <1@example.org>\r\n\
    References: <1@example.org>\r\nMessage-ID: <2@example.org>\r\nUser-Agent: Mutt/1.10\r\n\r\n\
    On Monday, Bob wrote:\r\n> The test fails since the last patch.\r\n\r\nI think the problem is in the \
    configuration file. Could you post the log?\r\n\r\n-- \r\nAnn\r\n";

fn scanner(with_model: bool) -> Scanner {
    let typed = Typed { reputation: Vec::new(), ..Typed::default() };
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    let snapshot = Snapshot::load(Policy::default(), None).unwrap();
    let snapshot = if with_model { snapshot.with_content_model() } else { snapshot };
    Scanner::new(&typed.check().unwrap(), snapshot, metrics)
}

fn offer(mail: &str) -> Offer {
    let mail = mail.as_bytes();
    let dissected = tamis_message::digesting::dissect(mail);
    let inline = (0_u16..).zip(&dissected.spans).filter_map(|(part, span)| {
        let span = span.as_ref()?;
        Some(Content { part, bytes: tamis_message::content::decode(span, span.of(mail)) })
    });
    let inline = inline.collect();
    let remaining = Duration::from_secs(60);
    let envelope = Envelope::default();
    Offer { id: MailId([4; 16]), envelope, outline: dissected.outline, inline, remaining }
}

async fn said(scanner: &Scanner, mail: Offer) -> Option<Evidence> {
    let verdict = scanner.judge(mail, 1_795_000_000).await.unwrap();
    verdict.evidence.into_iter().find(|found| found.name == "content_model")
}

#[tokio::test]
async fn an_offer_weighs_much_and_an_answer_among_people_speaks_against_spam() {
    let scanner = scanner(true);
    let (offered, answered) =
        (said(&scanner, offer(OFFER)).await, said(&scanner, offer(ANSWER)).await);
    let (offered, answered) = (offered.expect("an opinion"), answered.expect("an opinion"));
    assert!(offered.weight >= 5.0, "{offered:?}");
    assert!(answered.weight < 0.0, "{answered:?}");
    assert!(offered.detail.contains("words of the text"), "{offered:?}");
}

#[tokio::test]
async fn a_part_that_is_remembered_says_what_it_said_when_it_was_read() {
    let scanner = scanner(true);
    let first = said(&scanner, offer(OFFER)).await;
    let again = said(&scanner, Offer { inline: Vec::new(), ..offer(OFFER) }).await;
    assert!(first.is_some());
    assert_eq!(first, again);
}

#[tokio::test]
async fn a_model_that_is_off_says_nothing_and_names_its_facts_otherwise() {
    assert_eq!(said(&scanner(false), offer(OFFER)).await, None);
    let without = Snapshot::load(Policy::default(), None).unwrap();
    let with = without.clone().with_content_model();
    assert_ne!(without.bases.generation, with.bases.generation);
}

/// An invented advertisement that no other sign knows.
const ADVERTISEMENT: &str = "From: \"Replica Shop\" <office4471@mail.example>\r\nTo: undisclosed-recipients:;\r\n\
    Subject: Cheap watches and pills, best price today\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\
    Dear customer, order our pills and luxury watches now. Best price, no prescription, free shipping. Lose weight \
    and save money today with our special offer.\r\n";

/// An invented report of a mail that could not be delivered; what comes back is the advertisement.
fn report() -> String {
    let (header, text) = (
        "From: Mail Delivery System <MAILER-DAEMON@mail.example.org>\r\n\
        To: ann@example.org\r\nSubject: Undelivered Mail Returned to Sender\r\n\
        Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n",
        "Your mail could not be delivered to one of its recipients.\r\n",
    );
    format!(
        "{header}--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.org\r\n\r\n\
         Final-Recipient: rfc822; bob@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n\
         Content-Type: message/rfc822\r\n\r\n{ADVERTISEMENT}\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn a_bounce_stays_formal_whatever_the_model_says_of_the_mail_that_comes_back() {
    let (with, without) = (scanner(true), scanner(false));
    let opinion = said(&with, offer(&report())).await.expect("an opinion");
    assert!(opinion.weight >= 1.0, "it accuses: {opinion:?}");
    for scanner in [&with, &without] {
        let verdict = scanner.judge(offer(&report()), 1_795_000_000).await.unwrap();
        assert_eq!(verdict.status, Status::Formal, "{verdict:?}");
    }
}

#[tokio::test]
async fn spam_under_the_name_of_a_mail_system_is_weighed_as_spam() {
    let forged = OFFER.replace(
        "From: \"Prof. Barrister\" <office4471@mail.example>",
        "From: Mail Delivery System <MAILER-DAEMON@mail.example>\r\nAuto-Submitted: auto-replied",
    );
    let scanner = scanner(true);
    let verdict = scanner.judge(offer(&forged), 1_795_000_000).await.unwrap();
    assert_ne!(verdict.status, Status::Formal);
    let said = said(&scanner, offer(&forged)).await.expect("an opinion");
    assert!(said.weight >= 4.0, "{said:?}");
}

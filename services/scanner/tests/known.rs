//! A mail whose parts are known is judged as it was when they were read; and what another base would read otherwise is
//! read again.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use tamis_classifier::base::recalibrated;
use tamis_classifier::model::Model;
use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_domain::policy::Policy;
use tamis_domain::status::Rung;
use tamis_domain::verdict::Verdict;
use tamis_message::{content, digesting};
use tamis_scanner::Scanner;
use tamis_scanner::config::Typed;
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;

const NOW_S: i64 = 1_795_000_000;

/// A page with a text beside it, a program in a zip's clothes, a picture and a mail within the mail.
const MAIL: &str = "From: \"Replica Shop\" <office4471@mail.example>\r\nTo: ann@example.org\r\n\
    Reply-To: sales@shop.example\r\nSubject: Cheap watches, best price today!!!\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    Dear customer, order luxury watches now. Best price, free shipping: http://shop.example/a?b=1\r\n\
    --a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    <html><body><p>Dear customer, order <b>luxury watches</b> now. Best price, free shipping, no questions=\r\n asked.</p>\
    <p style=3D\"display:none\">meeting minutes agenda</p><a href=3D\"http://shop.example/login\">https://bank.example/</a>\
    <img src=3D\"http://count.example/p.gif\" width=3D1 height=3D1></body></html>\r\n--a--\r\n\
    --m\r\nContent-Type: application/zip; name=\"offer.zip\"\r\nContent-Transfer-Encoding: base64\r\n\
    Content-Disposition: attachment; filename=\"offer.pdf.exe\"\r\n\r\nTVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=\r\n\
    --m\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\r\n\
    --m\r\nContent-Type: message/rfc822\r\n\r\nFrom: bob@example.com\r\nSubject: notes\r\n\r\n\
    Here are the notes of our last talk, with the numbers that you asked for.\r\n--m--\r\n";

fn snapshot(model: Model) -> Snapshot {
    Snapshot::load(Policy::default(), None).unwrap().with_model(model)
}

fn scanner(model: Model) -> Scanner {
    let typed = Typed { reputation: Vec::new(), ..Typed::default() };
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    Scanner::new(&typed.check().unwrap(), snapshot(model), metrics)
}

/// The same base with another threshold: the same sums, other points.
fn other_model() -> Model {
    Model::read(recalibrated(Model::built_in().bytes(), 1.5, 0.25, 40.0).unwrap()).unwrap()
}

fn offer(with_contents: bool) -> Offer {
    let mail = MAIL.as_bytes();
    let read = digesting::dissect(mail);
    let contents = (0_u16..).zip(&read.spans).filter_map(|(part, span)| {
        let span = span.as_ref()?;
        Some(Content { part, bytes: content::decode(span, span.of(mail)) })
    });
    Offer {
        id: MailId([7; 16]),
        envelope: Envelope {
            sender: "office4471@mail.example".into(),
            recipients: vec!["ann@example.org".into()],
            verified: true,
            ..Envelope::default()
        },
        inline: if with_contents { contents.collect() } else { Vec::new() },
        outline: read.outline,
        remaining: Duration::from_secs(30),
    }
}

async fn judged(scanner: &Scanner, with_contents: bool) -> Verdict {
    let verdict = scanner.judge(offer(with_contents), NOW_S).await.unwrap();
    Verdict { timings: Default::default(), ..verdict }
}

#[tokio::test]
async fn a_mail_of_known_parts_gets_the_verdict_that_it_got_when_they_were_read() {
    let scanner = scanner(Model::built_in());
    let first = judged(&scanner, true).await;
    assert_eq!(first.rung, Rung::Full);
    assert!(first.evidence.len() > 5, "or little is compared: {:?}", first.evidence);
    assert!(first.evidence.iter().any(|found| found.name == "content_model"));
    assert_eq!(judged(&scanner, false).await, first, "by its names alone");
    assert_eq!(judged(&scanner, true).await, first, "with contents that nobody reads again");
}

#[tokio::test]
async fn a_base_that_is_switched_finds_no_facts_of_the_one_before() {
    let scanner = scanner(Model::built_in());
    let before = judged(&scanner, true).await;
    scanner.snapshot.swap(snapshot(other_model()));
    assert_ne!(judged(&scanner, false).await.rung, Rung::Full, "nothing is known any more");
    let after = judged(&scanner, true).await;
    assert_ne!(after.score, before.score, "or the switch shows nothing");
    assert_eq!(
        after,
        judged(&self::scanner(other_model()), true).await,
        "as who never had another"
    );
    scanner.snapshot.swap(snapshot(Model::built_in()));
    assert_eq!(judged(&scanner, false).await, before, "the first base finds its own facts again");
}

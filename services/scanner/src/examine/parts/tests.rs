use std::time::Duration;

use tamis_domain::digest::MailId;
use tamis_domain::envelope::Envelope;
use tamis_domain::policy::Policy;
use tamis_runtime::metrics::Metrics as Page;

use super::*;
use crate::config::Typed;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;

fn scanner() -> Scanner {
    scanner_with(Typed::default().memory_bytes_max)
}

fn scanner_with(memory_bytes_max: u64) -> Scanner {
    let typed = Typed { reputation: Vec::new(), memory_bytes_max, ..Typed::default() };
    let snapshot = Snapshot::load(Policy::default(), None).expect("our own bases");
    Scanner::new(&typed.check().expect("defaults"), snapshot, Metrics::new(&Page::new()))
}

/// A mail of one text of so many bytes, and its content.
fn offer(bytes: usize) -> (Offer, Vec<Content>) {
    let text = "A long letter, line by line.\r\n".repeat(bytes.div_ceil(30));
    let mail = format!("From: ann@example.org\r\nSubject: long\r\n\r\n{}", &text[..bytes]);
    let dissected = tamis_message::digesting::dissect(mail.as_bytes());
    let content = Content { part: 0, bytes: text.as_bytes()[..bytes].to_vec() };
    let (envelope, inline) = (Envelope::default(), Vec::new());
    let remaining = Duration::from_secs(60);
    let offer =
        Offer { id: MailId([4; 16]), envelope, outline: dissected.outline, inline, remaining };
    (offer, vec![content])
}

async fn read(scanner: &Scanner, bytes: usize, within: Duration) -> Option<Arc<PartFacts>> {
    let (offer, contents) = offer(bytes);
    let mut mail = Examination::begin(scanner.snapshot.take(), &offer, 1_795_000_000);
    mail.read(scanner, &offer, contents, clock::now() + within).await;
    mail.facts[0].clone()
}

const SHORT: usize = 1_000;
const LONG: usize = 200_000;
const SOON: Duration = Duration::from_millis(30);
const LATE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_long_part_waits_for_a_reader_until_the_mails_time_is_over_and_a_short_one_does_not() {
    let scanner = scanner();
    let all = u32::try_from(reading::readers()).expect("a few");
    let most = scanner.readers.acquire_many(all - 1).await.expect("places");
    assert!(read(&scanner, LONG, LATE).await.is_some(), "the last place");
    let last = scanner.readers.acquire().await.expect("a place");
    assert!(read(&scanner, LONG + 1, SOON).await.is_none(), "one more waits, and is unread");
    assert!(read(&scanner, SHORT, SOON).await.is_some());
    drop((most, last));
    assert!(read(&scanner, LONG + 1, LATE).await.is_some());
    assert_eq!(scanner.readers.available_permits(), all as usize, "every place is given back");
}

#[tokio::test]
async fn copies_that_wait_for_a_reader_take_what_the_first_of_them_read() {
    let scanner = scanner();
    let all = u32::try_from(reading::readers()).expect("a few");
    let most = scanner.readers.acquire_many(all - 1).await.expect("places");
    let copies = tokio::join!(
        read(&scanner, LONG, LATE),
        read(&scanner, LONG, LATE),
        read(&scanner, LONG, LATE)
    );
    drop(most);
    let (Some(first), Some(second), Some(third)) = copies else { panic!("all are read") };
    assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &third), "read once");
}

#[tokio::test]
async fn a_mail_of_many_short_parts_holds_its_thread_no_longer_than_one_long_part_would() {
    let scanner = scanner();
    let all = u32::try_from(reading::readers()).expect("a few");
    let places = scanner.readers.acquire_many(all).await.expect("places");
    let count = 2 * reading::IN_PLACE_BYTES_MAX / 1024;
    let text = |number: usize| format!("{number:01024}");
    let part = |number| format!("--A\r\n\r\n{}\r\n", text(number));
    let body: String = (0..count).map(part).collect();
    let mail =
        format!("Subject: x\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\n{body}--A--\r\n");
    let (mut offer, _) = offer(1);
    offer.outline = tamis_message::digesting::dissect(mail.as_bytes()).outline;
    let contents = (0..count)
        .map(|number| Content { part: number as u16 + 1, bytes: text(number).into_bytes() })
        .collect();
    let mut mail = Examination::begin(scanner.snapshot.take(), &offer, 1_795_000_000);
    // What is read in place is read at the first poll; then a reader is waited for.
    let mut reading = Box::pin(mail.read(&scanner, &offer, contents, clock::now() + LATE));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(reading.as_mut().poll(&mut context).is_pending());
    drop((reading, places));
    let read = mail.facts.iter().flatten().count();
    assert_eq!(read, reading::IN_PLACE_BYTES_MAX / 1024, "the rest wants a reader");
}

#[tokio::test]
async fn a_part_that_comes_twice_in_a_mail_is_read_once_although_nothing_is_remembered() {
    let scanner = scanner_with(0);
    let part = "--b\r\nContent-Type: text/html\r\n\r\n<p>Now <b>cheaper</b></p>\r\n";
    let other = part.replace("Now", "Then");
    let mail =
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}{other}{part}--b--\r\n");
    let dissected = tamis_message::digesting::dissect(mail.as_bytes());
    let spans = (0_u16..).zip(&dissected.spans);
    let contents = spans.filter_map(|(part, span)| {
        let span = span.as_ref()?;
        let bytes = tamis_message::content::decode(span, span.of(mail.as_bytes()));
        Some(Content { part, bytes })
    });
    let contents: Vec<Content> = contents.collect();
    let offer = Offer { outline: dissected.outline, ..offer(SHORT).0 };
    let mut judged = Examination::begin(scanner.snapshot.take(), &offer, 1_795_000_000);
    judged.read(&scanner, &offer, contents, clock::now() + LATE).await;
    let [_, Some(first), Some(other), Some(again)] = &judged.facts[..] else {
        panic!("a container and three parts, all read: {:?}", judged.facts)
    };
    assert!(Arc::ptr_eq(first, again) && !Arc::ptr_eq(first, other));
}

//! One mail's dialogue with a scripted edge: how many rounds, what is asked, what is remembered.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tamis_domain::dialogue::{Broken, Content, Need, Offer, Supply};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::{Door, Envelope};
use tamis_domain::status::{Rung, Status};
use tamis_domain::verdict::Verdict;
use tamis_message::{content, digesting};
use tamis_proto::scan_convert::EdgeWord;
use tamis_scanner::Scanner;
use tamis_scanner::config::{Config, Typed};
use tamis_scanner::metrics::Metrics;
use tamis_scanner::serve::{Edge, Ended, serve};
use tamis_scanner::snapshot::Snapshot;
use tokio::sync::Notify;

/// An edge that holds a mail and answers Needs from it.
struct Scripted {
    offer: Option<Offer>,
    contents: Vec<Content>,
    words: VecDeque<Supply>,
    needs: Vec<Vec<u16>>,
    /// Supplies wait for this, if it is there.
    gate: Option<Arc<Notify>>,
    /// Told when a Need was heard.
    needed: Arc<Notify>,
    /// Never answers a Need.
    is_mute: bool,
}

impl Edge for Scripted {
    async fn hear(&mut self) -> Result<EdgeWord, Ended> {
        if let Some(offer) = self.offer.take() {
            return Ok(EdgeWord::Offer(Box::new(offer)));
        }
        if self.is_mute {
            std::future::pending::<()>().await;
        }
        if let Some(gate) = self.gate.take() {
            gate.notified().await;
        }
        self.words.pop_front().map(EdgeWord::Supply).ok_or(Ended::HungUp)
    }

    async fn say(&mut self, need: &Need) -> Result<(), Ended> {
        self.needs.push(need.parts().to_vec());
        for part in need.parts() {
            let content = self.contents.iter().find(|content| content.part == *part).unwrap();
            self.words.push_back(Supply { part: *part, bytes: content.bytes.clone(), last: true });
        }
        self.needed.notify_one();
        Ok(())
    }
}

/// A mail with a text and an attachment; `mark` makes its text different.
fn mail(mark: &str) -> Vec<u8> {
    let text =
        format!("Dear all, the minutes of the {mark} meeting are attached, as every week.\r\n")
            .repeat(3);
    format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: minutes\r\n\
         Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-Id: <1@example.org>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n{text}\
         --b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgcICQ==\r\n--b--\r\n"
    )
    .into_bytes()
}

/// An edge with this mail; contents travel with the offer or on demand.
fn edge(mail: &[u8], inline: bool) -> Scripted {
    let dissected = digesting::dissect(mail);
    let contents: Vec<Content> = (0_u16..)
        .zip(&dissected.spans)
        .filter_map(|(part, span)| {
            span.as_ref().map(|span| Content { part, bytes: content::decode(span, span.of(mail)) })
        })
        .collect();
    let envelope = Envelope {
        sender: "ann@example.org".into(),
        recipients: vec!["bob@example.com".into()],
        door: Door::Lmtp,
        verified: true,
        ..Envelope::default()
    };
    let offer = Offer {
        id: MailId([4; 16]),
        envelope,
        outline: dissected.outline,
        inline: if inline { contents.clone() } else { Vec::new() },
        remaining: Duration::from_secs(5),
    };
    Scripted {
        offer: Some(offer),
        contents,
        words: VecDeque::new(),
        needs: Vec::new(),
        gate: None,
        needed: Arc::new(Notify::new()),
        is_mute: false,
    }
}

fn config() -> Config {
    Typed { reputation: Vec::new(), ..Typed::default() }.check().unwrap()
}

fn scanner_with(config: &Config) -> Arc<Scanner> {
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    let snapshot = Snapshot::load(tamis_domain::policy::Policy::default(), None).unwrap();
    Arc::new(Scanner::new(config, snapshot, metrics))
}

fn scanner() -> Arc<Scanner> {
    scanner_with(&config())
}

async fn judge(scanner: &Scanner, edge: &mut Scripted) -> Verdict {
    serve(scanner, edge).await.expect("a verdict")
}

#[tokio::test]
async fn what_nobody_knows_is_needed_once_and_never_again() {
    let scanner = scanner();
    let mut first = edge(&mail("monday"), false);
    let verdict = judge(&scanner, &mut first).await;
    assert_eq!(first.needs, [vec![1, 2]], "text and attachment, in one Need");
    assert_eq!((verdict.rung, verdict.status), (Rung::Full, Status::NotDetected));
    let mut copy = edge(&mail("monday"), false);
    let again = judge(&scanner, &mut copy).await;
    assert!(copy.needs.is_empty(), "the second copy travels by name alone");
    assert_eq!(again.evidence, verdict.evidence, "and is judged the same");
    let mut other = edge(&mail("tuesday"), false);
    judge(&scanner, &mut other).await;
    assert_eq!(other.needs, [vec![1]], "only the part that is new");
}

#[tokio::test]
async fn small_mails_take_one_round() {
    let scanner = scanner();
    let mut whole = edge(&mail("monday"), true);
    assert_eq!(judge(&scanner, &mut whole).await.rung, Rung::Full);
    assert!(whole.needs.is_empty());
}

#[tokio::test]
async fn the_same_part_arriving_many_times_at_once_is_supplied_once() {
    let scanner = scanner();
    let gate = Arc::new(Notify::new());
    let mut leader = edge(&mail("monday"), false);
    leader.gate = Some(Arc::clone(&gate));
    let needed = Arc::clone(&leader.needed);
    let leading = tokio::spawn({
        let scanner = Arc::clone(&scanner);
        async move { (judge(&scanner, &mut leader).await, leader.needs) }
    });
    needed.notified().await;
    let followers: Vec<_> = (0..20)
        .map(|_| {
            let scanner = Arc::clone(&scanner);
            tokio::spawn(async move {
                let mut edge = edge(&mail("monday"), false);
                (judge(&scanner, &mut edge).await, edge.needs)
            })
        })
        .collect();
    tokio::task::yield_now().await;
    gate.notify_one();
    let (verdict, needs) = leading.await.unwrap();
    assert_eq!(needs.len(), 1);
    for follower in followers {
        let (followed, needs) = follower.await.unwrap();
        assert!(needs.is_empty(), "nobody else asks for it");
        assert_eq!(followed.evidence, verdict.evidence);
        assert_eq!(followed.rung, Rung::Full);
    }
}

#[tokio::test]
async fn an_edge_that_goes_silent_gets_a_verdict_on_a_lower_rung_in_time() {
    let scanner = scanner();
    let mut mute = edge(&mail("monday"), false);
    mute.is_mute = true;
    mute.offer.as_mut().unwrap().remaining = Duration::from_millis(600);
    let began = std::time::Instant::now();
    let verdict = judge(&scanner, &mut mute).await;
    assert!(began.elapsed() < Duration::from_millis(600), "before the edge gives up");
    assert_eq!(verdict.rung, Rung::Cached);
}

#[tokio::test]
async fn a_lying_edge_deceives_nobody_but_itself() {
    let scanner = scanner();
    let gtube =
        ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].concat();
    let spam =
        String::from_utf8(mail("monday")).unwrap().replacen("Dear all", &gtube, 1).into_bytes();
    let honest = edge(&spam, false);
    // The liar offers the spam's name and supplies innocent bytes of the same length.
    let mut liar = edge(&spam, false);
    liar.contents[0].bytes = vec![b'a'; liar.contents[0].bytes.len()];
    assert_eq!(judge(&scanner, &mut liar).await.status, Status::NotDetected);
    let mut honest = honest;
    assert_eq!(
        judge(&scanner, &mut honest).await.status,
        Status::Spam,
        "the name was not poisoned"
    );
    assert_eq!(honest.needs, [vec![1]], "the attachment was supplied honestly and is known");
}

#[tokio::test]
async fn a_lying_edge_does_not_deceive_those_who_wait_for_its_part() {
    let scanner = scanner();
    let gate = Arc::new(Notify::new());
    let mut liar = edge(&mail("monday"), false);
    liar.contents[0].bytes = vec![b'a'; liar.contents[0].bytes.len()];
    liar.gate = Some(Arc::clone(&gate));
    let needed = Arc::clone(&liar.needed);
    let lying = tokio::spawn({
        let scanner = Arc::clone(&scanner);
        async move { judge(&scanner, &mut liar).await }
    });
    needed.notified().await;
    let honest = tokio::spawn({
        let scanner = Arc::clone(&scanner);
        async move {
            let mut edge = edge(&mail("monday"), false);
            judge(&scanner, &mut edge).await;
            edge.needs
        }
    });
    tokio::task::yield_now().await;
    gate.notify_one();
    lying.await.unwrap();
    assert_eq!(honest.await.unwrap(), [vec![1]], "it asks its own edge for the misnamed part");
}

#[tokio::test]
async fn a_part_that_is_there_twice_is_supplied_once_and_nobody_waits_for_himself() {
    let scanner = scanner();
    let once = String::from_utf8(mail("monday")).unwrap();
    let (before, attachment) =
        once.split_at(once.rfind("--b\r\nContent-Type: application").unwrap());
    let attachment = attachment.trim_end_matches("--b--\r\n");
    let twice = format!("{before}{attachment}{attachment}--b--\r\n");
    let mut edge = edge(twice.as_bytes(), false);
    let began = std::time::Instant::now();
    assert_eq!(judge(&scanner, &mut edge).await.rung, Rung::Full);
    assert_eq!(edge.needs, [vec![1, 2]], "the third part is the second one again");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_full_scanner_refuses_at_once() {
    let full = Config { mails_max: 1, ..config() };
    let scanner = scanner_with(&full);
    let gate = Arc::new(Notify::new());
    let mut first = edge(&mail("monday"), false);
    first.gate = Some(Arc::clone(&gate));
    let needed = Arc::clone(&first.needed);
    let busy = tokio::spawn({
        let scanner = Arc::clone(&scanner);
        async move { judge(&scanner, &mut first).await }
    });
    needed.notified().await;
    let refused = serve(&scanner, &mut edge(&mail("tuesday"), false)).await;
    assert!(matches!(refused, Err(Ended::Full)));
    gate.notify_one();
    busy.await.unwrap();
    judge(&scanner, &mut edge(&mail("tuesday"), false)).await;
}

#[tokio::test]
async fn words_out_of_order_end_the_dialogue() {
    let scanner = scanner();
    let mut short = edge(&mail("monday"), false);
    short.contents[0].bytes.pop();
    let ended = serve(&scanner, &mut short).await;
    assert!(matches!(ended, Err(Ended::Broken(Broken::TooShort { part: 1, .. }))), "{ended:?}");
    let mut silent = edge(&mail("monday"), false);
    silent.offer = None;
    assert!(matches!(serve(&scanner, &mut silent).await, Err(Ended::HungUp)));
    judge(&scanner, &mut edge(&mail("monday"), false)).await;
}

//! What users taught, in the judgement of a mail and at the door: by the whole scanner.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use tamis_domain::dialogue::{Content, Offer};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::{Door, Envelope};
use tamis_domain::status::{Rung, Status};
use tamis_domain::verdict::Verdict;
use tamis_learning::score;
use tamis_message::{content, digesting};
use tamis_proto::learning as wire;
use tamis_proto::learning::learning_server::Learning as _;
use tamis_runtime::listen::Peer;
use tamis_scanner::Scanner;
use tamis_scanner::config::{Typed, TypedLearning};
use tamis_scanner::metrics::Metrics;
use tamis_scanner::snapshot::Snapshot;
use tamis_scanner::teach::{self, MAIL_BYTES_MAX};
use tonic::{Code, Request};

/// The day of the letters.
const NOW_S: i64 = 1_795_255_200;

fn scanner(learning: TypedLearning) -> Arc<Scanner> {
    let typed = Typed { reputation: Vec::new(), learning, ..Typed::default() };
    let metrics = Metrics::new(&tamis_runtime::metrics::Metrics::new());
    Arc::new(Scanner::new(&typed.check().unwrap(), Snapshot::default(), metrics))
}

fn kept_in(directory: &std::path::Path) -> TypedLearning {
    TypedLearning { directory: directory.to_path_buf(), ..TypedLearning::default() }
}

fn letter(kind: &str, number: usize) -> Vec<u8> {
    let text = match kind {
        "spam" => "cheap watches and pills, order now, best price guaranteed",
        _ => "the minutes of the meeting are attached, see you on Monday",
    };
    format!(
        "From: Someone <{kind}{number}@{kind}.test>\r\nTo: bob@example.com\r\n\
         Subject: about {kind}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
         Message-Id: <{kind}{number}@example.org>\r\n\r\n{text} {number}\r\n"
    )
    .into_bytes()
}

async fn judge(scanner: &Scanner, mail: &[u8]) -> Verdict {
    scanner.judge(offer(mail, "someone@example.org"), NOW_S).await.unwrap()
}

fn offer(mail: &[u8], sender: &str) -> Offer {
    let dissected = digesting::dissect(mail);
    let contents = (0_u16..).zip(&dissected.spans).filter_map(|(part, span)| {
        span.as_ref().map(|span| Content { part, bytes: content::decode(span, span.of(mail)) })
    });
    Offer {
        id: MailId([4; 16]),
        envelope: Envelope {
            sender: sender.into(),
            recipients: vec!["bob@example.com".into()],
            door: Door::Lmtp,
            verified: true,
            ..Envelope::default()
        },
        inline: contents.collect(),
        outline: dissected.outline,
        remaining: Duration::from_secs(5),
    }
}

fn weight(verdict: &Verdict) -> f32 {
    let mut found = verdict.evidence.iter().filter(|found| found.name == "learned");
    found.next().map_or(0.0, |found| found.weight)
}

async fn teach(
    scanner: &Arc<Scanner>,
    mail: Vec<u8>,
    class: wire::Class,
) -> Result<wire::LearnResponse, tonic::Status> {
    let message = wire::LearnRequest { mail, class: class.into(), recipient: "example.com".into() };
    let mut request = Request::new(message);
    request.extensions_mut().insert(Peer::Unix);
    teach::teaching(scanner).learn(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn what_users_teach_becomes_evidence_once_there_is_enough_of_both_classes() {
    let directory = tempfile::tempdir().unwrap();
    let scanner = scanner(kept_in(directory.path()));
    let (spam, ham) = (letter("spam", 900), letter("ham", 900));
    for number in 0..20 {
        teach(&scanner, letter("spam", number), wire::Class::Spam).await.unwrap();
        assert_eq!(weight(&judge(&scanner, &spam).await), 0.0, "no ham was taught yet");
    }
    for number in 0..19 {
        teach(&scanner, letter("ham", number), wire::Class::Ham).await.unwrap();
    }
    assert_eq!(weight(&judge(&scanner, &spam).await), 0.0, "19 are not 20");
    let answer = teach(&scanner, letter("ham", 19), wire::Class::Ham).await.unwrap();
    assert_eq!((answer.spam, answer.ham), (20, 20));
    // Its part is known by digest since it was judged before: the features are remembered with the facts.
    let (verdict, of_ham) = (judge(&scanner, &spam).await, judge(&scanner, &ham).await);
    assert!(weight(&verdict) > 1.0, "{:?}", verdict.evidence);
    assert!(weight(&verdict) <= 2.9, "little was taught: {}", weight(&verdict));
    assert!(weight(&of_ham) < -1.0, "{:?}", of_ham.evidence);
    assert_eq!(verdict.rung, Rung::Full);
    let detail = &verdict.evidence.iter().find(|found| found.name == "learned").unwrap().detail;
    assert!(detail.contains("users of this domain"), "{detail}");
}

#[tokio::test]
async fn a_redis_that_is_away_is_named_and_lowers_the_rung_and_costs_no_time() {
    let typed = TypedLearning { redis: "redis://127.0.0.1:1/".into(), ..TypedLearning::default() };
    let scanner = scanner(typed);
    let began = std::time::Instant::now();
    let verdict = judge(&scanner, &letter("spam", 1)).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(verdict.rung, Rung::Cached);
    assert!(verdict.evidence.iter().any(|found| found.name == "learned_unknown"));
    let refused = teach(&scanner, letter("spam", 1), wire::Class::Spam).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn who_may_teach_shows_the_token_or_is_on_this_machine() {
    let directory = tempfile::tempdir().unwrap();
    let open = teach::teaching(&scanner(kept_in(&directory.path().join("open"))));
    let file = directory.path().join("token");
    std::fs::write(&file, "# a token\n0123456789abcdef0123\n").unwrap();
    let typed = TypedLearning { token_file: file, ..kept_in(&directory.path().join("closed")) };
    let closed = teach::teaching(&scanner(typed));
    let none = teach::teaching(&scanner(TypedLearning::default()));
    let request = |from: &str, token: Option<&str>| {
        let class = wire::Class::Spam.into();
        let recipient = String::new();
        let mut request =
            Request::new(wire::LearnRequest { mail: letter("spam", 1), class, recipient });
        request.extensions_mut().insert(Peer::Tcp(from.parse().unwrap()));
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", token.parse().unwrap());
        }
        request
    };
    let (here, there) = ("127.0.0.1:9", "192.0.2.1:9");
    let code = |answer: Result<_, tonic::Status>| {
        answer.map(|_: tonic::Response<_>| ()).map_err(|status| status.code())
    };
    assert_eq!(code(none.learn(request(here, None)).await), Err(Code::FailedPrecondition));
    assert_eq!(code(open.learn(request(here, None)).await), Ok(()));
    assert_eq!(code(open.learn(request(there, None)).await), Err(Code::PermissionDenied));
    let good = "Bearer 0123456789abcdef0123";
    assert_eq!(code(closed.learn(request(there, Some(good))).await), Ok(()));
    for bad in [None, Some("Bearer 0123456789abcdef0124"), Some("0123456789abcdef0123")] {
        assert_eq!(
            code(closed.learn(request(here, bad)).await),
            Err(Code::Unauthenticated),
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn hostile_mail_is_learned_or_refused_and_nothing_breaks() {
    let directory = tempfile::tempdir().unwrap();
    let scanner = scanner(kept_in(directory.path()));
    let code = |answer: Result<wire::LearnResponse, tonic::Status>| {
        answer.map(|answer| answer.outcome()).map_err(|status| status.code())
    };
    let spam = wire::Class::Spam;
    assert_eq!(code(teach(&scanner, Vec::new(), spam).await), Err(Code::InvalidArgument));
    let unspecified = teach(&scanner, letter("spam", 1), wire::Class::Unspecified).await;
    assert_eq!(code(unspecified), Err(Code::InvalidArgument));
    let most = vec![b'a'; MAIL_BYTES_MAX];
    assert_eq!(code(teach(&scanner, most.clone(), spam).await), Ok(wire::Outcome::Learned));
    let more = [most, vec![b'a']].concat();
    assert_eq!(code(teach(&scanner, more, spam).await), Err(Code::InvalidArgument));
    for mail in [vec![0], vec![0xff; 5000], b"<".repeat(100_000), b"\n\n=?utf-8?B?".repeat(5000)] {
        assert_eq!(code(teach(&scanner, mail, spam).await), Ok(wire::Outcome::Learned));
    }
}

/// A mail of the corpus with other words in its Message-Id, so that it can be taught many times.
fn another(mail: &[u8], number: usize) -> Vec<u8> {
    let text = String::from_utf8(mail.to_vec()).unwrap();
    let kept: String = text
        .split_inclusive('\n')
        .filter(|line| !line.to_lowercase().starts_with("message-id:"))
        .collect();
    format!("Message-ID: <{number}@poison.test>\n{kept}").into_bytes()
}

/// A scanner to which `spam` was taught as spam, and `ham` as ham, until it may say all it knows.
async fn taught(directory: &std::path::Path, spam: &[u8], ham: &[u8]) -> Arc<Scanner> {
    let scanner = scanner(kept_in(directory));
    for number in 0..usize::from(score::MAILS_OF_EACH_FULL) {
        teach(&scanner, another(spam, number), wire::Class::Spam).await.unwrap();
        teach(&scanner, another(ham, number), wire::Class::Ham).await.unwrap();
    }
    scanner
}

const BOUNCE: &[u8] = include_bytes!("../../../corpus/formal/dsn.eml");
const NEWSLETTER: &[u8] = include_bytes!("../../../corpus/ham/newsletter.eml");

#[tokio::test]
async fn a_formal_mail_stays_formal_however_often_users_called_it_spam() {
    let directory = tempfile::tempdir().unwrap();
    let scanner = taught(directory.path(), BOUNCE, &letter("ham", 1)).await;
    // The store has learned enough to speak.
    let verdict = judge(&scanner, &letter("ham", 2)).await;
    assert!(weight(&verdict) < -3.0, "{:?}", verdict.evidence);
    let verdict = scanner.judge(offer(BOUNCE, ""), NOW_S).await.unwrap();
    assert_eq!(weight(&verdict), 0.0, "nor does its score grow: {:?}", verdict.evidence);
    assert_eq!(verdict.status, Status::Formal);
    let disguised = another(BOUNCE, 1);
    let disguised = String::from_utf8(disguised).unwrap();
    let disguised =
        disguised.replace("multipart/report; report-type=delivery-status", "multipart/mixed");
    let verdict = judge(&scanner, disguised.as_bytes()).await;
    assert!(weight(&verdict) > 3.0, "what is no bounce is judged: {:?}", verdict.evidence);
    assert_ne!(verdict.status, Status::Formal);
}

#[tokio::test]
async fn a_poisoned_store_makes_a_clean_newsletter_no_spam_and_lets_no_proof_pass() {
    let directory = tempfile::tempdir().unwrap();
    let proof = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-", "ANTI-UBE-TEST-EMAIL*C.34X"];
    let bad = [&letter("spam", 1)[..], proof.concat().as_bytes(), b"\r\n"].concat();
    let scanner = taught(directory.path(), NEWSLETTER, &bad).await;
    let verdict = judge(&scanner, NEWSLETTER).await;
    let before = verdict.score - weight(&verdict);
    assert!((3.0..=score::WEIGHT_MAX as f32).contains(&weight(&verdict)), "{}", weight(&verdict));
    assert!(before < 4.0, "a clean newsletter: {:?}", verdict.evidence);
    assert_ne!(verdict.status, Status::Spam);
    let verdict = judge(&scanner, &bad).await;
    assert!((score::WEIGHT_MIN as f32..-3.0).contains(&weight(&verdict)), "{}", weight(&verdict));
    assert_eq!(verdict.status, Status::Spam, "proof is proof");
}

#[tokio::test]
async fn who_judges_from_a_record_without_the_store_keeps_what_users_had_taught() {
    let directory = tempfile::tempdir().unwrap();
    let (spam, ham) = (letter("spam", 900), letter("ham", 900));
    let scanner = taught(directory.path(), &spam, &ham).await;
    let of = |mail: &[u8]| offer(mail, "someone@example.org");
    let record = scanner.judge_recorded(of(&spam), NOW_S, None).await.unwrap();
    let said = weight(&record.verdict);
    assert!(said > 3.0, "{:?}", record.verdict.evidence);
    let other = self::scanner(TypedLearning::default());
    let again = other.judge_recorded(of(&spam), NOW_S, Some(&record)).await.unwrap();
    assert_eq!(weight(&again.verdict).to_bits(), said.to_bits());
    let asked = scanner.judge_recorded(of(&spam), NOW_S, Some(&record)).await.unwrap();
    let found = asked.verdict.evidence.iter().filter(|found| found.name == "learned");
    assert_eq!(found.count(), 1, "who asks himself does not remember, too");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_stops_no_mail_and_every_verdict_says_so() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("learned.log"), b"something else, quite long").unwrap();
    let scanner = scanner(kept_in(directory.path()));
    let verdict = judge(&scanner, &letter("ham", 1)).await;
    assert!(verdict.evidence.iter().any(|found| found.name == "learned_unknown"));
    assert_eq!(verdict.rung, Rung::Cached);
    let refused = teach(&scanner, letter("spam", 1), wire::Class::Spam).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let kept = std::fs::read(directory.path().join("learned.log")).unwrap();
    assert_eq!(kept, b"something else, quite long");
}

#[test]
fn the_names_of_this_evidence_are_those_that_a_policy_knows() {
    let known: Vec<&str> = tamis_scanner::evidence_names().collect();
    assert!(known.contains(&score::NAME) && known.contains(&score::SILENT));
}

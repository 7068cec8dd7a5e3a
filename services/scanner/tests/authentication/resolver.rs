//! The room for DNS itself: what is asked once, what is kept, where it ends.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_resolver::proto::op::ResponseCode;
use tamis_runtime::clock;
use tamis_scanner::ask::dns::{
    Answer, Failure, Kind, QUESTIONS_PER_MAIL_MAX, Record, SEATS_PER_MAIL, Tally,
};

use crate::server::{Entry, Server, Zone, a, cname, mx, txt};

fn until() -> Instant {
    clock::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn each_kind_of_answer_is_told_apart() {
    let long = vec![b'x'; 3000];
    let server = Server::start(Zone::from([
        ("a.example".into(), vec![a("192.0.2.1"), a("2001:db8::1"), mx(10, "MX.example")]),
        ("alias.example".into(), vec![cname("a.example")]),
        ("long.example".into(), vec![txt(&long)]),
        ("broken.example".into(), vec![Entry::Code(ResponseCode::ServFail)]),
        ("refused.example".into(), vec![Entry::Code(ResponseCode::Refused)]),
        ("silent.example".into(), vec![Entry::Silence]),
    ]))
    .await;
    let dns = server.dns();
    let session = dns.session(until());
    let found = |record: Record| Answer::Found([record].into());
    for (name, kind, expect) in [
        ("A.Example.", Kind::A, found(Record::A([192, 0, 2, 1].into()))),
        ("alias.example", Kind::A, found(Record::A([192, 0, 2, 1].into()))),
        (
            "a.example",
            Kind::Mx,
            found(Record::Mx { preference: 10, exchange: "mx.example".into() }),
        ),
        ("long.example", Kind::Txt, found(Record::Txt(long))),
        ("a.example", Kind::Txt, Answer::NoData),
        ("none.example", Kind::Txt, Answer::NoName),
        ("not a..name", Kind::Txt, Answer::NoName),
        ("broken.example", Kind::A, Answer::Failed(Failure::Server)),
        ("refused.example", Kind::A, Answer::Failed(Failure::Server)),
        ("silent.example", Kind::A, Answer::Failed(Failure::Timeout)),
    ] {
        assert_eq!(session.ask(name, kind).await, expect, "{name}");
    }
    assert_eq!(session.tally(), Tally { heard: 8, silent: 1 });
}

#[tokio::test]
async fn equal_questions_of_many_mails_are_one_question() {
    let late = Entry::Late(Duration::from_millis(200));
    let server =
        Server::start(Zone::from([("a.example".into(), vec![late, a("192.0.2.1")])])).await;
    let dns = server.dns();
    let sessions: Vec<_> = (0..50).map(|_| dns.session(until())).collect();
    let answers = join_all(sessions.iter().map(|it| it.ask("a.example", Kind::A))).await;
    assert!(answers.iter().all(|answer| !answer.records().is_empty()));
    assert_eq!(dns.session(until()).ask("a.example", Kind::A).await, answers[0]);
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_mail_that_gives_up_leaves_the_answer_to_the_next_one() {
    let late = Entry::Late(Duration::from_millis(250));
    let server =
        Server::start(Zone::from([("a.example".into(), vec![late, a("192.0.2.1")])])).await;
    let dns = server.dns_with(|plan| plan.budget = Duration::from_millis(50));
    let began = Instant::now();
    let answer = dns.session(until()).ask("a.example", Kind::A).await;
    assert_eq!(answer, Answer::Failed(Failure::Timeout));
    assert!(began.elapsed() < Duration::from_millis(200), "no longer than its budget");
    while server.asked() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    let answer = dns.session(until()).ask("a.example", Kind::A).await;
    assert!(!answer.records().is_empty());
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn one_mail_asks_n_questions_and_no_more() {
    let server = Server::start(Zone::new()).await;
    let dns = server.dns();
    let session = dns.session(until());
    for number in 0..QUESTIONS_PER_MAIL_MAX {
        let answer = session.ask(&format!("n{number}.example"), Kind::A).await;
        assert_eq!(answer, Answer::NoName, "{number}");
    }
    let answer = session.ask("one.more.example", Kind::A).await;
    assert_eq!(answer, Answer::Failed(Failure::TooMany));
    assert_eq!(session.ask("n0.example", Kind::A).await, Answer::NoName, "the cache is free");
    let other = dns.session(until());
    assert_eq!(other.ask("one.more.example", Kind::A).await, Answer::NoName, "of another mail");
}

#[tokio::test]
async fn one_mail_has_n_questions_under_way_at_a_time() {
    let zone = (0..2 * SEATS_PER_MAIL)
        .map(|number| (format!("n{number}.example"), vec![Entry::Silence]))
        .collect();
    let server = Server::start(zone).await;
    let dns = server.dns_with(|plan| plan.budget = Duration::from_millis(150));
    let session = dns.session(until());
    let names: Vec<String> = (0..2 * SEATS_PER_MAIL).map(|it| format!("n{it}.example")).collect();
    join_all(names.iter().map(|name| session.ask(name, Kind::A))).await;
    let mut asked = server.names.lock().unwrap().clone();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), SEATS_PER_MAIL);
}

#[tokio::test]
async fn servers_that_answer_nothing_at_all_are_left_alone_until_one_question_comes_through() {
    let names: Vec<String> = (0..30).map(|number| format!("n{number}.example")).collect();
    let zone = names.iter().map(|name| (name.clone(), vec![Entry::Silence])).collect();
    let server = Server::start(zone).await;
    let dns = server.dns_with(|plan| plan.timeout = Duration::from_millis(50));
    let (one, two) = (dns.session(until()), dns.session(until()));
    let ask = async |session: &tamis_scanner::ask::dns::Session, names: &[String]| {
        join_all(names.iter().map(|name| session.ask(name, Kind::A))).await
    };
    ask(&one, &names[..15]).await;
    ask(&two, &names[15..]).await;
    let before = server.asked();
    let began = Instant::now();
    let answer = dns.session(until()).ask("other.example", Kind::A).await;
    assert_eq!(answer, Answer::Failed(Failure::Resting));
    assert!(began.elapsed() < Duration::from_millis(40), "it is told at once");
    assert_eq!(server.asked(), before);
}

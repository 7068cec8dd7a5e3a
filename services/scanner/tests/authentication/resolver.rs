//! The room for DNS itself: what is asked once, what is kept, where it ends.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_resolver::proto::op::ResponseCode;
use tamis_runtime::clock;
use tamis_scanner::ask::dns::{
    Answer, Asker, Dns, Failure, Kind, Purpose, RECORDS_MAX, Record, Session, Tally,
};

use crate::server::{Entry, Lie, Server, Zone, a, cname, mx, txt};

/// Asks for what has the largest share.
const fn of(session: &Session) -> Asker<'_> {
    session.of(Purpose::Lists)
}

/// One address, asked for by a mail of its own.
async fn address(dns: &Dns, name: &str) -> Answer {
    of(&dns.session(until())).ask(name, Kind::A).await
}

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
        assert_eq!(of(&session).ask(name, kind).await, expect, "{name}");
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
    let answers = join_all(sessions.iter().map(|it| of(it).ask("a.example", Kind::A))).await;
    assert!(answers.iter().all(|answer| !answer.records().is_empty()));
    assert_eq!(address(&dns, "a.example").await, answers[0]);
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_mail_that_gives_up_leaves_the_answer_to_the_next_one() {
    let late = Entry::Late(Duration::from_millis(250));
    let server =
        Server::start(Zone::from([("a.example".into(), vec![late, a("192.0.2.1")])])).await;
    let dns = server.dns_with(|plan| plan.budget = Duration::from_millis(50));
    let began = Instant::now();
    let answer = address(&dns, "a.example").await;
    assert_eq!(answer, Answer::Failed(Failure::Timeout));
    assert!(began.elapsed() < Duration::from_millis(200), "no longer than its budget");
    while server.asked() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    let answer = address(&dns, "a.example").await;
    assert!(!answer.records().is_empty());
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn one_mail_asks_n_questions_for_each_purpose_and_no_more_and_starves_no_other_purpose() {
    let server = Server::start(Zone::new()).await;
    let dns = server.dns();
    let session = dns.session(until());
    for purpose in Purpose::ALL {
        let asker = session.of(purpose);
        for number in 0..purpose.questions_max() {
            let answer = asker.ask(&format!("n{number}.{purpose:?}.example"), Kind::A).await;
            assert_eq!(answer, Answer::NoName, "{purpose:?} {number}");
        }
        let more = format!("one.more.{purpose:?}.example");
        let answer = asker.ask(&more, Kind::A).await;
        assert_eq!(answer, Answer::Failed(Failure::TooMany), "{purpose:?}");
        let known = format!("n0.{purpose:?}.example");
        assert_eq!(asker.ask(&known, Kind::A).await, Answer::NoName, "the cache is free");
        assert_eq!(address(&dns, &more).await, Answer::NoName, "another mail has its own share");
    }
}

#[tokio::test]
async fn one_mail_has_n_questions_under_way_at_a_time_for_each_purpose() {
    for purpose in Purpose::ALL {
        let count = (purpose.questions_max() as usize).min(purpose.seats() + 1);
        let names: Vec<String> = (0..count).map(|it| format!("n{it}.example")).collect();
        let zone = names.iter().map(|name| (name.clone(), vec![Entry::Silence])).collect();
        let server = Server::start(zone).await;
        let dns = server.dns_with(|plan| plan.budget = Duration::from_millis(150));
        let session = dns.session(until());
        join_all(names.iter().map(|name| session.of(purpose).ask(name, Kind::A))).await;
        let mut asked = server.names.lock().unwrap().clone();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), purpose.seats(), "{purpose:?}");
    }
}

#[tokio::test]
async fn an_answer_has_n_records_and_no_more() {
    let (blocks, rest) = ((RECORDS_MAX / 255) as u8, (RECORDS_MAX % 255) as u8);
    let server = Server::start(Zone::from([
        ("n.example".into(), vec![Entry::Addresses(blocks, rest)]),
        ("more.example".into(), vec![Entry::Addresses(blocks, rest + 1)]),
    ]))
    .await;
    let dns = server.dns();
    assert_eq!(address(&dns, "n.example").await.records().len(), RECORDS_MAX);
    assert_eq!(address(&dns, "more.example").await.records().len(), RECORDS_MAX);
    let largest = vec![b'x'; 60_000];
    server.say("large.example", vec![txt(&largest)]);
    let answer = of(&dns.session(until())).ask("large.example", Kind::Txt).await;
    assert_eq!(answer, Answer::Found([Record::Txt(largest)].into()), "as much as a message holds");
}

#[tokio::test]
async fn aliases_that_lead_in_a_circle_or_nowhere_end() {
    let server = Server::start(Zone::from([
        ("a.example".into(), vec![cname("b.example")]),
        ("b.example".into(), vec![cname("a.example")]),
        ("self.example".into(), vec![cname("self.example")]),
        ("nowhere.example".into(), vec![cname("none.example")]),
    ]))
    .await;
    let dns = server.dns();
    for name in ["a.example", "self.example", "nowhere.example"] {
        let began = Instant::now();
        let answer = address(&dns, name).await;
        assert!(answer.records().is_empty(), "{name}: {answer:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{name}");
    }
    assert!(server.asked() < 40, "{}", server.asked());
}

#[tokio::test]
async fn what_was_not_asked_is_not_believed() {
    let stray = |text: &str| match a(text) {
        Entry::Data(data) => Entry::Stray("other.example", data),
        _ => unreachable!(),
    };
    let server = Server::start(Zone::from([
        ("a.example".into(), vec![stray("203.0.113.66"), a("192.0.2.1")]),
        ("b.example".into(), vec![stray("203.0.113.66")]),
    ]))
    .await;
    let dns = server.dns();
    let right = Answer::Found([Record::A([192, 0, 2, 1].into())].into());
    assert_eq!(address(&dns, "a.example").await, right, "only its own records");
    assert!(address(&dns, "b.example").await.records().is_empty(), "none of another name");
    for lie in Lie::ALL {
        let name = format!("{lie:?}.example");
        server.say(&name.to_lowercase(), vec![Entry::Before(lie), a("192.0.2.1")]);
        let answer = address(&dns, &name).await;
        let is_lie = answer.records().iter().any(|it| *it != Record::A([192, 0, 2, 1].into()));
        assert!(!is_lie, "{lie:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_and_has_no_rest_is_a_failure_in_time() {
    let zone = Zone::from([("cut.example".into(), vec![Entry::Cut, a("192.0.2.1")])]);
    let server = Server::start(zone).await;
    let dns = server.dns_with(|plan| plan.budget = Duration::from_millis(900));
    let began = Instant::now();
    let answer = address(&dns, "cut.example").await;
    assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
    assert!(began.elapsed() < Duration::from_millis(1100));
}

#[tokio::test]
async fn servers_that_answer_nothing_at_all_are_left_alone_until_one_question_comes_through() {
    let names: Vec<String> = (0..30).map(|number| format!("n{number}.example")).collect();
    let zone = names.iter().map(|name| (name.clone(), vec![Entry::Silence])).collect();
    let server = Server::start(zone).await;
    let dns = server.dns_with(|plan| plan.timeout = Duration::from_millis(50));
    let (one, two) = (dns.session(until()), dns.session(until()));
    let ask = async |session: &Session, names: &[String]| {
        join_all(names.iter().map(|name| of(session).ask(name, Kind::A))).await
    };
    ask(&one, &names[..15]).await;
    ask(&two, &names[15..]).await;
    let before = server.asked();
    let began = Instant::now();
    let answer = address(&dns, "other.example").await;
    assert_eq!(answer, Answer::Failed(Failure::Resting));
    assert!(began.elapsed() < Duration::from_millis(40), "it is told at once");
    assert_eq!(server.asked(), before);
}

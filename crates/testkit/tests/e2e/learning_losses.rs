//! Scanner and Redis are killed while users teach: what was acknowledged is known, nothing counts twice, and unlearning
//! leaves nothing.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tamis_learning::knowledge::{Class, Outcome as Known};
use tamis_proto::learning::learning_client::LearningClient;
use tamis_proto::learning::{
    Class as WireClass, LearnRequest, LearnResponse, Outcome, UnlearnRequest,
};
use tamis_runtime::redis_address::Address;
use tamis_scanner::learning::{Learning, Place, Settings};
use tamis_scanner::memory::FarSettings;
use tamis_testkit::peers::{Redis, Tamis};
use tonic::transport::{Channel, Endpoint};

/// Mails taught before the next kill.
const KILL_EVERY: usize = 40;

/// Mails of either class.
const MAILS: usize = 160;

/// Mails taught at the same time.
const TEACHERS: usize = 4;

/// Longest wait for a connection or a restart.
const PATIENCE: Duration = Duration::from_secs(30);

const USER: &str = "bob@example.com";

fn letter(number: usize) -> Vec<u8> {
    let kind = if number.is_multiple_of(2) { "spam" } else { "ham" };
    format!(
        "From: {kind}{number}@{kind}.test\r\nTo: {USER}\r\nSubject: about {kind}\r\n\
         Message-Id: <{number}@example.org>\r\n\r\nwords of {kind}, and number {number}\r\n"
    )
    .into_bytes()
}

fn is_spam(number: usize) -> bool {
    number.is_multiple_of(2)
}

async fn client(url: &str) -> LearningClient<Channel> {
    let began = Instant::now();
    loop {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("an address");
        match endpoint.timeout(Duration::from_secs(10)).connect().await {
            Ok(channel) => return LearningClient::new(channel),
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn learn(client: &mut LearningClient<Channel>, number: usize) -> Option<LearnResponse> {
    let class = if is_spam(number) { WireClass::Spam } else { WireClass::Ham };
    let recipient = USER.to_owned();
    let request = LearnRequest { mail: letter(number), class: class.into(), recipient };
    client.learn(request).await.ok().map(tonic::Response::into_inner)
}

/// Teaches mails one after the other, each until it is acknowledged; what is new or known, nothing else.
async fn teach(url: Arc<str>, numbers: Vec<usize>, acknowledged: Arc<AtomicUsize>) {
    let mut client = client(&url).await;
    for number in numbers {
        let began = Instant::now();
        let answer = loop {
            if let Some(answer) = learn(&mut client, number).await {
                break answer;
            }
            assert!(began.elapsed() < PATIENCE, "mail {number} is not taught");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(matches!(answer.outcome(), Outcome::Learned | Outcome::Known), "{answer:?}");
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_scanner_killed_while_it_learns_loses_no_acknowledged_lesson_and_counts_none_twice() {
    let state = tempfile::tempdir().expect("a directory");
    let learning = format!("[scanner.learning]\ndirectory = \"{}\"\n", state.path().display());
    let config = format!("[scanner]\nreputation = []\n{learning}");
    let mut scanner = Tamis::start(&["scanner"], Some(&config));
    let url: Arc<str> = format!("http://{}", scanner.address("scanner", "listen")).into();
    let done = Arc::new(AtomicUsize::new(0));
    let teachers: Vec<_> = (0..TEACHERS)
        .map(|teacher| {
            let numbers = (0..2 * MAILS).filter(|number| number % TEACHERS == teacher).collect();
            tokio::spawn(teach(Arc::clone(&url), numbers, Arc::clone(&done)))
        })
        .collect();
    let mut kills = 0;
    for at in (KILL_EVERY..2 * MAILS).step_by(KILL_EVERY) {
        while done.load(Ordering::SeqCst) < at {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::task::block_in_place(|| scanner.restart());
        kills += 1;
    }
    for teacher in teachers {
        teacher.await.expect("every mail is taught");
    }
    assert!(kills >= 7, "{kills}");
    tokio::task::block_in_place(|| scanner.restart());
    let mut client = client(&url).await;
    for number in 0..2 * MAILS {
        let again = learn(&mut client, number).await.expect("an answer");
        assert_eq!(again.outcome(), Outcome::Known, "mail {number} was acknowledged");
        assert_eq!((again.spam, again.ham), (MAILS as u64, MAILS as u64));
    }
    for number in 0..2 * MAILS {
        let request = UnlearnRequest { mail: letter(number), recipient: USER.to_owned() };
        let gone = client.unlearn(request).await.expect("an answer").into_inner();
        assert_eq!(gone.outcome(), Outcome::Unlearned, "mail {number}");
    }
    let last = learn(&mut client, 0).await.expect("an answer");
    assert_eq!((last.outcome(), last.spam, last.ham), (Outcome::Learned, 1, 0));
}

fn shared(redis: &Redis) -> Learning {
    let far = FarSettings {
        address: Address::parse(&redis.url()).expect("a Redis address"),
        authority: None,
        budget: Duration::from_millis(500),
        keep: Duration::MAX,
    };
    let settings = Settings { place: Place::Redis(far), token: None, mails_max: 1000 };
    Learning::start(&settings).expect("a store that connects later")
}

/// Teaches a mail until that is acknowledged.
async fn share(learning: &Learning, number: usize, class: Option<Class>) -> Known {
    let began = Instant::now();
    loop {
        if let Ok((outcome, _)) = learning.teach(letter(number), class, USER).await {
            return outcome;
        }
        assert!(began.elapsed() < PATIENCE, "mail {number} is not taught");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the peers that ./test installs"]
async fn a_redis_killed_while_scanners_learn_loses_no_acknowledged_lesson_and_counts_none_twice() {
    let mut redis = Redis::durable();
    let learning = Arc::new(shared(&redis));
    let done = Arc::new(AtomicUsize::new(0));
    let teachers: Vec<_> = (0..TEACHERS)
        .map(|teacher| {
            let (learning, done) = (Arc::clone(&learning), Arc::clone(&done));
            tokio::spawn(async move {
                for number in (0..2 * MAILS).filter(|number| number % TEACHERS == teacher) {
                    let class = if is_spam(number) { Class::Spam } else { Class::Ham };
                    let outcome = share(&learning, number, Some(class)).await;
                    assert!(matches!(outcome, Known::Learned | Known::Known), "{outcome:?}");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for at in [50, 120, 200, 260] {
        while done.load(Ordering::SeqCst) < at {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        redis.kill9();
        tokio::task::block_in_place(|| redis.restart());
    }
    for teacher in teachers {
        teacher.await.expect("every mail is taught");
    }
    for scope in ["", "example.com"] {
        let totals = redis.cli(&["hmget", &format!("tamis:l1:{{d:{scope}}}:n"), "1", "2"]);
        let totals: Vec<&str> = totals.split_whitespace().collect();
        assert_eq!(totals, [MAILS.to_string(), MAILS.to_string()], "'{scope}'");
    }
    for number in 0..2 * MAILS {
        assert_eq!(share(&learning, number, None).await, Known::Unlearned, "mail {number}");
    }
    for scope in ["", "example.com"] {
        for kind in ["t", "m", "o1", "o2", "d"] {
            let key = format!("tamis:l1:{{d:{scope}}}:{kind}");
            assert_eq!(redis.cli(&["exists", &key]).trim(), "0", "nothing is left in {key}");
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs the peers that ./test installs"]
fn a_redis_that_goes_while_a_folder_is_taught_ends_it_with_a_status_and_a_word_and_mail_is_judged_on()
 {
    let mut redis = Redis::start();
    let config =
        format!("[scanner]\nreputation = []\n[scanner.learning]\nredis = \"{}\"\n", redis.url());
    let scanner = Tamis::start(&["scanner"], Some(&config));
    let url = format!("http://{}", scanner.address("scanner", "listen"));
    let folder = tempfile::tempdir().expect("a directory");
    for number in 0..3 {
        let file = folder.path().join(format!("{number}.eml"));
        std::fs::write(file, letter(number)).expect("a file");
    }
    let folder = folder.path().display().to_string();
    let learn = || Tamis::run(&["learn", "spam", "--server", &url, "--user", USER, &folder]);
    let began = Instant::now();
    loop {
        let done = learn();
        if done.status.success() {
            assert!(String::from_utf8_lossy(&done.stdout).contains("remembers 3 spam and 0 ham"));
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{}", said(&done));
        std::thread::sleep(Duration::from_millis(50));
    }
    redis.kill9();
    let done = learn();
    assert_eq!(done.status.code(), Some(75), "{}", said(&done));
    assert!(said(&done).contains("what is learned cannot be written now"), "{}", said(&done));
    assert!(said(&done).contains("learning a mail twice changes nothing"), "{}", said(&done));
    let file = scanner.config_file().display().to_string();
    let checked = Tamis::run(&["check", "--json", "--config", &file, &folder]);
    let verdicts = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(verdicts.lines().count(), 3, "{}", said(&checked));
    assert!(verdicts.lines().all(|line| line.contains("learned_unknown")), "{verdicts}");
    redis.restart();
    let began = Instant::now();
    while !learn().status.success() {
        assert!(began.elapsed() < PATIENCE, "the scanner finds Redis again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

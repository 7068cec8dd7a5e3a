//! Asking: the scanner's own, once choosing by itself, and once for each usual way of choosing as one client for
//! each server, so that everything but the choice is the same.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tamis_domain::digest::{Signature, SignatureKind};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::sharding::ShardMap;
use tamis_runtime::clock;
use tamis_scanner::ask::questions::Asked;
use tamis_scanner::ask::reputation::{Heard, LOOK_PERIOD, Plan, Service};
use tamis_scanner::metrics::Metrics;
use tamis_selector::{Failure, Settings};
use tokio::task::JoinSet;

use crate::rivals::{BestOfTwo, LeastOutstanding, Policy, RoundRobin};
use crate::world::Random;

const BUDGET: Duration = Duration::from_millis(50);

/// Longest time for the first answer of everybody.
const START_MAX: Duration = Duration::from_secs(10);

/// Asks in every way and prints a table.
pub fn run(questions: u32, per_second: u32, servers: &[&str]) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        println!("| chooses | p50 ms | p99 ms | p99.9 ms | unanswered % | extra % | share of each server % |");
        println!("|---|---|---|---|---|---|---|");
        let load = Load { questions, per_second };
        rival::<RoundRobin>(load, servers).await;
        rival::<BestOfTwo>(load, servers).await;
        rival::<LeastOutstanding>(load, servers).await;
        let ours_ms = ours("tamis", load, servers).await;
        let alone_ms = ours("the best server alone", load, &servers[..1]).await;
        println!("\np99: {:.2} times that of the best server alone.", ours_ms / alone_ms);
        Ok(())
    })
}

#[derive(Clone, Copy)]
struct Load {
    questions: u32,
    per_second: u32,
}

fn service(servers: &[&str]) -> Option<Service> {
    let servers = servers.iter().map(|&server| server.to_owned()).collect();
    let plan = Plan {
        map: ShardMap::unsharded(servers).ok()?,
        map_file: None,
        filter_file: None,
        look_period: LOOK_PERIOD,
        filter_age_max: None,
        is_sighting: false,
        key: None,
        budget: BUDGET,
    };
    Some(Service::start(plan, Metrics::new(&tamis_runtime::metrics::Metrics::new())))
}

/// A question for three parts that nobody has.
async fn ask(service: &Service, number: u32) -> bool {
    let item = |part: u16| {
        let mut value = [0x5a; 16];
        value[..4].copy_from_slice(&number.to_be_bytes());
        value[4..6].copy_from_slice(&part.to_be_bytes());
        Asked {
            item: Item::exact(Signature { kind: SignatureKind::Part, value }),
            part: Some(part),
        }
    };
    let (asked, sieving) = ((0..3).map(item).collect(), service.sieving());
    let (heard, _) = service.ask(asked, &sieving, clock::now() + BUDGET).await;
    heard == Heard::Answered
}

/// Until the lanes are open and the server has given its cookie.
async fn warm(service: &Service) {
    let end = Instant::now() + START_MAX;
    while !ask(service, 0).await && Instant::now() < end {
        tokio::task::yield_now().await;
    }
}

async fn ours(name: &str, load: Load, servers: &[&str]) -> f64 {
    let Some(service) = service(servers).map(Arc::new) else { return f64::NAN };
    warm(&service).await;
    let before: u64 = service.report().iter().map(|it| it.probed + it.hedged).sum();
    let times = open_loop(load, |number| {
        let service = Arc::clone(&service);
        async move { ask(&service, number).await }
    })
    .await;
    let report = service.report();
    let extra = report.iter().map(|it| it.probed + it.hedged).sum::<u64>() - before;
    let mut report = report;
    report.sort_unstable_by_key(|it| it.server);
    let shares: Vec<f64> = report.iter().map(|it| it.share).collect();
    let p99 = row(name, load, times, 100.0 * extra as f64 / f64::from(load.questions), &shares);
    for it in report {
        let tail_ms = it.tail.unwrap_or_default().as_secs_f64() * 1000.0;
        eprintln!(
            "{name}: {} chosen {} failed {} hedged {} probed {} tail {tail_ms:.1} ms",
            it.server, it.chosen, it.failed, it.hedged, it.probed
        );
    }
    p99
}

/// A rival's choice, and one client of one server for each server.
async fn rival<P>(load: Load, servers: &[&str]) -> f64
where
    P: Policy + Send + 'static,
    P::Token: Send,
{
    let services: Vec<Service> = servers.iter().filter_map(|server| service(&[server])).collect();
    for service in &services {
        warm(service).await;
    }
    let all: Vec<usize> = (0..services.len()).collect();
    let policy = P::new(&all, Settings::datagrams(), clock::now());
    let shared = Arc::new((services, Mutex::new((policy, Random(3), vec![0_u32; all.len()]))));
    let times = open_loop(load, |number| {
        let shared = Arc::clone(&shared);
        async move {
            let (services, mind) = &*shared;
            let lock = || mind.lock().unwrap_or_else(PoisonError::into_inner);
            let (server, token) = {
                let (policy, random, counts) = &mut *lock();
                let server = policy.choose(clock::now(), random.next()).server;
                counts[server] += 1;
                (server, policy.sent(server, clock::now()))
            };
            let is_answered = ask(&services[server], number).await;
            let (policy, ..) = &mut *lock();
            if is_answered {
                policy.answered(token, server, clock::now());
            } else {
                policy.failed(token, server, Failure::Timeout, clock::now());
            }
            is_answered
        }
    })
    .await;
    let counts = shared.1.lock().unwrap_or_else(PoisonError::into_inner).2.clone();
    let shares: Vec<f64> =
        counts.iter().map(|count| f64::from(*count) / f64::from(load.questions)).collect();
    row(P::NAME, load, times, 0.0, &shares)
}

/// Questions at the times of a Poisson process, whatever became of those before.
async fn open_loop<F>(load: Load, question: impl Fn(u32) -> F) -> Vec<Option<Duration>>
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut random = Random(11);
    let mut running = JoinSet::new();
    let mut due = clock::now();
    let mut times = Vec::with_capacity(load.questions as usize);
    for number in 1..=load.questions {
        due += Duration::from_nanos(random.exponential(1_000_000_000 / u64::from(load.per_second)));
        tokio::time::sleep_until(due.into()).await;
        let asked = question(number);
        // What the timer was late (up to a millisecond) is the bench's, and the same for all.
        let began = clock::now();
        running.spawn(
            async move { asked.await.then(|| clock::now().saturating_duration_since(began)) },
        );
        while let Some(done) = running.try_join_next() {
            times.push(done.ok().flatten());
        }
    }
    while let Some(done) = running.join_next().await {
        times.push(done.ok().flatten());
    }
    times
}

fn row(name: &str, load: Load, times: Vec<Option<Duration>>, extra: f64, shares: &[f64]) -> f64 {
    let lost = times.iter().filter(|time| time.is_none()).count();
    let mut ms: Vec<f64> =
        times.into_iter().map(|time| time.unwrap_or(BUDGET).as_secs_f64() * 1000.0).collect();
    ms.sort_unstable_by(f64::total_cmp);
    let at = |per_mille: usize| {
        let place = (ms.len() * per_mille / 1000).min(ms.len().saturating_sub(1));
        ms.get(place).copied().unwrap_or(f64::NAN)
    };
    let lost = 100.0 * lost as f64 / f64::from(load.questions);
    let shares: Vec<String> = shares.iter().map(|share| format!("{:.1}", share * 100.0)).collect();
    println!(
        "| {name} | {:.2} | {:.2} | {:.2} | {lost:.3} | {extra:.2} | {} |",
        at(500),
        at(990),
        at(999),
        shares.join(" ")
    );
    at(990)
}

//! The formula and the simulation behind `docs/scale.md`, against each other and against what is written.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on should say so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tamis_load_tests::scale::costs::Costs;
use tamis_load_tests::scale::plan::{Plan, Work, erlang_c, judgement_us, wait_us, work};
use tamis_load_tests::scale::queues::{Dice, Station, run};
use tamis_load_tests::scale::report::{RATES, SEED, compared, figures, gives_way};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn costs() -> Costs {
    Costs::read(&top()).unwrap()
}

fn is_near(one: f64, other: f64, part: f64) -> bool {
    (one - other).abs() <= part * other.abs()
}

#[test]
fn erlang_c_gives_the_values_of_the_tables() {
    // One server: its load. Two: 2 load^2 / (1 + load) of the load of each. Ten at 8: 0.409 in every table.
    for (cores, load, expected) in
        [(1, 0.3, 0.3), (1, 0.9, 0.9), (2, 1.0, 1.0 / 3.0), (10, 8.0, 0.4092)]
    {
        assert!(is_near(erlang_c(cores, load), expected, 1e-3), "{cores} {load}");
    }
    assert_eq!(erlang_c(4, 4.0), 1.0, "more than they can do");
    assert!(erlang_c(10_000, 9_000.0) < 1e-9, "no overflow where there are many");
}

#[test]
fn simulated_waiting_is_that_of_the_closed_form_where_there_is_one() {
    // M/M/c, and M/D/1 by Pollaczek and Khinchine.
    for (cores, load) in [(1_u32, 0.5), (1, 0.8), (4, 0.7), (16, 0.8)] {
        let (mean_us, rate) = (1000.0, load * f64::from(cores) * 1000.0);
        let exact = wait_us(rate, Work { mean_us, squared_variation: 1.0 }, cores);
        let station = Station { pods: 1, cores };
        let world =
            run(&[station], rate, 150_000, SEED, |dice: &mut Dice| vec![dice.exponential(mean_us)]);
        let seen = &world.stations[0];
        assert!(is_near(seen.wait_us, exact, 0.08), "{cores} at {load}: {} {exact}", seen.wait_us);
        assert!(is_near(seen.busy, load, 0.01), "{cores} at {load}: busy {}", seen.busy);
    }
    let world = run(&[Station { pods: 1, cores: 1 }], 800.0, 150_000, SEED, |_| vec![1000.0]);
    assert!(is_near(world.stations[0].wait_us, 2000.0, 0.05), "{:?}", world.stations);
}

#[test]
fn judgements_are_drawn_as_they_were_measured() {
    let costs = costs();
    let mut dice = Dice(SEED);
    let draws: Vec<f64> = (0..50_000).map(|_| judgement_us(&costs, dice.unit())).collect();
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    assert!(is_near(mean, costs.judgement_mean_us, 0.01), "{mean}");
    assert!(draws.iter().all(|us| us.is_finite() && *us >= 0.0));
}

#[test]
fn formula_and_simulation_agree_at_both_sizes() {
    let costs = costs();
    for rate in RATES {
        let both = compared(&costs, rate).unwrap();
        for (part, seen) in both.plan.parts.iter().zip(&both.world.stations) {
            let word = part.role.word();
            assert!(
                is_near(seen.busy, part.busy, 0.03),
                "{rate} {word}: {} {}",
                seen.busy,
                part.busy
            );
            // The correction for work that is not exponential is an approximation where there are several cores.
            let is_close = is_near(seen.wait_us, part.wait_us, 0.15)
                || (seen.wait_us - part.wait_us).abs() < 0.1;
            assert!(is_close, "{rate} {word}: {} {}", seen.wait_us, part.wait_us);
        }
        let (first, found) =
            (both.plan.first_to_saturate(), gives_way(&costs, &both.plan).unwrap());
        assert_eq!(first.role, found.role, "{rate}: what gives way first");
    }
}

#[test]
fn a_plan_for_twice_the_mail_has_never_fewer_pods_and_never_busier_ones_than_allowed() {
    let costs = costs();
    let mut before = vec![0; 4];
    for doubling in 0..12 {
        let plan = Plan::of(&costs, 100.0 * f64::from(1 << doubling)).unwrap();
        let pods: Vec<u32> = plan.parts.iter().map(|part| part.pods).collect();
        assert!(pods.iter().zip(&before).all(|(now, before)| now >= before), "{pods:?}");
        assert!(plan.parts.iter().all(|part| part.busy <= 0.6 && part.pods >= 2), "{plan:?}");
        assert!(
            plan.parts.iter().all(|part| work(&costs, part.role).unwrap().squared_variation > 0.0)
        );
        before = pods;
    }
}

/// Rows of figures: name, and what stands behind it.
fn rows(path: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(top().join(path)).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| scale."));
    rows.filter_map(|row| Some((row.split(" | ").next()?.to_owned(), row.to_owned()))).collect()
}

#[test]
fn what_is_committed_is_what_the_costs_give() {
    let committed = rows("load-tests/results/scale.md");
    let computed = figures(&costs()).unwrap();
    assert_eq!(committed.len(), computed.len());
    for figure in computed {
        let name = figure.name.strip_prefix("scale.").unwrap();
        let row = committed.get(name).unwrap_or_else(|| panic!("no {name}"));
        let value: f64 = row.split(" | ").nth(1).unwrap().parse().unwrap();
        // Logarithms differ in the last digit from machine to machine, and a rare mail then takes another way.
        assert!(
            is_near(value, figure.value, 0.02) || (value - figure.value).abs() < 0.001,
            "{name}: {value} {}",
            figure.value
        );
    }
}

#[test]
fn what_the_document_quotes_is_what_the_results_say() {
    let (quoted, results) = (rows("docs/scale.md"), rows("load-tests/results/scale.md"));
    assert!(quoted.len() >= 20, "{}", quoted.len());
    for (name, row) in &quoted {
        assert_eq!(results.get(name), Some(row), "{name}");
    }
}

use super::super::wires::Crossed;
use super::super::{Cost, model};
use super::*;
use crate::mail::load::Seen;
use crate::times::Times;

fn measured(filter: &str, us: u64) -> Measured {
    let mut times = Times::default();
    (1..=2_000).for_each(|at| times.add(at * us));
    let by_door = [(Door::Milter, times.clone())].into();
    let seen = Seen {
        due: 2_000,
        taken: 1_990,
        refused: 10,
        bytes: 20_000_000,
        seconds: 20.0,
        times,
        by_door,
        ..Seen::default()
    };
    Measured {
        filter: filter.to_owned(),
        rate: 100.0,
        seen,
        costs: vec![Cost { name: "scanner", cpu_s: 2.0, memory_bytes: 64 << 20 }],
        crossed: vec![Crossed { name: "edge-scanner", there: 4_000_000, back: 1_000_000 }],
        content: Some([100.0, 50.0, 600.0]),
        arrived: Times::default(),
        lost_and_doubled: (0, 0),
        counted: Some(2_000.0),
    }
}

fn scenario() -> Scenario {
    "name = \"s\"\nabout = \"A try\"\nseconds = 20\nrate = 100.0\nunder_way_max = 8\n[doors]\nmilter = 1.0\n"
        .parse()
        .unwrap()
}

#[test]
fn a_run_that_lost_or_doubled_a_mail_has_failed_and_says_how_many() {
    let run = |lost_and_doubled| Measured { lost_and_doubled, ..measured("Tamis", 1_000) };
    run((0, 0)).none_is_lost().unwrap();
    for (counts, said) in [((2, 0), "2 mails were lost"), ((0, 1), "and 1 doubled")] {
        let error = run(counts).none_is_lost().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn lines_say_the_cost_of_each_filter_and_the_share_of_each_wire() {
    let all = [measured("Tamis 0.1.0", 1_000), measured("Rspamd 3.4", 9_000)];
    let told: Vec<String> = lines(&scenario(), &all).iter().map(Figure::line).collect();
    assert_eq!(
        told,
        [
            "mail.s.tamis 1.000 CPU_ms/mail - Tamis 0.1.0",
            "mail.s.rspamd 1.000 CPU_ms/mail - Rspamd 3.4",
            "mail.s.tamis_scanner 1.000 CPU_ms/mail - -",
            "mail.s.edge-scanner 20.0 % - IP headers counted",
        ]
    );
}

#[test]
fn a_report_has_the_figures_of_all_filters_and_nothing_that_is_no_number() {
    let bench =
        Bench { folder: ".".into(), cores: Some((0, 1)), with_peers: true, own_network: true };
    let all = [measured("Tamis", 1_000), measured("Other", 9_000)];
    let model = Model::new(scenario().mails, 0, model::invented(10));
    let section = section(&bench, &scenario(), &model, &all);
    for wanted in [
        "| Tamis | 100 | 2000 | 2000 | 10 |",
        "| 1.000 | 1000 | 1.00 |",
        "| milter | 2000 |",
        "| edge-scanner | 2000 | 500 | 25.0 % | 2.500 |",
        "25.0 % of the content's bytes",
        "core 0",
        "lost 0, doubled 0",
    ] {
        assert!(section.contains(wanted), "{wanted} is missing in\n{section}");
    }
    assert!(!section.contains("NaN") && !section.contains("inf"), "{section}");
    let columns: Vec<usize> = section
        .lines()
        .filter(|line| line.starts_with("| Tamis | 100") || line.starts_with("| filter | offered"))
        .map(|line| line.matches('|').count())
        .collect();
    assert!(columns.len() == 2 && columns[0] == columns[1], "{columns:?}");
    let figure = figure(&scenario(), &all);
    assert!(figure.ends_with("</svg>\n") && figure.len() < 20_000 && !figure.contains("NaN"));
    assert_eq!(figure.matches("stroke-width").count(), 2);
}

#[test]
fn a_scenario_that_is_run_again_replaces_its_own_section_alone() {
    let one = with_section(&head(), "a", "## a\n\nalpha\n");
    let two = with_section(&one, "b", "## b\n\nbeta\n");
    let three = with_section(&two, "a", "## a\n\ngamma\n");
    assert!(!three.contains("alpha") && three.contains("gamma") && three.contains("beta"));
    assert!(three.starts_with(HEAD) && three.find("## a") < three.find("## b"));
    assert_eq!(with_section(&three, "b", "## b\n\nbeta\n"), three);
}

use std::path::Path;

use super::{lines, run};

#[test]
fn figures_of_other_programs_are_read_and_all_else_is_not() {
    let said = "written to somewhere\n\n| a | table | of | five | words |\nletters: invented\n\
        exact.of_echo 0.821 share >=_0.8_(met) bare echo\n\
        flood.p99_ratio 2.500 times <=_2_(MISSED) -\n\
        exact.echo 251220 answers/cpu_s - -\n\
        exact.echo many answers/cpu_s - -\n\
        exact.echo 251220 answers/cpu_s about_5 -\n";
    let read: Vec<String> = lines(said).iter().map(ToString::to_string).collect();
    assert_eq!(
        read,
        [
            "exact.of_echo 0.821 share >=0.8 bare_echo",
            "flood.p99_ratio 2.5 times <=2 - MISSED",
            "exact.echo 251220 answers/cpu_s - -",
        ]
    );
}

#[test]
fn a_value_that_was_rounded_to_its_goal_is_held_against_it_as_it_was_printed() {
    let [figure] = &lines("reputation.x 150.0 bytes <=_150_(met) -")[..] else { panic!() };
    assert!(!figure.is_missed());
}

#[test]
fn who_lost_a_mail_has_failed_also_behind_its_figures_and_who_missed_a_goal_has_not() {
    let play = |end: &str| {
        let script = format!("echo 'a.b 1.000 s - -'; echo 'written to x'; {end}");
        run(Path::new("sh"), &["-c", &script])
    };
    for end in ["exit 0", "exit 3"] {
        assert_eq!(lines(&play(end).unwrap()).len(), 1, "{end}");
    }
    let lost = play("echo '7 mails were lost and 0 doubled' >&2; exit 1").unwrap_err().to_string();
    assert!(lost.contains("7 mails were lost"), "{lost}");
    assert!(play("exit 101").is_err() && play("kill -9 $$").is_err());
}

use super::lines;

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

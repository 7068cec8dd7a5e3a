//! Sketches that do not belong to what is listed.

use tamis_domain::reputation::Class;

use crate::world::{Who, World, copy, near, sketch, text};

const CAMPAIGN: u64 = 11;

#[test]
fn a_newsletters_sketch_on_a_campaigns_name_accuses_no_copy_of_the_newsletter() {
    for seed in 1..=4 {
        let mut world = World::new(seed);
        let (hostile, honest) = (world.hostile(10), world.honest(10, 60));
        let (newsletter, campaign) = (sketch(1), sketch(2));
        // Before anybody else, after some, and again and again.
        world.all_name(CAMPAIGN, newsletter, Class::Spam, &hostile);
        assert_eq!(world.near(&copy(&newsletter, 3)), Some(Class::Suspected), "seed {seed}");
        for reporter in honest {
            world.names(CAMPAIGN, campaign, Class::Spam, Who::Reporter(reporter));
            let accused = world.near(&copy(&newsletter, 3));
            assert!(matches!(accused, None | Some(Class::Suspected)), "seed {seed}: {accused:?}");
        }
        assert_eq!(world.near(&copy(&campaign, 3)), Some(Class::Spam), "seed {seed}");
        world.all_name(CAMPAIGN, newsletter, Class::Spam, &hostile);
        world.all_say(CAMPAIGN, Class::Spam, &hostile);
        assert_eq!(world.near(&newsletter), None, "seed {seed}");
        for backwards in [false, true] {
            let table = world.reloaded(backwards);
            assert_eq!(near(&table, &copy(&campaign, 3), world.now), Some(Class::Spam));
            assert_eq!(near(&table, &newsletter, world.now), None);
        }
    }
}

#[test]
fn who_allows_by_the_name_alone_ends_what_three_percent_accuse_by_its_sketch() {
    let mut world = World::new(7);
    let (hostile, honest) = (world.hostile(30), world.honest(30, 16));
    let newsletter = sketch(1);
    world.all_name(CAMPAIGN, newsletter, Class::Spam, &hostile);
    assert_eq!(world.near(&copy(&newsletter, 3)), Some(Class::Spam), "a known limit");
    for (number, reporter) in honest.into_iter().enumerate() {
        let accused = world.near(&copy(&newsletter, 3));
        assert_eq!(accused, Some(Class::Spam), "after {number} who object");
        world.names(CAMPAIGN, None, Class::Allowed, Who::Reporter(reporter));
    }
    assert_eq!(world.near(&copy(&newsletter, 3)), Some(Class::Suspected));
    assert_eq!(near(&world.reloaded(true), &newsletter, world.now), Some(Class::Suspected));
}

#[test]
fn who_answers_every_honest_report_anew_hides_copies_and_accuses_none_until_an_operator_speaks() {
    let mut world = World::new(5);
    let (hostile, honest) = (world.hostile(10), world.honest(10, 60));
    let (newsletter, campaign) = (sketch(1), sketch(2));
    for reporter in honest {
        world.names(CAMPAIGN, campaign, Class::Spam, Who::Reporter(reporter));
        world.all_name(CAMPAIGN, newsletter, Class::Spam, &hostile);
        let accused = world.near(&copy(&newsletter, 3));
        assert!(matches!(accused, None | Some(Class::Suspected)), "{accused:?}");
    }
    assert_eq!(world.near(&copy(&campaign, 3)), None, "a known limit: they undo what others name");
    let exact = tamis_reputation_protocol::packet::Item::exact(text(CAMPAIGN));
    let class = world.table.ask(&exact, world.now).map(|listing| listing.class);
    assert_eq!(class, Some(Class::Spam), "the listing itself stands");
    world.names(CAMPAIGN, campaign, Class::Spam, Who::Operator);
    for _ in 0..3 {
        world.all_name(CAMPAIGN, newsletter, Class::Spam, &hostile);
        assert_eq!(world.near(&copy(&campaign, 3)), Some(Class::Spam));
        assert_eq!(world.near(&newsletter), None);
    }
}

#[test]
fn names_without_end_under_a_campaigns_sketch_push_it_out_of_no_band() {
    for seed in 1..=2 {
        let mut world = World::new(seed);
        let (hostile, honest) = (world.hostile(10), world.honest(10, 60));
        let campaign = sketch(2);
        // A full set before it is known, named by all of them; then, when it is listed, one after the other.
        for number in 0..20 {
            world.all_name(100 + number, campaign, Class::Bulk, &hostile);
        }
        world.all_name(CAMPAIGN, campaign, Class::Spam, &honest[..30]);
        assert_eq!(world.near(&copy(&campaign, 8)), Some(Class::Spam), "seed {seed}");
        for number in 0..40 {
            let all = if number % 2 == 0 { &hostile[..] } else { &hostile[..1] };
            world.all_name(200 + number, campaign, Class::Bulk, all);
        }
        assert_eq!(world.near(&copy(&campaign, 8)), Some(Class::Spam), "seed {seed}");
        assert!(world.table.evicted() > 16 * 40, "seed {seed}: {}", world.table.evicted());
        for backwards in [false, true] {
            let table = world.reloaded(backwards);
            let found = near(&table, &copy(&campaign, 8), world.now);
            assert_eq!(found, Some(Class::Spam), "seed {seed}, backwards {backwards}");
        }
    }
}

#[test]
fn a_sketch_that_keeps_its_lanes_and_changes_what_the_index_sorts_by_is_another_one() {
    let mut world = World::new(6);
    let (hostile, honest) = (world.hostile(10), world.honest(10, 60));
    let campaign = sketch(2);
    // Of 16 bits of a lane the table keeps 12: the others decide where it is looked for.
    let hidden = tamis_domain::digest::Sketch(campaign.0.map(|lane| lane ^ 0x5000));
    world.all_name(CAMPAIGN, hidden, Class::Spam, &hostile);
    world.all_name(CAMPAIGN, campaign, Class::Spam, &honest);
    assert_eq!(world.near(&copy(&campaign, 8)), Some(Class::Spam));
    assert_eq!(near(&world.reloaded(false), &copy(&campaign, 8), world.now), Some(Class::Spam));
}

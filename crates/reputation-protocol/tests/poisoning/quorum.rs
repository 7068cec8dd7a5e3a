//! The edge of the quorum, clocks that are wrong, weeks that are quiet, merit that is farmed.

use tamis_domain::reputation::Class;

use crate::world::{World, name};

const NEWSLETTER: u64 = 21;
const CAMPAIGN: u64 = 22;
const OTHER: u64 = 23;
const DAY: u32 = 86_400;

#[test]
fn a_quorum_stands_against_one_percent_exactly_at_the_edge() {
    for seed in 1..=2 {
        let mut world = World::new(seed);
        let (hostile, honest) = (world.hostile(11), world.honest(11, 30));
        world.all_say(CAMPAIGN, Class::Allowed, &hostile[..10]);
        world.all_say(CAMPAIGN, Class::Spam, &honest[..19]);
        assert_eq!(world.class(CAMPAIGN), Some(Class::Suspected), "seed {seed}");
        world.all_say(CAMPAIGN, Class::Spam, &honest[19..20]);
        assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}: 20 are twice 10");
        world.all_say(CAMPAIGN, Class::Allowed, &hostile[10..]);
        assert_eq!(world.class(CAMPAIGN), Some(Class::Suspected), "seed {seed}: not twice 11");
        world.all_say(CAMPAIGN, Class::Spam, &honest[20..22]);
        assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}");
    }
}

#[test]
fn who_helped_to_list_a_campaign_and_turns_round_takes_back_his_help_and_no_more() {
    let mut world = World::new(3);
    let (hostile, honest) = (world.hostile(10), world.honest(10, 20));
    world.all_say(CAMPAIGN, Class::Spam, &hostile);
    world.all_say(CAMPAIGN, Class::Spam, &honest[..10]);
    assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "with their help it came early");
    world.all_say(CAMPAIGN, Class::Allowed, &hostile);
    assert_eq!(world.class(CAMPAIGN), Some(Class::Suspected), "and without it is as it would be");
    world.all_say(CAMPAIGN, Class::Spam, &honest[10..]);
    assert_eq!(world.class(CAMPAIGN), Some(Class::Spam));
    // What a quorum of others lists returns by no turning.
    for class in [Class::Spam, Class::Allowed, Class::Bulk, Class::Malware, Class::Allowed] {
        for reporter in &hostile {
            world.says(CAMPAIGN, class, *reporter);
            let listed = world.class(CAMPAIGN);
            assert!(matches!(listed, Some(Class::Spam | Class::Malware)), "{listed:?}");
        }
    }
    assert_eq!(world.class(CAMPAIGN), Some(Class::Spam));
}

#[test]
fn clocks_that_are_years_ahead_make_nobody_else_inactive() {
    for seed in 1..=2 {
        let mut world = World::new(seed);
        let (hostile, honest) = (world.hostile(10), world.honest(10, 30));
        let now = world.now;
        for ahead in [100, 20_000] {
            world.now = now + ahead * DAY;
            world.all_say(OTHER, Class::Bulk, &hostile);
            world.now = now;
            world.all_say(NEWSLETTER, Class::Spam, &hostile);
            world.all_say(NEWSLETTER, Class::Spam, &honest[..9]);
            assert_eq!(world.class(NEWSLETTER), Some(Class::Suspected), "seed {seed}: {ahead}");
            let item =
                tamis_reputation_protocol::packet::Item::exact(crate::world::signature(NEWSLETTER));
            let loaded = world.reloaded(true).ask(&item, now).map(|listing| listing.class);
            assert_eq!(loaded, Some(Class::Suspected), "seed {seed}: {ahead}");
        }
        world.all_say(CAMPAIGN, Class::Spam, &honest[..20]);
        assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}: nor anybody needed");
    }
}

#[test]
fn what_a_node_with_a_wrong_clock_stamped_is_mended_by_the_next_reports() {
    let mut world = World::new(5);
    let (hostile, honest) = (world.hostile(10), world.honest(10, 30));
    let now = world.now;
    world.now = now + 3_000 * DAY;
    world.all_say(OTHER, Class::Bulk, &honest[..25]);
    world.now = now;
    world.all_say(NEWSLETTER, Class::Spam, &hostile);
    assert_eq!(world.class(NEWSLETTER), Some(Class::Spam), "a known limit while it lasts");
    world.all_say(OTHER, Class::Bulk, &honest[..10]);
    assert_eq!(world.class(NEWSLETTER), Some(Class::Suspected), "15 who are ahead are too few");
    let item = tamis_reputation_protocol::packet::Item::exact(crate::world::signature(NEWSLETTER));
    let loaded = world.reloaded(true).ask(&item, now).map(|listing| listing.class);
    assert_eq!(loaded, Some(Class::Suspected));
}

#[test]
fn in_quiet_weeks_few_votes_list_no_more_than_in_busy_ones() {
    let mut world = World::new(4);
    let (hostile, honest) = (world.hostile(10), world.honest(10, 30));
    for _ in 0..11 {
        world.now += 7 * DAY;
        world.all_say(NEWSLETTER, Class::Spam, &hostile);
        world.all_say(OTHER, Class::Bulk, &honest);
        assert_eq!(world.class(NEWSLETTER), Some(Class::Suspected));
    }
    world.now += 7 * DAY;
    world.all_say(OTHER, Class::Bulk, &honest);
    assert_eq!(world.class(NEWSLETTER), Some(Class::Spam), "a known limit: after 12 quiet weeks");
}

#[test]
fn voting_on_what_is_listed_gains_no_merit_that_lies_could_be_paid_with() {
    for seed in 1..=2 {
        let mut world = World::new(seed);
        let (hostile, honest) = (world.hostile(30), world.honest(30, 20));
        let confirmed = |world: &World, reporter: usize| {
            let own = world.table.reporters().find(|record| record.name == name(reporter));
            own.unwrap().confirmed
        };
        let before = confirmed(&world, hostile[0]);
        for number in 0..60 {
            world.all_say(3000 + number, Class::Spam, &honest);
            world.all_say(3000 + number, Class::Spam, &hostile[..1]);
        }
        assert_eq!(confirmed(&world, hostile[0]), before, "seed {seed}");
        // Where they make the listing, 3 % gain: up to a limit. Then they lie.
        for number in 0..60 {
            let mut in_turn = hostile.clone();
            in_turn.rotate_left(number as usize % 30);
            world.all_say(4000 + number, Class::Spam, &in_turn);
        }
        assert!(confirmed(&world, hostile[0]) > 30, "seed {seed}");
        let mut lies = 0;
        loop {
            world.all_say(5000 + lies, Class::Spam, &hostile);
            if world.class(5000 + lies) != Some(Class::Spam) {
                break;
            }
            world.allow(5000 + lies);
            lies += 1;
        }
        println!("30 of 1,000 with the best of records list {lies} lies, then nothing more");
        assert_eq!(
            lies, 2,
            "seed {seed}: 30 voices of 32 parts in 48, rounded down, are less than 20"
        );
    }
}

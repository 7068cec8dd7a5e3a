//! A thousand reporters, some of them hostile and in league: what they can do, and what not.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test")]

mod quorum;
mod sketches;
mod world;

use tamis_domain::reputation::Class;
use world::{World, name};

const NEWSLETTER: u64 = 1;
const CAMPAIGN: u64 = 2;
const OTHER: u64 = 3;

#[test]
fn one_percent_can_neither_list_a_newsletter_nor_delist_a_campaign() {
    for seed in 1..=3 {
        let mut world = World::new(seed);
        let hostile = world.hostile(10);
        // Again and again, under every accusation, for weeks; the hostile alone keep themselves active.
        for day in 0..3 {
            for class in [Class::Spam, Class::Phishing, Class::Malware] {
                world.all_say(NEWSLETTER, class, &hostile);
                assert_eq!(
                    world.class(NEWSLETTER),
                    Some(Class::Suspected),
                    "seed {seed}, day {day}"
                );
                hostile.iter().for_each(|reporter| world.retract(NEWSLETTER, *reporter));
            }
            world.now += 86_400;
        }
        // They are there before the campaign is, then take part in it and leave, and call it good.
        world.all_say(CAMPAIGN, Class::Allowed, &hostile);
        let honest = world.honest(10, 60);
        world.all_say(CAMPAIGN, Class::Spam, &honest);
        assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}");
        for class in [Class::Spam, Class::Bulk, Class::Allowed] {
            world.all_say(CAMPAIGN, class, &hostile);
            assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}, {class:?}");
        }
        hostile.iter().for_each(|reporter| world.retract(CAMPAIGN, *reporter));
        assert_eq!(world.class(CAMPAIGN), Some(Class::Spam), "seed {seed}");
        // Sleepers who lie once and are contradicted weigh less than before.
        world.all_say(OTHER, Class::Spam, &hostile);
        world.allow(OTHER);
        let worst = world.table.reporters().find(|record| record.name == name(hostile[0])).unwrap();
        assert_eq!(worst.contradicted, 1, "seed {seed}");
    }
}

#[test]
fn what_three_percent_can_do_is_known() {
    let mut world = World::new(4);
    let hostile = world.hostile(30);
    world.all_say(NEWSLETTER, Class::Spam, &hostile);
    // More than the quorum: they list it, until sixteen honest ones or the operator disagree.
    assert_eq!(world.class(NEWSLETTER), Some(Class::Spam));
    println!("30 of 1,000 list a newsletter that nobody else knows");
    let mut needed = 0;
    while world.class(NEWSLETTER) == Some(Class::Spam) {
        needed += 1;
        let honest = world.honest(30, needed);
        world.all_say(NEWSLETTER, Class::Allowed, &honest);
    }
    println!("{needed} honest reporters who call it allowed undo it");
    assert_eq!(needed, 16);
    let mut late = 0;
    world.all_say(CAMPAIGN, Class::Allowed, &hostile);
    while world.class(CAMPAIGN) != Some(Class::Spam) {
        late += 1;
        let honest = world.honest(30, late);
        world.all_say(CAMPAIGN, Class::Spam, &honest);
    }
    println!(
        "with their allowed votes a campaign is listed after {late} honest reports instead of 20"
    );
    assert_eq!(late, 60);
    let mut again = 0;
    while world.class(OTHER + again) != Some(Class::Suspected) {
        world.all_say(OTHER + again, Class::Spam, &hostile);
        if world.class(OTHER + again) == Some(Class::Suspected) {
            break;
        }
        world.allow(OTHER + again);
        again += 1;
    }
    println!(
        "each lie that an operator contradicts weakens them: after {again} they list nothing more"
    );
    assert!(again <= 10, "{again}");
}

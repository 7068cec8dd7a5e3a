//! Sketches that do not belong to what is listed.

use tamis_domain::reputation::Class;

use crate::world::{Who, World, copy, near, sketch};

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

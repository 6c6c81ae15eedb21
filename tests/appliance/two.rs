//! Two appliances that one rollout was pointed at, one after the other, and the way back over both.

use certroll::demo::appliance::{Api, Appliance, Fault};

use crate::site::{Site, pair};

/// The first appliance has `site`, then `renewed`; the second `third`, by the same rollout.
fn rolled(more: &str) -> (Site, Appliance) {
    let site = Site::new(Api::V1);
    pair(&site.scratch, "third");
    let second = site.second(Api::V1);
    site.apply("site", Site::DEFAULT).exits(0);
    site.apply("renewed", "").exits(0);
    site.rolls_on(&second, "apply --yes", "third", more)
        .exits(0);
    site.serves("renewed");
    site.is_served_by(&second, "third");
    (site, second)
}

/// How many uploads an appliance got.
fn uploads(appliance: &Appliance) -> usize {
    Site::changes_of(appliance).len()
}

#[test]
fn each_appliance_gets_the_pair_back_that_it_had_and_no_key_of_another() {
    let (site, second) = rolled(Site::DEFAULT);
    site.run(&["rollback", "1", "--yes"]).exits(0);
    site.serves("site");
    site.is_served_by(&second, "default");
    site.run(&["pin", "check"]).exits(0);
    assert_eq!((uploads(&site.appliance), uploads(&second)), (3, 2));
}

#[test]
fn an_appliance_that_does_not_go_back_takes_the_others_forth_again() {
    let (site, second) = rolled(Site::DEFAULT);
    second.fault(Fault::NeverSwitches);
    site.run(&["rollback", "1", "--yes"]).exits(3);
    site.serves("renewed");
    site.is_served_by(&second, "third");
    site.run(&["pin", "check"]).exits(0);
}

#[test]
fn an_appliance_without_a_way_back_is_left_alone_with_its_pin_where_that_is_allowed() {
    let (site, second) = rolled("--allow irreversible");
    let refused = site.run(&["rollback", "1", "--yes"]).exits(1);
    assert!(refused.err.contains("cannot come back"), "{refused:#?}");
    let uploaded = uploads(&second);
    site.run(&["rollback", "1", "--yes", "--allow", "no-way-back"])
        .exits(0);
    site.serves("site");
    site.is_served_by(&second, "third");
    assert_eq!(uploads(&second), uploaded);
    let pins = site.run(&["pin", "list"]).exits(0);
    assert!(!pins.out.contains("next"), "{pins:#?}");
    site.run(&["pin", "check"]).exits(0);
}

#[test]
fn a_pair_that_is_no_longer_kept_is_told_before_anything_and_its_appliance_left_alone_where_that_is_allowed()
 {
    let site = Site::new(Api::V1);
    site.apply("site", Site::DEFAULT).exits(0);
    site.apply("renewed", "").exits(0);
    pair(&site.scratch, "third");
    site.apply("third", "").exits(0);
    // Of each appliance one pair of before is kept: that of the newest generation.
    let refused = site.run(&["rollback", "1", "--yes"]).exits(1);
    assert!(refused.err.contains("no longer kept"), "{refused:#?}");
    site.run(&["rollback", "1", "--yes", "--allow", "pair-gone"])
        .exits(0);
    assert_eq!(uploads(&site.appliance), 3);
    site.serves("third");
}

//! Units that systemd holds back because they failed too often in a row.

use super::*;

/// A unit that is refused its first start, and comes up at the next.
fn held() -> World {
    let mut world = World::new(&[unit("a", "active", "running", "1")]);
    let refused = unit("a", "failed", "failed", "1");
    world.fates.insert(unit_name("a"), vec![refused]);
    world
}

#[test]
fn a_start_that_systemd_refuses_for_its_limit_is_tried_again_on_the_way_back_and_only_there() {
    let line = "systemctl restart --no-ask-password -- a.service";
    let mut world = held();
    world.back = true;
    let (result, _) = world.go(&[restart(&["a"])]);
    result.unwrap();
    assert_eq!(world.lines(), [line, line]);

    let mut world = held();
    let (result, _) = world.go(&[restart(&["a"])]);
    let message = result.unwrap_err().to_string();
    assert!(message.contains("`failed (exit-code)`"), "{message}");
    assert_eq!(world.lines(), [line]);
}

//! Runs and recoveries that die at any step.

use certroll::{
    apply,
    host::{Host as _, fake::Fault},
};

use crate::web::{assert_whole, host, recover, run, steps};

#[test]
fn a_run_that_dies_at_any_step_is_recovered_whole() {
    let mut reached = 0;
    for at in 0..steps() {
        for fault in [Fault::DieBefore(at), Fault::DieWithin(at)] {
            let mut host = host().next_run(fault);
            let outcome = run(&mut host);
            assert!(host.died(), "{fault:?} was not reached: {outcome:?}");
            reached += 1;
            assert_whole(&recover(&host), &format!("{fault:?}"));
        }
    }
    assert_eq!(reached, 2 * steps());
}

#[test]
fn a_recovery_that_dies_at_any_step_is_itself_recovered() {
    let total = steps();
    for at in (0..total).step_by(3) {
        for again in 0..200 {
            let mut host = host().next_run(Fault::DieBefore(at));
            drop(run(&mut host));
            let mut second = host.next_run(Fault::DieWithin(again));
            second.lock(std::time::Duration::ZERO).unwrap();
            drop(apply::recover(&mut second, false, &|_| {}));
            if !second.died() {
                assert_whole(
                    &second,
                    &format!("death at {at}, recovery of {again} steps"),
                );
                break;
            }
            assert!(again < 199, "recovery does not end");
            assert_whole(
                &recover(&second),
                &format!("death at {at}, then at {again} of recovery"),
            );
        }
    }
}

#[test]
fn a_command_that_outlives_its_run_is_ended_before_anything_is_written_back() {
    let mut found = 0;
    for at in 0..steps() {
        let mut host = host().next_run(Fault::DieWithin(at));
        drop(run(&mut host));
        if host.world().leftovers.is_empty() {
            continue;
        }
        found += 1;
        let host = recover(&host);
        assert!(host.world().leftovers.is_empty(), "step {at}");
        assert_whole(&host, &format!("command left at step {at}"));
    }
    assert!(found > 0, "no step left a command behind");
}

//! The platform's restart script at its worst, and units that do not come back.

use super::platform::{CURRENT, Era, MIDDLE, OLD, Pbx};
use crate::{common::Run, host::Lab};

/// Gives a unit something to do before each start.
fn before_start(pbx: &Pbx<'_>, unit: &str, command: &str) {
    pbx.host.file(
        &format!("/etc/systemd/system/{unit}.service.d/before.conf"),
        format!("[Service]\nExecStartPre=+{command}\n"),
    );
    pbx.host.sh("systemctl daemon-reload");
}

/// Asserts that the script stopped at a unit, with all after it down.
#[track_caller]
fn gave_up(run: &Run, unit: &str) {
    let said = format!("starting {unit} NOK: asking its units");
    assert!(run.err.contains(&said), "{}", run.err);
}

/// Rolls out where a unit in the middle of the script's list takes no other pair than the one it has.
fn nothing_is_left_of_a_rollout_that_one_refuses(era: Era, unit: &str) {
    let lab = Lab::take();
    let pbx = Pbx::boot(&lab, era);
    pbx.mint();
    let (old, before) = (pbx.default_leaf(), pbx.tree());
    pbx.host
        .sh("cp /usr/share/*-certs/server.crt /usr/share/lab-wazo/old.crt");
    let only_old = "/bin/sh -c 'cmp /usr/share/*-certs/server.crt /usr/share/lab-wazo/old.crt'";
    before_start(&pbx, unit, only_old);

    let run = pbx.certroll("apply --yes").exits(3);
    gave_up(&run, unit);
    assert_eq!(
        run.last(),
        "rolled back: generation 1, everything as it was before"
    );
    assert_eq!(pbx.tree(), before);
    pbx.is_whole(&old);
}

#[test]
fn a_unit_of_the_first_wazo_that_refuses_the_new_leaf_leaves_all_units_running_with_the_old_one() {
    nothing_is_left_of_a_rollout_that_one_refuses(OLD, "xivo-auth");
}

#[test]
fn a_unit_that_refuses_the_new_leaf_leaves_all_that_call_one_another_running_with_the_old_one() {
    nothing_is_left_of_a_rollout_that_one_refuses(MIDDLE, "wazo-call-logd");
}

#[test]
fn a_unit_of_todays_wazo_that_refuses_the_new_leaf_leaves_all_units_running_with_the_old_one() {
    nothing_is_left_of_a_rollout_that_one_refuses(CURRENT, "wazo-auth");
}

#[test]
fn what_the_restart_script_leaves_stopped_or_does_not_know_is_running_with_the_new_leaf() {
    let lab = Lab::take();
    let pbx = Pbx::boot(&lab, OLD);
    pbx.mint();
    let (old, new) = (pbx.default_leaf(), pbx.new_leaf());

    // One that comes up at the second attempt: by then the script has given up, and all after it are down.
    let once = "/bin/sh -c 'test -e /run/tried || { touch /run/tried; false; }'";
    before_start(&pbx, "xivo-auth", once);
    let run = pbx.certroll("apply --yes").exits(0);
    gave_up(&run, "xivo-auth");
    assert!(run.last().starts_with("committed: "), "{run:#?}");
    pbx.is_whole(&new);

    // A script that does not know the word restarts nobody, and says that all went well.
    pbx.host
        .sh("sed -i 's/\"all\"/\"everything\"/' /usr/share/lab-wazo/era.json");
    assert!(
        pbx.host
            .sh("xivo-service restart all 2>&1")
            .ends_with("fully booted\n")
    );
    pbx.host.certroll("rollback --yes").exits(0);
    pbx.is_whole(&old);
}

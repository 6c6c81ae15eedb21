//! Rollbacks: one after the other, to a number, and where they may not lead.

use super::*;

#[test]
fn two_identities_are_taken_back_one_after_the_other() {
    let scratch = two_pairs();
    let before = scratch.tree();
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    let first = scratch.tree();
    let plan = scratch.on_root(&format!("plan {B}")).exits(5);
    assert!(
        plan.out.contains("2 to change"),
        "only the pair differs: {plan:#?}"
    );
    scratch.on_root(&format!("apply {B} --yes")).exits(0);
    assert_ne!(scratch.tree(), first);
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&first);
    scratch.on_root("status").exits(0);
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&before);
    scratch
        .on_root("rollback --yes")
        .exits(0)
        .says("nothing to take back of rollout `wazo`");
    scratch.tree().is(&before);
}

#[test]
fn a_rollback_to_a_number_is_the_state_after_it() {
    let scratch = two_pairs();
    let before = scratch.tree();
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    let first = scratch.tree();
    scratch.on_root(&format!("apply {B} --yes")).exits(0);
    scratch
        .on_root(&format!("apply {B} --set hostname=phone --yes"))
        .exits(0);
    scratch.on_root("rollback 1 --yes").exits(0);
    scratch.tree().is(&first);
    scratch.on_root("status").exits(0);
    let unknown = scratch.on_root("rollback 99 --yes").exits(2);
    unknown.complains(
        "error: unknown generation `99`\nhint: known: `1`, `2`, `3`, `4`\nhost: unchanged\n",
    );
    scratch.tree().is(&first);
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&before);
}

#[test]
fn a_key_that_is_no_longer_kept_cannot_come_back_and_nothing_is_half_done() {
    let scratch = two_pairs();
    scratch.mint("c", "wazo.example.com");
    for pair in ["a", "b", "c"] {
        scratch
            .on_root(&format!(
                "apply --profile wazo --cert {pair}.pem --key {pair}.key --yes"
            ))
            .exits(0);
    }
    let last = scratch.tree();
    scratch.on_root("rollback 1 --yes").exits(2).complains(
        "error: the key that `/usr/share/xivo-certs/server.key` held before generation 2 is no longer kept: keys of the \
         identity in force and of the one before are\n\
         hint: give that identity again: `certroll apply --cert FILE --key FILE`; the platform makes its own default one \
         anew: `certroll revert`\nhost: unchanged\n",
    );
    scratch.tree().is(&last);
    scratch.on_root("rollback --yes").exits(0);
    assert_eq!(
        scratch.read("R/usr/share/xivo-certs/server.crt"),
        scratch.read("b.pem")
    );
}

#[test]
fn a_rollback_under_another_rollouts_later_change_is_refused() {
    let scratch = two_pairs();
    scratch.on_root(&format!("apply one {A} --yes")).exits(0);
    scratch.on_root(&format!("apply two {B} --yes")).exits(0);
    let after = scratch.tree();
    let refused = scratch.on_root("rollback --rollout one --yes").exits(2);
    assert!(
        refused.err.contains("`two`"),
        "names who stands in the way: {refused:#?}"
    );
    scratch.tree().is(&after);
    scratch.on_root("rollback --rollout two --yes").exits(0);
    scratch.on_root("rollback --rollout one --yes").exits(0);
}

#[test]
fn where_a_rollback_leads_is_kept_however_many_runs_came_and_went() {
    let scratch = two_pairs();
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    let first = scratch.tree();
    for _ in 0..6 {
        scratch.on_root(&format!("apply {B} --yes")).exits(0);
        scratch.on_root("rollback --yes").exits(0);
    }
    scratch.tree().is(&first);
    scratch.on_root("status").exits(0);
}

#[test]
fn a_number_of_another_rollout_leads_to_the_state_at_that_time() {
    let scratch = two_pairs();
    scratch.profile(
        "other",
        "resources: [{kind: pem, path: /etc/other.pem, form: leaf}]\n",
    );
    scratch.mode("P", 0o755);
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    scratch
        .on_root("--profiles P apply --profile other --cert b.pem --key b.key --yes")
        .exits(0);
    let then = scratch.tree();
    scratch.on_root(&format!("apply {B} --yes")).exits(0);
    scratch.on_root("rollback 2 --rollout wazo --yes").exits(0);
    scratch.tree().is(&then);
    let status = scratch.on_root("--json status wazo").exits(0).json();
    assert_eq!(
        status["identity"]["fingerprint"].as_str().unwrap(),
        scratch.fingerprint("a.pem")
    );
}

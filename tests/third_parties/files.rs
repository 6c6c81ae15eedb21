//! Files that somebody edited.

use super::*;

const LEAF: &str = "R/usr/share/xivo-certs/server.crt";
const KEY: &str = "R/usr/share/xivo-certs/server.key";

#[test]
fn an_edit_since_the_rollout_stops_a_rollback_until_it_is_allowed() {
    let scratch = placed();
    scratch.file("R/etc/hosts", "127.0.0.1\tmine\n");
    let edited = scratch.tree();
    let refused = scratch.on_root("rollback --yes").exits(1);
    assert!(
        refused
            .err
            .contains("`/etc/hosts` was edited since generation 1 set it")
            && refused.err.contains("--allow edited-since"),
        "{refused:#?}"
    );
    scratch.tree().is(&edited);
    scratch
        .on_root("rollback --yes --allow edited-since")
        .exits(0);
    let kept = scratch.sh(&format!("cat {STATE}/generations/000002/before/*"));
    assert!(kept.contains("127.0.0.1\tmine\n"), "the edit is kept");
}

#[test]
fn a_package_that_made_key_and_leaf_anew_is_seen_by_apply_and_by_rollback() {
    let scratch = placed();
    scratch.mint("package", "wazo.example.com");
    scratch.sh(&format!(
        "cat package.pem > {LEAF}; cat package.key > {KEY}"
    ));
    let theirs = scratch.tree();
    let refused = scratch.on_root("rollback --yes").exits(1);
    for path in ["server.key", "server.crt"] {
        let message = format!("`/usr/share/xivo-certs/{path}` was edited since generation 1");
        assert!(refused.err.contains(&message), "{refused:#?}");
    }
    scratch.tree().is(&theirs);
    // To apply again is to want one's own pair back: the plan says what it replaces, and keeps it.
    let status = scratch.on_root("status").exits(5);
    assert!(
        status.out.contains("~ /usr/share/xivo-certs/server.key"),
        "{status:#?}"
    );
    scratch.on_root("apply --yes").exits(0);
    assert_eq!(scratch.read(LEAF), scratch.read("a.pem"));
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&theirs);
}

#[test]
fn an_edit_of_half_a_pair_in_the_middle_of_a_run_is_kept_with_the_whole_pair() {
    let scratch = open();
    scratch.file(LEAF, "the package's own\n");
    let left = unstaged(&scratch);
    let stuck = scratch.on_root("recover").exits(4);
    assert!(
        stuck
            .out
            .contains("`/usr/share/xivo-certs/server.crt` was changed by somebody else"),
        "{stuck:#?}"
    );
    scratch.tree().is(&left);
    let found = scratch.sh(&format!("cat {STATE}/generations/000002/found/*"));
    assert_eq!(found, "the package's own\n");
    // Still stuck the next time, and nothing is done on top of it.
    scratch.on_root("recover").exits(4);
    scratch.on_root(&format!("apply {B} --yes")).exits(4);
    scratch.tree().is(&left);
    scratch.on_root("recover --abandon").exits(0);
    scratch.tree().is(&left);
    works(&scratch);
}

#[test]
fn a_rollback_to_a_leaf_that_expired_meanwhile_says_so_before_it_acts() {
    let scratch = two_pairs();
    scratch.mint_between("old", "wazo.example.com", 2015, 2016);
    scratch.sh(&format!(
        "cat old.pem > {LEAF}; cat old.key > {KEY}; chmod 0640 {KEY}"
    ));
    let before = scratch.tree();
    scratch.on_root(&format!("apply {A} --yes")).exits(0);
    let asked = scratch.on_root("rollback").exits(2);
    assert!(
        (asked.out.clone() + &asked.err)
            .contains("the leaf that comes back, `CN=wazo.example.com`, expired on 2016-01-01"),
        "{asked:#?}"
    );
    scratch.on_root("rollback --yes").exits(0);
    scratch.tree().is(&before);
}

//! Rollbacks, and the keys that are kept for them.

use certroll::{
    apply::Keep,
    receipt::Outcome,
    rollback,
    state::{Bytes, HostPath, State},
};

use crate::web::{host, run, seen};

#[test]
fn a_rollback_gives_the_very_tree_of_before_and_is_a_generation_itself() {
    let mut host = host();
    let before = seen(&host);
    assert_eq!(run(&mut host).unwrap(), Outcome::Committed);
    let back = rollback::plan(&host, "test", None, &[]).unwrap().unwrap();
    let receipt = certroll::rollout(&mut host, back.plan, Keep::default(), &|_| {}).unwrap();
    assert_eq!(receipt.outcome, Outcome::Committed, "{:?}", receipt.causes);
    assert_eq!(receipt.generation, 2);
    assert_eq!(seen(&host), before);
    assert!(
        rollback::plan(&host, "test", None, &[]).unwrap().is_none(),
        "nothing is left to take back"
    );
}

#[test]
fn private_keys_are_kept_for_the_identity_in_force_and_the_one_before_alone() {
    let mut host = host();
    for _ in 0..3 {
        assert_eq!(run(&mut host).unwrap(), Outcome::Committed);
        let back = rollback::plan(&host, "test", None, &[]).unwrap().unwrap();
        certroll::rollout(&mut host, back.plan, Keep::default(), &|_| {}).unwrap();
    }
    let state = host.world().state;
    let holds_key = |state: &State| {
        let text = state.bytes().map(Bytes::text).unwrap_or_default();
        text.contains("PRIVATE KEY")
    };
    let with_key: Vec<&HostPath> = state
        .iter()
        .filter(|(_, s)| holds_key(s))
        .map(|(path, _)| path)
        .collect();
    let newest = |path: &&HostPath| {
        path.as_str().starts_with("/generations/000006/")
            || path.as_str().starts_with("/generations/000005/")
    };
    assert!(
        !with_key.is_empty() && with_key.iter().all(newest),
        "{with_key:?}"
    );
}

//! Crashes: whatever edit fails, wherever a run dies and however the journal is cut, the host is whole old or whole new.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

#[path = "common/web.rs"]
mod web;

#[path = "crash/back.rs"]
mod back;
#[path = "crash/deaths.rs"]
mod deaths;
#[path = "crash/journal.rs"]
mod journal;
#[path = "crash/others.rs"]
mod others;

use certroll::{apply, error::ExitCode, host::fake::Fault, receipt::Outcome};

use crate::web::{assert_whole, host, identities, old_and_new, recover, run, seen, steps};

#[test]
fn a_rollout_commits_and_serves_the_new_leaf() {
    let mut host = host();
    assert_eq!(run(&mut host).unwrap(), Outcome::Committed);
    let served = host.world().endpoints.into_values().next().unwrap();
    assert_eq!(served.certificates[0], identities()[1].leaf.der);
}

#[test]
fn every_step_that_fails_leaves_the_host_whole_and_the_outcome_true() {
    let [old, new] = old_and_new();
    for at in 0..steps() {
        let mut host = host().next_run(Fault::FailAt(at));
        let outcome = run(&mut host);
        let found = seen(&host);
        match outcome {
            Ok(Outcome::Committed) => assert_eq!(found, new, "step {at}"),
            Ok(Outcome::RolledBack) => assert_eq!(found, old, "step {at}"),
            Err(error) => {
                assert_eq!(error.exit(), ExitCode::Failed, "step {at}: {error}");
                assert_eq!(found, old, "step {at}");
            }
            Ok(other) => panic!(
                "step {at}: {other:?}: {:?}",
                apply::recover(&mut host.next_run(Fault::Never), false, &|_| {})
            ),
        }
        let host = recover(&host);
        assert_whole(&host, &format!("recovered after failure at step {at}"));
    }
}

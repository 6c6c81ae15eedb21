//! Rotations by scripts alone, one for each phase.

use crate::{
    emitted::{is_clean, run},
    pair::Pair,
};

#[test]
fn scripts_alone_rotate_a_pair_phase_by_phase_and_no_call_fails() {
    let Some(pair) = Pair::old() else { return };
    let scratch = &pair.scratch;
    let text = |name: &str| scratch.text(name);
    let with = |name: &str| {
        format!(
            "--profile pair --cert {} --key {}",
            text(&format!("{name}.pem")),
            text(&format!("{name}.key"))
        )
    };
    // Its generation knows which leaf is the old one.
    pair.certroll(&format!("apply --yes {}", with("old")))
        .exits(0);
    let calls = pair.calls();
    let phases = ["trust", "backend", "gateway", "clean"];
    for (n, phase) in phases.iter().enumerate() {
        let file = format!("{phase}.sh");
        let emit = format!("plan {} --emit-script {file}", with("new"));
        pair.certroll(&emit).exits(5);
        is_clean(scratch, &file, &[&scratch.read("new.key")]);
        let ran = run(scratch, &file).exits(0);
        let done = format!(
            "done: phase {phase} ({} of 4) is in force and proved",
            n + 1
        );
        let last = ran.err.lines().last().unwrap();
        assert!(last.starts_with(&done), "{ran:#?}");
        pair.is_after(n + 1);
    }
    calls.all_well();
    let emit = format!("plan {} --emit-script more", with("new"));
    let planned = pair.certroll(&emit).exits(5);
    assert!(
        planned.err.contains("every phase is done on this host"),
        "{planned:#?}"
    );
    pair.certroll(&format!("apply --yes {}", with("new")))
        .exits(0)
        .says("committed: phase clean (4 of 4)");
    pair.is_after(4);
}

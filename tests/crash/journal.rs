//! A journal that was cut.

use std::rc::Rc;

use certroll::{
    apply,
    error::ExitCode,
    host::{
        Host as _,
        fake::{FakeHost, Fault},
    },
    journal::Store,
    receipt::Outcome,
};

use crate::web::{PORT, file, host, old_and_new, react, run, seen, steps};

#[test]
fn a_journal_cut_anywhere_is_recovered_or_refused_with_a_message() {
    // A run that died after all changes were live: the longest journal that is still open.
    let mut died = None;
    for at in (0..steps()).rev() {
        let mut host = host().next_run(Fault::DieBefore(at));
        drop(run(&mut host));
        if Store::pending(&host.next_run(Fault::Never))
            .unwrap()
            .is_some()
        {
            let open = Store::generation(&host.next_run(Fault::Never), 1).unwrap();
            if !open.status.is_final() {
                died = Some(host);
                break;
            }
        }
    }
    let died = died.unwrap();
    let at = Store::file(1, "journal.jsonl");
    let journal = died.world().state[&at].bytes().unwrap().reveal().to_vec();
    let intent = journal.iter().position(|b| *b == b'\n').unwrap();
    let [old, _] = old_and_new();
    for cut in (intent + 1)..=journal.len() {
        let host = died.next_run(Fault::Never);
        let mut copy = FakeHost::new(host.world(), Rc::new(react));
        copy.meddle(|world| {
            drop(
                world
                    .state
                    .insert(at.clone(), file(journal[..cut].to_vec(), 0o600)),
            );
        });
        copy.lock(std::time::Duration::ZERO).unwrap();
        let receipt = apply::recover(&mut copy, false, &|_| {}).unwrap().unwrap();
        assert_eq!(receipt.outcome, Outcome::RolledBack, "cut at {cut}");
        let mut found = seen(&copy);
        if !String::from_utf8_lossy(&journal[..cut]).contains("\"switched\"}\n") {
            // Without a word of a switch no service is told: it goes on with what it has loaded.
            found.insert(PORT.to_owned(), old[PORT].clone());
        }
        assert_eq!(found, old, "journal cut at {cut}");
    }
    for cut in [0, 1, intent / 2, intent] {
        let mut copy = FakeHost::new(died.world(), Rc::new(react));
        copy.meddle(|world| {
            drop(
                world
                    .state
                    .insert(at.clone(), file(journal[..cut].to_vec(), 0o600)),
            );
        });
        let before = seen(&copy);
        let error = apply::recover(&mut copy, false, &|_| {}).unwrap_err();
        assert_eq!(error.exit(), ExitCode::Stuck);
        assert!(error.to_string().contains("journal.jsonl"), "{error}");
        assert_eq!(
            seen(&copy),
            before,
            "nothing is touched on the word of a damaged journal"
        );
        assert_eq!(apply::abandon(&mut copy).unwrap(), Some(1));
        assert_eq!(Store::pending(&copy).unwrap(), None);
    }
}

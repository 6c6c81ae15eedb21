//! Formats of the state directory, and the saved plan: what is read is written again as the same, and what is not
//! read changes nothing.

use certroll::{
    apply,
    cli::Saved,
    error::Error,
    host::{Permit, Writer, fake::FakeHost},
    journal::{self, Gist, Intent, Store},
    prepare,
    receipt::Receipt,
    rollouts::Request,
};

use super::{hosts, keeps, refused};

/// A settled journal, so that a receipt beside it is read.
const COMMITTED: &str = include_str!("../../../../fixtures/formats/1/journal.jsonl");

/// The bytes of the key for digests, as text: no message has them.
const CANARY: &str = "canary-of-the-key-for-digests...";

const PENDING: &str = "/pending";

fn with_state(files: &[(&str, &[u8])]) -> FakeHost {
    let mut world = hosts::world();
    for dir in ["/generations", "/generations/000001"] {
        world.state.insert(hosts::path(dir), hosts::dir());
    }
    let key: &[u8] = CANARY.as_bytes();
    for (at, bytes) in files.iter().chain(&[("/digest.key", key)]) {
        world
            .state
            .insert(hosts::path(at), hosts::file(*bytes, 0o600));
    }
    hosts::host(world)
}

/// Replays a journal, and recovers a host that has it open.
pub(super) fn journal(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let replayed = journal::replay::<Intent>("journal.jsonl", &text);
    match &replayed {
        Err(error) => {
            keeps(CANARY, &refused(error), data);
        }
        Ok((intent, status)) => {
            let (gist, also) = journal::replay::<Gist>("journal.jsonl", &text).unwrap();
            assert_eq!((also, gist.entries.len()), (*status, intent.entries.len()));
            let (_, rest) = text.split_once('\n').unwrap();
            let mut line = Vec::new();
            intent.write_line(&mut line).unwrap();
            let line = String::from_utf8(line).unwrap();
            let again = journal::replay("journal.jsonl", &(line + rest)).unwrap();
            assert_eq!((intent, *status), (&again.0, again.1), "written and read");
            let whole = text.rfind('\n').map_or("", |at| &text[..=at]);
            let torn = format!("{whole}{{\"event\":\"comm");
            let (_, torn) = journal::replay::<Gist>("journal.jsonl", &torn).unwrap();
            assert_eq!(torn, *status, "a torn line is no event");
        }
    }
    let mut host = with_state(&[
        ("/generations/000001/journal.jsonl", data),
        (PENDING, b"1\n"),
    ]);
    recovers(
        &mut host,
        replayed.ok().map(|(intent, _)| intent).as_ref(),
        data,
    );
}

/// A recovery touches what the journal names and nothing else, and giving up always closes.
fn recovers(host: &mut FakeHost, intent: Option<&Intent>, data: &[u8]) {
    let before = host.world().tree;
    let outcome = apply::recover(host, true, &|_| ());
    let after = host.world();
    if let Err(error) = &outcome {
        keeps(CANARY, &refused(error), data);
    }
    let named = |path: &certroll::state::HostPath| {
        intent.is_some_and(|intent| {
            let staged = path.name().starts_with(".certroll-");
            intent.entries.iter().any(|e| e.path == *path) || staged
        })
    };
    for path in before.keys().chain(after.tree.keys()) {
        assert!(
            before.get(path) == after.tree.get(path) || named(path),
            "`{path}` was touched, and no line names it"
        );
    }
    assert!(after.ran.is_empty(), "a command at boot: {:?}", after.ran);
    let closed = || !host.world().state.contains_key(&hosts::path(PENDING));
    if let Ok(Some(receipt)) = &outcome {
        let stuck = receipt.outcome == certroll::receipt::Outcome::Stuck;
        assert!(closed() != stuck, "{receipt:?}");
    }
    if !closed() {
        let open = host.world().tree;
        assert_eq!(apply::abandon(host).unwrap(), Some(1));
        assert!(!host.world().state.contains_key(&hosts::path(PENDING)));
        assert_eq!(host.world().tree, open, "giving up changes nothing");
    }
}

/// Reads a receipt where a run died between its end and its last bookkeeping.
pub(super) fn receipt(data: &[u8]) {
    let mut host = with_state(&[
        ("/generations/000001/journal.jsonl", COMMITTED.as_bytes()),
        ("/generations/000001/receipt.json", data),
        (PENDING, b"1\n"),
    ]);
    let before = host.world().tree;
    match apply::recover(&mut host, false, &|_| ()) {
        Err(error) => {
            keeps(CANARY, &refused(&error), data);
            assert!(matches!(error, Error::Stored { .. }), "{error:?}");
        }
        Ok(receipt) => {
            let receipt = receipt.unwrap();
            let text = serde_json::to_string(&receipt).unwrap();
            assert_eq!(
                serde_json::from_str::<Receipt>(&text).unwrap(),
                receipt,
                "written and read"
            );
        }
    }
    let after = host.world();
    assert!(after.tree == before && !after.state.contains_key(&hosts::path(PENDING)));
}

/// Reads a saved plan, and plans what it asks for.
pub(super) fn plan(data: &[u8]) {
    let saved = match Saved::parse("saved.json", data) {
        Ok(saved) => saved,
        Err(error) => {
            keeps(hosts::KEY, &refused(&error), data);
            return;
        }
    };
    let text = serde_json::to_vec(&saved).unwrap();
    let again = Saved::parse("saved.json", &text).unwrap();
    assert_eq!(
        serde_json::to_vec(&again).unwrap(),
        text,
        "written and read"
    );
    plans(&with_state(&[]), &saved.request(), data);
}

/// Reads what is remembered, and plans what that asks for.
pub(super) fn rollouts(data: &[u8]) {
    let host = with_state(&[("/rollouts.json", data)]);
    match Store::rollouts(&host) {
        Err(error) => {
            keeps(CANARY, &refused(&error), data);
        }
        Ok(rollouts) => {
            let mut written = with_state(&[]);
            let mut writer = Writer::new(&mut written, Permit::default(), String::new());
            Store::stage_remembered(&mut writer, &rollouts).unwrap();
            Store::make_remembered(&mut writer).unwrap();
            let again = Store::rollouts(&written).unwrap();
            assert_eq!(again, rollouts, "written and read");
        }
    }
    plans(&host, &Request::default(), data);
}

/// A plan is made or refused with a reason; the host is as it was.
fn plans(host: &FakeHost, request: &Request, data: &[u8]) {
    let host = host.clone().without_services();
    let before = host.world();
    if let Err(error) = prepare(&host, request) {
        keeps(CANARY, &refused(&error), data);
    }
    assert!(host.world() == before, "a plan changed the host");
}

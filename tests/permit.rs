//! Least privilege: the one place that every edit and command passes refuses whatever the plan in force does not name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::{collections::HashSet, rc::Rc, time::Duration};

use certroll::{
    error::Error,
    host::{
        Call, Command, Dial, Edit, Load, Output, Permit, Place, Writer,
        fake::{FakeHost, World},
    },
    peer::{Accept, Fingerprint},
    starttls::Protocol,
    state::{Attrs, Bytes, Content, HostPath, State},
};

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn tree(text: &str) -> Place {
    Place::Tree(path(text))
}

fn state(text: &str) -> Place {
    Place::State(path(text))
}

fn file() -> State {
    State::file(b"new".to_vec(), Attrs::default())
}

fn dir() -> State {
    State::Present {
        content: Content::Dir,
        attrs: Attrs::default(),
    }
}

fn create(at: Place) -> Edit {
    Edit::Create { at, state: file() }
}

fn rename(from: Place, to: Place) -> Edit {
    Edit::Rename { from, to }
}

fn every(at: &Place) -> Vec<Edit> {
    vec![
        create(at.clone()),
        Edit::Create {
            at: at.clone(),
            state: dir(),
        },
        Edit::Remove { at: at.clone() },
        Edit::Overwrite {
            at: at.clone(),
            state: file(),
        },
        Edit::Append {
            at: at.clone(),
            bytes: b"more".to_vec(),
        },
    ]
}

/// A host with a file in every place that the tests name, so that a refusal is no mere absence.
fn host() -> FakeHost {
    let mut world = World::default();
    for at in ["/etc", "/etc/tls", "/opt", "/etc/tls/sub"] {
        world.tree.insert(path(at), dir());
    }
    for at in [
        "/etc/shadow",
        "/etc/tls/key",
        "/etc/tls/mounted",
        "/etc/tls/other",
        "/etc/tls/.certroll-7-0",
        "/etc/tls/.certroll-8-0",
        "/opt/.certroll-7-0",
    ] {
        world.tree.insert(path(at), file());
    }
    for at in ["/generations", "/generations/000007", "/generations/000008"] {
        world.state.insert(path(at), dir());
    }
    for at in [
        "/rollouts.json",
        "/rollouts.json.new",
        "/lock",
        "/generations/000007/journal.jsonl",
        "/generations/000008/journal.jsonl",
    ] {
        world.state.insert(path(at), file());
    }
    let react = |world: &mut World, command: &Command| {
        world.ran.push(command.argv.clone());
        Output::default()
    };
    FakeHost::new(world, Rc::new(react))
}

/// What a plan of generation 7 names: a key that is replaced, a file that is written in place, one command.
fn permit() -> Permit {
    Permit {
        generation: 7,
        paths: HashSet::from([path("/etc/tls/key"), path("/etc/tls/mounted")]),
        in_place: HashSet::from([path("/etc/tls/mounted")]),
        staging: HashSet::from([path("/etc/tls")]),
        commands: HashSet::from([words("systemctl reload nginx")]),
        ..Permit::default()
    }
}

#[test]
fn a_request_that_the_plan_does_not_name_or_that_could_go_to_anybody_is_not_sent() {
    let mut fake = host();
    let named = |method: &str, path: &str| {
        (
            "192.0.2.10:443".to_owned(),
            method.to_owned(),
            path.to_owned(),
        )
    };
    let permit = Permit {
        requests: HashSet::from([named("POST", "/v1/a")]),
        ..permit()
    };
    let mut writer = Writer::new(&mut fake, permit, String::new());
    let call = |method: &str, path: &str, tls: bool, accept: Accept| Call {
        dial: Dial {
            accept,
            ..Dial::new(
                "192.0.2.10:443".parse().unwrap(),
                Protocol::Direct,
                "192.0.2.10",
                Duration::from_secs(1),
            )
        },
        tls,
        method: method.to_owned(),
        path: path.to_owned(),
        login: None,
        load: Load::Nothing,
    };
    let only = || Accept::Only(vec![Fingerprint::of(b"leaf")]);
    for (peer, refused) in [
        ("192.0.2.10:443", call("DELETE", "/v1/a", true, only())),
        ("192.0.2.10:443", call("POST", "/v1/b", true, only())),
        ("192.0.2.11:443", call("POST", "/v1/a", true, only())),
        ("192.0.2.10:443", call("POST", "/v1/a", false, only())),
        ("192.0.2.10:443", call("POST", "/v1/a", true, Accept::Any)),
    ] {
        let error = writer.send(peer, &refused).unwrap_err();
        assert!(
            matches!(error, Error::NotPlanned { verb: "send", .. }),
            "{error}"
        );
    }
    // What is named gets as far as the wire, where nobody is.
    let error = writer
        .send("192.0.2.10:443", &call("POST", "/v1/a", true, only()))
        .unwrap_err();
    assert!(matches!(error, Error::Unproved { .. }), "{error}");
}

#[test]
fn a_secret_is_given_to_no_command_that_the_plan_does_not_name_for_it() {
    let mut fake = host();
    let permit = Permit {
        fed: HashSet::from([words("ssh host cat")]),
        ..permit()
    };
    let before = fake.world();
    let mut writer = Writer::new(&mut fake, permit, String::new());
    let secret = Bytes::from("a secret".to_owned());
    let command = |line: &str| Command {
        argv: words(line),
        limit: 1,
    };
    // One that may be run is not one that may be fed, and the other way round.
    for line in [
        "ssh host tee",
        "ssh host cat more",
        "systemctl reload nginx",
    ] {
        let error = writer.feed(&command(line), &secret).unwrap_err();
        assert!(
            matches!(error, Error::NotPlanned { verb: "run", .. }),
            "{line}: {error}"
        );
    }
    let error = writer.run(&command("ssh host cat"), &|_| {}).unwrap_err();
    assert!(
        matches!(error, Error::NotPlanned { verb: "run", .. }),
        "{error}"
    );
    assert_eq!(fake.world(), before);
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[track_caller]
fn refused(permit: &Permit, edits: Vec<Edit>) {
    for edit in edits {
        let mut host = host();
        let before = host.world();
        let result = Writer::new(&mut host, permit.clone(), "run".to_owned()).edit(&edit);
        assert!(
            matches!(result, Err(Error::NotPlanned { .. })),
            "{edit:?}: {result:?}"
        );
        assert_eq!(host.world(), before, "{edit:?}");
    }
}

#[test]
fn an_edit_of_a_path_that_the_plan_does_not_name_is_refused() {
    for at in [
        "/",
        "/etc",
        "/etc/shadow",
        "/etc/tls",
        "/etc/tls/other",
        "/etc/tls/sub/key",
        "/etc/tls/key/below",
        "/etc/tls/key.bak",
        "/etc/TLS/key",
        // Not `..` but what a careless eye takes for it; a real one is no path at all.
        "/etc/tls/..key",
    ] {
        refused(&permit(), every(&tree(at)));
        refused(
            &permit(),
            vec![
                rename(tree("/etc/tls/.certroll-7-0"), tree(at)),
                rename(tree(at), tree("/etc/tls/key")),
                rename(tree(at), tree("/etc/tls/.certroll-7-9")),
            ],
        );
    }
    assert!(HostPath::new("/etc/tls/../shadow").is_err());
}

#[test]
fn only_the_staged_names_of_its_own_generation_and_directories_may_be_used() {
    for at in [
        "/etc/tls/.certroll-8-0",
        "/etc/tls/.certroll-77-0",
        "/etc/tls/.certroll-7",
        "/etc/tls/.certroll-7-",
        "/etc/tls/.certroll-7-u",
        "/etc/tls/.certroll-7-v0",
        "/etc/tls/.certroll-7-0x",
        "/etc/tls/.certroll-7-0-0",
        "/etc/tls/.certroll-",
        "/opt/.certroll-7-0",
        "/.certroll-7-0",
        "/etc/tls/sub/.certroll-7-0",
    ] {
        refused(&permit(), every(&tree(at)));
        refused(&permit(), vec![rename(tree(at), tree("/etc/tls/key"))]);
    }
}

#[test]
fn each_edit_is_for_what_it_is_meant_for() {
    let (key, staged) = (tree("/etc/tls/key"), tree("/etc/tls/.certroll-7-0"));
    let overwrite = |at: &Place| Edit::Overwrite {
        at: at.clone(),
        state: file(),
    };
    let append = |at: &Place| Edit::Append {
        at: at.clone(),
        bytes: b"more".to_vec(),
    };
    refused(
        &permit(),
        vec![
            // New bytes wait beside their target, and are never written under its name.
            create(key.clone()),
            // Only what is a mount point is written in place.
            overwrite(&key),
            overwrite(&staged),
            append(&key),
            append(&staged),
            append(&tree("/etc/tls/mounted")),
            rename(key.clone(), staged.clone()),
            rename(key.clone(), tree("/etc/tls/mounted")),
            // Nothing leaves the state directory, nothing of the host comes into it.
            rename(state("/generations/000007/before/0"), key.clone()),
            rename(staged, state("/rollouts.json")),
            overwrite(&state("/rollouts.json")),
            overwrite(&state("/generations/000007/journal.jsonl")),
        ],
    );
}

#[test]
fn of_other_generations_things_may_only_be_removed() {
    for at in [
        "/generations/000008",
        "/generations/000008/journal.jsonl",
        "/generations/000008/before/0",
        "/generations/000006/new",
        "/generations/7x/journal.jsonl",
        "/generations/000007x",
        "/",
        "/lock",
        "/pending.new.new",
        "/new",
        "/generations.d/000007/x",
    ] {
        let at = state(at);
        let (own, shared) = (
            state("/generations/000007/journal.jsonl"),
            state("/rollouts.json"),
        );
        refused(
            &permit(),
            vec![
                create(at.clone()),
                Edit::Append {
                    at: at.clone(),
                    bytes: b"{}\n".to_vec(),
                },
                rename(at.clone(), own.clone()),
                rename(own, at.clone()),
                rename(shared.clone(), at.clone()),
                rename(at, shared),
            ],
        );
    }
    for at in ["/", "/lock", "/generations.d", "/new"] {
        refused(&permit(), vec![Edit::Remove { at: state(at) }]);
    }
    // Whoever acts for no generation cannot write in any.
    refused(
        &Permit::default(),
        vec![
            create(state("/generations/000000/journal.jsonl")),
            create(state("/generations/000007/new")),
            create(tree("/etc/tls/.certroll-0-0")),
        ],
    );
}

#[test]
fn a_command_that_the_plan_does_not_name_word_for_word_does_not_run() {
    for line in [
        "systemctl reload",
        "systemctl reload nginx ",
        "systemctl reload nginx sshd",
        "systemctl restart nginx",
        "/usr/bin/systemctl reload nginx",
        "sh -c true",
        "",
    ] {
        let mut host = host();
        let before = host.world();
        let command = Command {
            argv: words(line),
            limit: 1,
        };
        let result = Writer::new(&mut host, permit(), "run".to_owned()).run(&command, &|_| {});
        assert!(
            matches!(result, Err(Error::NotPlanned { .. })),
            "{line}: {result:?}"
        );
        assert_eq!(host.world(), before, "{line}");
    }
    let empty = Command {
        argv: Vec::new(),
        limit: 1,
    };
    let mut host = host();
    assert!(
        Writer::new(&mut host, permit(), String::new())
            .run(&empty, &|_| {})
            .is_err()
    );
}

#[test]
fn what_the_plan_names_is_done() {
    let mut host = host();
    let mut writer = Writer::new(&mut host, permit(), "run".to_owned());
    let (key, mounted) = (tree("/etc/tls/key"), tree("/etc/tls/mounted"));
    let edits = [
        create(tree("/etc/tls/.certroll-7-1")),
        rename(tree("/etc/tls/.certroll-7-1"), key.clone()),
        create(tree("/etc/tls/.certroll-7-u1")),
        Edit::Remove {
            at: tree("/etc/tls/.certroll-7-u1"),
        },
        Edit::Remove { at: key.clone() },
        Edit::Overwrite {
            at: mounted,
            state: file(),
        },
        Edit::Append {
            at: state("/generations/000007/journal.jsonl"),
            bytes: b"{}\n".to_vec(),
        },
        create(state("/pending.new")),
        rename(state("/pending.new"), state("/pending")),
        Edit::Remove {
            at: state("/generations/000008/journal.jsonl"),
        },
    ];
    for edit in &edits {
        writer.edit(edit).unwrap();
    }
    // A sync changes nothing, and a reader is all that is given out.
    writer.sync(&[key]).unwrap();
    assert!(writer.host().is_live());
    let command = Command {
        argv: words("systemctl reload nginx"),
        limit: 1,
    };
    writer.run(&command, &|_| {}).unwrap();
    assert!(host.world().ran.contains(&command.argv));
}

//! Whole hosts of every era: the plan as the user reads it, the tree as apply leaves it, and the way back.
//!
//! `tests/golden/HOST/plan.txt` and `tree.txt` were written from the facts of each release (which daemon reads which
//! block, which directories get the link, which lines /etc/hosts gets), not from what the program said. Where the
//! program is meant to say something new, `UPDATE_GOLDEN=1` rewrites them; read the difference.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests read goldens from disk and fail by panicking"
)]

#[path = "golden/astray.rs"]
mod astray;
#[path = "golden/commands.rs"]
mod commands;
#[path = "common/fixture.rs"]
mod fixture;
#[path = "golden/people.rs"]
mod people;
#[path = "golden/renderer.rs"]
mod renderer;
#[path = "common/root.rs"]
mod root;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use aws_lc_rs::digest::{SHA256, digest};
use root::{Object, Root, Snapshot, What, can_own};
use serde_json::Value;

/// A host, the folder of its identity, and what is said on the command line.
struct Case {
    host: &'static str,
    identity: &'static str,
    args: &'static [&'static str],
}

const SELF_SIGNED: &[&str] = &["--cert", "leaf.pem", "--key", "test-only.key"];
const PRIVATE_CA: &[&str] = &[
    "--cert",
    "fullchain.pem",
    "--chain",
    "root.pem",
    "--key",
    "test-only.key",
];

const CASES: &[Case] = &[
    Case {
        host: "wazo-17.06",
        identity: "self-signed",
        args: SELF_SIGNED,
    },
    Case {
        host: "wazo-20.03",
        identity: "private-ca",
        args: PRIVATE_CA,
    },
    Case {
        host: "wazo-current",
        identity: "private-ca",
        args: PRIVATE_CA,
    },
    Case {
        host: "wazo-auth-remote",
        identity: "self-signed",
        args: SELF_SIGNED,
    },
    // Its name is the very one that the platform's own line in /etc/hosts has.
    Case {
        host: "wazo-half-default",
        identity: "self-signed",
        args: &[
            "--cert",
            "leaf.pem",
            "--key",
            "test-only.key",
            "--set",
            "host=pbx.example.com",
        ],
    },
    Case {
        host: "wazo-masked",
        identity: "self-signed",
        args: SELF_SIGNED,
    },
];

impl Case {
    fn run(&self, root: &Root, options: &[&str], command: &[&str]) -> root::Ran {
        let profile = ["--profile", "wazo"];
        let args = [options, command, &profile, self.args].concat();
        root.run(self.identity, &args)
    }

    fn apply(&self, root: &Root) {
        let ran = self.run(root, &[], &["apply", "--yes"]);
        assert_eq!(ran.code, 0, "{}: {}{}", self.host, ran.out, ran.err);
        let last = ran.out.lines().last().unwrap_or_default();
        assert!(last.starts_with("placed: "), "{}: {last}", self.host);
    }
}

/// Runs a test on every case, or on none where owners cannot be set.
fn for_each_case(test: impl Fn(&Case, &Root)) {
    if !can_own() {
        return;
    }
    for case in CASES {
        test(case, &Root::fixture(case.host));
    }
}

/// Compares with a golden, or rewrites it.
fn golden(host: &str, file: &str, got: &str) {
    let home = env!("CARGO_MANIFEST_DIR");
    let path = format!("{home}/tests/golden/{host}/{file}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, got).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap();
    if want != got {
        let diff = similar::TextDiff::from_lines(want.as_str(), got);
        let diff = diff.unified_diff().header("golden", "program").to_string();
        panic!("{path}:\n{diff}");
    }
}

fn is_secret(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains("PRIVATE KEY")
}

/// A line an object: type, mode, ids of user and group, path, target or content.
fn listing(tree: &Snapshot) -> String {
    let mut text = String::new();
    for (path, object) in tree {
        let Object { mode, uid, gid, .. } = object;
        let line = match &object.what {
            What::Link(target) => format!("link {path} -> {target}"),
            What::Dir => format!("dir {mode:04o} {uid}:{gid} {path}"),
            What::File(bytes) if is_secret(bytes) => {
                let len = bytes.len();
                format!("file {mode:04o} {uid}:{gid} {path} secret, {len} bytes")
            }
            What::File(bytes) => {
                let mut hex = String::new();
                for byte in digest(&SHA256, bytes).as_ref() {
                    let _ = write!(hex, "{byte:02x}");
                }
                format!("file {mode:04o} {uid}:{gid} {path} sha256 {hex}")
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[test]
fn the_plan_reads_as_written_from_the_facts_of_the_host() {
    for_each_case(|case, root| {
        let before = root.snapshot();
        let ran = case.run(root, &[], &["plan"]);
        assert_eq!(ran.code, 5, "{}: {}", case.host, ran.err);
        assert_eq!(ran.err, "", "{}", case.host);
        golden(case.host, "plan.txt", &ran.out);
        assert_eq!(
            root.snapshot(),
            before,
            "{}: a plan changed something",
            case.host
        );
        assert!(!root.at("/var/lib/certroll").exists(), "{}", case.host);
    });
}

#[test]
fn the_tree_after_apply_is_as_written_from_the_facts_of_the_host() {
    for_each_case(|case, root| {
        case.apply(root);
        golden(case.host, "tree.txt", &listing(&root.snapshot()));
    });
}

/// An object in the words of a plan; the fixtures' own passwd and group name two ids.
fn words(object: Option<&Object>) -> String {
    let Some(object) = object else {
        return "nothing".to_owned();
    };
    let name = |id: u32| match id {
        0 => "root",
        33 => "www-data",
        other => panic!("nobody owns by id {other} here"),
    };
    let attrs = format!(
        "{}:{} {:04o}",
        name(object.uid),
        name(object.gid),
        object.mode
    );
    match &object.what {
        What::Link(target) => format!("-> {target}"),
        What::Dir => format!("directory {attrs}"),
        What::File(bytes) => format!("{} bytes {attrs}", bytes.len()),
    }
}

/// Path, what is done, what was there and what is there.
type Done = BTreeSet<(String, String, String, String)>;

fn predicted(plan: &Value) -> Done {
    let changes = plan["changes"].as_array().unwrap();
    let text = |change: &Value, key: &str| change[key].as_str().unwrap().to_owned();
    let change = |change: &Value| {
        (
            text(change, "path"),
            text(change, "action"),
            text(change, "before"),
            text(change, "after"),
        )
    };
    changes.iter().map(change).collect()
}

/// What differs between two looks at a host; a file that was only written again counts.
fn done(root: &Root, look: impl FnOnce()) -> Done {
    let (before, stamps) = (root.snapshot(), root.stamps());
    look();
    let (after, stamps_after) = (root.snapshot(), root.stamps());
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = paths.into_iter().filter(|path| {
        before.get(*path) != after.get(*path) || stamps.get(*path) != stamps_after.get(*path)
    });
    let done = changed.map(|path| {
        let action = match (before.get(path), after.get(path)) {
            (None, _) => "create",
            (_, None) => "remove",
            _ => "change",
        };
        let (was, is) = (words(before.get(path)), words(after.get(path)));
        (path.clone(), action.to_owned(), was, is)
    });
    done.collect()
}

#[test]
fn apply_does_what_plan_predicts_and_nothing_else_and_rollback_takes_it_back() {
    for_each_case(|case, root| {
        let before = root.snapshot();
        let ran = case.run(root, &["--json"], &["plan"]);
        let plan: Value = serde_json::from_str(&ran.out).unwrap();
        let want = predicted(&plan);
        assert!(want.len() >= 2, "{}: {want:?}", case.host);
        assert_eq!(want.len(), plan["changes"].as_array().unwrap().len());
        assert_eq!(plan["commands"], serde_json::json!([]), "{}", case.host);
        assert_eq!(plan["probes"], serde_json::json!([]), "{}", case.host);
        assert_eq!(done(root, || case.apply(root)), want, "{}", case.host);
        let receipt: Value =
            serde_json::from_str(&root.run(case.identity, &["--json", "show", "1"]).out).unwrap();
        assert_eq!(receipt["receipt"]["outcome"], "placed", "{receipt:#}");

        for command in ["plan", "status"] {
            let again = case.run(root, &[], &[command]);
            assert_eq!(again.code, 0, "{} {command}: {}", case.host, again.out);
        }
        assert_eq!(
            done(root, || {
                let again = case.run(root, &[], &["apply", "--yes"]);
                assert_eq!(again.code, 0, "{}", again.err);
                assert!(again.out.contains("converged"), "{}", again.out);
            }),
            Done::new(),
            "{}: a second apply found something to do",
            case.host
        );

        let back = ["rollback", "--yes", "--profile", "wazo"];
        let taken = done(root, || {
            let ran = root.run(case.identity, &back);
            assert_eq!(ran.code, 0, "{}: {}", case.host, ran.err);
        });
        let other_way = |action: &str| match action {
            "create" => "remove".to_owned(),
            action => action.to_owned(),
        };
        let want: Done = want
            .into_iter()
            .map(|(path, action, was, is)| (path, other_way(&action), is, was))
            .collect();
        assert_eq!(taken, want, "{}", case.host);
        assert_eq!(root.snapshot(), before, "{}", case.host);
    });
}

#[test]
fn a_saved_plan_of_every_host_is_taken_as_approved() {
    for_each_case(|case, root| {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("plan.json");
        let file = file.to_str().unwrap();
        let ran = case.run(root, &[], &["plan", "--out", file]);
        assert_eq!(ran.code, 5, "{}: {}", case.host, ran.err);
        let ran = root.run(case.identity, &["apply", "--plan", file, "--yes"]);
        assert_eq!(ran.code, 0, "{}: {}{}", case.host, ran.out, ran.err);
        golden(case.host, "tree.txt", &listing(&root.snapshot()));
    });
}

#[test]
fn the_platforms_own_renderer_finds_nothing_to_do_before_after_and_taken_back() {
    let rendered = std::cell::Cell::new(0);
    for_each_case(|case, root| {
        let nothing = |when: &str| {
            let before = root.snapshot();
            let updated = renderer::update(root).unwrap_or_else(|why| panic!("{when}: {why}"));
            assert_eq!(updated, [""; 0], "{} {when}", case.host);
            assert_eq!(root.snapshot(), before, "{} {when}", case.host);
        };
        nothing("before");
        let hosts = root.snapshot()["/etc/hosts"].clone();
        case.apply(root);
        nothing("after");
        let after = root.snapshot();
        if after["/etc/hosts"] != hosts {
            rendered.set(rendered.get() + 1);
            // The stand-in is no stub: what somebody writes there, it writes over, as the platform does.
            root.file("/etc/hosts", "127.0.0.1\tother\n", 0o600, 33);
            assert_eq!(renderer::update(root).unwrap(), ["/etc/hosts"]);
            assert_eq!(root.snapshot(), after, "{}", case.host);
        }
        let ran = root.run(case.identity, &["rollback", "--yes", "--profile", "wazo"]);
        assert_eq!(ran.code, 0, "{}: {}", case.host, ran.err);
        nothing("taken back");
    });
    assert!(
        !rustix::process::geteuid().is_root() || rendered.get() == 5,
        "{}",
        rendered.get()
    );
}

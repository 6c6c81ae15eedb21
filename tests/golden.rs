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

#[test]
fn a_root_that_does_not_tell_its_release_gets_the_documents_way_and_the_plan_says_so() {
    if !can_own() {
        return;
    }
    let case = &Case {
        host: "bare",
        identity: "self-signed",
        args: SELF_SIGNED,
    };
    let root = &Root::empty();
    for n in 1..=20 {
        root.dir(&format!("/etc/wazo-svc{n}/conf.d"), 0o755, 0);
    }
    root.dir("/usr/share/xivo-certs", 0o755, 0);
    root.file(
        "/etc/passwd",
        "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n",
        0o644,
        0,
    );
    root.file("/etc/group", "root:x:0:\nwww-data:x:33:\n", 0o644, 0);
    let stock = "127.0.0.1\tlocalhost\n127.0.1.1\t#XIVO_HOSTNAME#.#XIVO_DOMAIN#\tlocalhost.localdomain\t#XIVO_HOSTNAME#\n";
    root.file(
        "/usr/share/xivo-config/templates/system/etc/hosts",
        stock,
        0o644,
        0,
    );
    root.file("/etc/hosts", "127.0.0.1\tlocalhost\n", 0o644, 0);
    let before = root.snapshot();
    let ran = case.run(root, &[], &["plan"]);
    assert_eq!(ran.code, 5, "{}", ran.err);
    let says = "note: nothing on this host tells its release: the document's way is taken [release-untold]\n  hint: --set release=20.03\n";
    assert!(ran.out.contains(says), "{}", ran.out);
    case.apply(root);
    let after = root.snapshot();
    let links: Vec<&String> = after
        .iter()
        .filter(|(_, o)| o.what == What::Link("/etc/xivo/custom/custom-certificate.yml".to_owned()))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(links.len(), 20, "{links:?}");
    // The name is all there is to tell what this host is called.
    let hosts = "127.0.0.1\tlocalhost\n127.0.0.1\twazo.example.com\tlocalhost.localdomain\twazo\n";
    assert_eq!(
        after["/etc/hosts"].what,
        What::File(hosts.as_bytes().to_vec())
    );
    for command in ["plan", "status"] {
        assert_eq!(case.run(root, &[], &[command]).code, 0, "{command}");
    }
    let ran = root.run("self-signed", &["rollback", "--yes", "--profile", "wazo"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(root.snapshot(), before);
}

#[test]
fn no_link_leads_out_of_the_root() {
    if !can_own() {
        return;
    }
    let case = &CASES[1];
    let mut codes = BTreeMap::new();
    for path in [
        "/etc/hosts",
        "/etc/wazo-auth/conf.d",
        "/etc/wazo-auth",
        "/etc/xivo",
        "/etc/passwd",
        "/etc/nginx/sites-enabled/wazo",
        "/usr/share/xivo-certs",
        "/usr/share/xivo-certs/server.key",
        "/var/lib",
        "/var/lib/certroll",
    ] {
        for climbing in [false, true] {
            let root = Root::fixture(case.host);
            let outside = tempfile::tempdir().unwrap();
            let away = outside.path().join("away");
            let at = root.at(path);
            if at.is_symlink() {
                fs::write(&away, "ssl_certificate /etc/ssl/far.crt;\n").unwrap();
                fs::remove_file(&at).unwrap();
            } else if at.exists() {
                // What the link leads to is just what would be there without it.
                let moved = std::process::Command::new("cp")
                    .args(["-a", "--", at.to_str().unwrap(), away.to_str().unwrap()])
                    .status()
                    .unwrap();
                assert!(moved.success());
                if at.is_dir() {
                    fs::remove_dir_all(&at).unwrap();
                } else {
                    fs::remove_file(&at).unwrap();
                }
            } else {
                fs::create_dir(&away).unwrap();
            }
            let up = if climbing {
                "../../../../../../../../.."
            } else {
                ""
            };
            root.link(path, &format!("{up}{}", away.to_str().unwrap()));
            let (link, far) = (root::object(&at), root::snapshot(outside.path()));
            let ran = case.run(&root, &[], &["apply", "--yes"]);
            codes.insert((path, climbing), ran.code);
            assert_eq!(root::snapshot(outside.path()), far, "{path}: {ran:?}");
            assert_eq!(root::object(&at), link, "{path}: {ran:?}");
            let text = format!("{}{}", ran.out, ran.err);
            assert!(!text.contains("panicked"), "{path}: {text}");
        }
    }
    // Some of them leave enough for a rollout of the rest; none gets halfway.
    let (mut whole, mut refused) = (Vec::new(), Vec::new());
    for ((path, _), code) in &codes {
        match code {
            0 => whole.push(*path),
            1 | 2 => refused.push(*path),
            other => panic!("{path}: {other}"),
        }
    }
    whole.dedup();
    refused.dedup();
    assert_eq!(
        whole,
        [
            "/etc/nginx/sites-enabled/wazo",
            "/etc/passwd",
            "/etc/wazo-auth",
            "/etc/wazo-auth/conf.d"
        ]
    );
    assert_eq!(
        refused,
        [
            "/etc/hosts",
            "/etc/xivo",
            "/usr/share/xivo-certs",
            "/usr/share/xivo-certs/server.key",
            "/var/lib",
            "/var/lib/certroll"
        ]
    );
}

#[test]
fn a_profile_is_refused_where_its_platform_is_not() {
    let root = Root::empty();
    root.dir("/etc/wazo-auth/conf.d", 0o755, 0);
    let before = root.snapshot();
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let common = ["--profile", "wazo", "--allow", "not-detected"];
        let ran = root.run("self-signed", &[command, &common, SELF_SIGNED].concat());
        assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
        assert_eq!(
            ran.err,
            "error: profile `wazo` is for another host: it is told by `/usr/share/wazo-certs`, `/usr/share/xivo-certs`, which are not here\n\
             hint: `certroll profiles list` shows every profile and what it is for\nhost: unchanged\n"
        );
    }
    assert_eq!(root.snapshot(), before);
}

/// Puts a file into one daemon's conf.d, and returns the plan's code and what it says before the first change.
fn plan_with(path: &str, text: &str, args: &[&str]) -> (i32, String) {
    let root = Root::fixture("wazo-20.03");
    root.file(path, text, 0o644, 0);
    let common = ["plan", "--profile", "wazo"];
    let ran = root.run("private-ca", &[&common, PRIVATE_CA, args].concat());
    let said = ran.out.split("\n~ ").next().unwrap_or_default();
    (ran.code, format!("{said}\n{}", ran.err))
}

#[test]
fn the_plan_names_file_and_line_of_what_keeps_a_daemon_from_reading_the_override() {
    if !can_own() {
        return;
    }
    let conf_d = "/etc/wazo-confd/conf.d";
    for (file, text, code, want) in [
        (
            "005-local.yml",
            "x: 1\nauth:\n  verify_certificate: False\n",
            5,
            "warning: /etc/wazo-confd/conf.d/005-local.yml:3: `auth.verify_certificate` is `False` for `wazo-confd`",
        ),
        (
            "005-local.yml",
            "consul:\n  host: localhost\n",
            5,
            "warning: /etc/wazo-confd/conf.d/005-local.yml:2: `consul.host` is `localhost` for `wazo-confd`",
        ),
        (
            "005-local.yml",
            "auth:\n",
            1,
            "/etc/wazo-confd/conf.d/005-local.yml:1: `auth` is ",
        ),
        (
            "005-local.yml",
            "- a\n",
            1,
            "/etc/wazo-confd/conf.d/005-local.yml: top level is ",
        ),
        (
            "005-local.yml",
            "!exec\ncommand: touch /tmp/never\n",
            5,
            "/etc/wazo-confd/conf.d/005-local.yml: `wazo-confd` reads the output of a command before our file",
        ),
        (
            "090-late.yml",
            "a: [\n",
            5,
            "/etc/wazo-confd/conf.d/090-late.yml:",
        ),
    ] {
        let (got, said) = plan_with(&format!("{conf_d}/{file}"), text, &[]);
        assert!(
            said.contains(want),
            "{text}: wanted {want}, found in\n{said}"
        );
        assert_eq!(got, code, "{text}: {said}");
    }
    // These come after ours, are not read at all, or say nothing about what is overridden.
    for (file, text) in [
        ("011-late.yml", "auth:\n  host: localhost\n"),
        ("005-local.yaml", "auth:\n  host: localhost\n"),
        (".005-local.yml", "auth:\n  host: localhost\n"),
        ("005-local.yml", "auth:\n  timeout: 3\n"),
    ] {
        let (got, said) = plan_with(&format!("{conf_d}/{file}"), text, &[]);
        assert_eq!(got, 5, "{said}");
        assert!(!said.contains("wazo-confd/conf.d/0"), "{file}: {said}");
        assert!(!said.contains("conf-d-"), "{file}: {said}");
    }
}

#[test]
fn what_comes_in_the_way_after_a_rollout_is_named_by_plan_and_status() {
    for_each_case(|case, root| {
        if case.host != "wazo-20.03" {
            return;
        }
        case.apply(root);
        root.file(
            "/etc/wazo-dird/conf.d/001-new.yml",
            "auth:\n  host: localhost\n",
            0o644,
            0,
        );
        for command in ["plan", "status"] {
            let ran = case.run(root, &[], &[command]);
            let want = "/etc/wazo-dird/conf.d/001-new.yml:2: `auth.host` is `localhost`";
            assert!(ran.out.contains(want), "{command}: {}", ran.out);
        }
    });
}

#[test]
fn a_verification_that_cannot_hold_is_refused_before_anything_is_touched() {
    if !can_own() {
        return;
    }
    for (verify, code, want) in [
        (
            "file",
            2,
            "a leaf is no trust anchor for itself [verify-file]",
        ),
        (
            "system",
            2,
            "no trust anchor of this host issued the leaf: the daemons would refuse one another [verify-system]",
        ),
        (
            "off",
            5,
            "the daemons take any certificate from one another",
        ),
        ("maybe", 2, "setting `verify` is `maybe`"),
    ] {
        let (got, said) = plan_with(
            "/etc/motd",
            "hello\n",
            &["--set", &format!("verify={verify}")],
        );
        assert!(said.contains(want), "{verify}: {said}");
        assert_eq!(got, code, "{verify}: {said}");
    }
}

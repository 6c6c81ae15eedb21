//! Hosts that are not as their packages left them: what the plan says, and refuses.

use super::*;

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
fn a_command_that_a_daemon_reads_the_output_of_is_named_and_never_run() {
    let file = "/etc/wazo-confd/conf.d/005-local.yml";
    let said = format!("{file}: `wazo-confd` reads the output of a command before our file");
    for_each_case(|case, root| {
        if case.host != "wazo-20.03" {
            return;
        }
        let scratch = tempfile::tempdir().unwrap();
        let made = scratch.path().join("made");
        let text = format!("!exec\ncommand: touch {}\n", made.display());
        root.file(file, &text, 0o644, 0);
        for (line, code) in [
            (&["plan"][..], 5),
            (&["apply", "--yes"], 0),
            (&["status"], 0),
        ] {
            let ran = case.run(root, &[], line);
            assert_eq!(ran.code, code, "{line:?}: {}{}", ran.out, ran.err);
            assert!(ran.out.contains(&said), "{line:?}: {}", ran.out);
            assert!(!made.exists(), "{line:?} ran it");
        }
    });
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

//! What is said where a command line cannot be meant, names nothing, or where there is nothing to say.

use super::desk;
use crate::common::{CERTROLL, Run, Running, Scratch};

const PAIR: &str = "--profile wazo --cert a.pem --key a.key";

/// Runs the program with its output going where nothing can be written.
fn into_nothing(scratch: &Scratch, line: &str) -> Run {
    let script = format!("exec {CERTROLL} {line} >/dev/full");
    Running::start(scratch.program("sh").args(["-c", &script])).end()
}

#[test]
fn output_that_does_not_arrive_fails_what_only_looks_and_is_said_of_the_rest() {
    let scratch = desk();
    scratch
        .certroll("keystore new g.p12 --password-file secret --cert a.pem --key a.key --alias g")
        .exits(0);
    for line in [
        "keystore export g.p12 --password-file secret --alias g".to_owned(),
        "--json inspect a.pem a.key".to_owned(),
        format!("--root R plan {PAIR}"),
        "plan --help".to_owned(),
    ] {
        into_nothing(&scratch, &line).exits(1).complains(
            "error: cannot write standard output\ncaused by: no space left on device (os error 28)\n\
             host: unchanged\n",
        );
    }
    let refused = into_nothing(&scratch, "--json inspect junk").exits(2);
    assert!(
        refused
            .err
            .starts_with("warning: cannot write standard output: no space left")
    );
    let applied = into_nothing(&scratch, &format!("--root R apply --yes {PAIR}")).exits(0);
    let warned = "warning: cannot write standard output: no space left on device (os error 28); \
        the exit code is true all the same\n";
    assert!(applied.err.ends_with(warned), "{applied:#?}");
    scratch.on_root("status").exits(0);
}

#[test]
fn an_option_that_would_be_passed_over_is_refused() {
    let scratch = desk();
    let plan = format!("plan {PAIR} --out plan.json");
    scratch.on_root(&plan).exits(5);
    for more in [
        "wazo",
        "--profile wazo",
        "--cert b.pem",
        "--key b.key",
        "--chain b.pem",
        "--password-file secret",
        "--previous-cert b.pem",
        "--previous-key b.key",
        "--set host=x",
        "--allow expired",
    ] {
        let run = scratch.on_root(&format!("apply --yes --plan plan.json {more}"));
        let run = run.exits(2);
        assert!(run.err.contains("cannot be used with"), "{more}: {run:#?}");
    }
    scratch.on_root("apply --yes --plan plan.json").exits(0);
    for more in [
        "--cert a.pem",
        "--key a.key",
        "--chain a.pem",
        "--password-file secret",
    ] {
        let run = scratch.on_root(&format!("rollback --yes {more}")).exits(2);
        assert!(
            run.err.starts_with("error: unexpected argument"),
            "{run:#?}"
        );
    }
    let both = scratch.on_root("rollback --yes --rollout wazo --profile wazo");
    assert!(both.exits(2).err.contains("cannot be used with"));
    scratch
        .on_root("rollback --yes --profile nosuch")
        .exits(2)
        .complains("error: unknown rollout `nosuch`\nhint: known: `wazo`\nhost: unchanged\n");
    scratch.on_root("rollback --yes --profile wazo").exits(0);
}

#[test]
fn an_accepted_finding_that_is_not_there_is_a_warning() {
    let scratch = desk();
    scratch.mint_between("old", "wazo.example.com", 2001, 2002);
    let old = "--profile wazo --cert old.pem --key old.key";
    let warning = "warning: `--allow expird` accepts nothing: there is no finding of that name";
    let planned = scratch.on_root(&format!("plan {old} --allow expird"));
    planned.exits(2).says("[expired]").says(warning);
    let applied = scratch.on_root(&format!("apply --yes {old} --allow expird"));
    assert!(applied.exits(2).err.contains(warning));
    let looked = scratch.certroll("inspect old.pem old.key --allow expird");
    let marked = warning.replacen("warning:", "warning [allowed-nothing]:", 1);
    looked.exits(2).says(&marked);
    let meant = scratch.on_root(&format!("apply --yes {old} --allow expired"));
    let meant = meant.exits(0);
    assert!(!meant.out.contains("accepts nothing"), "{meant:#?}");
    let back = scratch.on_root("rollback --yes --allow expird").exits(0);
    assert!(back.out.contains(warning), "{back:#?}");
}

#[test]
fn a_file_that_is_no_profile_is_named_itself() {
    let scratch = desk();
    scratch.dir("folder");
    let directory = |name: &str, file: &str| {
        format!(
            "error: `{name}`: is a directory, want the file of a profile\n\
             hint: certroll profiles check {file}\nhost: unchanged\n"
        )
    };
    for (file, message) in [
        ("folder", directory("folder", "folder/profile.yaml")),
        ("folder/", directory("folder/", "folder/profile.yaml")),
        (".", directory(".", "./profile.yaml")),
        (
            "folder/profile.yaml",
            "error: cannot read `folder/profile.yaml`\ncaused by: no such file or directory (os error 2)\n\
             hint: check the path: `ls -l folder/profile.yaml`\nhost: unchanged\n"
                .to_owned(),
        ),
        (
            "junk",
            "error: `./junk`: is not UTF-8 text\nhost: unchanged\n".to_owned(),
        ),
    ] {
        let run = scratch.certroll(&format!("profiles check {file}"));
        assert_eq!(run.err, message, "{file}");
    }
    let words = scratch.certroll("profiles check secret").exits(2);
    assert!(words.err.starts_with("error: ./secret:1:1: "), "{words:#?}");
}

#[test]
fn every_way_out_that_is_named_is_one() {
    let scratch = desk();
    scratch.dir("there");
    let directory =
        "error: `there`: is a directory, want a file\nhint: name a file in it: `there/NAME`\n";
    scratch
        .certroll("keystore new g.p12 --password-file secret --cert a.pem --key a.key --alias g")
        .exits(0);
    let export = "keystore export g.p12 --password-file secret";
    let makes = "hint: make the directory first: `mkdir -p nosuch`\n";
    let none = "none is remembered: `certroll plan --profile NAME --cert FILE --key FILE`\n";
    for (line, code, message) in [
        ("--root R forget x".to_owned(), 2, format!("error: unknown rollout `x`\nhint: {none}")),
        (
            "--root R rollback --yes --profile x".to_owned(),
            2,
            format!("error: unknown rollout `x`\nhint: {none}"),
        ),
        (
            "--root R pin remove a.example.com:443".to_owned(),
            2,
            "error: unknown pin `a.example.com:443`\n\
             hint: no pins are kept: `certroll pin add HOST:PORT --fingerprint TEXT`\n"
                .to_owned(),
        ),
        (
            "--root R show 1".to_owned(),
            2,
            "error: unknown generation `1`\nhint: there is none yet: nothing was changed by certroll\n"
                .to_owned(),
        ),
        (
            "probe 127.0.0.1:1".to_owned(),
            1,
            "error: `127.0.0.1:1` is silent (127.0.0.1:1 refused the connection): want a certificate\n\
             hint: `certroll doctor HOST:PORT` says why\n"
                .to_owned(),
        ),
        (
            "--state S pin add 127.0.0.1:1 --tofu".to_owned(),
            1,
            "error: `127.0.0.1:1` refused the connection: want a leaf\n\
             hint: `certroll doctor HOST:PORT` says why\n"
                .to_owned(),
        ),
        (
            "--root R doctor 127.0.0.1".to_owned(),
            2,
            "error: unknown rollout `127.0.0.1`\n\
             hint: an endpoint has a port: `certroll doctor 127.0.0.1:443`; rollouts are none\n"
                .to_owned(),
        ),
        (
            "inspect a.key".to_owned(),
            2,
            "error: `a.key`: only a private key, no certificate\nhint: name the file of the leaf as well\n"
                .to_owned(),
        ),
        (
            format!("--root R plan {PAIR} --out nosuch/x.json"),
            1,
            format!(
                "error: cannot create `nosuch/x.json`\ncaused by: no such file or directory (os error 2)\n{makes}"
            ),
        ),
        (format!("--root R plan {PAIR} --out there"), 2, directory.to_owned()),
        (format!("{export} --alias g -o there"), 2, directory.to_owned()),
        (format!("{export} --alias g --force -o there"), 2, directory.to_owned()),
        (
            format!("{export} --alias h"),
            2,
            "error: unknown alias `h`\nhint: known: `g`\n".to_owned(),
        ),
        (
            "probe 127.0.0.1:1 --rules nosuch".to_owned(),
            2,
            "error: unknown set of rules `nosuch`\nhint: known: `speechmatics-v1`, `speechmatics-v2`\n".to_owned(),
        ),
    ] {
        let run = scratch.certroll(&line).exits(code);
        assert_eq!(run.err, format!("{message}host: unchanged\n"), "{line}");
    }
    assert_eq!(scratch.sh("ls there"), "");
}

#[test]
fn a_command_line_that_cannot_be_meant_is_answered_like_any_other_error() {
    let scratch = Scratch::new();
    for (line, message, hint) in [
        (
            "rollback x",
            "invalid value 'x' for '[N]': invalid digit found in string",
            "certroll rollback --help",
        ),
        (
            "pln",
            "unrecognized subcommand 'pln'",
            "some similar subcommands exist: 'pin', 'plan'",
        ),
        (
            "apply --wait x",
            "invalid value 'x' for '--wait <SECS>': invalid digit found in string",
            "certroll apply --help",
        ),
        (
            "demo nosuch",
            "invalid value 'nosuch' for '[NAME]' [possible values: wazo, checkpoint, era, speechmatics, wso2]",
            "certroll demo --help",
        ),
        (
            "plan --nosuch",
            "unexpected argument '--nosuch' found",
            "certroll plan --help",
        ),
        (
            "pin add a.example.com",
            "the following required arguments were not provided: <--fingerprint <TEXT>|--tofu>",
            "certroll pin add --help",
        ),
        (
            "pin export a.example.com",
            "the following required arguments were not provided: <--as <LANGUAGE>|--cpapi <FILE>>",
            "certroll pin export --help",
        ),
        (
            "keystore new a.p12 --password-file pw",
            "the following required arguments were not provided: <--cert <FILE>|--trust <ALIAS=FILE>>",
            "certroll keystore new --help",
        ),
    ] {
        let run = scratch.certroll(line).exits(2);
        let said = format!("error: {message}\nhint: {hint}\nhost: unchanged\n");
        run.complains(&said);
        let document = scratch.certroll(&format!("--json {line}")).exits(2).json();
        assert_eq!(document["error"], message, "{line}");
        assert_eq!(document["hint"], hint, "{line}");
    }
    // Whoever gives no command is shown which there are.
    let bare = scratch.certroll("pin").exits(2);
    assert!(bare.err.contains("\nCommands:\n"), "{bare:#?}");
    let bare = scratch.certroll("--json pin").exits(2).json();
    assert_eq!(bare["error"], "no command is given");
    assert_eq!(bare["hint"], "certroll pin --help");
}

#[test]
fn quiet_leaves_the_outcome_and_what_is_nothing_says_so() {
    let scratch = desk();
    let planned = scratch.on_root(&format!("-q plan {PAIR}")).exits(5);
    assert!(
        planned.out.starts_with("plan: ") && planned.out.lines().count() == 1,
        "{planned:#?}"
    );
    let unfit = scratch.on_root("-q plan --profile wazo --cert a.pem --key b.key");
    let unfit = unfit.exits(2);
    assert!(unfit.out.starts_with("fatal: key `b.key`"), "{unfit:#?}");
    assert!(unfit.last().starts_with("plan: "), "{unfit:#?}");
    let none = scratch.on_root("pin check").exits(0);
    assert_eq!(none.out, "no pins are kept\n");
    let none = scratch.on_root("hooks remove --yes").exits(0);
    assert_eq!(none.out, "converged: nothing to do\n");
    // The plan has them, and was shown the moment before.
    let steps = |run: &Run| run.out.matches("steps for people:\n").count();
    let applied = scratch.on_root(&format!("apply --yes {PAIR}")).exits(0);
    assert_eq!(steps(&applied), 1, "{applied:#?}");
    let other = "--profile wazo --cert b.pem --key b.key";
    let applied = scratch.on_root(&format!("-q apply --yes {other}")).exits(0);
    assert_eq!(steps(&applied), 1, "{applied:#?}");
    let status = scratch.on_root("-q status").exits(0);
    assert_eq!(status.out, "rollout wazo: as wanted\n");
    let shown = scratch.on_root("show 1").exits(0);
    assert!(
        shown.out.lines().next().unwrap().ends_with(", placed"),
        "{shown:#?}"
    );
    assert_eq!(
        scratch.on_root("--json show 1").exits(0).json()["state"],
        "placed"
    );
}

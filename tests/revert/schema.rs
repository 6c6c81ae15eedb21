//! The section `revert` of a profile: what it may say, and what is said where it cannot be.

use std::fs;

use super::{exits, root::Root};

const HEAD: &str = "profile: own\ntitle: own\nsource: this test\n";

/// What `profiles check` says of a profile with this text after its head.
fn checked(body: &str) -> String {
    let root = Root::empty();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile.yaml");
    fs::write(&file, format!("{HEAD}{body}")).unwrap();
    let file = file.to_str().unwrap();
    let ran = root.run("self-signed", &["profiles", "check", file]);
    exits(ran, 2).err.replace(file, "profile.yaml")
}

#[test]
fn what_a_revert_cannot_say_is_refused_with_its_place() {
    let pair = "regenerate: {key: /k, leaf: /l, command: [make]}";
    for (body, line, column, message) in [
        (
            "revert: {}",
            4,
            9,
            "revert has neither `regenerate` nor `requests`",
        ),
        (
            "revert: {regenerate: {key: /k, leaf: /l}}",
            4,
            22,
            "regenerate has no `command`",
        ),
        (
            "revert:\n  REGENERATE\n  services: []",
            6,
            3,
            "unknown key `services` in revert",
        ),
        (
            "revert:\n  REGENERATE\n  remove: [{path: /a, link: /b, any: true}]",
            6,
            12,
            "want one of `link`, `from` and `any`",
        ),
        (
            "revert:\n  REGENERATE\n  remove: [{path: /a, from: none.tera}]",
            6,
            29,
            "unknown template `none.tera`",
        ),
        (
            "revert:\n  REGENERATE\n  remove: [{path: /a, each: facts.none}]",
            6,
            29,
            "undefined fact `facts.none`",
        ),
        (
            "revert:\n  REGENERATE\n  remove: [{path: '{{ set.none }}'}]",
            6,
            23,
            "undefined setting `set.none`",
        ),
        (
            "revert:\n  REGENERATE\n  resources: [{kind: pem, path: /k, form: key}]",
            5,
            3,
            "kind `pem` cannot be in it",
        ),
    ] {
        let said = checked(&body.replace("REGENERATE", pair));
        let place = format!("profile.yaml:{line}:{column}: ");
        assert!(said.contains(&place), "{body}: no {place} in {said}");
        assert!(said.contains(message), "{body}: no {message} in {said}");
    }
}

#[test]
fn a_profile_without_the_section_says_what_to_do_instead() {
    let root = Root::empty();
    root.dir("/etc", 0o755, 0);
    root.dir("/etc/nginx", 0o755, 0);
    let ran = root.run("self-signed", &["revert", "--profile", "nginx", "--yes"]);
    let want = "error: profile `nginx` does not say how its platform gets back to its own default\n\
                hint: take the rollout back instead: `certroll rollback`\nhost: unchanged\n";
    assert_eq!(exits(ran, 2).err, want);
    let ran = root.run("self-signed", &["plan", "--revert", "--profile", "nginx"]);
    assert_eq!(exits(ran, 2).err, want);
    let ran = root.run("self-signed", &["revert", "--yes"]);
    let want = "error: no rollout is given, and none is remembered\nhint: certroll revert --profile NAME\nhost: unchanged\n";
    assert_eq!(exits(ran, 2).err, want);
}

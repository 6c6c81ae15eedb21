use std::collections::BTreeMap;

use super::*;
use crate::error::Error;

const HEAD: &str = "profile: p\ntitle: t\nsource: s\n";

fn parse(rest: &str) -> Result<Profile> {
    let files = BTreeMap::from([("a.tera".to_owned(), "{{ set.host }}\n".to_owned())]);
    Profile::parse("d/profile.yaml", &format!("{HEAD}{rest}"), &files)
}

#[test]
fn every_built_in_profile_parses_and_says_what_it_follows() {
    for name in embedded() {
        let profile = parse_embedded(name).unwrap();
        assert_eq!(profile.name, name);
        assert!(
            !profile.source.is_empty() && !profile.tested.is_empty(),
            "{name}"
        );
        assert!(
            profile.settings.iter().all(|s| !s.help.is_empty()),
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_is_refused_at_its_place_with_what_could() {
    let host = "settings: {host: {default: x, help: h}}\n";
    for (rest, want, hint) in [
        (
            "detekt: {}\n",
            "4:1: unknown key `detekt` in profile",
            "`detect`",
        ),
        (
            "settings: {a: {default: x, help: h, hepl: x}}\n",
            "4:37: unknown key `hepl` in setting",
            "`one_of`",
        ),
        (
            "settings: {a: {help: h}}\n",
            "4:15: setting has no `default`",
            "default",
        ),
        (
            "settings: {A-b: {default: x, help: h}}\n",
            "4:17: `A-b` cannot be named",
            "small letters",
        ),
        (
            "resources:\n  - {kind: pkcs11}\n",
            "5:12: unknown kind `pkcs11`",
            "`hosts`, `keystore`, `link`, `pem`, `template`",
        ),
        (
            "resources:\n  - {kind: pem, path: /x, form: crt}\n",
            "5:33: unknown `form` `crt`",
            "`fullchain`",
        ),
        (
            "resources:\n  - {kind: pem, path: /x, form: key, mode: 0640}\n",
            "5:44: `mode` is a number: want text",
            "quotes",
        ),
        (
            "resources:\n  - {kind: pem, path: /x, form: key, mode: \"9\"}\n",
            "5:45: mode `9` is not octal",
            "0640",
        ),
        (
            "resources:\n  - {kind: pem, path: /x, form: key, to: /y}\n",
            "5:38: unknown key `to` in resource",
            "`form`",
        ),
        (
            "resources:\n  - {kind: link, to: /x, path: /y, each: \"/etc/*\", name: z}\n",
            "5:5: `link` wants `path`, or `each` with `name`",
            "",
        ),
        (
            "resources:\n  - {kind: link, to: /x, each: \"/etc/*\", name: a/b}\n",
            "5:48: `a/b` is not a name",
            "dot",
        ),
        (
            "resources:\n  - {kind: link, to: /x, each: facts.dirs, name: z}\n",
            "5:32: undefined fact `facts.dirs`",
            "",
        ),
        (
            "resources:\n  - {kind: template, path: /x, from: b.tera}\n",
            "5:38: unknown template `b.tera`",
            "beside",
        ),
        (
            "resources: {kind: pem}\n",
            "4:12: `resources` is a mapping: want a list",
            "",
        ),
        (
            "services:\n  - {units: [a], command: [b]}\n",
            "5:5: `systemd` takes no `command`",
            "manager: command",
        ),
        (
            "probes:\n  - {tls: \"a:1\", lookup: b}\n",
            "5:5: probe names 2 things to observe: want one",
            "`readable`",
        ),
        (
            "probes:\n  - {lookup: \"{{ item }}\", is: 127.0.0.1}\n",
            "5:15: undefined name `item`",
            "each",
        ),
        (
            "probes:\n  - {lookup: \"{{ set.hots }}\", is: 127.0.0.1}\n",
            "5:18: undefined setting `set.hots`",
            "`host`",
        ),
        (
            "findings:\n  - {name: n, message: m, severity: bad}\n",
            "5:37: unknown `severity` `bad`",
            "`fatal`",
        ),
        (
            "facts: {a: {glob: etc}}\n",
            "4:19: pattern `etc` is not an absolute path",
            "",
        ),
        (
            "facts: {a: {first: /x, glob: /y}}\n",
            "4:12: a fact is read in exactly one way",
            "`layered`",
        ),
        (
            "detect: {any: [/a/../b]}\n",
            "4:16: `/a/../b` has a `..` component",
            "",
        ),
        (
            "deadline: soon\n",
            "4:11: `deadline` is text: want a whole number",
            "",
        ),
        ("title: twice\n", "4:1: ", ""),
    ] {
        let settings = if rest.starts_with("settings") {
            ""
        } else {
            host
        };
        let error = parse(&format!("{rest}{settings}")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("d/profile.yaml:{want}")),
            "{rest}: {text}"
        );
        let given = error.hint().unwrap_or_default();
        assert!(given.contains(hint), "{rest}: {given}");
    }
}

#[test]
fn an_undefined_name_in_a_template_is_found_at_its_line() {
    let error = parse("settings: {b: {default: x, help: h}}\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "d/a.tera:1:4: undefined setting `set.host`"
    );
}

#[test]
fn a_profile_is_named_and_never_a_path() {
    for name in ["../x", "a/b", "", ".", "..", ".hidden", "a b", "x\n"] {
        assert!(
            matches!(load::check_name(name), Err(Error::Usage { .. })),
            "{name}"
        );
    }
    let unknown = parse_embedded("waso").unwrap_err();
    assert_eq!(unknown.to_string(), "unknown profile `waso`");
    assert!(unknown.hint().unwrap().contains("`wazo`"));
}

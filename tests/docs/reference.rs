//! The reference of profiles against the parser: what it knows is documented, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use certroll::{error::Error, profile::Profile, resource::KINDS};

use super::{document, keys};

/// Returns the keys that the parser knows in the mapping that holds `zzz`.
fn known(yaml: &str, table: &str) -> BTreeSet<String> {
    let text = format!("profile: a\ntitle: a\nsource: a\n{yaml}\n");
    let files = [("t.yaml", table), ("t.tera", "")];
    let files: BTreeMap<String, String> = files
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let error = Profile::parse("p/profile.yaml", &text, &files).unwrap_err();
    let Error::Parse { message, hint, .. } = error else {
        panic!("{yaml}: {error}");
    };
    assert!(message.contains("unknown key `zzz`"), "{yaml}: {message}");
    hint.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

const TABLE: &str = "flag: a\nbuiltin_host: a\nmoves: a\n";
const SETTINGS: &str = "settings: {a: {default: a, help: a, zzz: a}}";
const LAYERED: &str = "facts: {a: {layered: {table: t.yaml, dirs: /a, ours: a}}}";

const PROBE: &str = "### Keys of every probe";

/// Headings of the reference, and examples of the mappings that they are about.
const EXAMPLES: &[(&[&str], &[&str])] = &[
    (&["## Top level"], &["zzz: a"]),
    (&["## Detect"], &["detect: {zzz: a}"]),
    (&["## Settings"], &[SETTINGS]),
    (&["## Facts"], &["facts: {a: {first: /a, zzz: a}}"]),
    (
        &["### Layered facts"],
        &["facts: {a: {layered: {table: a, dirs: /a, ours: a, zzz: a}}}"],
    ),
    (
        &["## Findings"],
        &["findings: [{name: a, message: a, zzz: a}]"],
    ),
    (
        &["### Keys of edits"],
        &[
            "resources: [{kind: document, path: /a, format: json, edits: [{at: a, value: a, zzz: a}]}]",
        ],
    ),
    (
        &["### Keys of checks"],
        &[
            "resources: [{kind: document, path: /a, format: json, edits: [{at: a, value: a}], checks: [{at: a, zzz: a}]}]",
        ],
    ),
    (
        &["### Values from elsewhere"],
        &["resources: [{kind: keystore, path: /a, password_in: {file: /a, zzz: a}, alias: a}]"],
    ),
    (
        &["### Facts of a document"],
        &["facts: {a: {document: {path: /a, format: json, at: a, zzz: a}}}"],
    ),
    (
        &["### Keys of trusted"],
        &[
            "resources: [{kind: keystore, path: /a, password_file: /a, trusted: [{alias: a, form: leaf, zzz: a}]}]",
        ],
    ),
    (&["## Services"], &["services: [{units: [a], zzz: a}]"]),
    (
        &[PROBE, "### Probe `tls`"],
        &["probes: [{tls: 'a:1', zzz: a}]"],
    ),
    (
        &[PROBE, "### Probe `lookup`"],
        &["probes: [{lookup: a, is: a, zzz: a}]"],
    ),
    (
        &[PROBE, "### Probe `readable`"],
        &["probes: [{readable: /a, user: a, zzz: a}]"],
    ),
    (
        &[PROBE, "### Probe `effective`"],
        &["probes: [{effective: facts.a, file: /a, zzz: a}]"],
    ),
    (
        &[PROBE, "### Probe `says`"],
        &["probes: [{says: [a], zzz: a}]"],
    ),
    (
        &[PROBE, "### Probe `https`"],
        &["probes: [{https: a, get: a, zzz: a}]"],
    ),
    (
        &[PROBE, "### Probe `http`"],
        &["probes: [{http: a, get: a, zzz: a}]"],
    ),
    (
        &["## Revert"],
        &["revert: {regenerate: {key: a, leaf: a, command: a}, zzz: a}"],
    ),
    (
        &["### Keys of regenerate"],
        &["revert: {regenerate: {key: a, leaf: a, command: a, zzz: a}}"],
    ),
    (
        &["### Keys of remove"],
        &["revert: {regenerate: {key: a, leaf: a, command: a}, remove: [{path: a, zzz: a}]}"],
    ),
    (&["## Steps"], &["steps: [{text: a, zzz: a}]"]),
    (
        &["### Keys of gone"],
        &["steps: [{text: a, gone: {file: /a, text: a, zzz: a}}]"],
    ),
];

#[test]
fn every_key_that_a_profile_may_have_is_in_the_reference_and_no_other() {
    let text = document("docs/profiles.md");
    for (headings, examples) in EXAMPLES {
        let documented: BTreeSet<String> = headings.iter().flat_map(|h| keys(&text, h)).collect();
        let parsed = examples.iter().flat_map(|e| known(e, ""));
        assert_eq!(documented, parsed.collect::<BTreeSet<_>>(), "{headings:?}");
    }
    for (heading, table) in [
        ("### Tables", "eras: [{era: a}]\nzzz: a"),
        ("### Eras of a table", "eras: [{era: a, zzz: a}]"),
        (
            "### Blocks of an era",
            "eras: [{era: a, blocks: {b: {zzz: a}}}]",
        ),
        (
            "### Daemons of an era",
            "eras: [{era: a, daemons: [{name: a, zzz: a}]}]",
        ),
    ] {
        let parsed = known(LAYERED, &format!("{TABLE}{table}\n"));
        assert_eq!(keys(&text, heading), parsed, "{heading}");
    }
}

/// A section `sni` with more keys in its roles and in itself.
fn sni(roles: &str, own: &str) -> String {
    let keys = "name: a, type: a, directory: a, enabled: a, prefix: a, alias: a, value: a";
    format!(
        "sni: {{named: itself, other: master, leaf: a, key: a, roles: {{{keys}, {roles}}}, {own}}}"
    )
}

#[test]
fn every_key_of_what_is_set_or_called_on_another_machine_is_in_the_reference_and_no_other() {
    let text = document("docs/profiles.md");
    for (headings, examples) in [
        (
            vec!["### Keys of every probe", "### Probe `call`"],
            vec!["probes: [{call: 'a:1', refused_without: true, zzz: a}]"],
        ),
        (vec!["## Far"], vec!["far: {peer: a, settle: a, zzz: a}"]),
        (
            vec!["### Keys of a login"],
            vec!["far: {peer: a, settle: a, logins: [{user: a, file: a, zzz: a}]}"],
        ),
        (
            vec!["### Keys of a request"],
            vec![
                "far: {peer: a, settle: a, requests: [{what: a, send: {method: a, path: a}, proves: [{tls: 'a:1'}], zzz: a}]}",
            ],
        ),
        (
            vec!["### Keys of send"],
            vec![
                "far: {peer: a, settle: a, requests: [{what: a, send: {method: a, path: a, zzz: a}}]}",
                "far: {peer: a, settle: a, requests: [{what: a, send: {ssh: a, run: a, zzz: a}}]}",
            ],
        ),
        (vec!["## Sni"], vec![&sni("", "zzz: a")]),
        (vec!["### Keys of roles"], vec![&sni("zzz: a", "")]),
        (
            vec!["### Keys of was"],
            vec![
                "far: {peer: a, settle: a, requests: [{what: a, send: {method: a, path: a, json: {a: {form: bundle}}}, was: {path: a, zzz: a}, proves: [{tls: 'a:1'}]}]}",
            ],
        ),
        (
            vec!["## Names"],
            vec!["names: [{name: a, finding: {name: a, message: a}, zzz: a}]"],
        ),
        (
            vec!["## Remarks"],
            vec!["remarks: [{probe: {http: a, get: a}, finding: {name: a, message: a}, zzz: a}]"],
        ),
    ] {
        let documented: BTreeSet<String> = headings.iter().flat_map(|h| keys(&text, h)).collect();
        let parsed = examples.iter().flat_map(|e| known(e, ""));
        assert_eq!(documented, parsed.collect::<BTreeSet<_>>(), "{headings:?}");
    }
}

#[test]
fn every_kind_is_in_the_reference_with_its_keys() {
    let text = document("docs/profiles.md");
    let common = keys(&text, "### Keys of every resource");
    for kind in KINDS {
        // A kind that takes its keys in several combinations has an example of each.
        let examples = match kind.name() {
            "document" => vec!["path: /a, format: json, edits: [{at: a, value: a}]"],
            "link" => vec!["path: /a, to: /a", "each: '/a/*', name: a, to: /a"],
            "pem" => vec!["path: /a, form: key"],
            "template" => vec!["path: /a, from: t.tera"],
            "hosts" => vec!["path: /a, from: /a"],
            "trust" => vec!["path: /a, name: a", "directory: /a, name: a"],
            "keystore" => vec!["path: /a, alias: a, password_file: /a"],
            other => {
                panic!("give an example of kind `{other}` here, and its keys in docs/profiles.md")
            }
        };
        let parsed: BTreeSet<String> = examples
            .iter()
            .flat_map(|e| {
                known(
                    &format!("resources: [{{kind: {}, {e}, zzz: a}}]", kind.name()),
                    "",
                )
            })
            .collect();
        let own = keys(&text, &format!("### Kind `{}`", kind.name()));
        assert_eq!(own.union(&common).cloned().collect::<BTreeSet<_>>(), parsed);
    }
}

/// Profiles of platforms, which have sections of their own in the place of a row.
const PLATFORMS: [&str; 5] = ["checkpoint", "era", "speechmatics", "wazo", "wso2"];

#[test]
fn every_built_in_profile_of_a_daemon_has_a_row_in_the_catalogue_and_every_platform_is_named_there()
{
    let text = document("docs/profiles.md");
    let known: BTreeSet<String> = certroll::profile::embedded()
        .into_iter()
        .map(str::to_owned)
        .filter(|name| !PLATFORMS.contains(&name.as_str()))
        .collect();
    assert_eq!(keys(&text, "## Catalogue"), known);
    let (_, rest) = text.split_once("Built in beside the platforms ").unwrap();
    let (named, _) = rest.split_once("(see below)").unwrap();
    let named: BTreeSet<&str> = named.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, PLATFORMS.into());
}

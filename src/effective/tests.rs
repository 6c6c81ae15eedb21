use std::rc::Rc;

use super::*;
use crate::state::Attrs;

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn layer(name: &str, text: &str) -> Layer {
    let at = path("/etc/d/conf.d").join(name);
    let state = State::file(text.as_bytes().to_vec(), Attrs::default());
    Layer {
        document: Rc::new(document(&at, &state)),
        path: at,
    }
}

#[test]
fn the_first_file_wins_and_only_mappings_are_merged() {
    for (name, files, key, want) in [
        (
            "first wins",
            &["a: {h: 1}", "a: {h: 2}"][..],
            "a.h",
            Some("1"),
        ),
        (
            "mappings merge",
            &["a: {p: 1}", "a: {h: 2}"],
            "a.h",
            Some("2"),
        ),
        (
            "at any depth",
            &["a: {b: {p: 1}}", "a: {b: {h: 2}}"],
            "a.b.h",
            Some("2"),
        ),
        ("lists do not", &["a: [1]", "a: {h: 2}"], "a.h", None),
        (
            "a scalar hides a mapping",
            &["a: 1", "a: {h: 2}"],
            "a.h",
            None,
        ),
        (
            "a mapping hides a scalar",
            &["a: {p: 1}", "a: 1", "a: {h: 3}"],
            "a.h",
            Some("3"),
        ),
        ("null hides the block", &["a:", "a: {h: 2}"], "a.h", None),
        (
            "an empty file hides nothing",
            &["", "a: {h: 2}"],
            "a.h",
            Some("2"),
        ),
        (
            "a broken file is skipped",
            &["a: {h: 1", "a: {h: 2}"],
            "a.h",
            Some("2"),
        ),
        (
            "a command is not run",
            &["!exec\ncommand: 'echo a: {h: 1}'", "a: {h: 2}"],
            "a.h",
            Some("2"),
        ),
        (
            "the last of two keys",
            &["a: {h: 1}\na: {h: 2}"],
            "a.h",
            Some("2"),
        ),
        ("YAML 1.1 booleans", &["a: {h: off}"], "a.h", Some("False")),
    ] {
        let layers: Vec<Layer> = files.iter().map(|text| layer("x.yml", text)).collect();
        assert_eq!(lookup(&layers, key).scalar().as_deref(), want, "{name}");
    }
    let masked = [layer("005.yml", "# c\na:\n"), layer("010.yml", "a: {h: 2}")];
    let Found::Masked(node, by) = lookup(&masked, "a.h") else {
        panic!("not masked");
    };
    assert_eq!((node.line, by.path.name()), (2, "005.yml"));
}

#[test]
fn a_file_is_what_its_reader_makes_of_it() {
    let body = |text: &str| layer("x.yml", text).document.body.clone();
    assert!(matches!(body("- a\n"), Body::Deadly("a list")));
    assert!(matches!(body("hello\n"), Body::Deadly("text")));
    assert!(matches!(body("# only a comment\n"), Body::Empty));
    assert!(matches!(
        body("---\n# c\n!exec {command: x}\n"),
        Body::Command
    ));
    assert!(matches!(body("a: 1\n---\nb: 2\n"), Body::Skipped { .. }));
    assert!(matches!(
        body("h: *.example.com\n"),
        Body::Skipped { line: 1, .. }
    ));
    assert!(matches!(body("\u{feff}a: 1\r\n"), Body::Mapping(_)));
    let gone = document(&path("/x.yml"), &State::Absent).body;
    assert!(matches!(gone, Body::Skipped { line: 0, .. }));
}

#[test]
fn only_names_that_the_reader_takes_count() {
    for (name, want) in [
        ("010-custom-certificate.yml", true),
        (".010.yml", false),
        ("a.yaml", false),
        ("a.YML", false),
        ("a.yml~", false),
        ("a.yml.dpkg-old", false),
    ] {
        assert_eq!(is_read(name), want, "{name}");
    }
}

#[test]
fn this_machine_is_told_from_others() {
    for (host, want) in [
        ("localhost", true),
        ("LOCALHOST.", true),
        ("127.0.1.1", true),
        ("::1", true),
        ("localhost.localdomain", true),
        ("localhost.example.com", false),
        ("auth.example.com", false),
        ("192.0.2.1", false),
        ("", false),
    ] {
        assert_eq!(is_local(host), want, "{host}");
    }
}

#[test]
fn a_table_that_contradicts_itself_is_refused() {
    let text = "flag: f\nbuiltin_host: localhost\nmoves: m\nnever: [bus]\n\
                eras:\n  - era: x\n    blocks:\n      bus: {readers: [a]}\n";
    let error = Table::parse("daemons.yaml", text).unwrap_err().to_string();
    assert!(
        error.contains("block `bus` must never be overridden"),
        "{error}"
    );
    assert!(error.starts_with("daemons.yaml:8:"), "{error}");
}

//! Daemons' configuration directories: files as sections `== PATH`, links as `== PATH -> TARGET`.

use std::sync::OnceLock;

use certroll::{
    effective::{self, Body, Found, Table},
    facts,
    host::fake::World,
    state::{Attrs, Content, HostPath, State},
    yaml::Value,
};

use super::{hosts, sections};

const TABLE: &str = include_str!("../../../../templates/wazo/daemons.yaml");

static PARSED: OnceLock<Table> = OnceLock::new();

/// A password of the seeds, which no message may hold.
const CANARY: &str = "CanaryOfAPassword";

pub(super) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let host = hosts::host(world(&text));
    let table = PARSED.get_or_init(|| Table::parse("daemons.yaml", TABLE).unwrap());
    let pattern = "/etc/{xivo,wazo}-*/conf.d";
    let dirs = facts::glob(&host, pattern).unwrap();
    let read = |release: Option<&String>| {
        effective::discover(
            &host,
            table,
            (pattern, &dirs),
            "010-custom-certificate.yml",
            release,
        )
        .unwrap()
    };
    let layered = read(None);
    for daemon in &layered.daemons {
        for layer in &daemon.layers {
            if let Body::Skipped { line, message } = &layer.document.body {
                assert!(!message.is_empty(), "skipped without a word");
                assert!(!message.contains(CANARY), "a password in: {message}");
                // Line breaks of YAML 1.1 section 4.2, which are more than those of a file's other readers.
                let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
                let lines = layer.document.text.matches(breaks).count() as u64 + 1;
                assert!(*line <= lines + 1, "line {line} of {lines}");
            }
        }
        the_first_file_wins(daemon);
    }
    assert_eq!(layered.json(), read(None).json(), "read twice, told twice");
    let shown = serde_json::to_string(&effective::effective(&layered)).unwrap();
    assert!(
        shown.len() < (64 << 10) + 64 * data.len(),
        "{} bytes are shown",
        shown.len()
    );
    read(Some(&"20.03".to_owned()));
}

fn world(text: &str) -> World {
    let mut world = hosts::world();
    let (_, sections) = sections(text);
    for (head, content) in sections {
        let (at, target) = match head.split_once(" -> ") {
            Some((at, target)) => (at, Some(target)),
            None => (head, None),
        };
        let Ok(at) = HostPath::new(at) else { continue };
        let state = match target {
            None => hosts::file(content, 0o644),
            Some(target) => State::Present {
                content: Content::Link(target.to_owned()),
                attrs: Attrs::default(),
            },
        };
        hosts::put(&mut world, &at, state);
    }
    world
}

/// A second reading of the rule, for keys at the top: the first file that has one decides, unless all have mappings.
fn the_first_file_wins(daemon: &effective::Daemon) {
    let tops = || {
        daemon.layers.iter().filter_map(|l| match &l.document.body {
            Body::Mapping(node) => Some(node),
            _ => None,
        })
    };
    let keys = tops().flat_map(|node| node.entries().iter().map(|(key, _)| key.name.clone()));
    for key in keys.filter(|key| !key.contains('.')).take(50) {
        let first = tops().find_map(|node| node.get(&key)).unwrap();
        let found = daemon.lookup(&key);
        let Found::Value(node, _) = found else {
            panic!("`{key}` is there and is not found");
        };
        assert_eq!(node.noun(), first.noun(), "`{key}`");
        if !matches!(first.value, Value::Map(_)) {
            assert_eq!(found.scalar(), first.scalar(), "`{key}`");
        }
    }
}

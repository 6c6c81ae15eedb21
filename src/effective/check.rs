//! Whether what we are about to write is what the daemons will read.

use std::rc::Rc;

use super::{Body, Daemon, Document, Found, Layer, Layered, lookup};
use crate::{
    preflight::{Finding, Severity},
    state::HostPath,
    yaml::{self, Dialect, Node, Value},
};

/// Checks a document of ours, as every daemon sees it among its other files.
///
/// Every value of it must be the one that each daemon that reads the block ends up with. What stands in the way is
/// named with file and line; files that the reader skips and those that keep a daemon from starting are named too.
#[must_use]
pub fn check(layered: &Layered, ours: &HostPath, text: &str) -> Vec<Finding> {
    let Ok(node) = yaml::parse(ours.as_str(), text, Dialect::PyYaml) else {
        return vec![Finding::host(
            Severity::Fatal,
            "override-unreadable",
            format!("`{ours}` is not what the daemons can parse"),
        )];
    };
    let document = Rc::new(Document {
        resolved: ours.clone(),
        body: Body::Mapping(node.clone()),
        text: String::new(),
    });
    let mut findings = Vec::new();
    for daemon in &layered.daemons {
        findings.extend(broken(daemon));
        if let Some((to, by, line)) = &daemon.moved {
            let message = format!(
                "`{}` reads `{to}` instead of `{}`: {by}:{line} says so",
                daemon.name, daemon.conf_d
            );
            let hint = format!(
                "link our file there too: ln -s {ours} {to}/{}",
                layered.ours
            );
            findings.push(Finding::host(Severity::Warning, "conf-d-moved", message).hinted(hint));
            continue;
        }
        findings.extend(masked(layered, daemon, &document, &node));
    }
    findings
}

/// Files of a daemon that are skipped, or that keep it from starting.
fn broken(daemon: &Daemon) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in &daemon.layers {
        let path = &layer.path;
        match &layer.document.body {
            Body::Skipped { line, message } => {
                let place = if *line == 0 {
                    path.to_string()
                } else {
                    format!("{path}:{line}")
                };
                let message = format!("{place}: `{}` skips this file: {message}", daemon.name);
                findings.push(Finding::host(Severity::Warning, "conf-d-skipped", message));
            }
            Body::Deadly(noun) => {
                let message = format!(
                    "{path}: top level is {noun}: `{}` does not start with it",
                    daemon.name
                );
                let hint = format!("correct it, or take it away: mv {path} {path}.off");
                findings.push(Finding::host(deadly(daemon), "conf-d-deadly", message).hinted(hint));
            }
            Body::Mapping(_) | Body::Empty | Body::Command => {}
        }
    }
    findings
}

/// A daemon that will not come back is found before the restart; a program that is no daemon can wait.
fn deadly(daemon: &Daemon) -> Severity {
    if daemon.unit.is_some() {
        Severity::Fatal
    } else {
        Severity::Warning
    }
}

fn masked(layered: &Layered, daemon: &Daemon, ours: &Rc<Document>, node: &Node) -> Vec<Finding> {
    // Without another file there is nothing that could stand in the way.
    if daemon.layers.is_empty() {
        return Vec::new();
    }
    let path = daemon.conf_d.join(&layered.ours);
    let mut layers = daemon.layers.clone();
    let rank = layers
        .iter()
        .position(|l| {
            l.path.parent().as_ref() != Some(&daemon.conf_d) || l.path.name() > path.name()
        })
        .unwrap_or(layers.len());
    let mut findings = Vec::new();
    for layer in &layers[..rank] {
        if layer.document.body == Body::Command {
            let message = format!(
                "{}: `{}` reads the output of a command before our file: what it says is not known",
                layer.path, daemon.name
            );
            findings.push(Finding::host(Severity::Warning, "conf-d-command", message));
        }
    }
    layers.insert(
        rank,
        Layer {
            path: path.clone(),
            document: Rc::clone(ours),
        },
    );
    for (block, values) in node.entries() {
        let row = layered.blocks.iter().find(|b| b.name == block.name);
        let reads = row.map_or_else(
            || daemon.names(&block.name),
            |b| b.readers.contains(&daemon.name),
        );
        if !reads {
            continue;
        }
        for (key, wanted) in values.entries() {
            let found = lookup(&layers, &format!("{}.{}", block.name, key.name));
            match found {
                Found::Masked(by, layer) => {
                    findings.push(null_block(daemon, &block.name, by, layer));
                    break;
                }
                Found::Value(value, layer) if layer.path != path && value.value != wanted.value => {
                    findings.push(mask(daemon, (&block.name, &key.name), value, layer, &path));
                }
                Found::Value(..) | Found::Nothing => {}
            }
        }
    }
    findings
}

fn null_block(daemon: &Daemon, block: &str, by: &Node, layer: &Layer) -> Finding {
    let message = format!(
        "{}:{}: `{block}` is {}, which hides the whole block from `{}`",
        layer.path,
        by.line,
        by.noun(),
        daemon.name
    );
    let severity = if by.value == Value::Null {
        deadly(daemon)
    } else {
        Severity::Warning
    };
    Finding::host(severity, "conf-d-null", message)
        .hinted(format!("take `{block}` out of {}", layer.path))
}

fn mask(
    daemon: &Daemon,
    (block, key): (&str, &str),
    value: &Node,
    layer: &Layer,
    ours: &HostPath,
) -> Finding {
    let shown = value.scalar().unwrap_or_else(|| value.noun().to_owned());
    let message = format!(
        "{}:{}: `{block}.{key}` is `{shown}` for `{}`: this file comes before `{}`",
        layer.path,
        value.line,
        daemon.name,
        ours.name()
    );
    Finding::host(Severity::Warning, "conf-d-masked", message)
        .hinted(format!("take `{block}.{key}` out of {}", layer.path))
}

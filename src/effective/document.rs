//! One file of a daemon's configuration as the platform's reader takes it, and the merge of several.
//!
//! Rules of the reader (`xivo-lib-python`, `config_helper.py` and `chain_map.py`): names in code-point order, only
//! `.yml`, no dot files; the first file that has a key wins; mappings are merged at any depth, lists and scalars are
//! not; a file that cannot be parsed is skipped; a top level that is not a mapping ends the daemon.

use std::{collections::HashMap, rc::Rc};

use crate::{
    error::Error,
    host::{Entry, Tree},
    state::{HostPath, State},
    yaml::{self, Dialect, Node, Value},
};

/// What a file holds for its reader.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A mapping.
    Mapping(Node),
    /// Nothing.
    Empty,
    /// The output of a command (`!exec`), which is never run here: what it says is not known.
    Command,
    /// Something that the reader skips with a message that nobody sees.
    Skipped {
        /// Line, from 1; 0 where it is not about a line.
        line: u64,
        /// Why.
        message: String,
    },
    /// A top level at which the daemon does not start.
    Deadly(&'static str),
}

/// One file of a daemon's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where its bytes are, links followed.
    pub resolved: HostPath,
    /// What it holds.
    pub body: Body,
    /// Its text, in which consumers of the identity are looked for.
    pub text: String,
}

/// A file as one daemon sees it: under its own path, with contents that others may share.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The path in the daemon's directory.
    pub path: HostPath,
    /// What is there.
    pub document: Rc<Document>,
}

/// What a lookup found.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// No file has it.
    Nothing,
    /// This value of this file.
    Value(&'a Node, &'a Layer),
    /// A file before it has something that is not a mapping on the way, as `auth:` with nothing after it.
    Masked(&'a Node, &'a Layer),
}

impl<'a> Found<'a> {
    /// Returns the value as text, where there is one.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match self {
            Self::Value(node, _) => node.scalar(),
            Self::Nothing | Self::Masked(..) => None,
        }
    }

    /// Returns the file it comes from and the line.
    #[must_use]
    pub fn place(&self) -> Option<(&'a HostPath, u64)> {
        match self {
            Self::Value(node, layer) | Self::Masked(node, layer) => Some((&layer.path, node.line)),
            Self::Nothing => None,
        }
    }
}

/// Looks a dotted path up in layers, the first of which wins.
#[must_use]
pub fn lookup<'a>(layers: &'a [Layer], dotted: &str) -> Found<'a> {
    let mut at: Vec<(&Node, &Layer)> = layers
        .iter()
        .filter_map(|layer| match &layer.document.body {
            Body::Mapping(node) => Some((node, layer)),
            _ => None,
        })
        .collect();
    let mut keys = dotted.split('.').peekable();
    while let Some(key) = keys.next() {
        let mut next: Vec<(&Node, &Layer)> = Vec::new();
        for (node, layer) in at {
            let Some(child) = node.get(key) else { continue };
            let mapping = matches!(child.value, Value::Map(_));
            if next.is_empty() && !mapping {
                return if keys.peek().is_none() {
                    Found::Value(child, layer)
                } else {
                    Found::Masked(child, layer)
                };
            }
            if mapping {
                next.push((child, layer));
            }
        }
        at = next;
    }
    at.first()
        .map_or(Found::Nothing, |(node, layer)| Found::Value(node, layer))
}

/// Tells whether the reader looks at a file of this name.
#[must_use]
pub fn is_read(name: &str) -> bool {
    // Case counts: the reader takes `.yml` and not `.YML`.
    !name.starts_with('.') && name.strip_suffix(".yml").is_some()
}

/// Reads files, each resolved file once however many links lead to it.
#[derive(Debug, Default)]
pub struct Documents(HashMap<HostPath, Rc<Document>>);

impl Documents {
    /// Returns the files of a directory that the reader takes, in its order, without the one called `ours`.
    pub fn of(
        &mut self,
        tree: &dyn Tree,
        dir: &HostPath,
        entries: &[Entry],
        ours: &str,
    ) -> Vec<Layer> {
        let mut names: Vec<&str> = entries
            .iter()
            .map(|e| e.name.as_str())
            .filter(|name| is_read(name) && *name != ours)
            .collect();
        names.sort_unstable();
        names
            .into_iter()
            .filter_map(|name| self.layer(tree, &dir.join(name)))
            .collect()
    }

    /// Returns the file at a path; none where nothing is there.
    pub fn layer(&mut self, tree: &dyn Tree, path: &HostPath) -> Option<Layer> {
        let layer = |document| Layer {
            path: path.clone(),
            document,
        };
        let direct = match tree.read(path) {
            Ok(State::Absent) => return None,
            Ok(state) => state,
            Err(error) => return Some(layer(Rc::new(unreadable(path, &error)))),
        };
        let (resolved, state) = match direct.link() {
            None => (path.clone(), direct),
            Some(target) => {
                let target = path.link_target(target);
                if let Some(known) = self.0.get(&target) {
                    return Some(layer(Rc::clone(known)));
                }
                match tree.read_followed(&target) {
                    Ok(found) => found,
                    Err(error) => return Some(layer(Rc::new(unreadable(path, &error)))),
                }
            }
        };
        let document = Rc::new(document(&resolved, &state));
        self.0.insert(resolved, Rc::clone(&document));
        Some(layer(document))
    }
}

fn unreadable(path: &HostPath, error: &Error) -> Document {
    Document {
        resolved: path.clone(),
        body: Body::Skipped {
            line: 0,
            message: error.to_string(),
        },
        text: String::new(),
    }
}

/// Reads one state by the platform's rules.
#[must_use]
pub fn document(path: &HostPath, state: &State) -> Document {
    let skipped = |line, message: String| Body::Skipped { line, message };
    let Some(bytes) = state.bytes() else {
        let message = match state {
            State::Absent => "is a link to nothing".to_owned(),
            State::Present { .. } => format!("is a {}", state.noun()),
        };
        return Document {
            resolved: path.clone(),
            body: skipped(0, message),
            text: String::new(),
        };
    };
    let Ok(text) = std::str::from_utf8(bytes.reveal()) else {
        return Document {
            resolved: path.clone(),
            body: skipped(0, "is not UTF-8 text".to_owned()),
            text: String::new(),
        };
    };
    Document {
        resolved: path.clone(),
        body: body(path, text),
        text: text.to_owned(),
    }
}

fn body(path: &HostPath, text: &str) -> Body {
    let first = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(|l| l.trim_start_matches("---").trim())
        .find(|l| !l.is_empty() && !l.starts_with('#') && !l.starts_with('%'));
    if first.is_some_and(|line| line.starts_with("!exec")) {
        return Body::Command;
    }
    match yaml::parse(path.as_str(), text, Dialect::PyYaml) {
        Ok(node) => match node.value {
            Value::Map(_) => Body::Mapping(node),
            Value::Null => Body::Empty,
            _ => Body::Deadly(node.noun()),
        },
        Err(Error::Parse { line, message, .. }) => Body::Skipped { line, message },
        Err(other) => Body::Skipped {
            line: 0,
            message: other.to_string(),
        },
    }
}

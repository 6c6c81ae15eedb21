//! Facts: what a profile reads of the host before anything is planned.

mod glob;
mod value;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use glob::{Globbed, glob};

use crate::{
    document::{Format, Hop, said},
    effective::{self, Layered},
    error::Result,
    host::{Host, Tree},
    profile::{Fields, Profile},
    render::{Expr, Scope},
    resource::Way,
    state::{HostPath, State},
    yaml::Node,
};

/// One entry of `facts`.
#[derive(Debug, Clone)]
pub enum Fact {
    /// The first of some paths that exists, or empty text.
    First(Vec<HostPath>),
    /// The directories that a pattern matches.
    Glob(String),
    /// The text of the first of some files that exists, or empty text.
    File(Vec<HostPath>),
    /// The `KEY=VALUE` lines of a file, quotes taken off; nothing is ever executed.
    Shell(HostPath),
    /// What a key of configuration files is set to, or empty text.
    Value {
        /// The key.
        key: String,
        /// The files, in the order in which they are read.
        files: Vec<HostPath>,
    },
    /// What a document says at a place.
    Document {
        /// Its path; settings that are given, or have a plain default, and facts before this one may be in it.
        path: Expr,
        /// How it is written.
        format: Format,
        /// The way to the place.
        at: Way,
        /// What the fact is.
        gives: Gives,
    },
    /// What every daemon of a platform really reads.
    Layered {
        /// The table of daemons, a file beside the profile.
        table: Expr,
        /// The pattern of their configuration directories.
        dirs: String,
        /// The name of our own file in them, which is left out.
        ours: String,
        /// The setting that decides the release.
        release: Option<String>,
    },
}

/// What becomes of the texts at a place of a document.
#[derive(Debug, Clone)]
pub enum Gives {
    /// The only one, or empty text.
    Text,
    /// All of them.
    All,
    /// The list that stands there in a JSON document, with all that is in it, or an empty one.
    List,
    /// Whether one of them is this, which may be a password that everybody knows: what it is else, nobody learns.
    Is(String),
}

/// What one profile found on one host.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every fact by name, as expressions see it.
    pub json: Map<String, Value>,
    /// What the daemons read, by name of the fact.
    pub layered: BTreeMap<String, Layered>,
    globs: BTreeMap<String, Vec<HostPath>>,
}

impl Facts {
    /// Returns the directories that a pattern of the profile matched.
    #[must_use]
    pub fn globbed(&self, pattern: &str) -> &[HostPath] {
        self.globs.get(pattern).map_or(&[], Vec::as_slice)
    }

    /// Returns every directory that a pattern of the profile matched.
    pub fn all_globbed(&self) -> impl Iterator<Item = &HostPath> {
        self.globs.values().flatten()
    }

    /// Returns the value at a dotted path, as `facts.daemons.units`.
    #[must_use]
    pub fn at(&self, dotted: &str) -> Option<&Value> {
        let mut parts = dotted.strip_prefix("facts.")?.split('.');
        let first = self.json.get(parts.next()?)?;
        parts.try_fold(first, |value, key| value.get(key))
    }

    /// Returns the list at a dotted path.
    #[must_use]
    pub fn list(&self, dotted: &str) -> Option<&Vec<Value>> {
        self.at(dotted)?.as_array()
    }
}

impl Fact {
    /// Parses one entry.
    ///
    /// # Errors
    /// [`crate::error::Error::Parse`] where it is not exactly one of the forms.
    pub fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "fact", node)?;
        let first = paths(&mut fields, "first")?;
        let file = paths(&mut fields, "file")?;
        let shell = paths(&mut fields, "shell")?;
        let glob = fields.text("glob")?;
        let key = fields.text("value")?.map(|e| e.text);
        let files = paths(&mut fields, "in")?;
        if key.is_some() != files.is_some() {
            return Err(fields.error("`value` and `in` belong together", ""));
        }
        let layered = fields.node("layered");
        let document = fields.node("document");
        let given = [
            first.is_some(),
            file.is_some(),
            shell.is_some(),
            glob.is_some(),
            key.is_some(),
            layered.is_some(),
            document.is_some(),
        ];
        if given.iter().filter(|g| **g).count() != 1 {
            return Err(fields.error(
                "a fact is read in exactly one way",
                "known are `first`, `file`, `shell`, `glob`, `value`, `document`, `layered`",
            ));
        }
        if let (Some(key), Some(files)) = (key, files) {
            fields.done()?;
            return Ok(Self::Value { key, files });
        }
        if let Some(node) = document {
            fields.done()?;
            return Self::parse_document(path, node);
        }
        let fact = match (first, file, shell, glob, layered) {
            (Some(paths), ..) => Self::First(paths),
            (_, Some(paths), ..) => Self::File(paths),
            (_, _, Some(mut paths), ..) => match paths.pop() {
                Some(path) if paths.is_empty() => Self::Shell(path),
                _ => return Err(fields.error("`shell` wants one path", "")),
            },
            (_, _, _, Some(glob), _) => Self::Glob(pattern(glob)?),
            (.., Some(node)) => Self::parse_layered(path, node)?,
            _ => return Err(fields.error("fact is empty", "")),
        };
        fields.done()?;
        Ok(fact)
    }

    fn parse_document(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "document", node)?;
        let place = fields.need("path")?;
        let Some(format) = fields.word("format", &Format::NAMES)? else {
            return Err(fields.error("`document` has no `format`", "add `format: toml`"));
        };
        let at = fields.node("at").map(|node| Way::parse(path, node));
        let Some(at) = at.transpose()? else {
            return Err(fields.error("`document` has no `at`", "say where: `at: [NAME, NAME]`"));
        };
        let gives = match (
            fields.text("is")?,
            fields.flag("all")?,
            fields.flag("list")?,
        ) {
            (Some(text), false, false) => Gives::Is(text.text),
            (None, true, false) => Gives::All,
            (None, false, true) if format == Format::Json => Gives::List,
            (None, false, true) => return Err(fields.error("`list` wants `format: json`", "")),
            (None, false, false) => Gives::Text,
            _ => return Err(fields.error("want one of `is`, `all` and `list`", "")),
        };
        fields.done()?;
        Ok(Self::Document {
            path: place,
            format,
            at,
            gives,
        })
    }

    fn parse_layered(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "layered", node)?;
        let fact = Self::Layered {
            table: fields.need("table")?,
            dirs: pattern(fields.need("dirs")?)?,
            ours: fields.need("ours")?.text,
            release: fields.text("release")?.map(|e| e.text),
        };
        fields.done()?;
        Ok(fact)
    }

    /// Returns the pattern it needs, where it needs one.
    #[must_use]
    pub fn glob(&self) -> Option<&str> {
        match self {
            Self::Glob(pattern) | Self::Layered { dirs: pattern, .. } => Some(pattern),
            Self::First(_)
            | Self::File(_)
            | Self::Shell(_)
            | Self::Value { .. }
            | Self::Document { .. } => None,
        }
    }

    /// Returns the name of the table it reads by, where it has one.
    #[must_use]
    pub fn table(&self) -> Option<&Expr> {
        match self {
            Self::Layered { table, .. } => Some(table),
            Self::First(_)
            | Self::File(_)
            | Self::Shell(_)
            | Self::Glob(_)
            | Self::Value { .. }
            | Self::Document { .. } => None,
        }
    }
}

fn paths(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<Vec<HostPath>>> {
    let texts = fields.texts(name)?;
    let parsed = texts
        .iter()
        .map(|e| HostPath::new(&e.text).map_err(|why| e.error(format!("`{}` {why}", e.text), "")));
    let all: Vec<HostPath> = parsed.collect::<Result<_>>()?;
    Ok((!all.is_empty()).then_some(all))
}

fn pattern(expr: Expr) -> Result<String> {
    if expr.text.starts_with('/') && !expr.text.contains("..") {
        return Ok(expr.text);
    }
    Err(expr.error(
        format!("pattern `{}` is not an absolute path", expr.text),
        "write it as in `/etc/*/conf.d`",
    ))
}

/// Reads everything that a profile needs to know of a host.
///
/// `set` are the settings that were given: one of them may decide the release.
///
/// # Errors
/// [`crate::error::Error::Io`] where something that is there cannot be read.
pub fn discover(
    profile: &Profile,
    host: &dyn Host,
    set: &BTreeMap<String, String>,
) -> Result<Facts> {
    discover_in(profile, host.tree(), set)
}

/// Reads what [`discover`] reads, of any tree.
///
/// # Errors
/// As [`discover`].
pub fn discover_in(
    profile: &Profile,
    tree: &dyn Tree,
    set: &BTreeMap<String, String>,
) -> Result<Facts> {
    let mut facts = Facts::default();
    let mut found: BTreeMap<&str, Globbed> = BTreeMap::new();
    for pattern in profile.globs() {
        found.insert(pattern, glob(tree, pattern)?);
    }
    for (name, fact) in &profile.facts {
        let value = match fact {
            Fact::First(paths) => Value::from(first(tree, paths)?),
            Fact::File(paths) => Value::from(file(tree, paths)?),
            Fact::Shell(path) => Value::Object(shell(&tree.text(path)?.unwrap_or_default())),
            Fact::Value { key, files } => Value::from(value::last(tree, key, files)?),
            Fact::Glob(pattern) => {
                let dirs = found.get(pattern.as_str()).into_iter().flatten();
                Value::Array(dirs.map(|(d, _)| Value::from(d.as_str())).collect())
            }
            Fact::Document {
                path,
                format,
                at,
                gives,
            } => {
                let mut scope = Scope::default();
                scope.set("set", &profile.plain_settings(set));
                scope.set("facts", &facts.json);
                let path = profile.renderer.text(path, &scope)?;
                let at = at.rendered(&profile.renderer, &scope)?;
                document(tree, &path, *format, &at, gives)?
            }
            Fact::Layered {
                table,
                dirs,
                ours,
                release,
            } => {
                let Some(table) = profile.tables.get(&table.text) else {
                    return Err(table.error("table is missing", ""));
                };
                let release = release.as_ref().and_then(|r| set.get(r));
                let globbed = found.get(dirs.as_str()).map_or(&[][..], Vec::as_slice);
                let layered = effective::discover(tree, table, (dirs, globbed), ours, release)?;
                let value = layered.json();
                facts.layered.insert(name.clone(), layered);
                value
            }
        };
        facts.json.insert(name.clone(), value);
    }
    facts.globs = found
        .into_iter()
        .map(|(p, dirs)| (p.to_owned(), dirs.into_iter().map(|(d, _)| d).collect()))
        .collect();
    Ok(facts)
}

fn first(tree: &dyn Tree, paths: &[HostPath]) -> Result<String> {
    for path in paths {
        if tree.read_followed(path)?.1 != State::Absent {
            return Ok(path.to_string());
        }
    }
    Ok(String::new())
}

fn file(tree: &dyn Tree, paths: &[HostPath]) -> Result<String> {
    for path in paths {
        if let Some(text) = tree.text(path)? {
            return Ok(text);
        }
    }
    Ok(String::new())
}

/// Reads what a document says; one that is not there or cannot be read says nothing, and whoever edits it says why.
fn document(
    tree: &dyn Tree,
    path: &str,
    format: Format,
    at: &[Hop],
    gives: &Gives,
) -> Result<Value> {
    let text = match HostPath::new(path) {
        Ok(path) => tree.text(&path)?.unwrap_or_default(),
        Err(_) => String::new(),
    };
    if matches!(gives, Gives::List) {
        return Ok(Value::Array(list(&text, at)));
    }
    let said = said(format, text.as_bytes(), at).unwrap_or_default();
    Ok(match (gives, said.as_slice()) {
        (Gives::Is(wanted), said) => Value::from(said.contains(wanted)),
        (Gives::All, _) => Value::from(said),
        (Gives::Text, [one]) => Value::from(one.trim()),
        (Gives::Text | Gives::List, _) => Value::from(""),
    })
}

/// Returns the list at a place of a JSON document that is found by names alone.
fn list(text: &str, at: &[Hop]) -> Vec<Value> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let step = |value: &'_ Value, hop: &Hop| -> Option<Value> {
        let name = hop.name.as_ref().filter(|_| hop.member.is_empty())?;
        value.get(name).cloned()
    };
    let found = at.iter().try_fold(document, |value, hop| step(&value, hop));
    match found {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// Reads `KEY=VALUE` lines as a shell that sources the file would, for plain values and values in quotes.
fn shell(text: &str) -> Map<String, Value> {
    let mut map = Map::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("export ").trim_start();
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || !key.chars().all(word) {
            continue;
        }
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
            _ => value.split_whitespace().next().unwrap_or_default(),
        };
        map.insert(key.to_owned(), Value::from(value));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_files_are_read_and_never_run() {
        let text = "# c\nXIVO_HOSTNAME=pbx\nexport XIVO_DOMAIN=\"example.com\"  # x\nA='b c'\nD=$(rm -rf /)\nbad key=1\n";
        let map = shell(text);
        let want = [
            ("XIVO_HOSTNAME", "pbx"),
            ("XIVO_DOMAIN", "example.com"),
            ("A", "b c"),
            ("D", "$(rm"),
        ];
        let found: Vec<_> = map
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
            .collect();
        assert_eq!(found, want);
    }
}

//! YAML with positions: one reader for profiles and for the configuration of the daemons that are looked at.
//!
//! Both dialects are bounded (aliases, depth, nodes), so a document made to explode is refused at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Spanned, options::DuplicateKeyPolicy};

use crate::error::{Error, Result};

/// The most text that is parsed as one document (1 MiB): the largest configuration seen is a hundredth of it.
const LARGEST_DOCUMENT: usize = 1 << 20;

/// Which reader's rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// certroll's own files: duplicate keys and unknown tags are errors, booleans are `true` and `false`.
    Strict,
    /// `PyYAML`'s `SafeLoader`: of duplicate keys the last holds, `on`, `yes`, `off` and `no` are booleans.
    PyYaml,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1; of text in quotes, where the text starts.
    pub column: u64,
    /// What stands there.
    pub value: Value,
}

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the document; keys that are not text are written as YAML shows them.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// The key.
    pub name: String,
}

impl Node {
    /// Returns the value under a key of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .rev()
                .find(|(k, _)| k.name == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// Returns the value under a dotted path, as `rest_api.https.port`.
    #[must_use]
    pub fn at(&self, dotted: &str) -> Option<&Self> {
        dotted.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// Returns text as it stands, and other scalars as YAML writes them; none for null and collections.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Bool(true) => Some("True".to_owned()),
            Value::Bool(false) => Some("False".to_owned()),
            Value::Int(n) => Some(n.to_string()),
            Value::Float(n) => Some(n.to_string()),
            Value::Text(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns the entries of a mapping; none at all for anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Key, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the members of a list; none at all for anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Says in a word what stands here.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// A profile or a daemon's configuration has some hundred nodes; aliases replay them, which is what a bomb lives on.
const MOST_REPLAYED: usize = 20_000;

/// Parses one document; an empty one is [`Value::Null`].
///
/// # Errors
/// [`Error::Parse`] with line and column. It never holds a line of the document, which may have a password in it.
pub fn parse(path: &str, text: &str, dialect: Dialect) -> Result<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let refuse = |line, column, message: String| Error::Parse {
        path: path.to_owned(),
        line,
        column,
        message,
        hint: String::new(),
    };
    if text.len() > LARGEST_DOCUMENT {
        return Err(refuse(
            1,
            1,
            format!("document has {} bytes: want 1 MiB at most", text.len()),
        ));
    }
    let root: Option<Spanned<Raw>> =
        serde_yaml::from_str_with_options(text, options(text, dialect)).map_err(|source| {
            let at = source.location();
            let message = source.without_snippet().to_string();
            let message = message.lines().next().unwrap_or_default();
            let message = if message.starts_with("alias replay limit") {
                format!("aliases stand for more than {MOST_REPLAYED} values")
            } else {
                told(message, dialect)
            };
            refuse(
                at.map_or(1, |l| l.line()),
                at.map_or(1, |l| l.column()),
                message,
            )
        })?;
    let pointed = match dialect {
        Dialect::Strict => text.as_bytes(),
        // Nobody points into the texts of a daemon's configuration.
        Dialect::PyYaml => &[],
    };
    let nothing = Node {
        line: 1,
        column: 1,
        value: Value::Null,
    };
    Ok(root.map_or(nothing, |root| node(root, pointed)))
}

/// What may be said of a fault. The parser quotes the tag, key or value that it does not take, and in a daemon's
/// configuration that may be a password (`password: !secret`): there, only what comes before it is said.
fn told(message: &str, dialect: Dialect) -> String {
    let end = match dialect {
        Dialect::Strict => None,
        Dialect::PyYaml => message.find(['`', '\'', '"', ':', '[', '{']),
    };
    let (said, _) = message.split_at(end.unwrap_or(message.len()));
    match said.trim_end() {
        "" => "cannot be parsed".to_owned(),
        said => said.to_owned(),
    }
}

fn options(text: &str, dialect: Dialect) -> serde_yaml::Options {
    let strict = dialect == Dialect::Strict;
    let mut options = serde_yaml::options! {
        with_snippet: false,
        strict_booleans: strict,
        legacy_octal_numbers: !strict,
        // The tag is the platform's own; what its command would print is not known and not asked for.
        reject_unsupported_tags: !text.contains("!exec"),
        duplicate_keys: if strict { DuplicateKeyPolicy::Error } else { DuplicateKeyPolicy::LastWins },
    };
    options.alias_limits.max_total_replayed_events = MOST_REPLAYED;
    options.alias_limits.max_replay_stack_depth = 16;
    if let Some(budget) = &mut options.budget {
        budget.max_nodes = 50_000;
        budget.max_events = 150_000;
        budget.max_anchors = 500;
        budget.max_aliases = 1_000;
    }
    options
}

/// A value before its own position is known: the position comes from the wrapper around it.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

fn node(spanned: Spanned<Raw>, text: &[u8]) -> Node {
    let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
    let at = spanned.referenced.span().byte_offset();
    let first = at.and_then(|at| text.get(usize::try_from(at).ok()?));
    let quote =
        matches!(spanned.value, Raw::Scalar(Value::Text(_))) && matches!(first, Some(b'"' | b'\''));
    Node {
        line,
        column: column + u64::from(quote),
        value: match spanned.value {
            Raw::Scalar(value) => value,
            Raw::List(items) => Value::List(items.into_iter().map(|n| node(n, text)).collect()),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let at = key.referenced;
                        let key = Key {
                            line: at.line(),
                            column: at.column(),
                            name: key.value,
                        };
                        (key, node(value, text))
                    })
                    .collect(),
            ),
        },
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(i64::try_from(value).map_or_else(
            |_| Value::Text(value.to_string()),
            Value::Int,
        )))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests;

//! Values set inside documents that others made: JSON, TOML, XML and YAML, every byte outside of them kept.
//!
//! A format's parser gives a tree whose parts know which bytes they are; an edit finds its place in the tree, and is
//! spliced into the text. What comes out is parsed again, and must be the tree of before with that one difference. What
//! cannot be done so is refused at line and column; nothing is guessed.

mod apply;
mod brackets;
mod find;
mod hidden;
mod json;
mod look;
mod node;
mod tags;
mod toml;
mod write;
mod xml;
mod yaml;

pub(crate) use hidden::secrets;
pub use look::said;
pub use node::{Hop, Scalar, Wanted};

use node::{Body, Node};

/// The most of a document that is edited (2 MiB): what is larger is a data store rather than a configuration.
pub const LARGEST: usize = 2 << 20;

/// The most values of a document; a tree of them takes some hundred bytes each.
const MOST_VALUES: usize = 200_000;

/// How deep values may stand in one another.
const DEEPEST: usize = 100;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 8259.
    Json,
    /// TOML 1.0.
    Toml,
    /// XML 1.0, without a document type of its own.
    Xml,
    /// YAML 1.2, one document.
    Yaml,
}

impl Format {
    /// Every format by the name that profiles use.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("json", Self::Json),
        ("toml", Self::Toml),
        ("xml", Self::Xml),
        ("yaml", Self::Yaml),
    ];

    fn parse(self, text: &str) -> Result<Node, Refusal> {
        match self {
            Self::Json => json::parse(text),
            Self::Toml => toml::parse(text),
            Self::Xml => xml::parse(text),
            Self::Yaml => yaml::parse(text),
        }
    }
}

/// What an edit does at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// This stands there; where nothing did, it is added. Of a mapping each member is set, and others stay.
    Set(Wanted),
    /// Nothing stands there.
    Remove,
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The way to its place.
    pub at: Vec<Hop>,
    /// What is done there.
    pub act: Act,
    /// Whether it is done in every place that the way leads to, none among them; else there must be one at most.
    pub every: bool,
}

/// The edits of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edits {
    /// How it is written.
    pub format: Format,
    /// What is edited where there is no document; none: that is refused.
    pub create: Option<String>,
    /// The edits, in order.
    pub edits: Vec<Edit>,
}

/// Why a document is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct Fault {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is in the way; it never holds a value of the document.
    pub message: String,
}

/// A refusal at a byte, before lines are counted.
#[derive(Debug)]
struct Refusal {
    at: usize,
    message: String,
}

impl Refusal {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

impl Edits {
    /// Returns the document with every edit done; the very same bytes where all values are as wanted.
    ///
    /// # Errors
    /// [`Fault`] at the first place where it cannot be done for certain.
    pub fn apply(&self, document: &[u8]) -> Result<Vec<u8>, Fault> {
        let nowhere = |message: String| Fault {
            line: 1,
            column: 1,
            message,
        };
        if document.len() > LARGEST {
            let message = format!(
                "document has {} bytes: want {} MiB at most",
                document.len(),
                LARGEST >> 20
            );
            return Err(nowhere(message));
        }
        let whole = std::str::from_utf8(document).map_err(|error| {
            let (line, column) = place(document, error.valid_up_to());
            let message = "document is not UTF-8".to_owned();
            Fault {
                line,
                column,
                message,
            }
        })?;
        let (mark, text) = match whole.strip_prefix('\u{feff}') {
            Some(text) => ("\u{feff}", text),
            None => ("", whole),
        };
        let done = apply::all(self.format, text, &self.edits).map_err(|(text, refusal)| {
            let (line, column) = place(text.as_bytes(), refusal.at);
            Fault {
                line,
                column,
                message: refusal.message,
            }
        })?;
        Ok(format!("{mark}{done}").into_bytes())
    }
}

/// Returns a way as people write it.
pub(crate) fn way(at: &[Hop]) -> String {
    find::name(at)
}

impl Edits {
    /// Returns every text of a document with the way to it, as in `tls.certificates.0`; none where it cannot be read.
    #[must_use]
    pub fn texts(&self, document: &[u8]) -> Vec<(String, String)> {
        let whole = std::str::from_utf8(document).unwrap_or_default();
        let text = whole.strip_prefix('\u{feff}').unwrap_or(whole);
        let mut texts = Vec::new();
        if document.len() <= LARGEST
            && let Ok(root) = self.format.parse(text)
        {
            add_texts(&root, "", &mut texts);
        }
        texts
    }
}

fn add_texts(node: &Node, way: &str, texts: &mut Vec<(String, String)>) {
    let below = |name: &str| match (way, name) {
        ("", name) => name.to_owned(),
        (way, "") => way.to_owned(),
        (way, name) => format!("{way}.{name}"),
    };
    match &node.body {
        Body::Scalar(Scalar::Text(text)) => texts.push((way.to_owned(), text.clone())),
        Body::Scalar(_) => {}
        Body::List(items) => {
            for (n, item) in items.iter().enumerate() {
                add_texts(item, &below(&n.to_string()), texts);
            }
        }
        Body::Map(entries) => {
            for entry in entries {
                add_texts(&entry.node, &below(&entry.name), texts);
            }
        }
    }
}

/// Returns line and column of a byte, both from 1.
fn place(text: &[u8], at: usize) -> (u64, u64) {
    let before = text.get(..at).unwrap_or(text);
    let mut lines = before.split(|b| *b == b'\n');
    let last = lines.next_back().unwrap_or_default();
    let line = lines.count() + 1;
    let column = String::from_utf8_lossy(last).chars().count() + 1;
    (line as u64, column as u64)
}

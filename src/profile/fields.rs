//! Reads one mapping of a profile field by field, so that what was never asked for is an error with its place.

use crate::{
    error::{Error, Result, backticked},
    render::Expr,
    yaml::{Node, Value},
};

/// A mapping that is being read.
#[derive(Debug)]
pub struct Fields<'a> {
    path: &'a str,
    what: &'static str,
    node: &'a Node,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Starts to read a mapping; `what` names it in messages, as "setting" or "resource".
    ///
    /// # Errors
    /// [`Error::Parse`] where it is none.
    pub fn new(path: &'a str, what: &'static str, node: &'a Node) -> Result<Self> {
        match node.value {
            Value::Map(_) => Ok(Self {
                path,
                what,
                node,
                known: Vec::new(),
            }),
            _ => Err(error(
                path,
                node,
                format!("{what} is {}: want a mapping", node.noun()),
                "",
            )),
        }
    }

    /// Returns the node of a field, if it is there.
    pub fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        self.node.get(name)
    }

    /// Returns a text, if it is there.
    ///
    /// # Errors
    /// [`Error::Parse`] where it is not text; numbers and booleans must be in quotes, for `0640` means 416.
    pub fn text(&mut self, name: &'static str) -> Result<Option<Expr>> {
        let path = self.path;
        self.node(name)
            .map(|node| text(path, name, node))
            .transpose()
    }

    /// Returns a text that must be there.
    ///
    /// # Errors
    /// As [`Fields::text`], and where it is missing.
    pub fn need(&mut self, name: &'static str) -> Result<Expr> {
        match self.text(name)? {
            Some(text) => Ok(text),
            None => Err(self.missing(name)),
        }
    }

    /// Returns a list of texts; a single text is a list of one, a missing field of none.
    ///
    /// # Errors
    /// [`Error::Parse`] where a member is not text.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<Expr>> {
        let path = self.path;
        match self.node(name) {
            None => Ok(Vec::new()),
            Some(node) if matches!(node.value, Value::List(_)) => {
                node.items().iter().map(|n| text(path, name, n)).collect()
            }
            Some(node) => Ok(vec![text(path, name, node)?]),
        }
    }

    /// Returns a condition, if it is there.
    ///
    /// # Errors
    /// As [`Fields::text`].
    pub fn when(&mut self) -> Result<Option<Expr>> {
        Ok(self.text("when")?.map(|expr| Expr {
            condition: true,
            ..expr
        }))
    }

    /// Returns a whole number, if it is there.
    ///
    /// # Errors
    /// [`Error::Parse`] where it is something else or negative.
    pub fn number(&mut self, name: &'static str) -> Result<Option<u64>> {
        let (path, what) = (self.path, name);
        self.node(name)
            .map(|node| match node.value {
                Value::Int(n) if n >= 0 => Ok(n.unsigned_abs()),
                _ => Err(error(
                    path,
                    node,
                    format!("`{what}` is {}: want a whole number", node.noun()),
                    "",
                )),
            })
            .transpose()
    }

    /// Returns a whole number, or an expression that gives one, if it is there.
    ///
    /// # Errors
    /// [`Error::Parse`] where it is something else or negative.
    pub fn number_or_code(&mut self, name: &'static str) -> Result<Option<Expr>> {
        let code = |text: &str| text.contains("{{") || text.contains("{%");
        match self.node.get(name).map(|node| (node, &node.value)) {
            Some((_, Value::Text(said))) if code(said) => self.text(name),
            Some((node, _)) => Ok(self.number(name)?.map(|number| Expr {
                path: self.path.to_owned(),
                line: node.line,
                column: node.column,
                text: number.to_string(),
                condition: false,
            })),
            None => {
                self.known.push(name);
                Ok(None)
            }
        }
    }

    /// Returns a boolean; a missing one is false.
    ///
    /// # Errors
    /// [`Error::Parse`] where it is something else.
    pub fn flag(&mut self, name: &'static str) -> Result<bool> {
        let path = self.path;
        self.node(name).map_or(Ok(false), |node| match node.value {
            Value::Bool(value) => Ok(value),
            _ => Err(error(
                path,
                node,
                format!("`{name}` is {}: want true or false", node.noun()),
                "",
            )),
        })
    }

    /// Returns one of some words, if it is there.
    ///
    /// # Errors
    /// [`Error::Parse`] with the words where it is another.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(expr) = self.text(name)? else {
            return Ok(None);
        };
        let found = words.iter().find(|(word, _)| *word == expr.text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let known: Vec<String> = words.iter().map(|(w, _)| (*w).to_owned()).collect();
            expr.error(
                format!("unknown `{name}` `{}`", expr.text),
                format!("known are {}", backticked(&known)),
            )
        })
    }

    /// Returns the entries of a mapping or the members of a list below a field.
    #[must_use]
    pub fn members(&mut self, name: &'static str) -> &'a [Node] {
        self.node(name).map_or(&[], Node::items)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Error::Parse`] at the first key that was never asked for, with those that were.
    pub fn done(self) -> Result<()> {
        let unknown = self
            .node
            .entries()
            .iter()
            .find(|(key, _)| !self.known.contains(&key.name.as_str()));
        let Some((key, _)) = unknown else {
            return Ok(());
        };
        let mut known: Vec<String> = self.known.iter().map(|k| (*k).to_owned()).collect();
        known.sort();
        known.dedup();
        Err(Error::Parse {
            path: self.path.to_owned(),
            line: key.line,
            column: key.column,
            message: format!("unknown key `{}` in {}", key.name, self.what),
            hint: format!("known keys are {}", backticked(&known)),
        })
    }

    /// An error at the start of this mapping.
    #[must_use]
    pub fn error(&self, message: impl Into<String>, hint: impl Into<String>) -> Error {
        error(self.path, self.node, message, hint)
    }

    /// The path of the file that is being read.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    fn missing(&self, name: &str) -> Error {
        self.error(
            format!("{} has no `{name}`", self.what),
            format!("add `{name}:`"),
        )
    }
}

/// An error at a node.
pub(crate) fn error(
    path: &str,
    node: &Node,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Error {
    Error::Parse {
        path: path.to_owned(),
        line: node.line,
        column: node.column,
        message: message.into(),
        hint: hint.into(),
    }
}

/// Reads a node as text.
pub(crate) fn text(path: &str, name: &str, node: &Node) -> Result<Expr> {
    match &node.value {
        Value::Text(text) => Ok(Expr {
            path: path.to_owned(),
            line: node.line,
            column: node.column,
            text: text.clone(),
            condition: false,
        }),
        _ => Err(error(
            path,
            node,
            format!("`{name}` is {}: want text", node.noun()),
            "put it in quotes",
        )),
    }
}

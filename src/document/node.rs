//! Documents as trees, and what an edit wants in them.

use std::ops::Range;

/// A value without parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, by its value: notations of the same number are equal.
    Number(String),
    /// Text.
    Text(String),
    /// A date, an alias, or anything else that is only kept; as it is written.
    Other(String),
}

impl Scalar {
    /// Returns a number by its value; none where the text is none.
    #[must_use]
    pub fn number(text: &str) -> Option<Self> {
        if let Ok(n) = text.parse::<i128>() {
            return Some(Self::Number(n.to_string()));
        }
        let digit = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let n: f64 = text.parse().ok().filter(|_| digit)?;
        Some(Self::Number(if n.is_finite() {
            format!("{n:?}")
        } else {
            text.to_owned()
        }))
    }
}

/// What an edit wants in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A value without parts.
    Scalar(Scalar),
    /// Members by name; in XML a name that begins with `@` is an attribute's.
    Map(Vec<(String, Self)>),
    /// A list: only what a hop with members adds makes one.
    List(Vec<Self>),
}

/// One step of the way to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The name of a member of a mapping, of a child element or (`@name`) of an attribute; none: a member of the list
    /// that stands here.
    pub name: Option<String>,
    /// What one member of the list there, or of several elements of that name, says; empty: there is but one.
    pub member: Vec<(String, String)>,
}

/// A value of a document and the bytes that it is.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// What is replaced when the value is.
    pub(super) span: Range<usize>,
    pub(super) body: Body,
    /// Why neither it nor anything in it can be changed.
    pub(super) fixed: Option<&'static str>,
    pub(super) room: Room,
}

/// What a value is made of.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A member of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    /// From the first byte of the name to the last of the value.
    pub(super) span: Range<usize>,
    pub(super) node: Node,
}

/// Where a new member goes.
#[derive(Debug, Clone)]
pub(super) enum Room {
    /// Nowhere.
    None,
    /// Behind the last member, before the closing bracket.
    Brackets,
    /// On lines of their own below the line that `after` is on, or at the very top; each begins with `lead`.
    Lines {
        after: Option<usize>,
        lead: String,
        /// TOML: the header below which mappings in here go, at the end of the document.
        header: Option<String>,
    },
    /// TOML: at the end of the document, below this header, brackets included.
    Header(String),
    /// XML: attributes behind the last one, elements behind the last one of `inner`. Of an element without an end tag,
    /// `inner` is what closes it, and `closed` its name.
    Tag {
        attributes: usize,
        inner: Range<usize>,
        closed: Option<String>,
    },
}

impl Node {
    pub(super) fn new(span: Range<usize>, body: Body, room: Room) -> Self {
        Self {
            span,
            body,
            fixed: None,
            room,
        }
    }

    /// Returns the value that an edit adds, which has no place yet.
    pub(super) fn of(wanted: &Wanted) -> Self {
        let body = match wanted {
            Wanted::Scalar(scalar) => Body::Scalar(scalar.clone()),
            Wanted::List(items) => Body::List(items.iter().map(Self::of).collect()),
            Wanted::Map(members) => Body::Map(
                members
                    .iter()
                    .map(|(name, value)| Entry {
                        name: name.clone(),
                        span: 0..0,
                        node: Self::of(value),
                    })
                    .collect(),
            ),
        };
        Self::new(0..0, body, Room::None)
    }

    pub(super) fn noun(&self) -> &'static str {
        match &self.body {
            Body::Scalar(Scalar::Null) => "nothing",
            Body::Scalar(Scalar::Bool(_)) => "a boolean",
            Body::Scalar(Scalar::Number(_)) => "a number",
            Body::Scalar(Scalar::Text(_)) => "text",
            Body::Scalar(Scalar::Other(_)) => "a date or an alias",
            Body::List(_) => "a list",
            Body::Map(_) => "a mapping",
        }
    }

    /// Returns what it says, where it has no parts; of an element with attributes, its text.
    pub(super) fn said(&self) -> Option<&str> {
        match &self.body {
            Body::Scalar(Scalar::Text(text) | Scalar::Number(text)) => Some(text),
            Body::Scalar(Scalar::Bool(true)) => Some("true"),
            Body::Scalar(Scalar::Bool(false)) => Some("false"),
            Body::Scalar(Scalar::Null | Scalar::Other(_)) | Body::List(_) => None,
            Body::Map(entries) => entries.iter().find(|e| e.name.is_empty())?.node.said(),
        }
    }

    /// Returns the values directly in it.
    pub(super) fn children(&self) -> Vec<&Self> {
        match &self.body {
            Body::Scalar(_) => Vec::new(),
            Body::List(items) => items.iter().collect(),
            Body::Map(entries) => entries.iter().map(|e| &e.node).collect(),
        }
    }

    /// Returns the value at a way of numbers.
    pub(super) fn at(&self, way: &[usize]) -> Option<&Self> {
        way.iter().try_fold(self, |node, n| match &node.body {
            Body::Scalar(_) => None,
            Body::List(items) => items.get(*n),
            Body::Map(entries) => entries.get(*n).map(|e| &e.node),
        })
    }

    pub(super) fn at_mut(&mut self, way: &[usize]) -> Option<&mut Self> {
        way.iter().try_fold(self, |node, n| match &mut node.body {
            Body::Scalar(_) => None,
            Body::List(items) => items.get_mut(*n),
            Body::Map(entries) => entries.get_mut(*n).map(|e| &mut e.node),
        })
    }

    /// Tells whether two trees say the same, wherever they say it. Members of different names have no order, and white
    /// space that an element has instead of text says nothing.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.body, &other.body) {
            (Body::Scalar(a), Body::Scalar(b)) => a == b,
            (Body::List(a), Body::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Body::Map(a), Body::Map(b)) => {
                let (a, b) = (sorted(a), sorted(b));
                let same = |(a, b): (&&Entry, &&Entry)| a.name == b.name && a.node.same(&b.node);
                a.len() == b.len() && a.iter().zip(&b).all(same)
            }
            (Body::Map(entries), Body::Scalar(_)) => sorted(entries).is_empty() && other.is_blank(),
            (Body::Scalar(_), Body::Map(entries)) => sorted(entries).is_empty() && self.is_blank(),
            _ => false,
        }
    }

    fn is_blank(&self) -> bool {
        matches!(&self.body, Body::Scalar(Scalar::Text(text)) if text.trim_ascii().is_empty())
    }
}

/// Returns the members that say something, by name; several of one name stay in their order.
fn sorted(entries: &[Entry]) -> Vec<&Entry> {
    let said = |e: &&Entry| !(e.name.is_empty() && e.node.is_blank());
    let mut all: Vec<&Entry> = entries.iter().filter(said).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

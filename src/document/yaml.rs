//! YAML with the bytes of every value: the events of a parser, held against the program's own reader of YAML.

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::{
    DEEPEST, MOST_VALUES, Refusal,
    node::{Body, Entry, Node, Room, Scalar},
};
use crate::{
    error::Error,
    yaml::{self, Dialect, Value},
};

const ALIAS: &str = "is an alias: what it stands for is elsewhere";

/// Parses one document.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    let mut root = Builder::new(text).build()?;
    let read = yaml::parse("", text, Dialect::Strict).map_err(|error| match error {
        Error::Parse {
            line,
            column,
            message,
            ..
        } => Refusal::new(offset(text, line, column), told(&message)),
        _ => Refusal::new(0, "is not YAML"),
    })?;
    agree(&mut root, &read)?;
    Ok(root)
}

/// The parsers quote keys and values, which may be passwords: only what comes before is said.
fn told(message: &str) -> String {
    let said = message.split(['`', '\'', '"', ':', '[', '{']).next();
    format!("is not YAML: {}", said.unwrap_or_default().trim_end())
}

fn offset(text: &str, line: u64, column: u64) -> usize {
    let skip = usize::try_from(line).unwrap_or_default().saturating_sub(1);
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines.by_ref().take(skip).map(str::len).sum();
    let inside = usize::try_from(column)
        .unwrap_or_default()
        .saturating_sub(1);
    let line = lines.next().unwrap_or_default();
    let inside = line.char_indices().nth(inside).map_or(line.len(), |c| c.0);
    before + inside
}

/// Gives every plain text the type that it has, where both readers have seen the same.
fn agree(node: &mut Node, read: &yaml::Node) -> Result<(), Refusal> {
    let differ = Refusal::new(node.span.start, "is read in two ways: its type");
    match (&mut node.body, &read.value) {
        (Body::Scalar(Scalar::Other(_)), _) => Ok(()),
        (Body::Map(entries), _) if merges(entries) => Ok(()),
        (Body::Scalar(scalar), value) => {
            *scalar = match value {
                Value::Null => Scalar::Null,
                Value::Bool(is) => Scalar::Bool(*is),
                Value::Int(n) => Scalar::Number(n.to_string()),
                Value::Float(n) => Scalar::Number(format!("{n:?}")),
                Value::Text(text) => Scalar::Text(text.clone()),
                Value::List(_) | Value::Map(_) => return Err(differ),
            };
            Ok(())
        }
        (Body::List(items), Value::List(others)) if items.len() == others.len() => items
            .iter_mut()
            .zip(others)
            .try_for_each(|(a, b)| agree(a, b)),
        (Body::Map(entries), Value::Map(others)) if entries.len() == others.len() => entries
            .iter_mut()
            .zip(others)
            .try_for_each(|(a, (name, b))| {
                if a.name == name.name {
                    agree(&mut a.node, b)
                } else {
                    Err(Refusal::new(a.span.start, "is read in two ways: its name"))
                }
            }),
        _ => Err(differ),
    }
}

/// A collection that is not closed yet.
struct Open {
    is_map: bool,
    style: StructureStyle,
    start: usize,
    column: usize,
    fixed: Option<&'static str>,
    /// The name whose value comes next.
    name: Option<(String, std::ops::Range<usize>)>,
    entries: Vec<Entry>,
    items: Vec<Node>,
}

struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    root: Option<Node>,
    values: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            open: Vec::new(),
            root: None,
            values: 0,
        }
    }

    fn build(mut self) -> Result<Node, Refusal> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: DEEPEST,
            block_nesting_limit: DEEPEST,
        };
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = event.map_err(|error| {
                let at = error.marker().byte_offset().unwrap_or_default();
                Refusal::new(at, told(&error.info()))
            })?;
            self.event(event, &span)?;
        }
        self.root
            .ok_or_else(|| Refusal::new(0, "document is empty"))
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Refusal> {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.takes_name() {
                    let top = self.open.last_mut();
                    if let Some(top) = top {
                        top.name = Some((text.into_owned(), range));
                    }
                    return Ok(());
                }
                let mut node = self.scalar(range, style);
                node.fixed = node.fixed.or_else(|| fixed(anchor, tag.is_some()));
                self.close(node)
            }
            Event::Alias(_) => {
                let written = self.text.get(range.clone()).unwrap_or_default().to_owned();
                let mut node = Node::new(range, Body::Scalar(Scalar::Other(written)), Room::None);
                node.fixed = Some(ALIAS);
                self.close(node)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.start(true, style, span, fixed(anchor, tag.is_some()))
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.start(false, style, span, fixed(anchor, tag.is_some()))
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(open) = self.open.pop() else {
                    return Err(Refusal::new(range.start, "is not YAML"));
                };
                let node = self.closed(open, range.end);
                self.close(node)
            }
            _ => Ok(()),
        }
    }

    fn takes_name(&self) -> bool {
        self.open
            .last()
            .is_some_and(|o| o.is_map && o.name.is_none())
    }

    fn start(
        &mut self,
        is_map: bool,
        style: StructureStyle,
        span: &Span,
        fixed: Option<&'static str>,
    ) -> Result<(), Refusal> {
        let start = span.byte_range().unwrap_or_default().start;
        if self.takes_name() {
            return Err(Refusal::new(start, "key is not text"));
        }
        if self.open.len() >= DEEPEST {
            return Err(Refusal::new(start, "values stand too deep in one another"));
        }
        self.open.push(Open {
            is_map,
            style,
            start,
            column: span.start.col(),
            fixed,
            name: None,
            entries: Vec::new(),
            items: Vec::new(),
        });
        Ok(())
    }

    /// Makes a value without parts; what stands behind a name begins behind its colon.
    fn scalar(&self, range: std::ops::Range<usize>, style: ScalarStyle) -> Node {
        let name = self.open.last().and_then(|o| o.name.as_ref());
        let behind = name.map(|(_, key)| self.behind_colon(key.end));
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let mut fixed = None;
        let mut span = range;
        if span.is_empty() || is_block {
            match behind {
                Some(Some(colon)) if is_block => {
                    let rest = &self.text[colon..];
                    let mark = colon + rest.len() - rest.trim_start_matches([' ', '\t']).len();
                    let head = self.text[mark..].lines().next().unwrap_or_default();
                    let end = span.start + self.text[span.clone()].trim_end().len();
                    if !head.starts_with(['|', '>']) || head.contains('#') {
                        fixed = Some("is a block of text with more in its first line");
                    }
                    span = mark..end.max(mark + head.trim_end().len());
                }
                Some(Some(colon)) => span = colon..colon,
                _ => fixed = Some("is written so that nothing can be put in its place"),
            }
        }
        // Its type is told by the other reader.
        let mut node = Node::new(span, Body::Scalar(Scalar::Null), Room::None);
        node.fixed = fixed;
        node
    }

    /// Returns the byte behind the colon after a name; none where something else comes first.
    fn behind_colon(&self, name: usize) -> Option<usize> {
        let rest = self.text[name..].trim_start_matches([' ', '\t']);
        rest.starts_with(':')
            .then(|| self.text.len() - rest.len() + 1)
    }

    fn closed(&self, open: Open, end: usize) -> Node {
        let flow = open.style == StructureStyle::Flow;
        let spans: Vec<&std::ops::Range<usize>> = if open.is_map {
            open.entries.iter().map(|e| &e.span).collect()
        } else {
            open.items.iter().map(|n| &n.span).collect()
        };
        let first = spans.first().map_or(open.start, |s| s.start);
        let last = spans.last().map_or(open.start, |s| s.end);
        let (span, room) = if flow {
            (open.start..end, Room::Brackets)
        } else if open.is_map {
            (first..last, lines(last, " ".repeat(open.column)))
        } else {
            let before = self.text[..first].trim_end_matches([' ', '\t']);
            let room = match before.strip_suffix('-') {
                Some(before) => {
                    let line = before.rfind('\n').map_or(0, |n| n + 1);
                    let dash = before[line..].chars().count();
                    let gap = &self.text[before.len() + 1..first];
                    lines(last, format!("{}-{gap}", " ".repeat(dash)))
                }
                None => Room::None,
            };
            (first..last, room)
        };
        let is_merged = merges(&open.entries);
        let body = if open.is_map {
            Body::Map(open.entries)
        } else {
            Body::List(open.items)
        };
        let mut node = Node::new(span, body, room);
        node.fixed = open.fixed;
        if is_merged {
            self.as_written(&mut node);
            node.fixed = Some("has a merge key: what it holds is elsewhere too");
        }
        node
    }

    /// Has every value say what is written: the other reader, which tells types, sees more in a mapping with a merge key.
    fn as_written(&self, node: &mut Node) {
        match &mut node.body {
            Body::Scalar(scalar) => {
                let written = self.text.get(node.span.clone()).unwrap_or_default();
                *scalar = Scalar::Text(written.to_owned());
            }
            Body::List(items) => items.iter_mut().for_each(|item| self.as_written(item)),
            Body::Map(entries) => entries
                .iter_mut()
                .for_each(|e| self.as_written(&mut e.node)),
        }
    }

    /// Puts a finished value where it belongs.
    fn close(&mut self, node: Node) -> Result<(), Refusal> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Refusal::new(
                node.span.start,
                "document has too many values",
            ));
        }
        match self.open.last_mut() {
            None if self.root.is_none() => self.root = Some(node),
            None => {
                let message = "more than one document: want one";
                return Err(Refusal::new(node.span.start, message));
            }
            Some(open) if open.is_map => match open.name.take() {
                Some((name, key)) => {
                    let end = node.span.end.max(key.end);
                    open.entries.push(Entry {
                        name,
                        span: key.start..end,
                        node,
                    });
                }
                None => return Err(Refusal::new(node.span.start, "key is not text")),
            },
            Some(open) => open.items.push(node),
        }
        Ok(())
    }
}

/// Tells whether a mapping takes members from elsewhere (yaml.org/type/merge.html).
fn merges(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.name == "<<")
}

fn lines(last: usize, lead: String) -> Room {
    Room::Lines {
        after: Some(last),
        lead,
        header: None,
    }
}

fn fixed(anchor: usize, tag: bool) -> Option<&'static str> {
    if anchor != 0 {
        return Some("has an anchor: aliases elsewhere would change with it");
    }
    tag.then_some("has a tag")
}

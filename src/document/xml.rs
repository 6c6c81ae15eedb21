//! XML with the bytes of every element and attribute, as `quick-xml` tells them.

use std::ops::Range;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{
    DEEPEST, MOST_VALUES, Refusal,
    node::{Body, Entry, Node, Room, Scalar},
};

/// Parses a document. No entity is known but those of XML itself, so that none can stand for more than a character.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut tree = Tree {
        text,
        open: Vec::new(),
        root: None,
        values: 0,
    };
    loop {
        let start = position(reader.buffer_position());
        let event = reader.read_event().map_err(|_| {
            let at = position(reader.error_position());
            Refusal::new(at, "is not well-formed XML")
        })?;
        let span = start..position(reader.buffer_position());
        if matches!(event, Event::Eof) {
            break;
        }
        tree.event(&event, span)?;
    }
    if let Some(open) = tree.open.last() {
        return Err(Refusal::new(open.start, "element has no end"));
    }
    let root = tree
        .root
        .ok_or_else(|| Refusal::new(0, "document has no element"))?;
    Ok(Node::new(0..0, Body::Map(vec![root]), Room::None))
}

fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// An element whose end has not come yet.
struct Open {
    name: String,
    start: usize,
    /// The byte behind its last attribute.
    attributes: usize,
    /// The byte behind its start tag.
    inner: usize,
    entries: Vec<Entry>,
    /// Text since the last element in it, and where it began.
    said: String,
    said_at: Option<usize>,
    has_element: bool,
    /// Whether a comment or an instruction is in it.
    has_comment: bool,
}

struct Tree<'t> {
    text: &'t str,
    open: Vec<Open>,
    root: Option<Entry>,
    values: usize,
}

impl Tree<'_> {
    fn event(&mut self, event: &Event<'_>, span: Range<usize>) -> Result<(), Refusal> {
        let at = span.start;
        match event {
            Event::Start(tag) => self.start(tag, span),
            Event::Empty(tag) => {
                self.start(tag, span.clone())?;
                self.end(span.end, true)
            }
            Event::End(_) => self.end_at(span),
            Event::Text(said) => self.say(said, span),
            Event::CData(said) => self.say_in(said, at),
            Event::GeneralRef(name) => {
                let char = match name.as_ref() {
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "amp" => Some('&'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => name.resolve_char_ref().ok().flatten(),
                };
                let Some(char) = char else {
                    return Err(Refusal::new(at, "entity that is none of XML's own"));
                };
                self.say_in(&char.to_string(), at)
            }
            Event::Comment(_) | Event::PI(_) => {
                if let Some(open) = self.open.last_mut() {
                    open.has_comment = true;
                }
                Ok(())
            }
            Event::Decl(declaration) => {
                let encoding = declaration.encoding().and_then(Result::ok);
                let known = |e: &str| ["utf-8", "us-ascii"].contains(&e.to_lowercase().as_str());
                match encoding {
                    Some(other) if !known(&other) => {
                        Err(Refusal::new(at, "declares an encoding that is not UTF-8"))
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Event::DocType(said) if said.contains('[') => {
                Err(Refusal::new(at, "has a document type of its own"))
            }
            Event::DocType(_) | Event::Eof => Ok(()),
        }
    }

    /// White space may stand around the element that is the document.
    fn say(&mut self, said: &str, span: Range<usize>) -> Result<(), Refusal> {
        if self.open.is_empty() && said.trim_ascii().is_empty() {
            return Ok(());
        }
        self.say_in(said, span.start)
    }

    fn say_in(&mut self, said: &str, at: usize) -> Result<(), Refusal> {
        let Some(open) = self.open.last_mut() else {
            return Err(Refusal::new(at, "text outside of the document's element"));
        };
        open.said.push_str(said);
        open.said_at.get_or_insert(at);
        Ok(())
    }

    fn start(&mut self, tag: &BytesStart<'_>, span: Range<usize>) -> Result<(), Refusal> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Refusal::new(span.start, "document has too many values"));
        }
        if self.open.len() >= DEEPEST {
            let message = "elements stand too deep in one another";
            return Err(Refusal::new(span.start, message));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(Refusal::new(span.start, "more than one element"));
        }
        let name = tag.name().as_ref().to_owned();
        let (entries, attributes) = attributes(self.text, tag, span.start + 1 + name.len())?;
        self.values += entries.len();
        self.text_before(span.start, true);
        self.open.push(Open {
            name,
            start: span.start,
            attributes,
            inner: span.end,
            entries,
            said: String::new(),
            said_at: None,
            has_element: false,
            has_comment: false,
        });
        Ok(())
    }

    /// Keeps text between elements as a member without a name, where it is more than white space.
    fn text_before(&mut self, end: usize, element: bool) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        open.has_element |= element;
        let said = std::mem::take(&mut open.said);
        let start = open.said_at.take().unwrap_or(end);
        if !said.trim_ascii().is_empty() {
            let body = Body::Scalar(Scalar::Text(said));
            let mut node = Node::new(start..end, body, Room::None);
            node.fixed = Some("is text between elements");
            open.entries.push(Entry {
                name: String::new(),
                span: start..end,
                node,
            });
        }
    }

    fn end_at(&mut self, span: Range<usize>) -> Result<(), Refusal> {
        if self.open.last().is_some_and(|open| open.has_element) {
            self.text_before(span.start, false);
        }
        let Some(inner) = self.open.last().map(|open| open.inner) else {
            return Err(Refusal::new(span.start, "end of no element"));
        };
        self.finish(inner..span.start, span.end, false)
    }

    fn end(&mut self, end: usize, _empty: bool) -> Result<(), Refusal> {
        // What closes it is `/>`, with the white space before it.
        let Some(attributes) = self.open.last().map(|open| open.attributes) else {
            return Err(Refusal::new(end, "end of no element"));
        };
        self.finish(attributes..end, end, true)
    }

    fn finish(&mut self, inner: Range<usize>, end: usize, closed: bool) -> Result<(), Refusal> {
        let Some(mut open) = self.open.pop() else {
            return Err(Refusal::new(end, "end of no element"));
        };
        let room = Room::Tag {
            attributes: open.attributes,
            inner: inner.clone(),
            closed: closed.then(|| open.name.clone()),
        };
        let own = |room: Room, said: String| {
            let mut node = Node::new(inner.clone(), Body::Scalar(Scalar::Text(said)), room);
            if open.has_comment {
                node.fixed = Some("has a comment or an instruction in it");
            }
            node
        };
        let node = if open.has_element {
            Node::new(inner.clone(), Body::Map(open.entries), room)
        } else if open.entries.is_empty() {
            own(room, open.said)
        } else {
            let text = own(room.clone(), open.said);
            open.entries.push(Entry {
                name: String::new(),
                span: inner.clone(),
                node: text,
            });
            Node::new(inner.clone(), Body::Map(open.entries), room)
        };
        let entry = Entry {
            name: open.name,
            span: open.start..end,
            node,
        };
        match self.open.last_mut() {
            Some(parent) => parent.entries.push(entry),
            None => self.root = Some(entry),
        }
        Ok(())
    }
}

/// Finds the attributes of a start tag, from the byte behind its name, and the byte behind the last one.
fn attributes(
    text: &str,
    tag: &BytesStart<'_>,
    start: usize,
) -> Result<(Vec<Entry>, usize), Refusal> {
    let refuse = |at: usize| Refusal::new(at, "attribute that is not well-formed");
    let (mut at, mut entries) = (start, Vec::new());
    for read in tag.attributes() {
        let read = read.map_err(|_| Refusal::new(at, "attribute twice, or not well-formed"))?;
        let name: &str = read.key.as_ref();
        let rest = text.get(at..).unwrap_or_default();
        let blank = rest.len() - rest.trim_ascii_start().len();
        let behind = rest[blank..].strip_prefix(name).ok_or_else(|| refuse(at))?;
        let value = behind.trim_ascii_start().strip_prefix('=');
        let value = value.ok_or_else(|| refuse(at))?.trim_ascii_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quote = quote.ok_or_else(|| refuse(at))?;
        let inner = text.len() - value.len() + 1;
        let end = inner + value[1..].find(quote).ok_or_else(|| refuse(at))?;
        let written = &text[inner..end];
        if blank == 0 || *written != *read.value || written.contains('<') {
            return Err(refuse(at));
        }
        let said = quick_xml::escape::unescape(written)
            .map_err(|_| Refusal::new(inner, "entity that is none of XML's own"))?;
        let body = Body::Scalar(Scalar::Text(said.into_owned()));
        entries.push(Entry {
            name: format!("@{name}"),
            span: at..end + 1,
            node: Node::new(inner..end, body, Room::None),
        });
        at = end + 1;
    }
    Ok((entries, at))
}

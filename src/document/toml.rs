//! TOML with the bytes of every value, as `toml_edit` tells them.

use std::ops::Range;

use toml_edit::{Array, Document, InlineTable, Item, Key, Table, Value};

use super::{
    Format, MOST_VALUES, Refusal,
    node::{Body, Entry, Node, Room, Scalar},
    write,
};

/// Parses a document. The library refuses duplicate keys, and what stands deeper than 80 tables.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        // The library quotes what it does not take.
        let said = error.message().split(['`', '\'', '"', ',', '\n']).next();
        let said = said.unwrap_or_default().trim_end_matches([' ', ',']);
        Refusal::new(at, format!("is not TOML: {said}"))
    })?;
    let mut reader = Reader { text, values: 0 };
    reader.table(document.as_table(), &Place::default())
}

/// Where a table stands.
#[derive(Debug, Clone, Default)]
struct Place {
    /// Its whole name as a header has it.
    header: String,
    /// Of a table made by dotted keys: what its keys have before them on their lines.
    lead: Option<String>,
    /// Whether it is in a member of an array of tables, which a header at the end of the document does not reach.
    in_array: bool,
}

struct Reader<'t> {
    text: &'t str,
    values: usize,
}

impl Reader<'_> {
    fn count(&mut self, at: usize) -> Result<(), Refusal> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Refusal::new(at, "document has too many values"));
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, place: &Place) -> Result<Node, Refusal> {
        let span = table.span().unwrap_or_default();
        self.count(span.start)?;
        let own = ends(table);
        let indent = own.map_or("", |at| self.indent(at));
        let lead = match &place.lead {
            Some(lead) => lead.clone(),
            None => indent.to_owned(),
        };
        let mut entries = Vec::new();
        for (name, item) in table {
            let Some((key, _)) = table.get_key_value(name) else {
                continue;
            };
            entries.push(self.entry(key, item, place, &lead)?);
        }
        let is_root = place.header.is_empty() && place.lead.is_none();
        let (header, in_array) = (place.header.clone(), place.in_array);
        let room = if place.lead.is_some() {
            let header = None;
            let after = own;
            Room::Lines {
                after,
                lead,
                header,
            }
        } else if is_root || !table.is_implicit() {
            let end = if is_root { None } else { Some(span.end) };
            // A document of comments alone goes on below them.
            let end = end.or_else(|| {
                let rest = self.text.trim_end().len();
                (table.is_empty() && rest > 0).then_some(rest)
            });
            Room::Lines {
                after: own.or(end),
                lead,
                header: (!in_array).then_some(header),
            }
        } else if in_array {
            Room::None
        } else {
            Room::Header(header)
        };
        Ok(Node::new(span, Body::Map(entries), room))
    }

    fn entry(
        &mut self,
        key: &Key,
        item: &Item,
        place: &Place,
        lead: &str,
    ) -> Result<Entry, Refusal> {
        let at = key.span().unwrap_or_default();
        let written = write::key(Format::Toml, key.get());
        let header = match place.header.as_str() {
            "" => written.clone(),
            above => format!("{above}.{written}"),
        };
        let below = |in_array: bool, lead: Option<String>| Place {
            header: header.clone(),
            lead,
            in_array: place.in_array || in_array,
        };
        let (span, node) = match item {
            Item::None => return Err(Refusal::new(at.start, "is read in two ways")),
            Item::Value(value) => {
                let node = self.value(value)?;
                (self.line_start(at.start)..node.span.end, node)
            }
            Item::Table(table) if table.is_dotted() => {
                let below = below(false, Some(format!("{lead}{written}.")));
                // Its keys may be on several lines, and others between them.
                (0..0, self.table(table, &below)?)
            }
            Item::Table(table) => (0..0, self.table(table, &below(false, None))?),
            Item::ArrayOfTables(tables) => {
                let span = tables.span().unwrap_or_default();
                let mut items = Vec::new();
                for table in tables {
                    items.push(self.table(table, &below(true, None))?);
                }
                let room = if place.in_array {
                    Room::None
                } else {
                    Room::Header(header)
                };
                (0..0, Node::new(span, Body::List(items), room))
            }
        };
        Ok(Entry {
            name: key.get().to_owned(),
            span,
            node,
        })
    }

    fn value(&mut self, value: &Value) -> Result<Node, Refusal> {
        let span = value.span().unwrap_or_default();
        self.count(span.start)?;
        let scalar = match value {
            Value::String(text) => Scalar::Text(text.value().clone()),
            Value::Integer(n) => Scalar::Number(n.value().to_string()),
            Value::Float(n) => Scalar::Number(format!("{:?}", n.value())),
            Value::Boolean(is) => Scalar::Bool(*is.value()),
            Value::Datetime(_) => {
                Scalar::Other(self.text.get(span.clone()).unwrap_or_default().to_owned())
            }
            Value::Array(array) => return self.array(array, span),
            Value::InlineTable(table) => return self.inline(table, span),
        };
        Ok(Node::new(span, Body::Scalar(scalar), Room::None))
    }

    fn array(&mut self, array: &Array, span: Range<usize>) -> Result<Node, Refusal> {
        let items = array.iter().map(|value| self.value(value));
        let items = items.collect::<Result<_, _>>()?;
        Ok(Node::new(span, Body::List(items), Room::Brackets))
    }

    fn inline(&mut self, table: &InlineTable, span: Range<usize>) -> Result<Node, Refusal> {
        let mut entries = Vec::new();
        for (name, value) in table {
            let at = table.get_key_value(name).and_then(|(key, _)| key.span());
            let start = at.unwrap_or_default().start;
            let mut node = self.value(value)?;
            if let Value::InlineTable(inner) = value
                && inner.is_dotted()
            {
                node.fixed = Some("is written with dotted keys in a table of one line");
            }
            let end = node.span.end.max(start);
            entries.push(Entry {
                name: name.to_owned(),
                span: start..end,
                node,
            });
        }
        let is_plain = entries.iter().all(|e| e.node.fixed.is_none());
        let room = if is_plain { Room::Brackets } else { Room::None };
        Ok(Node::new(span, Body::Map(entries), room))
    }

    /// Returns the white space at the beginning of the line that a byte is on.
    fn indent(&self, at: usize) -> &str {
        let line = &self.text[self.text[..at].rfind('\n').map_or(0, |n| n + 1)..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }

    /// Returns where the first key of the line that a byte is on begins: a dotted key is one name on its line.
    fn line_start(&self, at: usize) -> usize {
        let line = self.text[..at].rfind('\n').map_or(0, |n| n + 1);
        line + self.indent(at).len()
    }
}

/// Returns the end of the last value that is written below a table's own header.
fn ends(table: &Table) -> Option<usize> {
    let own = table.iter().filter_map(|(_, item)| match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(table) if table.is_dotted() => ends(table),
        Item::Table(_) | Item::ArrayOfTables(_) | Item::None => None,
    });
    own.max()
}

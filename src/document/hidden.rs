//! Which bytes of a document are nobody's business, whatever it is written in.

use std::ops::Range;

use super::{
    Format,
    node::{Body, Node},
};

/// Names under which a member says what its neighbours are, as in `<property name="password" value="..."/>`.
const NAMING: [&str; 8] = [
    "@name", "@key", "@id", "name", "key", "id", "alias", "@alias",
];

/// Returns the bytes that a document holds under names that `is_secret`, and texts that `is_secret_text`; none where
/// the document cannot be read, so that all of it must be hidden.
pub(crate) fn secrets(
    text: &str,
    is_secret: fn(&str) -> bool,
    is_secret_text: fn(&str) -> bool,
) -> Option<Vec<Range<usize>>> {
    let (mark, plain) = match text.strip_prefix('\u{feff}') {
        Some(plain) => ('\u{feff}'.len_utf8(), plain),
        None => (0, text),
    };
    let formats = [Format::Json, Format::Xml, Format::Toml, Format::Yaml];
    let root = formats.into_iter().find_map(|f| f.parse(plain).ok())?;
    let mut seek = Seek {
        is_secret,
        is_secret_text,
        found: Vec::new(),
    };
    seek.look(&root, false);
    let moved = |range: Range<usize>| range.start + mark..range.end + mark;
    Some(seek.found.into_iter().map(moved).collect())
}

struct Seek {
    is_secret: fn(&str) -> bool,
    is_secret_text: fn(&str) -> bool,
    found: Vec<Range<usize>>,
}

impl Seek {
    fn look(&mut self, node: &Node, hidden: bool) {
        match &node.body {
            Body::Scalar(_) => {
                if hidden || node.said().is_some_and(self.is_secret_text) {
                    self.found.push(node.span.clone());
                }
            }
            Body::List(items) => items.iter().for_each(|item| self.look(item, hidden)),
            Body::Map(entries) => {
                let naming = |name: &str| NAMING.contains(&name);
                let named = entries.iter().any(|e| {
                    naming(&e.name) && e.node.said().is_some_and(|said| (self.is_secret)(said))
                });
                for entry in entries {
                    let own = (self.is_secret)(&entry.name);
                    let beside = named && !naming(&entry.name);
                    self.look(&entry.node, hidden || own || beside);
                }
            }
        }
    }
}

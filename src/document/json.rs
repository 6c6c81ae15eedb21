//! JSON with the bytes of every value (RFC 8259), held against `serde_json`.

use serde_json::Value;

use super::{
    DEEPEST, MOST_VALUES, Refusal,
    node::{Body, Entry, Node, Room, Scalar},
};

/// Parses a document.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    let mut scan = Scan {
        text,
        at: 0,
        values: 0,
    };
    scan.blank();
    let root = scan.value(0)?;
    scan.blank();
    if scan.at < text.len() {
        return Err(scan.refuse("more stands behind the document"));
    }
    let read: Value =
        serde_json::from_str(text).map_err(|_| Refusal::new(0, "is not JSON (RFC 8259)"))?;
    if agrees(&root, &read) {
        Ok(root)
    } else {
        Err(Refusal::new(0, "is read in two ways"))
    }
}

/// Tells whether the library has read the same.
fn agrees(node: &Node, read: &Value) -> bool {
    match (&node.body, read) {
        (Body::Scalar(Scalar::Null), Value::Null) => true,
        (Body::Scalar(Scalar::Bool(a)), Value::Bool(b)) => a == b,
        (Body::Scalar(Scalar::Number(a)), Value::Number(b)) => {
            a.parse::<f64>().ok() == b.as_f64() || *a == b.to_string()
        }
        (Body::Scalar(Scalar::Text(a)), Value::String(b)) => a == b,
        (Body::List(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b))
        }
        (Body::Map(a), Value::Object(b)) => {
            let same = |(a, b): (&Entry, (&String, &Value))| a.name == *b.0 && agrees(&a.node, b.1);
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        _ => false,
    }
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    values: usize,
}

impl Scan<'_> {
    fn refuse(&self, message: &str) -> Refusal {
        Refusal::new(self.at, message)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Refusal> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(self.refuse("document has too many values"));
        }
        if depth > DEEPEST {
            return Err(self.refuse("values stand too deep in one another"));
        }
        let start = self.at;
        let (body, room) = match self.peek() {
            Some(b'{') => (self.object(depth)?, Room::Brackets),
            Some(b'[') => (self.array(depth)?, Room::Brackets),
            Some(b'"') => (Body::Scalar(Scalar::Text(self.string()?)), Room::None),
            Some(b'-' | b'0'..=b'9') => (Body::Scalar(self.number()?), Room::None),
            Some(b'/') => return Err(self.refuse("JSON has no comments")),
            Some(_) => (Body::Scalar(self.word()?), Room::None),
            None => return Err(self.refuse("document ends before its value")),
        };
        Ok(Node::new(start..self.at, body, room))
    }

    fn object(&mut self, depth: usize) -> Result<Body, Refusal> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut names = std::collections::HashSet::new();
        self.at += 1;
        loop {
            self.blank();
            match self.peek() {
                Some(b'}') if entries.is_empty() => break,
                Some(b'"') => {}
                Some(b'/') => return Err(self.refuse("JSON has no comments")),
                _ => return Err(self.refuse("want a name in quotes")),
            }
            let start = self.at;
            let name = self.string()?;
            if !names.insert(name.clone()) {
                return Err(Refusal::new(start, "duplicate key"));
            }
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.refuse("want `:`"));
            }
            self.at += 1;
            self.blank();
            let node = self.value(depth + 1)?;
            entries.push(Entry {
                name,
                span: start..self.at,
                node,
            });
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.refuse("want `,` or `}`")),
            }
        }
        self.at += 1;
        Ok(Body::Map(entries))
    }

    fn array(&mut self, depth: usize) -> Result<Body, Refusal> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.blank();
            if self.peek() == Some(b']') && items.is_empty() {
                break;
            }
            items.push(self.value(depth + 1)?);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.refuse("want `,` or `]`")),
            }
        }
        self.at += 1;
        Ok(Body::List(items))
    }

    fn string(&mut self) -> Result<String, Refusal> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(0..=0x1f) => return Err(self.refuse("control character in a text")),
                Some(_) => self.at += 1,
                None => return Err(Refusal::new(start, "text has no end")),
            }
        }
        self.at += 1;
        let written = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(written)
            .map_err(|_| Refusal::new(start, "text with an escape that is none"))
    }

    fn number(&mut self) -> Result<Scalar, Refusal> {
        let start = self.at;
        while matches!(
            self.peek(),
            Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
        ) {
            self.at += 1;
        }
        let written = &self.text[start..self.at];
        if serde_json::from_str::<serde::de::IgnoredAny>(written).is_err() {
            return Err(Refusal::new(start, "number that is none"));
        }
        if written.parse::<f64>().is_ok_and(f64::is_infinite) {
            return Err(Refusal::new(
                start,
                "number that is too large for its readers",
            ));
        }
        // JSON has one kind of number: 6e5 is 600000.
        let whole = written.parse::<f64>().ok().filter(|n| {
            n.fract() == 0.0
                && n.abs() < 9_007_199_254_740_992.0
                && written.contains(['.', 'e', 'E'])
        });
        let value = match whole {
            Some(n) => format!("{n:.0}").replace("-0", "0"),
            None => return Ok(number_as_written(written)),
        };
        Ok(Scalar::Number(value))
    }

    fn word(&mut self) -> Result<Scalar, Refusal> {
        for (word, scalar) in [
            ("null", Scalar::Null),
            ("true", Scalar::Bool(true)),
            ("false", Scalar::Bool(false)),
        ] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(scalar);
            }
        }
        Err(self.refuse("want a value"))
    }
}

fn number_as_written(written: &str) -> Scalar {
    Scalar::number(written).unwrap_or_else(|| Scalar::Number(written.to_owned()))
}

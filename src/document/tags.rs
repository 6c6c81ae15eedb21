//! Elements and attributes of XML, written.

use super::{
    apply::Splice,
    node::{Body, Entry, Node, Room, Scalar, Wanted},
    write::eol,
};

/// How deep an element stands in the one around it, where the document does not show it.
const STEP: &str = "    ";

/// Puts a text in the place of another, of an element or an attribute.
pub(super) fn replace(node: &Node, wanted: &Scalar) -> Result<Splice, String> {
    let said = said(wanted)?;
    let new = match &node.room {
        Room::Tag {
            closed: Some(name), ..
        } => format!(">{}</{name}>", escaped(said, false)),
        Room::Tag { closed: None, .. } => escaped(said, false),
        _ => escaped(said, true),
    };
    Ok((node.span.clone(), new))
}

fn said(scalar: &Scalar) -> Result<&str, String> {
    let text = match scalar {
        Scalar::Text(text) => text.as_str(),
        Scalar::Null | Scalar::Bool(_) | Scalar::Number(_) | Scalar::Other(_) => "",
    };
    // XML 1.0 section 2.2: no escape makes them characters.
    let none = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}');
    if text.contains(none) {
        return Err("would hold a character that XML has no way to write".to_owned());
    }
    Ok(text)
}

fn escaped(text: &str, attribute: bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\r' => out += "&#13;",
            '"' if attribute => out += "&quot;",
            '\'' if attribute => out += "&apos;",
            '\n' if attribute => out += "&#10;",
            '\t' if attribute => out += "&#9;",
            c => out.push(c),
        }
    }
    out
}

/// Adds an attribute (`@name`) or an element.
pub(super) fn add(text: &str, node: &Node, name: &str, wanted: &Wanted) -> Result<Splice, String> {
    let Room::Tag {
        attributes,
        inner,
        closed,
    } = &node.room
    else {
        return Err("cannot be added where it belongs".to_owned());
    };
    if let Some(name) = name.strip_prefix('@') {
        return Ok((*attributes..*attributes, attribute(name, wanted)?));
    }
    let entries = match &node.body {
        Body::Map(entries) => entries.as_slice(),
        Body::Scalar(_) | Body::List(_) => &[],
    };
    let speaks = |n: &Node| n.said().is_some_and(|said| !said.trim_ascii().is_empty());
    if speaks(node) || entries.iter().any(|e| e.name.is_empty() && speaks(&e.node)) {
        return Err("cannot be added beside text".to_owned());
    }
    let is_element = |e: &&Entry| !e.name.is_empty() && !e.name.starts_with('@');
    let own = indent(text, *attributes);
    if let Some(last) = entries.iter().rfind(is_element) {
        let before = &text[..last.span.start];
        let gap = &before[before.trim_end().len()..];
        let deep = gap.rsplit_once('\n').map(|(_, deep)| deep);
        let step = deep.and_then(|deep| deep.strip_prefix(own));
        let mut new = String::new();
        let lines = deep.map(|deep| (deep, step.unwrap_or(STEP), eol(text)));
        element(name, wanted, lines, &mut new)?;
        return Ok((last.span.end..last.span.end, format!("{gap}{new}")));
    }
    if closed.is_none() && !text[inner.clone()].trim_ascii().is_empty() {
        return Err("cannot be added beside a comment alone".to_owned());
    }
    let mut new = String::new();
    if text.trim_end().contains('\n') {
        let (deep, eol) = (format!("{own}{STEP}"), eol(text));
        element(name, wanted, Some((&deep, STEP, eol)), &mut new)?;
        new = format!("{eol}{deep}{new}{eol}{own}");
    } else {
        element(name, wanted, None, &mut new)?;
    }
    Ok((
        inner.clone(),
        match closed {
            Some(name) => format!(">{new}</{name}>"),
            None => new,
        },
    ))
}

/// Takes an attribute or an element out, with the white space before it.
pub(super) fn remove(text: &str, node: &Node, n: usize) -> Result<Splice, String> {
    let entry = match &node.body {
        Body::Map(entries) => entries.get(n).filter(|e| !e.name.is_empty()),
        Body::Scalar(_) | Body::List(_) => None,
    };
    let span = entry.ok_or("cannot be taken out")?.span.clone();
    let start = text[..span.start].trim_ascii_end().len();
    Ok((start..span.end, String::new()))
}

fn attribute(name: &str, wanted: &Wanted) -> Result<String, String> {
    let Wanted::Scalar(value) = wanted else {
        return Err("is an attribute: want a value".to_owned());
    };
    Ok(format!(
        " {}=\"{}\"",
        fit(name)?,
        escaped(said(value)?, true)
    ))
}

/// Writes an element; with `lines` (how deep, one step, line end) each element in it is on a line of its own.
fn element(
    name: &str,
    wanted: &Wanted,
    lines: Option<(&str, &str, &str)>,
    out: &mut String,
) -> Result<(), String> {
    let name = fit(name)?;
    out.extend(["<", name]);
    let members = match wanted {
        Wanted::Scalar(value) => {
            out.extend([">", &escaped(said(value)?, false), "</", name, ">"]);
            return Ok(());
        }
        Wanted::List(_) => return Err("is a list, which XML does not have".to_owned()),
        Wanted::Map(members) => members,
    };
    for (name, value) in members {
        if let Some(name) = name.strip_prefix('@') {
            *out += &attribute(name, value)?;
        }
    }
    *out += ">";
    let mut last = String::new();
    for (name, value) in members.iter().filter(|(name, _)| !name.starts_with('@')) {
        if let ("", Wanted::Scalar(value)) = (name.as_str(), value) {
            *out += &escaped(said(value)?, false);
        } else {
            let deeper = lines.map(|(deep, step, eol)| (format!("{deep}{step}"), step, eol));
            if let Some((deep, _, eol)) = &deeper {
                out.extend([eol, deep.as_str()]);
            }
            let inner = deeper
                .as_ref()
                .map(|(d, step, eol)| (d.as_str(), *step, *eol));
            element(name, value, inner, out)?;
            last = lines.map_or_else(String::new, |(deep, _, eol)| format!("{eol}{deep}"));
        }
    }
    out.extend([&last, "</", name, ">"]);
    Ok(())
}

/// Tells whether a name is one (XML 1.0 section 2.3).
fn fit(name: &str) -> Result<&str, String> {
    let first = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    let inside = |c: char| c.is_alphanumeric() || "_:-.".contains(c);
    if name.starts_with(first) && name.chars().all(inside) {
        return Ok(name);
    }
    Err("has a name that XML does not have".to_owned())
}

/// Returns the white space that the line of a byte begins with.
fn indent(text: &str, at: usize) -> &str {
    let line = &text[text[..at].rfind('\n').map_or(0, |n| n + 1)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

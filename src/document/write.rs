//! How values are written: in the place of others, and on lines of their own.

use super::{
    Format,
    apply::Splice,
    brackets,
    node::{Body, Node, Room, Scalar, Wanted},
    tags,
};
use crate::hex::hex;

/// Returns a value as the format can hold it: XML has nothing but text.
pub(super) fn as_in(format: Format, scalar: &Scalar) -> Scalar {
    match (format, scalar) {
        (Format::Xml, Scalar::Bool(is)) => Scalar::Text(is.to_string()),
        (Format::Xml, Scalar::Number(text)) => Scalar::Text(text.clone()),
        _ => scalar.clone(),
    }
}

/// Writes a name.
pub(super) fn key(format: Format, name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match format {
        Format::Toml if !name.is_empty() && name.chars().all(bare) => name.to_owned(),
        Format::Yaml if is_plain(name) => name.to_owned(),
        Format::Json | Format::Toml | Format::Yaml => quoted(name),
        Format::Xml => name.to_owned(),
    }
}

/// Writes a value, with the quotes of the one that was there.
pub(super) fn scalar(format: Format, old: Option<&str>, scalar: &Scalar) -> String {
    let text = match scalar {
        Scalar::Null => return "null".to_owned(),
        Scalar::Bool(is) => return is.to_string(),
        Scalar::Number(text) | Scalar::Other(text) => return text.clone(),
        Scalar::Text(text) => text,
    };
    let single = old.is_some_and(|o| o.starts_with('\'') && !o.starts_with("'''"));
    let printable = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    let fits_single = text.chars().all(|c| printable(c) && c != '\'');
    let was_plain = old.is_none_or(|o| !o.starts_with(['"', '\'']));
    match format {
        Format::Yaml if was_plain && is_plain(text) => text.clone(),
        Format::Yaml | Format::Toml if single && fits_single => format!("'{text}'"),
        _ => quoted(text),
    }
}

/// A text in double quotes with the escapes of JSON, which are those of TOML and YAML too; what they do not print is
/// escaped, which JSON allows.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out += "\\u";
                let code = u16::try_from(u32::from(c)).unwrap_or_default();
                out += &hex(&code.to_be_bytes());
            }
            c => out.push(c),
        }
    }
    out
}

/// Tells whether a text is one to every reader of YAML 1.1 and 1.2 without quotes.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let inside = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(inside)
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

/// Puts a value in the place of another.
pub(super) fn replace(
    format: Format,
    text: &str,
    node: &Node,
    wanted: &Scalar,
) -> Result<Splice, String> {
    if format == Format::Xml {
        return tags::replace(node, wanted);
    }
    let old = text.get(node.span.clone()).unwrap_or_default();
    let new = scalar(format, Some(old), wanted);
    // A YAML name that nothing stood behind.
    let gap = if old.is_empty() { " " } else { "" };
    Ok((node.span.clone(), format!("{gap}{new}")))
}

/// Adds a member to a mapping, an element, or (without a name) a list.
pub(super) fn add(
    format: Format,
    text: &str,
    node: &Node,
    name: Option<&str>,
    wanted: &Wanted,
) -> Result<Splice, String> {
    match &node.room {
        Room::None => Err("cannot be added where it belongs".to_owned()),
        Room::Brackets => brackets::add(format, text, node, name, wanted),
        Room::Header(header) => {
            let header = match name {
                None => return Ok(section(text, &format!("[[{header}]]"), header, wanted)),
                Some(name) => format!("{header}.{}", key(format, name)),
            };
            Ok(match wanted {
                Wanted::Scalar(_) => {
                    let above = header.rsplit_once('.').map_or("", |(above, _)| above);
                    let members = vec![(name.unwrap_or_default().to_owned(), wanted.clone())];
                    section(text, &format!("[{above}]"), above, &Wanted::Map(members))
                }
                wanted => sections(text, &header, wanted),
            })
        }
        Room::Lines {
            header: Some(header),
            ..
        } if !matches!(wanted, Wanted::Scalar(_)) => {
            let own = key(format, name.unwrap_or_default());
            let dot = if header.is_empty() { "" } else { "." };
            Ok(sections(text, &format!("{header}{dot}{own}"), wanted))
        }
        Room::Lines { after, lead, .. } => {
            let mut lines = Vec::new();
            match (format, name) {
                (Format::Toml, name) => toml(lead, name.unwrap_or_default(), wanted, &mut lines)?,
                (_, Some(name)) => yaml(lead, name, wanted, &mut lines),
                (_, None) => yaml_member(lead, wanted, &mut lines),
            }
            Ok(below(text, *after, &lines))
        }
        Room::Tag { .. } => tags::add(text, node, name.unwrap_or_default(), wanted),
    }
}

/// Takes a member out.
pub(super) fn remove(format: Format, text: &str, node: &Node, n: usize) -> Result<Splice, String> {
    match &node.room {
        Room::Brackets => brackets::remove(text, node, n),
        Room::Tag { .. } => tags::remove(text, node, n),
        Room::Lines { .. } => lines_of(format, text, node, n),
        Room::None | Room::Header(_) => Err("cannot be taken out as it is written".to_owned()),
    }
}

/// Takes out the lines of a member: nothing else may stand on them but a comment behind it.
fn lines_of(format: Format, text: &str, node: &Node, n: usize) -> Result<Splice, String> {
    let span = match &node.body {
        Body::Map(entries) => entries.get(n).map(|e| e.span.clone()),
        Body::List(items) => items.get(n).map(|n| n.span.clone()),
        Body::Scalar(_) => None,
    };
    let span = span
        .filter(|s| !s.is_empty())
        .ok_or("has no lines of its own")?;
    let start = text[..span.start].rfind('\n').map_or(0, |n| n + 1);
    let lead = text[start..span.start].trim();
    let dash = matches!(node.body, Body::List(_)) && format == Format::Yaml;
    let end = line_end(text, span.end);
    let rest = text[span.end..end].trim();
    if lead != if dash { "-" } else { "" } || !(rest.is_empty() || rest.starts_with('#')) {
        return Err("shares a line with something else".to_owned());
    }
    let end = (end + 1).min(text.len());
    // The last line of a document without a last line end takes the one before with it.
    let start = if text[start..end].ends_with('\n') || start == 0 {
        start
    } else {
        start - eol(text).len().min(start)
    };
    Ok((start..end, String::new()))
}

/// Returns the line end that a document uses.
pub(super) fn eol(text: &str) -> &'static str {
    match text.find('\n') {
        Some(n) if text[..n].ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |n| at + n)
}

/// Puts lines below the one that a byte is on, or at the very top.
fn below(text: &str, after: Option<usize>, lines: &[String]) -> Splice {
    let eol = eol(text);
    let new = lines.join(eol);
    let at = after.map_or(0, |after| (line_end(text, after) + 1).min(text.len()));
    if at > 0 && !text[..at].ends_with('\n') {
        return (at..at, format!("{eol}{new}"));
    }
    (at..at, format!("{new}{eol}"))
}

/// Puts a table, or a member of an array of tables, at the end of the document.
fn section(text: &str, header: &str, name: &str, wanted: &Wanted) -> Splice {
    let mut lines = Vec::new();
    table(header, name, wanted, &mut lines);
    let eol = eol(text);
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => eol,
        _ => {
            return (
                text.len()..text.len(),
                format!("{eol}{eol}{}", lines.join(eol)),
            );
        }
    };
    (
        text.len()..text.len(),
        format!("{gap}{}{eol}", lines.join(eol)),
    )
}

fn sections(text: &str, name: &str, wanted: &Wanted) -> Splice {
    match wanted {
        Wanted::List(items) if items.len() == 1 => {
            section(text, &format!("[[{name}]]"), name, &items[0])
        }
        wanted => section(text, &format!("[{name}]"), name, wanted),
    }
}

fn table(header: &str, name: &str, wanted: &Wanted, lines: &mut Vec<String>) {
    let Wanted::Map(members) = wanted else {
        return;
    };
    let (values, tables): (Vec<_>, Vec<_>) = members
        .iter()
        .partition(|(_, w)| matches!(w, Wanted::Scalar(_)));
    // Of a table that has but tables, theirs are enough.
    if !values.is_empty() || tables.is_empty() || header.starts_with("[[") {
        lines.push(header.to_owned());
    }
    for (member, value) in values {
        if let Wanted::Scalar(value) = value {
            let value = scalar(Format::Toml, None, value);
            lines.push(format!("{} = {value}", key(Format::Toml, member)));
        }
    }
    for (member, value) in tables {
        let name = format!("{name}.{}", key(Format::Toml, member));
        if !lines.is_empty() {
            lines.push(String::new());
        }
        match value {
            Wanted::List(items) => {
                for item in items {
                    table(&format!("[[{name}]]"), &name, item, lines);
                }
            }
            value => table(&format!("[{name}]"), &name, value, lines),
        }
    }
}

/// Writes a member of a TOML table with dotted keys.
fn toml(lead: &str, name: &str, wanted: &Wanted, lines: &mut Vec<String>) -> Result<(), String> {
    let own = format!("{lead}{}", key(Format::Toml, name));
    match wanted {
        Wanted::Scalar(value) => {
            lines.push(format!("{own} = {}", scalar(Format::Toml, None, value)));
            Ok(())
        }
        Wanted::Map(members) => {
            let lead = format!("{own}.");
            members
                .iter()
                .try_for_each(|(n, w)| toml(&lead, n, w, lines))
        }
        Wanted::List(_) => Err("cannot be added in a member of an array of tables".to_owned()),
    }
}

/// Writes a member of a YAML mapping in block style.
fn yaml(lead: &str, name: &str, wanted: &Wanted, lines: &mut Vec<String>) {
    let own = format!("{lead}{}:", key(Format::Yaml, name));
    // What comes below a dash is as deep as what stands behind it.
    let deep = " ".repeat(lead.chars().count());
    match wanted {
        Wanted::Scalar(value) => {
            lines.push(format!("{own} {}", scalar(Format::Yaml, None, value)));
        }
        Wanted::Map(members) => {
            lines.push(own);
            for (name, value) in members {
                yaml(&format!("{deep}  "), name, value, lines);
            }
        }
        Wanted::List(items) => {
            lines.push(own);
            for item in items {
                yaml_member(&format!("{deep}  - "), item, lines);
            }
        }
    }
}

/// Writes a member of a YAML list; `lead` has the dash.
fn yaml_member(lead: &str, wanted: &Wanted, lines: &mut Vec<String>) {
    match wanted {
        Wanted::Scalar(value) => {
            lines.push(format!("{lead}{}", scalar(Format::Yaml, None, value)));
        }
        Wanted::Map(members) => {
            let deep = " ".repeat(lead.chars().count());
            for (n, (name, value)) in members.iter().enumerate() {
                yaml(if n == 0 { lead } else { &deep }, name, value, lines);
            }
        }
        Wanted::List(items) => {
            for item in items {
                yaml_member(&format!("{lead}- "), item, lines);
            }
        }
    }
}

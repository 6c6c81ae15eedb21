//! Members between brackets: JSON, tables and arrays of one line in TOML, flow style in YAML.

use std::ops::Range;

use super::{
    Format,
    apply::Splice,
    node::{Body, Node, Wanted},
    write,
};

/// How the members of a mapping are set.
struct Style {
    /// Between the opening bracket and the first name.
    lead: String,
    /// Between a comma and the next name.
    gap: String,
    /// Between a name and its value.
    colon: String,
    /// Before the closing bracket.
    tail: String,
}

impl Style {
    fn usual(format: Format) -> Self {
        let colon = if format == Format::Toml { " = " } else { ": " };
        let text = str::to_owned;
        Self {
            lead: text(" "),
            gap: text(" "),
            colon: text(colon),
            tail: text(" "),
        }
    }

    /// Takes the style of a mapping that is there, where it has members.
    fn of(format: Format, text: &str, node: &Node) -> Option<Self> {
        let Body::Map(entries) = &node.body else {
            return None;
        };
        let (first, last) = (entries.first()?, entries.last()?);
        let brackets = text.get(node.span.clone())?;
        if !brackets.starts_with('{') || !brackets.ends_with('}') {
            return None;
        }
        let lead = text.get(node.span.start + 1..first.span.start)?;
        let tail = text.get(last.span.end..node.span.end - 1)?;
        let gap = match entries.get(1) {
            Some(second) => text.get(first.span.end..second.span.start)?,
            None if lead.is_empty() && format == Format::Json => ",",
            None => ", ",
        };
        let gap = gap.trim_start().strip_prefix(',')?;
        if [lead, tail, gap].iter().any(|s| !s.trim().is_empty()) {
            return None;
        }
        Some(Self {
            lead: lead.to_owned(),
            gap: gap.to_owned(),
            colon: colon(format, text, node)?,
            tail: tail.to_owned(),
        })
    }
}

/// Returns what stands between a mapping's last name and value.
fn colon(format: Format, text: &str, node: &Node) -> Option<String> {
    let Body::Map(entries) = &node.body else {
        return None;
    };
    let last = entries.last()?;
    let before = text.get(last.span.start..last.node.span.start)?;
    let sign = if format == Format::Toml { '=' } else { ':' };
    let name = before.trim_end().strip_suffix(sign)?.trim_end();
    Some(before[name.len()..].to_owned())
}

fn spans(node: &Node) -> Vec<&Range<usize>> {
    match &node.body {
        Body::Scalar(_) => Vec::new(),
        Body::List(items) => items.iter().map(|n| &n.span).collect(),
        Body::Map(entries) => entries.iter().map(|e| &e.span).collect(),
    }
}

/// Adds a member behind the last one.
pub(super) fn add(
    format: Format,
    text: &str,
    node: &Node,
    name: Option<&str>,
    wanted: &Wanted,
) -> Result<Splice, String> {
    let samples = node.children();
    let sample = samples
        .iter()
        .rev()
        .find_map(|n| Style::of(format, text, n));
    let style = sample.unwrap_or_else(|| Style::usual(format));
    let mut member = inline(format, wanted, &style);
    if let Some(name) = name {
        let colon = colon(format, text, node).unwrap_or_else(|| Style::usual(format).colon);
        member = format!("{}{colon}{member}", write::key(format, name));
    }
    let (open, close) = (node.span.start + 1, node.span.end.saturating_sub(1));
    let Some(last) = spans(node).last().copied() else {
        let inside = text.get(open..close).unwrap_or("?");
        if !inside.trim().is_empty() {
            return Err("has a comment alone between its brackets".to_owned());
        }
        let pad = if name.is_some() { &style.lead } else { "" };
        let pad = if pad.contains('\n') { " " } else { pad };
        return Ok((open..close, format!("{pad}{member}{pad}")));
    };
    let before = text.get(..last.start).unwrap_or_default();
    let gap = &before[before.trim_end().len()..];
    let gap = match gap {
        "" if format != Format::Json => " ",
        gap => gap,
    };
    Ok((last.end..last.end, format!(",{gap}{member}")))
}

/// Takes a member out, with the comma between it and the one before or behind it.
pub(super) fn remove(text: &str, node: &Node, n: usize) -> Result<Splice, String> {
    let spans = spans(node);
    let own = spans.get(n).copied().ok_or("is not there")?;
    let (range, comma) = match (
        n.checked_sub(1).and_then(|n| spans.get(n)),
        spans.get(n + 1),
    ) {
        (Some(before), _) => (before.end..own.end, before.end..own.start),
        (None, Some(behind)) => (own.start..behind.start, own.end..behind.start),
        (None, None) => {
            let close = node.span.end.saturating_sub(1);
            (node.span.start + 1..close, own.end..close)
        }
    };
    let between = text.get(comma).unwrap_or("?");
    let lead = text.get(range.start..own.start).unwrap_or("?");
    let plain = |s: &str| s.trim().is_empty() || s.trim() == ",";
    if !plain(between) || !plain(lead) {
        return Err("has a comment beside it".to_owned());
    }
    Ok((range, String::new()))
}

fn inline(format: Format, wanted: &Wanted, style: &Style) -> String {
    match wanted {
        Wanted::Scalar(scalar) => write::scalar(format, None, scalar),
        Wanted::List(items) => {
            let usual = Style::usual(format);
            let items: Vec<String> = items.iter().map(|i| inline(format, i, &usual)).collect();
            format!("[{}]", items.join(", "))
        }
        Wanted::Map(members) => {
            let usual = Style::usual(format);
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    let name = write::key(format, name);
                    format!("{name}{}{}", style.colon, inline(format, value, &usual))
                })
                .collect();
            if members.is_empty() {
                return "{}".to_owned();
            }
            let members = members.join(&format!(",{}", style.gap));
            format!("{{{}{members}{}}}", style.lead, style.tail)
        }
    }
}

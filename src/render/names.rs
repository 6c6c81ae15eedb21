//! Resolves the names that an expression uses, before it is ever rendered.

use super::{Expr, IDENTITY, Names};
use crate::error::Result;

/// Resolves every `set.x`, `facts.x`, `given.x` and `identity.x` of a text.
pub(super) fn members(expr: &Expr, names: &Names) -> Result<()> {
    let unknown = |root: &str, name: &str, what: &str, known: &[String]| {
        let whole = format!("{root}.{name}");
        at(expr, &expr.text, &whole).error(
            format!("undefined {what} `{whole}`"),
            crate::error::known(known),
        )
    };
    for (root, name) in members_in(expr) {
        let (what, known) = match root {
            "set" | "given" | "covered" => ("setting", &names.settings),
            "facts" => ("fact", &names.facts),
            "identity" if !IDENTITY.contains(&name) => {
                let known = IDENTITY.map(str::to_owned);
                return Err(unknown(root, name, "value of the identity", &known));
            }
            _ => continue,
        };
        if !known.iter().any(|known| known == name) {
            return Err(unknown(root, name, what, known));
        }
    }
    Ok(())
}

/// Returns what stands as `root.name` in the code parts of a text, outside quoted strings.
fn members_in(expr: &Expr) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for code in code_parts(expr) {
        let mut quote = None;
        let mut start = 0;
        for (end, c) in code.char_indices().chain([(code.len(), ' ')]) {
            match quote {
                Some(open) if c == open => quote = None,
                None if c == '"' || c == '\'' || c == '`' => quote = Some(c),
                None if c.is_alphanumeric() || c == '_' || c == '.' => continue,
                Some(_) | None => {}
            }
            let mut parts = code[start..end].split('.');
            if let (Some(root), Some(name)) = (parts.next(), parts.next())
                && !name.is_empty()
            {
                found.push((root, name));
            }
            start = end + c.len_utf8();
        }
    }
    found
}

fn code_parts(expr: &Expr) -> Vec<&str> {
    if expr.condition {
        return vec![&expr.text];
    }
    let mut parts = Vec::new();
    let mut rest = expr.text.as_str();
    while let Some(start) = rest.find('{') {
        let after = &rest[start + 1..];
        let close = match after.as_bytes().first() {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                rest = after;
                continue;
            }
        };
        let body = &after[1..];
        let end = body.find(close).unwrap_or(body.len());
        if close != "#}" {
            parts.push(&body[..end]);
        }
        rest = body.get(end + 2..).unwrap_or_default();
    }
    parts
}

/// Returns the expression with the position of a word inside it.
pub(super) fn at(expr: &Expr, text: &str, word: &str) -> Expr {
    let mut place = expr.clone();
    if let Some(offset) = text.find(word) {
        let before = &text[..offset];
        let newlines = before.matches('\n').count() as u64;
        let last = before.rsplit('\n').next().unwrap_or_default();
        let column = last.chars().count() as u64;
        place.line += newlines;
        place.column = if newlines == 0 {
            expr.column + column
        } else {
            column + 1
        };
    }
    place
}

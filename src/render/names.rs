//! Resolves the names that an expression uses, before it is ever rendered.

use super::{Expr, IDENTITY, Names};
use crate::error::Result;

/// Resolves every `set.x`, `facts.x`, `given.x` and `identity.x` of a text.
pub(super) fn members(expr: &Expr, names: &Names) -> Result<()> {
    let identity: Vec<String> = IDENTITY.iter().map(|n| (*n).to_owned()).collect();
    for (root, known, what) in [
        ("set", &names.settings, "setting"),
        ("given", &names.settings, "setting"),
        ("covered", &names.settings, "setting"),
        ("facts", &names.facts, "fact"),
        ("identity", &identity, "value of the identity"),
    ] {
        for name in used_below(expr, root) {
            if !known.contains(&name) {
                let whole = format!("{root}.{name}");
                let hint = crate::error::known(known);
                return Err(
                    at(expr, &expr.text, &whole).error(format!("undefined {what} `{whole}`"), hint)
                );
            }
        }
    }
    Ok(())
}

/// Returns the names that stand as `root.name` in the code parts of a text, outside quoted strings.
fn used_below(expr: &Expr, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for code in code_parts(expr) {
        let mut quote = None;
        let mut word = String::new();
        for c in code.chars().chain([' ']) {
            match quote {
                Some(open) if c == open => quote = None,
                None if c == '"' || c == '\'' || c == '`' => quote = Some(c),
                None if c.is_alphanumeric() || c == '_' || c == '.' => {
                    word.push(c);
                    continue;
                }
                Some(_) | None => {}
            }
            let mut parts = word.split('.');
            if parts.next() == Some(root)
                && let Some(name) = parts.next().filter(|n| !n.is_empty())
            {
                found.push(name.to_owned());
            }
            word.clear();
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

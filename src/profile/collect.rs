//! Finds every expression of a profile, so that all of them are compiled before any is needed.

use crate::{
    error::Result,
    render::Expr,
    yaml::{Node, Value},
};

/// Returns every text of a document as an expression; those under `when` are conditions.
///
/// # Errors
/// [`crate::error::Error::Parse`] where `item` is used although nothing binds it.
pub(super) fn expressions(path: &str, root: &Node) -> Result<Vec<Expr>> {
    let mut found = Vec::new();
    walk(path, root, false, false, &mut found)?;
    Ok(found)
}

fn walk(path: &str, node: &Node, condition: bool, bound: bool, out: &mut Vec<Expr>) -> Result<()> {
    match &node.value {
        Value::Text(text) => {
            let expr = Expr {
                path: path.to_owned(),
                line: node.line,
                column: node.column,
                text: text.clone(),
                condition,
            };
            let code = condition || text.contains("{{") || text.contains("{%");
            if code && !bound && uses_item(text) {
                return Err(expr.error("undefined name `item`", "it is bound by `each:`"));
            }
            out.push(expr);
        }
        Value::List(items) => {
            for item in items {
                walk(path, item, condition, bound, out)?;
            }
        }
        Value::Map(entries) => {
            let bound = bound || node.get("each").is_some();
            for (key, value) in entries {
                walk(path, value, key.name == "when", bound, out)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
    Ok(())
}

fn uses_item(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices("item").any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + 4..].chars().next();
        !before.is_some_and(|c| word(c) || c == '.') && !after.is_some_and(word)
    })
}

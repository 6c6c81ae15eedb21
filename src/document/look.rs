//! What a document says at a place, read and not edited.

use super::{Fault, Format, Hop, LARGEST, find, place};

/// Returns every text, number or boolean that a way leads to, in the order of the document; none where it leads to nothing.
///
/// # Errors
/// [`Fault`] where the document cannot be read, or the way goes through something that has no members.
pub fn said(format: Format, document: &[u8], at: &[Hop]) -> Result<Vec<String>, Fault> {
    let nowhere = |message: &str| Fault {
        line: 1,
        column: 1,
        message: message.to_owned(),
    };
    if document.len() > LARGEST {
        return Err(nowhere("document is too large"));
    }
    let text = std::str::from_utf8(document).map_err(|_| nowhere("document is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let located = |refusal: super::Refusal| {
        let (line, column) = place(text.as_bytes(), refusal.at);
        Fault {
            line,
            column,
            message: refusal.message,
        }
    };
    let root = format.parse(text).map_err(located)?;
    let found = find::find(format, &root, at, true).map_err(located)?;
    let said = found.into_iter().filter_map(|found| match found {
        find::Found::Here(way) => root.at(&way)?.said().map(str::to_owned),
        find::Found::Missing { .. } => None,
    });
    Ok(said.collect())
}

//! `fingerprints.txt`, as the management API's Python SDK keeps it: one JSON object of servers, without port, and the SHA-1 of
//! their leaves in upper hex without colons; four spaces deep, in order.

use serde::Serialize as _;
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    peer::Fingerprint,
};

/// Reads the file; `path` is only for messages. Fingerprints may have any form.
///
/// # Errors
/// [`Error::Input`] where it is malformed, and which entry is.
pub fn parse(path: &str, text: &[u8]) -> Result<Vec<(String, Fingerprint)>> {
    let mut found = Vec::new();
    for (server, value) in object(path, text)? {
        let given = value.as_str().unwrap_or_default();
        let fingerprint = Fingerprint::read(given)
            .map_err(|error| refused(path, format!("`{}`: {error}", server.escape_debug())))?;
        found.push((server, fingerprint));
    }
    Ok(found)
}

fn refused(path: &str, message: String) -> Error {
    Error::Input {
        subject: format!("`{path}`"),
        message,
        hint: "want a JSON object of servers and fingerprints, as the SDK writes it".to_owned(),
    }
}

fn object(path: &str, text: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(text).map_err(|error| refused(path, format!("is malformed: {error}")))
}

/// Puts entries into the file's text, and keeps those of other servers as they are; `text` is empty where there is no file.
///
/// # Errors
/// [`Error::Input`] where the file that is there is malformed: it is not to be written over then.
pub fn merge(path: &str, text: &[u8], entries: &[(String, Fingerprint)]) -> Result<Vec<u8>> {
    let mut all = if text.is_empty() {
        Map::new()
    } else {
        object(path, text)?
    };
    for (server, sha1) in entries {
        all.retain(|known, _| !known.eq_ignore_ascii_case(server));
        all.insert(
            server.clone(),
            Value::String(sha1.to_string().to_uppercase()),
        );
    }
    all.sort_keys();
    let mut bytes = Vec::new();
    let deep = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, deep);
    // Text in memory cannot fail to be written.
    drop(all.serialize(&mut writer));
    Ok(bytes)
}

//! Values that a peer tells: what stands in them, and how they are kept.

use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    identity::{Form, Identity, Input},
    state::Bytes,
};

/// The end of the names of kept files with values.
pub(crate) const FILE: &str = "value.json";

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Days after which a platform that renews by itself should have renewed.
const OLD_AFTER: i64 = 70;

/// The words that [`words`] may say.
pub const WORDS: [&str; 4] = ["unset", "set", "headed", "old"];

/// Says of a value, in words of [`WORDS`], whether it is set (anything but null and white space), has text before its first
/// PEM block (`headed`), and holds a leaf that began over 70 days before `now`, in seconds since the epoch (`old`).
#[must_use]
pub fn words(value: &Value, now: i64) -> Vec<&'static str> {
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Null => "",
        _ => return vec!["set"],
    };
    if text.is_empty() {
        return vec!["unset"];
    }
    let mut words = vec!["set"];
    if text.find("-----BEGIN ").is_some_and(|at| at > 0) {
        words.push("headed");
    }
    let input = Input {
        name: "value".to_owned(),
        bytes: text.to_owned().into(),
    };
    let old = |i: &Identity| now - i.leaf.not_before > OLD_AFTER * DAY;
    if Identity::assemble(&[input], None).is_ok_and(|(identity, _)| old(&identity)) {
        words.push("old");
    }
    words
}

/// Returns a form of an identity as the JSON text of a string; none where the identity has no such part.
pub(crate) fn of(identity: &Identity, form: Form) -> Option<Bytes> {
    let pem = identity.form(form)?;
    let text = pem.text();
    // Of PEM, only line feeds are written as two characters.
    let room = text.len() + text.matches('\n').count() + 2;
    let mut json = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *json, &*text).ok()?;
    Some(std::mem::take(&mut *json).into())
}

/// Reads the value at the end of a way through a JSON document; none where the document is none, or the way ends before.
pub(crate) fn at(body: &str, way: &[String]) -> Option<Value> {
    let document: Value = serde_json::from_str(body).ok()?;
    let found = way.iter().try_fold(&document, |value, key| value.get(key));
    found.cloned()
}

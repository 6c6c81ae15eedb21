//! certmonger keeps identities wherever it is told; what it keeps of each request says where.

use super::Files;
use crate::{
    error::{Error, Result, backticked},
    host::{EntryKind, Tree},
    state::HostPath,
};

/// One file for each request (certmonger(8)).
const REQUESTS: &str = "/var/lib/certmonger/requests";

/// Returns the files of a request, by the id that `getcert list` shows.
///
/// A request is lines `key=value`; the keys are those of certmonger's own `store-files.c`.
///
/// # Errors
/// [`Error::Input`] where there is no such request, or it keeps its pair in no files.
pub(super) fn files(tree: &dyn Tree, name: &str) -> Result<Files> {
    let bad = |message: String, hint: String| Error::Input {
        subject: format!("`certmonger:{name}`"),
        message,
        hint,
    };
    let dir = HostPath::new(REQUESTS).unwrap_or_default();
    let mut known = Vec::new();
    for entry in tree.list(&dir)?.unwrap_or_default() {
        if entry.kind != EntryKind::File {
            continue;
        }
        let text = tree.text(&dir.join(&entry.name))?.unwrap_or_default();
        let value = |key: &str| {
            let mut said = text.lines().filter_map(|line| line.split_once('='));
            let found = said.find(|(k, _)| *k == key)?.1.trim().to_owned();
            (!found.is_empty()).then_some(found)
        };
        let id = value("id").unwrap_or(entry.name);
        if id != name {
            known.push(id);
            continue;
        }
        for kept in ["cert", "key"] {
            let kind = value(&format!("{kept}_storage_type")).unwrap_or_default();
            if kind != "FILE" {
                let hint = "have it keep the pair in files: `getcert request -f FILE -k FILE`";
                return Err(bad(
                    format!("its {kept} is kept as `{kind}`, wanted FILE"),
                    hint.to_owned(),
                ));
            }
        }
        return Ok(Files {
            cert: value("cert_storage_location"),
            key: value("key_storage_location"),
            password_file: value("key_pin_file"),
            ..Files::default()
        });
    }
    let hint = if known.is_empty() {
        "certmonger tracks nothing here: `getcert list`".to_owned()
    } else {
        format!("there are {}", backticked(&known))
    };
    Err(bad(format!("no request of that id in `{REQUESTS}`"), hint))
}

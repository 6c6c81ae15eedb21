//! Contents that follow from what is there.

use std::collections::BTreeMap;

use crate::{
    desired::{Given, Target},
    error::Result,
    host::Host,
    preflight::{Finding, Severity},
    state::{Content, HostPath, State},
};

/// Puts the content that follows from what is there into a target, and returns what may be shown of the difference; none
/// where the target has its content already.
///
/// # Errors
/// As [`crate::host::Tree::read`]; the host is unchanged.
pub(super) fn settle(
    host: &dyn Host,
    target: &mut Target,
    before: &State,
    findings: &mut Vec<Finding>,
) -> Result<Result<Option<Vec<String>>, Finding>> {
    let Some(rewriting) = &target.rewrite else {
        return Ok(Ok(None));
    };
    let mut files = BTreeMap::new();
    let secrets = rewriting.0.secrets();
    for path in rewriting.0.needs() {
        let (_, state) = host.read_followed(&path)?;
        if let Some(bytes) = state.bytes() {
            let open = state.attrs().is_some_and(|attrs| attrs.mode & 0o004 != 0);
            let told = |f: &Finding| f.name == OPEN && f.message.contains(&format!("`{path}`"));
            if open && secrets.contains(&path) && !findings.iter().any(told) {
                findings.push(open_to_all(&path));
            }
            files.insert(path, bytes.clone());
        }
    }
    let given = Given {
        files,
        random: host.random()?,
        now: host.now(),
    };
    Ok(rewriting
        .0
        .rewrite(before.bytes(), &given)
        .map(|rewritten| {
            target.wanted.content = Content::File(rewritten.bytes);
            findings.extend(rewritten.findings);
            rewritten.lines
        }))
}

const OPEN: &str = "password-open";

fn open_to_all(path: &HostPath) -> Finding {
    let message = format!("`{path}` holds a password, and every user of this host can read it");
    Finding::host(Severity::Warning, OPEN, message).hinted(format!("chmod o-r {path}"))
}

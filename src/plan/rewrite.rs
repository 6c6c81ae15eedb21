//! Contents that follow from what is there.

use std::collections::BTreeMap;

use crate::{
    desired::{Given, Target},
    error::Result,
    host::Host,
    preflight::Finding,
    state::{Content, State},
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
) -> Result<Result<Option<Vec<String>>, Finding>> {
    let Some(rewriting) = &target.rewrite else {
        return Ok(Ok(None));
    };
    let mut files = BTreeMap::new();
    for path in rewriting.0.needs() {
        if let Some(bytes) = host.read_followed(&path)?.1.bytes() {
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
            rewritten.lines
        }))
}

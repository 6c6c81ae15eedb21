//! What `status` says of the identities of ACME servers that a rollout follows, and of those that none does.

use std::fmt::Write as _;

use super::text;
use crate::watch::Renewal;

/// Writes how renewals stand, a line or two each.
pub(super) fn shown(renewals: &[Renewal]) -> String {
    let mut out = String::new();
    for one in renewals {
        let name = if one.followed {
            one.id.clone()
        } else {
            format!("{} (no rollout follows it)", one.id)
        };
        if let Some(trouble) = &one.trouble {
            let _ = writeln!(out, "BAD  identity {name}: cannot be told: {trouble}");
        }
        if let Some(due) = one.due {
            let _ = writeln!(out, "identity {name}: renewed from {} on", text::time(due));
        }
        if let Some(missed) = &one.missed {
            let _ = writeln!(
                out,
                "BAD  identity {name}: not renewed on {} ({} in a row): {}; tried again from {}",
                text::time(missed.when),
                missed.count,
                missed.message,
                text::time(one.again.unwrap_or_default())
            );
        }
    }
    out
}

//! What `status` says of the identities of ACME servers that a rollout follows, and of those that none does.

use std::fmt::Write as _;

use crate::{identity::date, watch::Renewal};

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
            let _ = writeln!(out, "identity {name}: renewed from {} on", date(due));
        }
        if let Some(missed) = &one.missed {
            let _ = writeln!(
                out,
                "BAD  identity {name}: not renewed on {} ({} in a row): {}; tried again from {}",
                date(missed.when),
                missed.count,
                missed.message,
                date(one.again.unwrap_or_default())
            );
        }
    }
    out
}

//! What a rollout must not change.

use crate::{
    plan::Change,
    preflight::{Finding, Severity},
};

/// What belongs to other programs on any host: the stores of certbot (its documentation, "Where are my certificates?"),
/// acme.sh and lego, which they write anew and link into, and the pair of Debian's package ssl-cert, which many daemons
/// share (make-ssl-cert(8)).
const ALWAYS: &[&str] = &[
    "/etc/letsencrypt/**",
    "/root/.acme.sh/**",
    "/home/*/.acme.sh/**",
    "/etc/acme.sh/**",
    "/root/.lego/**",
    "/home/*/.lego/**",
    "/etc/lego/**",
    "/var/lib/lego/**",
    "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "/etc/ssl/private/ssl-cert-snakeoil.key",
];

/// Finds changes of what no rollout may touch, or of what the profiles' own lists name.
pub(super) fn touched(patterns: &[String], changes: &[Change]) -> Vec<Finding> {
    let patterns = || {
        ALWAYS
            .iter()
            .copied()
            .chain(patterns.iter().map(String::as_str))
    };
    let forbidden =
        |change: &&Change| patterns().any(|p| fast_glob::glob_match(p, change.path.as_str()));
    let finding = |change: &Change| {
        Finding::host(
            Severity::Fatal,
            "never-touch",
            format!("`{}` must never be changed", change.path),
        )
    };
    changes.iter().filter(forbidden).map(finding).collect()
}

//! What a rollout must not change.

use crate::{
    error::{Error, Result},
    host::{Deciding, Host, ours_alone},
    plan::Change,
    preflight::{Finding, Severity},
    state::HostPath,
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

/// The host's own list.
const FILE: &str = "/etc/certroll/never-touch";

/// A pattern, and who says so.
type Pattern = (String, String);

/// Reads what no rollout may touch on this host: a path or a pattern from `/` in each line, but for comments (`#`).
///
/// # Errors
/// [`Error::Parse`] at a line that is neither; [`Error::Usage`] where others may write the file; else as `Tree::read`.
pub(super) fn of_host(host: &dyn Host) -> Result<Vec<Pattern>> {
    let path = HostPath::new(FILE).unwrap_or_default();
    let Some(text) = host.text(&path)? else {
        return Ok(Vec::new());
    };
    let file = Deciding::Root(&path);
    ours_alone(host, file, "it decides what no rollout changes")?;
    let mut patterns = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if !text.starts_with('/') {
            return Err(Error::Parse {
                path: FILE.to_owned(),
                line,
                column: 1,
                message: format!("`{text}` does not begin with `/`"),
                hint: "want a path or a pattern in each line, as `/srv/**`".to_owned(),
            });
        }
        patterns.push((text.to_owned(), format!(", says {FILE}:{line}")));
    }
    Ok(patterns)
}

/// Finds changes of what no rollout may touch, or of what the profiles' own lists name, or the host's.
pub(super) fn touched(profiles: &[String], host: &[Pattern], changes: &[Change]) -> Vec<Finding> {
    let always = ALWAYS.iter().map(|pattern| (*pattern, ""));
    let profiles = profiles.iter().map(|pattern| (pattern.as_str(), ""));
    let host = host
        .iter()
        .map(|(pattern, by)| (pattern.as_str(), by.as_str()));
    let all: Vec<(&str, &str)> = always.chain(profiles).chain(host).collect();
    let finding = |change: &Change| {
        let matches =
            |(pattern, _): &&(&str, &str)| fast_glob::glob_match(pattern, change.path.as_str());
        let (_, by) = all.iter().find(matches)?;
        let message = format!("`{}` must never be changed{by}", change.path);
        Some(Finding::host(Severity::Fatal, "never-touch", message))
    };
    changes.iter().filter_map(finding).collect()
}

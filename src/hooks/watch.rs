//! Which paths a path unit watches: where the identities come from, and where they go.

use crate::{
    error::Result,
    host::Host,
    journal::Store,
    prepare::{is_by_itself, survey},
    rollouts::{self, Request},
    state::{Content, HostPath},
};

/// The most that are watched: each takes one of the inotify instances that all programs of root share
/// (`fs.inotify.max_user_instances`, 128).
const MOST: usize = 32;

/// Returns the sources of all remembered rollouts, then their targets that are files, in order, none twice.
///
/// # Errors
/// What keeps one of them from being told.
pub(super) fn watched(host: &dyn Host, profiles: Option<&str>) -> Result<Vec<HostPath>> {
    let (mut sources, mut targets) = (Vec::new(), Vec::new());
    for name in Store::rollouts(host)?.rollouts.into_keys() {
        sources.extend(rollouts::sources(host, &name)?);
        let request = Request {
            name: Some(name),
            profiles_dir: profiles.map(str::to_owned),
            ..Request::default()
        };
        if is_by_itself(host, &request)? {
            continue;
        }
        let mut wanted = survey(host, &request)?.desired.targets;
        wanted.retain(|target| matches!(target.wanted.content, Content::File(_)));
        wanted.sort_by_key(|target| !target.identity);
        targets.extend(wanted.into_iter().map(|target| target.path));
    }
    let mut all: Vec<HostPath> = Vec::new();
    for path in sources.into_iter().chain(targets) {
        // A line of a unit cannot hold these.
        let fits = !path.as_str().contains(char::is_control);
        if fits && !all.contains(&path) && all.len() < MOST {
            all.push(path);
        }
    }
    Ok(all)
}

/// Returns the remembered rollouts that follow no source.
///
/// # Errors
/// As [`crate::rollouts::sources`].
pub(super) fn without_source(host: &dyn Host) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in Store::rollouts(host)?.rollouts.into_keys() {
        if rollouts::sources(host, &name)?.is_empty() {
            names.push(name);
        }
    }
    Ok(names)
}

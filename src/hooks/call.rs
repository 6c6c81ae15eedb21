//! What a call by a hook heeds before it does anything: an upgrade that is at work, and what was tried in vain.

use crate::{
    error::Result,
    host::Host,
    journal::{Generation, Intent, Status, Store},
    plan::Plan,
    state::{HostPath, State},
};

/// Stands while an upgrade has services down on purpose; the hook of its last phase removes it, and so does a boot.
const UPGRADE: &str = "/run/certroll/upgrade";

/// How long what was rolled back is not tried again by itself, in seconds: every try restarts services.
const PATIENCE: i64 = 86_400;

/// Returns the mark of an upgrade that is at work, if there is one.
///
/// # Errors
/// As [`crate::host::Tree::read`].
pub fn is_held(host: &dyn Host) -> Result<Option<&'static str>> {
    let mark = host.read(&HostPath::new(UPGRADE).unwrap_or_default())?;
    Ok((mark != State::Absent).then_some(UPGRADE))
}

/// Returns the newest generation of a plan's rollout where it did the very same within a day, and was rolled back.
///
/// A hook that watches what a rollout writes would else have it fail for ever.
///
/// # Errors
/// [`crate::error::Error::Io`] where the state directory cannot be read.
pub fn tried(host: &dyn Host, plan: &Plan) -> Result<Option<Generation>> {
    let Some(key) = Store::key(host)? else {
        return Ok(None);
    };
    for number in Store::numbers(host)?.into_iter().rev() {
        let Ok(last) = Store::generation(host, number) else {
            continue;
        };
        if last.intent.rollout != plan.rollout {
            continue;
        }
        let now = Intent::of(plan.clone(), &key, number, false);
        let was = &last.intent;
        let same = (&now.entries, &now.identity, &now.services)
            == (&was.entries, &was.identity, &was.services);
        let lately = host.now() - was.started < PATIENCE;
        let in_vain = last.status == Status::RolledBack && same && lately;
        return Ok(in_vain.then_some(last));
    }
    Ok(None)
}

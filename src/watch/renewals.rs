//! Identities of ACME servers: which rollout follows them, when each is renewed, and whether that came to nothing.

use serde::Serialize;

use crate::{
    acme::{self, Folder, Missed, Stands},
    error::Result,
    host::Host,
    rollouts,
};

/// How the renewals of one identity stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renewal {
    /// Name of the identity.
    pub id: String,
    /// URL of its server's directory, where that can be told.
    pub server: Option<String>,
    /// From when on it is renewed, seconds since the epoch, UTC.
    pub due: Option<i64>,
    /// The last attempt, where it came to nothing.
    pub missed: Option<Missed>,
    /// From when on that is tried again, seconds since the epoch, UTC.
    pub again: Option<i64>,
    /// Whether a rollout follows it.
    pub followed: bool,
    /// Why it cannot be told.
    pub trouble: Option<String>,
}

impl Renewal {
    fn of(host: &dyn Host, folder: &Folder, followed: bool) -> Self {
        let mut renewal = Self {
            id: folder.name().to_owned(),
            server: None,
            due: None,
            missed: None,
            again: None,
            followed,
            trouble: None,
        };
        match Stands::of(host, folder) {
            Ok(stands) => {
                renewal.due = stands.due.map(|due| due.at);
                renewal.again = stands.again();
                renewal.server = Some(stands.asked.server);
                renewal.missed = stands.missed;
            }
            Err(error) => renewal.trouble = Some(error.to_string()),
        }
        renewal
    }
}

/// Returns how the identities stand that a rollout follows, and those that none does; of no rollout, how all stand.
///
/// # Errors
/// As [`acme::issued`] and [`rollouts::all`].
pub fn renewals(host: &dyn Host, rollout: Option<&str>) -> Result<Vec<Renewal>> {
    let issued = acme::issued(host)?;
    if issued.is_empty() {
        return Ok(Vec::new());
    }
    let mut followers = Vec::new();
    for name in rollouts::all(host)? {
        // One whose sources cannot be told says so where it is looked at itself.
        let sources = rollouts::sources(host, &name).unwrap_or_default();
        followers.push((name, sources));
    }
    let mut all = Vec::new();
    for folder in &issued {
        let ours = followers.iter().filter(|(_, from)| folder.is_in(from));
        let ours: Vec<&str> = ours.map(|(name, _)| name.as_str()).collect();
        if rollout.is_none_or(|name| ours.is_empty() || ours.contains(&name)) {
            all.push(Renewal::of(host, folder, !ours.is_empty()));
        }
    }
    Ok(all)
}

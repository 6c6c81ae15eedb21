//! How an identity stands: until when it is good, when the next is due, and what came of the last attempt.

use instant_acme::CertificateIdentifier;
use rustls_pki_types::Der;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{
    account,
    asked::Asked,
    due::{Due, Validity, due},
    folder::{Folder, Missed},
    problem, request,
    wire::Wire,
};
use crate::{
    error::{Error, Result},
    host::Host,
    identity::Identity,
};

/// Seconds in an hour and in a day.
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How often a server is asked for its window where it does not say (RFC 9773 section 4.3.2 and 4.3.3), in seconds.
const ASK_EVERY: i64 = 6 * HOUR;

/// How an identity stands.
#[derive(Debug, Clone)]
pub struct Stands {
    /// What was asked for.
    pub asked: Asked,
    /// The pair in force; none where there is none yet.
    pub identity: Option<Identity>,
    /// When the next is due; none where there is no pair.
    pub due: Option<Due>,
    /// The last attempt, where it came to nothing.
    pub missed: Option<Missed>,
}

/// What the server said of when to renew.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Window {
    /// The leaf that it is about, by its fingerprint.
    leaf: String,
    /// Its start and end, in seconds since the epoch; none where the server has none.
    span: Option<(i64, i64)>,
    /// When to ask again.
    next: i64,
}

impl Stands {
    /// Reads how an identity stands; nobody is asked.
    ///
    /// # Errors
    /// As [`Folder::asked`].
    pub fn of(host: &dyn Host, folder: &Folder) -> Result<Self> {
        let asked = folder.asked(host)?;
        let identity = folder.identity(host)?;
        let window: Option<Window> = folder.load(host, "window.json")?;
        let due = identity.as_ref().map(|identity| {
            let leaf = &identity.leaf;
            let window = window.filter(|known| known.leaf == identity.fingerprint());
            let validity = Validity {
                from: leaf.not_before,
                to: leaf.not_after,
            };
            let share = f64::from(asked.left) / 100.0;
            due(
                validity,
                window.and_then(|known| known.span),
                share,
                jitter(identity),
            )
        });
        Ok(Self {
            asked,
            identity,
            due,
            missed: folder.load(host, "missed.json")?,
        })
    }

    /// Tells whether the next pair is due.
    #[must_use]
    pub fn is_due(&self, now: i64) -> bool {
        self.due.is_none_or(|due| due.at <= now)
    }

    /// Returns when the next attempt may be made after one that came to nothing.
    #[must_use]
    pub fn again(&self) -> Option<i64> {
        let lifetime = self.identity.as_ref().map_or(0, |identity| {
            identity.leaf.not_after - identity.leaf.not_before
        });
        self.missed
            .as_ref()
            .map(|missed| missed.when + pause(missed.count, lifetime))
    }
}

/// Returns how long is waited after some attempts in a row that came to nothing, so that a server's limits are not spent:
/// an hour, then twice as long each time, up to a day, and to a twentieth of the lifetime. Pure; all in seconds.
#[must_use]
pub fn pause(count: u32, lifetime: i64) -> i64 {
    let longest = (lifetime / 20).clamp(HOUR, DAY);
    (HOUR << count.saturating_sub(1).min(5)).min(longest)
}

/// Asks the server when it would like the pair in force to be renewed (RFC 9773), where it is time to ask again.
///
/// # Errors
/// [`Error::Server`] where it gives no answer: what it said before stands.
pub fn ask(host: &mut dyn Host, folder: &Folder) -> Result<()> {
    let (asked, Some(identity)) = (folder.asked(host)?, folder.identity(host)?) else {
        return Ok(());
    };
    let (now, leaf) = (host.now(), identity.fingerprint().to_owned());
    let known: Option<Window> = folder.load(host, "window.json")?;
    if known.is_some_and(|known| known.leaf == leaf && now < known.next) {
        return Ok(());
    }
    let anchors = asked
        .ca_file
        .as_ref()
        .map(|path| request::anchors(host, path));
    let wire = Wire::new(&asked.server, anchors.transpose()?.unwrap_or_default());
    let Some(account) = account::known(host, &wire, &asked)? else {
        return Ok(());
    };
    let Some(id) = id(&identity) else {
        return Ok(());
    };
    let answer = wire.drive(host, async {
        match account.renewal_info(&id).await {
            Ok((info, wait)) => Ok(Some((info, wait))),
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(error),
        }
    })?;
    let window = match answer {
        Some((info, wait)) => {
            let window = info.suggested_window;
            let wait = i64::try_from(wait.as_secs()).unwrap_or(ASK_EVERY);
            Window {
                leaf,
                span: Some((window.start.unix_timestamp(), window.end.unix_timestamp())),
                next: now + wait.clamp(60, DAY),
            }
        }
        None => Window {
            leaf,
            span: None,
            next: now + ASK_EVERY,
        },
    };
    folder.save(host, "window.json", &window)
}

/// Keeps that an attempt came to nothing; one that was asked to end did not.
///
/// # Errors
/// [`Error::Io`] with the record as it was.
pub fn missed(host: &mut dyn Host, folder: &Folder, error: &Error) -> Result<()> {
    if matches!(error, Error::Interrupted { .. }) {
        return Ok(());
    }
    let before: Option<Missed> = folder.load(host, "missed.json")?;
    let missed = Missed {
        when: host.now(),
        count: before.map_or(0, |before| before.count) + 1,
        message: problem::plain(&error.to_string()),
    };
    folder.save(host, "missed.json", &missed)
}

/// Returns a number that stays the same for one leaf, and tells it from others.
fn jitter(identity: &Identity) -> u32 {
    let digits = identity.fingerprint().get(..8).unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or_default()
}

/// Returns what a server knows a leaf by (RFC 9773 section 4.1).
pub(super) fn id(identity: &Identity) -> Option<CertificateIdentifier<'static>> {
    let (_, leaf) = X509Certificate::from_der(&identity.leaf.der).ok()?;
    let (issuer, serial) = (identity.leaf.aki.as_deref()?, leaf.raw_serial());
    Some(CertificateIdentifier::new(Der::from_slice(issuer), Der::from_slice(serial)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_to_nothing_is_tried_again_after_an_hour_and_later_each_time() {
        let of_90_days: Vec<i64> = (1..=8).map(|n| pause(n, 90 * DAY) / HOUR).collect();
        assert_eq!(of_90_days, [1, 2, 4, 8, 16, 24, 24, 24]);
        let of_6_days: Vec<i64> = (1..=8).map(|n| pause(n, 160 * HOUR) / HOUR).collect();
        assert_eq!(of_6_days, [1, 2, 4, 8, 8, 8, 8, 8]);
        assert_eq!(pause(1, 0), HOUR, "no pair yet");
    }
}

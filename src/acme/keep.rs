//! What was issued: checked, and put in force, or finished where a run was killed while it did so.

use super::{
    folder::{Begun, Folder},
    order::Run,
    shown,
    store::writer,
};
use crate::{
    error::{Error, Result},
    host::Host,
    identity::{Checks, Identity},
    journal::Store,
    preflight::Severity,
    state::Bytes,
};

impl Run<'_> {
    /// Checks what was issued before any of it is written, and puts it in force.
    pub(super) fn keep(&self, host: &mut dyn Host, begun: &Begun, chain: &str) -> Result<Identity> {
        let chain = Bytes::from(chain.to_owned());
        let checked = self.fit(host, begun.number, chain.clone());
        if checked.is_ok() {
            let at = self.folder.file(begun.number, "fullchain.pem");
            Store::put(&mut writer(host), &at, chain)?;
            self.folder.put_in_force(host, begun.number)?;
            finish(host, self.folder, begun)?;
        } else {
            self.folder.drop(host, "order.json")?;
        }
        checked
    }

    /// Returns the identity of a chain and the key that it was asked for with, where it is fit to be in force.
    fn fit(&self, host: &dyn Host, number: u64, chain: Bytes) -> Result<Identity> {
        let (identity, mut findings) = self.folder.joined(host, number, Some(chain))?;
        // A wildcard covers what it stands for, and not itself (RFC 9525 section 6.3).
        let names = self.asked.names.iter();
        let covered: Vec<String> = names.map(|name| name.replace('*', "any")).collect();
        findings.extend(identity.findings(&Checks {
            now: host.now(),
            warn_days: 0,
            anchors: &host.trust_anchors(),
            names: &covered,
        }));
        // A key that the server sent along is none of this host's.
        let is_wrong = |severity, name| severity == Severity::Fatal || name == "key-foreign";
        if findings
            .iter()
            .any(|finding| is_wrong(finding.severity, finding.name))
        {
            return Err(Error::Findings(findings));
        }
        if identity.key.is_none() {
            return Err(Error::Stored {
                path: self.folder.file(number, "key.pem").to_string(),
                message: "holds no key".to_owned(),
            });
        }
        Ok(identity)
    }
}

/// Brings to an end what a run of this identity that was killed left: what was in place for the server is taken away, and
/// a pair that is in force is known as such. The caller holds the lock, and has not yet looked at how the identity stands.
///
/// # Errors
/// [`Error::Stored`] or [`Error::Io`] with the rest as it was left. What cannot be taken away is said, and tried again by
/// the next run.
pub fn settle(host: &mut dyn Host, folder: &Folder, say: &dyn Fn(&str)) -> Result<()> {
    shown::clear(host, folder, say)?;
    let begun: Option<Begun> = folder.load(host, "order.json")?;
    match begun {
        Some(begun) if folder.number(host)? == Some(begun.number) => finish(host, folder, &begun),
        _ => Ok(()),
    }
}

/// Writes down that the pair of an order is in force. The order goes last: while it is there, this is done again.
fn finish(host: &mut dyn Host, folder: &Folder, begun: &Begun) -> Result<()> {
    folder.save(host, "asked.json", &begun.asked)?;
    folder.drop(host, "missed.json")?;
    folder.drop(host, "order.json")
}

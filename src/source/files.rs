//! Files as a source: PEM, DER or PKCS#12, together or apart.

use super::Source;
use crate::{
    error::{Error, Result, backticked},
    host::{Deciding, Host},
    identity::{Identity, Input, Parts},
    preflight::{Finding, Severity},
    state::Bytes,
};

/// Paths of the caller's files, as given on the command line or in a rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Files {
    /// Holds the leaf, and perhaps more.
    pub cert: Option<String>,
    /// Holds the private key, and perhaps more.
    pub key: Option<String>,
    /// Holds intermediates.
    pub chain: Option<String>,
    /// Files of which anything may be in any, as `inspect` takes them.
    pub others: Vec<String>,
    /// Holds the password of an encrypted key or a PKCS#12 store: its first line, without the line end.
    pub password_file: Option<String>,
}

impl Source for Files {
    fn fetch(&self, host: &dyn Host) -> Result<(Identity, Vec<Finding>)> {
        let (identity, findings) = self.judged(host)?;
        missing_key(self, &identity, &findings)?;
        Ok((identity, findings))
    }
}

/// Refuses an identity without a key, unless a finding says why there is none.
pub(super) fn missing_key(files: &Files, identity: &Identity, findings: &[Finding]) -> Result<()> {
    let locked = findings.iter().any(|f| f.name == "key-encrypted");
    if identity.key.is_some() || locked {
        return Ok(());
    }
    Err(Error::Input {
        subject: backticked(&files.paths()),
        message: "no private key in it".to_owned(),
        hint: "give the key of this certificate: `--key F`".to_owned(),
    })
}

impl Files {
    /// Reads the files and puts an identity together, which may lack a key: `inspect` shows what there is.
    ///
    /// # Errors
    /// As [`Source::fetch`].
    pub fn read(&self, host: &dyn Host) -> Result<(Identity, Vec<Finding>)> {
        let password = self.password(host)?;
        let mut inputs: Vec<Input> = Vec::new();
        for path in self.paths() {
            if !inputs.iter().any(|known| known.name == path) {
                inputs.push(Input {
                    bytes: host.read_input(&path)?,
                    name: path,
                });
            }
        }
        let parts = Parts::read(&inputs, password.as_ref())?;
        self.in_their_place(&parts)?;
        parts.assemble()
    }

    /// Reads them as [`Files::read`] does, and finds what others may write.
    ///
    /// # Errors
    /// As [`Source::fetch`].
    pub(crate) fn judged(&self, host: &dyn Host) -> Result<(Identity, Vec<Finding>)> {
        let (identity, mut findings) = self.read(host)?;
        for path in self.paths() {
            findings.extend(source_open(host, Deciding::Named(&path), &path)?);
        }
        Ok((identity, findings))
    }

    /// Returns the files that hold parts of the identity, its leaf and key first.
    pub(crate) fn paths(&self) -> Vec<String> {
        let named = [&self.cert, &self.key, &self.chain].into_iter().flatten();
        named.chain(&self.others).cloned().collect()
    }

    pub(crate) fn password(&self, host: &dyn Host) -> Result<Option<Bytes>> {
        let Some(path) = &self.password_file else {
            return Ok(None);
        };
        password_in(path, &host.read_input(path)?).map(Some)
    }

    /// Checks that what was given as certificate and key is that.
    fn in_their_place(&self, parts: &Parts<'_>) -> Result<()> {
        let holds = |path: &Option<String>| {
            let path = path.clone()?;
            parts.hold(&path).map(|holds| (path, holds))
        };
        let (cert, key, chain) = (holds(&self.cert), holds(&self.key), holds(&self.chain));
        let no_cert = cert.as_ref().filter(|(_, h)| !h.certificate);
        let no_key = key.as_ref().filter(|(_, h)| !h.key);
        if let (Some((cert, _)), Some((key, _))) = (no_cert, no_key) {
            return Err(Error::Input {
                subject: format!("`{cert}` and `{key}`"),
                message: format!(
                    "swapped: `{cert}` holds a private key where a certificate was expected, `{key}` a certificate where a private key was expected"
                ),
                hint: format!("--cert {key} --key {cert}"),
            });
        }
        let misplaced = |path: &str, found: &str, wanted: &str, option: &str| {
            Err(Error::Input {
                subject: format!("`{path}`"),
                message: format!("holds {found} where {wanted} was expected"),
                hint: format!("give {wanted}: `{option} F`"),
            })
        };
        if let Some((path, _)) = no_cert {
            return misplaced(path, "only a private key", "a certificate", "--cert");
        }
        if let Some((path, _)) = no_key {
            return misplaced(path, "only certificates", "a private key", "--key");
        }
        match chain.filter(|(_, h)| !h.certificate) {
            Some((path, _)) => misplaced(&path, "only a private key", "a chain", "--chain"),
            None => Ok(()),
        }
    }
}

/// Returns the password that a file holds: its first line, without the line end.
///
/// # Errors
/// [`Error::Input`] where that is empty.
pub(crate) fn password_in(path: &str, bytes: &Bytes) -> Result<Bytes> {
    let mut lines = bytes.reveal().split(|b| *b == b'\n');
    let line = lines.next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Error::Input {
            subject: format!("`{path}`"),
            message: "its first line is empty, wanted a password".to_owned(),
            hint: "write the password in the first line".to_owned(),
        });
    }
    Ok(Bytes::from(line.to_vec()))
}

/// Finds that somebody else may choose the identity that root installs.
///
/// # Errors
/// As [`Host::writable_by_others`].
pub(crate) fn source_open(
    host: &dyn Host,
    file: Deciding<'_>,
    path: &str,
) -> Result<Option<Finding>> {
    if host.effective_uid() != 0 {
        return Ok(None);
    }
    let open = host.writable_by_others(file)?;
    Ok(open.map(|open| {
        let message = format!(
            "`{path}`: `{open}` can be written by others than root, who choose so what root takes"
        );
        Finding::input(Severity::Fatal, "source-open", message)
            .hinted(format!("chown root {open} && chmod go-w {open}"))
    }))
}

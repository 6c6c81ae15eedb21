//! Files of the host as a source: their paths are the root's, and links at their ends are followed.

use super::{Files, Source, files::missing_key, password_in, source_open};
use crate::{
    error::{Error, Result},
    host::{Deciding, Host},
    identity::{Identity, Input},
    preflight::Finding,
    state::{Bytes, HostPath},
};

/// What an entry of `rollouts.d` or another tool's folder names.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// Paths as the host sees them, below `--root`.
    pub files: Files,
    /// A password that was given apart from them.
    pub password: Option<Bytes>,
}

impl Source for Placed {
    fn fetch(&self, host: &dyn Host) -> Result<(Identity, Vec<Finding>)> {
        let inputs: Vec<Input> = self
            .files
            .paths()
            .iter()
            .map(|path| read(host, path))
            .collect::<Result<_>>()?;
        let named = self.files.password_file.as_ref();
        let password = match named {
            Some(path) => Some(password_in(path, &read(host, path)?.bytes)?),
            None => self.password.clone(),
        };
        let (identity, mut findings) = Identity::assemble(&inputs, password.as_ref())?;
        for input in &inputs {
            let path = HostPath::new(&input.name).unwrap_or_default();
            findings.extend(source_open(host, Deciding::Root(&path), &input.name)?);
        }
        missing_key(&self.files, &identity, &findings)?;
        Ok((identity, findings))
    }
}

fn read(host: &dyn Host, text: &str) -> Result<Input> {
    let unfit = |message: &str| Error::Input {
        subject: format!("`{text}`"),
        message: message.to_owned(),
        hint: String::new(),
    };
    let path = HostPath::new(text).map_err(|e| unfit(&e.to_string()))?;
    let (_, state) = host.read_followed(&path)?;
    let bytes = state
        .bytes()
        .cloned()
        .ok_or_else(|| unfit("is not a file"))?;
    Ok(Input {
        name: text.to_owned(),
        bytes,
    })
}

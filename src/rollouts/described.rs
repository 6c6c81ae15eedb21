//! Entries of `/etc/certroll/rollouts.d`: rollouts that follow their source.

use std::collections::BTreeMap;

use crate::{
    error::Result,
    host::{Deciding, Host, ours_alone},
    preflight::Finding,
    profile::Fields,
    source::{self, Files, Placed},
    state::HostPath,
    yaml,
};

/// Where they are.
pub(super) const ROLLOUTS_D: &str = "/etc/certroll/rollouts.d";

/// An entry of `/etc/certroll/rollouts.d`: paths in it are the root's.
#[derive(Debug)]
pub(super) struct RolloutFile {
    pub(super) profiles: Vec<String>,
    files: Files,
    from: Option<String>,
    pub(super) set: BTreeMap<String, String>,
    pub(super) allow: Vec<String>,
}

impl RolloutFile {
    fn parse(path: &str, text: &str) -> Result<Self> {
        let node = yaml::parse(path, text, yaml::Dialect::Strict)?;
        let mut fields = Fields::new(path, "rollout", &node)?;
        let set = fields.node("set");
        let value =
            |(key, value): &(yaml::Key, yaml::Node)| Some((key.name.clone(), value.scalar()?));
        let profiles = fields.texts("profiles")?;
        let from = fields.text("from")?.map(|e| e.text);
        let cert = match from {
            Some(_) => None,
            None => Some(fields.need("cert")?.text),
        };
        let mut files = Files {
            cert,
            password_file: fields.text("password_file")?.map(|e| e.text),
            ..Files::default()
        };
        if from.is_none() {
            files.key = fields.text("key")?.map(|e| e.text);
            files.chain = fields.text("chain")?.map(|e| e.text);
        }
        let file = Self {
            profiles: profiles.into_iter().map(|e| e.text).collect(),
            files,
            from,
            set: set
                .map(|node| node.entries().iter().filter_map(value).collect())
                .unwrap_or_default(),
            allow: fields.texts("allow")?.into_iter().map(|e| e.text).collect(),
        };
        fields.done()?;
        Ok(file)
    }

    /// Returns the files that its identity is in now.
    pub(super) fn placed(&self, host: &dyn Host) -> Result<(Placed, Vec<Finding>)> {
        let (mut files, findings) = match &self.from {
            Some(from) => source::locate(host.tree(), from)?,
            None => (self.files.clone(), Vec::new()),
        };
        files.password_file = self.files.password_file.clone().or(files.password_file);
        let password = None;
        Ok((Placed { files, password }, findings))
    }

    pub(super) fn source(&self) -> String {
        self.from
            .clone()
            .unwrap_or_else(|| self.files.paths().join(", "))
    }
}

/// Returns the path of the file that may describe a rollout.
pub(crate) fn file(name: &str) -> HostPath {
    HostPath::new(&format!("{ROLLOUTS_D}/{name}.yaml")).unwrap_or_default()
}

pub(super) fn rollout_file(host: &dyn Host, name: &str) -> Result<Option<RolloutFile>> {
    let path = file(name);
    let state = host.read(&path)?;
    let Some(bytes) = state.bytes() else {
        return Ok(None);
    };
    ours_alone(host, Deciding::Root(&path), "it decides what root does")?;
    RolloutFile::parse(path.as_str(), &bytes.text()).map(Some)
}

/// Returns the files that decide on a rollout's identity, its own in `rollouts.d` first; none where it follows no source.
///
/// # Errors
/// As [`super::resolve`], where that file cannot be taken.
pub fn sources(host: &dyn Host, name: &str) -> Result<Vec<HostPath>> {
    let Some(file) = rollout_file(host, name)? else {
        return Ok(Vec::new());
    };
    let files = file.placed(host)?.0.files;
    let own = format!("{ROLLOUTS_D}/{name}.yaml");
    let all = [own].into_iter().chain(files.paths());
    let all = all.chain(files.password_file);
    Ok(all.filter_map(|path| HostPath::new(&path).ok()).collect())
}

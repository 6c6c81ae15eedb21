//! Which rollout is meant: by flags, by a file of `/etc/certroll/rollouts.d`, or as remembered from the last time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, Result},
    host::{Deciding, Host},
    identity::{Identity, Input},
    journal::{Remembered, Store},
    preflight::Finding,
    profile::Fields,
    source::{Files, Source as _, source_open},
    state::{Bytes, HostPath},
    yaml,
};

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Name of the rollout, if given.
    pub name: Option<String>,
    /// Profiles, if given.
    pub profiles: Vec<String>,
    /// Where the identity comes from, if given.
    pub files: Files,
    /// Where the pair comes from that other machines have now, if given.
    pub previous: Files,
    /// Settings given.
    pub set: BTreeMap<String, String>,
    /// Findings allowed by name.
    pub allow: Vec<String>,
    /// Where to look for profiles before the built-in ones.
    pub profiles_dir: Option<String>,
    /// Leave services and proof to a later run.
    pub deferred: bool,
    /// Look for consumers of the identity too.
    pub consumers: bool,
    /// Take the platform back to its own default instead.
    pub revert: bool,
    /// Go no further than this phase of a rotation, and as far.
    pub until: Option<String>,
}

/// What is meant: nothing left to look up.
#[derive(Debug)]
pub struct Resolved {
    /// Name of the rollout.
    pub name: String,
    /// Profiles, settings and allowed findings to be remembered.
    pub remembered: Remembered,
    /// The newest committed generation; 0 where there is none.
    pub generation: u64,
    /// What is owed from an earlier run.
    pub obligations: Vec<String>,
    /// Units that a reload did not suffice for.
    pub restart: BTreeSet<String>,
    /// Whether an identity was given, by flags or by a source that is followed: then a rotation goes to its end.
    pub goes_on: bool,
}

/// An entry of `/etc/certroll/rollouts.d`: paths in it are the root's.
#[derive(Debug)]
struct RolloutFile {
    profiles: Vec<String>,
    cert: String,
    key: Option<String>,
    chain: Option<String>,
    password_file: Option<String>,
    set: BTreeMap<String, String>,
    allow: Vec<String>,
}

impl RolloutFile {
    fn parse(path: &str, text: &str) -> Result<Self> {
        let node = yaml::parse(path, text, yaml::Dialect::Strict)?;
        let mut fields = Fields::new(path, "rollout", &node)?;
        let set = fields.node("set");
        let value =
            |(key, value): &(yaml::Key, yaml::Node)| Some((key.name.clone(), value.scalar()?));
        let file = Self {
            profiles: fields
                .texts("profiles")?
                .into_iter()
                .map(|e| e.text)
                .collect(),
            cert: fields.need("cert")?.text,
            key: fields.text("key")?.map(|e| e.text),
            chain: fields.text("chain")?.map(|e| e.text),
            password_file: fields.text("password_file")?.map(|e| e.text),
            set: set
                .map(|node| node.entries().iter().filter_map(value).collect())
                .unwrap_or_default(),
            allow: fields.texts("allow")?.into_iter().map(|e| e.text).collect(),
        };
        fields.done()?;
        Ok(file)
    }
}

const ROLLOUTS_D: &str = "/etc/certroll/rollouts.d";

/// Finds out which rollout is meant, and fetches its identity with what reading it found.
///
/// # Errors
/// [`Error::Usage`] where that cannot be told; what the source says where its identity is unfit.
pub fn resolve(host: &dyn Host, request: &Request) -> Result<(Resolved, Identity, Vec<Finding>)> {
    let (mut resolved, file, before) = find(host, request)?;
    let (identity, findings) = if has_files(request) {
        request.files.fetch(host)?
    } else if let Some(file) = file {
        followed(host, &file)?
    } else if before.identity > 0 {
        resolved.remembered.allow.extend(before.allow);
        kept(host, before.identity)?
    } else {
        let name = &resolved.name;
        return Err(usage(
            &format!("no identity is given for rollout `{name}`, and none is remembered"),
            "give it: `--cert FILE --key FILE`",
        ));
    };
    resolved.finish(request)?;
    Ok((resolved, identity, findings))
}

/// Finds out which rollout is meant where no identity is needed: what a revert takes back.
///
/// # Errors
/// [`Error::Usage`] where that cannot be told.
pub fn resolve_revert(host: &dyn Host, request: &Request) -> Result<Resolved> {
    let (mut resolved, ..) = find(host, request)?;
    resolved.finish(request)?;
    Ok(resolved)
}

impl Resolved {
    fn finish(&mut self, request: &Request) -> Result<()> {
        let remembered = &mut self.remembered;
        if remembered.profiles.is_empty() {
            return Err(usage(
                &format!("no profile is given for rollout `{}`", self.name),
                "name one: `--profile NAME`; `certroll profiles list` lists them",
            ));
        }
        remembered.set.extend(request.set.clone());
        remembered.allow.sort();
        remembered.allow.dedup();
        Ok(())
    }
}

fn has_files(request: &Request) -> bool {
    request.files.cert.is_some() || request.files.key.is_some()
}

/// Finds a rollout, the file that describes it, and what is remembered of it.
fn find(host: &dyn Host, request: &Request) -> Result<(Resolved, Option<RolloutFile>, Remembered)> {
    let known = Store::rollouts(host)?.rollouts;
    let has_files = has_files(request);
    if has_files && request.profiles.is_empty() && request.name.is_none() && known.len() != 1 {
        let hint = "name one: `--profile wazo`; `certroll profiles list` lists them";
        return Err(usage("no profile is given for this identity", hint));
    }
    let name = name(host, request, &known)?;
    let before = known.get(&name).cloned().unwrap_or_default();
    let mut remembered = Remembered {
        profiles: if request.profiles.is_empty() {
            before.profiles.clone()
        } else {
            request.profiles.clone()
        },
        set: if request.profiles.is_empty() {
            before.set.clone()
        } else {
            BTreeMap::new()
        },
        allow: request.allow.clone(),
        identity: before.identity,
        rotation: before.rotation.clone(),
        ..Remembered::default()
    };
    let file = if has_files {
        None
    } else {
        rollout_file(host, &name)?
    };
    if let Some(file) = &file {
        remembered.profiles.clone_from(&file.profiles);
        remembered.set.clone_from(&file.set);
        remembered.allow.extend(file.allow.clone());
    }
    let resolved = Resolved {
        name,
        remembered,
        generation: before.generation,
        obligations: before.obligations.clone(),
        restart: before.restart.clone(),
        goes_on: has_files || file.is_some(),
    };
    Ok((resolved, file, before))
}

/// Returns the name of the rollout that is meant.
///
/// # Errors
/// [`Error::Usage`] or [`Error::Unknown`] where none or several could be.
pub fn name(
    host: &dyn Host,
    request: &Request,
    known: &BTreeMap<String, Remembered>,
) -> Result<String> {
    if let Some(name) = &request.name {
        if name.contains('/') || name.starts_with('.') {
            return Err(usage(
                &format!("`{name}` is not a name"),
                "names are letters, digits, `-`, `_` and `.`",
            ));
        }
        let described = !request.profiles.is_empty()
            || known.contains_key(name)
            || rollout_file(host, name)?.is_some();
        if described {
            return Ok(name.clone());
        }
        return Err(Error::Unknown {
            what: "rollout",
            name: name.clone(),
            known: names(host, known)?,
        });
    }
    if !request.profiles.is_empty() {
        return Ok(request.profiles.join("+"));
    }
    match names(host, known)?.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(usage(
            "no rollout is given, and none is remembered",
            if request.revert {
                "certroll revert --profile NAME"
            } else {
                "certroll plan --profile NAME --cert FILE --key FILE"
            },
        )),
        many => Err(usage(
            "several rollouts are remembered",
            &format!("name one of {}", crate::error::backticked(many)),
        )),
    }
}

fn names(host: &dyn Host, known: &BTreeMap<String, Remembered>) -> Result<Vec<String>> {
    let dir = HostPath::new(ROLLOUTS_D).unwrap_or_default();
    let files = host.list(&dir)?.unwrap_or_default();
    let mut names: Vec<String> = files
        .iter()
        .filter_map(|e| e.name.strip_suffix(".yaml"))
        .map(str::to_owned)
        .collect();
    names.extend(known.keys().cloned());
    names.sort();
    names.dedup();
    Ok(names)
}

/// Returns the path of the file that may describe a rollout.
pub(crate) fn file(name: &str) -> HostPath {
    HostPath::new(&format!("{ROLLOUTS_D}/{name}.yaml")).unwrap_or_default()
}

fn rollout_file(host: &dyn Host, name: &str) -> Result<Option<RolloutFile>> {
    let path = file(name);
    let state = host.read(&path)?;
    let Some(bytes) = state.bytes() else {
        return Ok(None);
    };
    let open = host.writable_by_others(Deciding::Root(&path))?;
    if let Some(open) = open.filter(|_| host.effective_uid() == 0) {
        return Err(Error::Input {
            subject: format!("`{path}`"),
            message: format!(
                "`{open}` can be written by others than root: it decides what root does"
            ),
            hint: format!("chown root:root {open}; chmod go-w {open}"),
        });
    }
    RolloutFile::parse(path.as_str(), &bytes.text()).map(Some)
}

/// Returns the files that decide on a rollout's identity, its own in `rollouts.d` first; none where it follows no source.
///
/// # Errors
/// As [`resolve`], where that file cannot be taken.
pub fn sources(host: &dyn Host, name: &str) -> Result<Vec<HostPath>> {
    let Some(file) = rollout_file(host, name)? else {
        return Ok(Vec::new());
    };
    let own = format!("{ROLLOUTS_D}/{name}.yaml");
    let named = [file.key, file.chain, file.password_file];
    let all = [own, file.cert]
        .into_iter()
        .chain(named.into_iter().flatten());
    Ok(all.filter_map(|path| HostPath::new(&path).ok()).collect())
}

/// Reads the identity that a rollout's file follows.
fn followed(host: &dyn Host, file: &RolloutFile) -> Result<(Identity, Vec<Finding>)> {
    let read = |text: &String| -> Result<Input> {
        let missing = |message: &str| Error::Input {
            subject: format!("`{text}`"),
            message: message.to_owned(),
            hint: String::new(),
        };
        let path = HostPath::new(text).map_err(|e| missing(&e.to_string()))?;
        let (_, state) = host.read_followed(&path)?;
        let bytes = state
            .bytes()
            .cloned()
            .ok_or_else(|| missing("is not a file"))?;
        Ok(Input {
            name: text.clone(),
            bytes,
        })
    };
    let inputs: Vec<Input> = [Some(&file.cert), file.key.as_ref(), file.chain.as_ref()]
        .into_iter()
        .flatten()
        .map(read)
        .collect::<Result<_>>()?;
    let password = file.password_file.as_ref().map(read).transpose()?;
    let password = password.map(|p| Bytes::from(p.bytes.reveal().trim_ascii_end().to_vec()));
    let (identity, mut findings) = Identity::assemble(&inputs, password.as_ref())?;
    for input in &inputs {
        let path = HostPath::new(&input.name).unwrap_or_default();
        findings.extend(source_open(host, Deciding::Root(&path), &input.name)?);
    }
    Ok((identity, findings))
}

/// Reads the identity that a generation kept.
pub(crate) fn kept(host: &dyn Host, generation: u64) -> Result<(Identity, Vec<Finding>)> {
    let mut inputs = Vec::new();
    for name in ["key.pem", "fullchain.pem", "anchor.pem"] {
        let at = Store::file(generation, &format!("identity/{name}"));
        if let Some(bytes) = host.load(&at)?.bytes() {
            inputs.push(Input {
                name: at.to_string(),
                bytes: bytes.clone(),
            });
        }
    }
    Identity::assemble(&inputs, None)
}

fn usage(message: &str, hint: &str) -> Error {
    Error::Usage {
        message: message.to_owned(),
        hint: hint.to_owned(),
    }
}

//! Which rollout is meant: by flags, by a file of `/etc/certroll/rollouts.d`, or as remembered from the last time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, Result},
    host::Host,
    identity::{Identity, Input},
    journal::{Remembered, Store},
    preflight::Finding,
    source::{self, Files, Placed, Source as _},
    state::HostPath,
};

mod described;

pub(crate) use described::file;
pub use described::sources;

use described::{ROLLOUTS_D, RolloutFile, rollout_file};

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Name of the rollout, if given.
    pub name: Option<String>,
    /// Profiles, if given.
    pub profiles: Vec<String>,
    /// Files that the identity comes from, if given.
    pub files: Files,
    /// What on the host it comes from instead, as in `certbot:NAME`.
    pub from: Option<String>,
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
    /// Where its identity was taken from, for people: `certbot:NAME`, or paths; empty where that is not known.
    pub source: String,
    /// The newest committed generation; 0 where there is none.
    pub generation: u64,
    /// What is owed from an earlier run.
    pub obligations: Vec<String>,
    /// Units that a reload did not suffice for.
    pub restart: BTreeSet<String>,
    /// Whether an identity was given, by flags or by a source that is followed: then a rotation goes to its end.
    pub goes_on: bool,
}

/// Finds out which rollout is meant, and fetches its identity with what reading it found.
///
/// # Errors
/// [`Error::Usage`] where that cannot be told; what the source says where its identity is unfit.
pub fn resolve(host: &dyn Host, request: &Request) -> Result<(Resolved, Identity, Vec<Finding>)> {
    let (mut resolved, file, before) = find(host, request)?;
    let (identity, findings) = if let Some(from) = &request.from {
        resolved.source.clone_from(from);
        let (files, findings) = source::locate(host.tree(), from)?;
        let password = request.files.password(host)?;
        also(Placed { files, password }.fetch(host)?, findings)
    } else if is_given(request) {
        resolved.source = request.files.paths().join(", ");
        request.files.fetch(host)?
    } else if let Some(file) = file {
        resolved.source = file.source();
        let (placed, findings) = file.placed(host)?;
        also(placed.fetch(host)?, findings)
    } else if before.identity > 0 {
        resolved.remembered.allow.extend(before.allow);
        resolved.source = Store::generation(host, before.identity)
            .map(|kept| kept.intent.identity.source)
            .unwrap_or_default();
        kept(host, before.identity)?
    } else {
        let name = &resolved.name;
        return Err(usage(
            &format!("no identity is given for rollout `{name}`, and none is remembered"),
            "give it: `--cert FILE --key FILE`, or `--from KIND:NAME`",
        ));
    };
    resolved.finish(request)?;
    Ok((resolved, identity, findings))
}

/// Finds out which rollout is meant where no identity is needed: what a revert takes back, or what a platform gets by itself.
///
/// # Errors
/// [`Error::Usage`] where that cannot be told.
pub fn resolve_without(host: &dyn Host, request: &Request) -> Result<Resolved> {
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

pub(crate) fn is_given(request: &Request) -> bool {
    request.from.is_some() || request.files.cert.is_some() || request.files.key.is_some()
}

/// Adds what was found before an identity was read.
fn also(
    (identity, mut findings): (Identity, Vec<Finding>),
    before: Vec<Finding>,
) -> (Identity, Vec<Finding>) {
    findings.extend(before);
    (identity, findings)
}

/// Finds a rollout, the file that describes it, and what is remembered of it.
fn find(host: &dyn Host, request: &Request) -> Result<(Resolved, Option<RolloutFile>, Remembered)> {
    let known = Store::rollouts(host)?.rollouts;
    let is_given = is_given(request);
    if is_given && request.profiles.is_empty() && request.name.is_none() && known.len() != 1 {
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
    let file = if is_given {
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
        source: String::new(),
        generation: before.generation,
        obligations: before.obligations.clone(),
        restart: before.restart.clone(),
        goes_on: is_given || file.is_some(),
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

/// Returns the names of all rollouts: those remembered, and those of `rollouts.d`.
///
/// # Errors
/// [`Error::Stored`] or [`Error::Io`] where they cannot be told.
pub fn all(host: &dyn Host) -> Result<Vec<String>> {
    names(host, &Store::rollouts(host)?.rollouts)
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

//! What a platform has: its tree of domains, its roles, and what lies in their directories.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Roles, Rules};
use crate::{
    error::{Error, Result},
    identity::{Certificate, Identity, Input},
    preflight::Severity,
    state::Bytes,
};

/// What directories of roles hold, by their paths in the configuration; one that is not in it was not looked at.
pub type Directories = BTreeMap<String, Held>;

/// A platform's domains and roles.
#[derive(Debug, Clone)]
pub struct Site {
    /// Name of the master domain.
    pub master: String,
    /// Every domain by its name, small letters, and what its certificate is; the master is one of them.
    pub domains: BTreeMap<String, Held>,
    /// The roles that serve TLS; none where no configuration was given.
    pub roles: Option<Vec<Role>>,
}

/// What a place holds.
#[derive(Debug, Clone)]
pub enum Held {
    /// Nothing, or white space.
    Unset,
    /// A leaf; with what is wrong with the pair, if anything.
    Leaf(Box<Certificate>, Option<String>),
    /// Something in which no leaf is found, and why.
    Broken(String),
}

/// A role that serves TLS.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its directory, an alias resolved; or what is wrong with it, where it has one.
    pub directory: Option<Result<String, String>>,
}

#[derive(Deserialize)]
struct Tree {
    master: String,
    domains: Vec<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    name: String,
    certificate_pem: Option<String>,
}

impl Held {
    /// Reads a pair in PEM, as people paste it: text before the blocks, white space for line ends.
    #[must_use]
    pub fn of(name: &str, bytes: Bytes) -> Self {
        if bytes.reveal().trim_ascii().is_empty() {
            return Self::Unset;
        }
        let input = Input {
            name: name.to_owned(),
            bytes,
        };
        match Identity::assemble(&[input], None) {
            Ok((identity, findings)) => {
                let fatal = |f: &&crate::preflight::Finding| f.severity == Severity::Fatal;
                let fault = findings.iter().find(fatal).map(|f| f.message.clone());
                let bare = || identity.key.is_none().then(|| "it holds no key".to_owned());
                let fault = fault.or_else(bare);
                Self::Leaf(Box::new(identity.leaf), fault)
            }
            Err(error) => Self::Broken(error.to_string()),
        }
    }

    /// Reads leaf and key of a directory, each of which may be missing.
    #[must_use]
    pub fn pair(name: &str, leaf: Option<&Bytes>, key: Option<&Bytes>) -> Self {
        let mut both = Zeroizing::new(Vec::new());
        let parts = || [leaf, key].into_iter().flatten();
        // Its room is made at once, so that a key is never copied by growth.
        both.reserve_exact(parts().map(|part| part.reveal().len() + 1).sum());
        for part in parts() {
            both.extend_from_slice(part.reveal());
            both.push(b'\n');
        }
        Self::of(name, std::mem::take(&mut *both).into())
    }

    /// Returns the leaf, where there is one.
    #[must_use]
    pub fn leaf(&self) -> Option<&Certificate> {
        match self {
            Self::Leaf(leaf, _) => Some(leaf),
            Self::Unset | Self::Broken(_) => None,
        }
    }

    /// Says what is wrong with it, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Leaf(_, fault) => fault.as_deref(),
            Self::Broken(why) => Some(why),
            Self::Unset => None,
        }
    }
}

impl Site {
    /// Reads a tree (JSON: `master`, and `domains` with `name` and `certificate_pem`), and an exported configuration.
    ///
    /// # Errors
    /// [`Error::Input`] where one of them is no such document: with the file, line and column, and nothing of its content.
    pub fn read(
        rules: &Rules,
        tree: (&str, &Bytes),
        configuration: Option<(&str, &Bytes)>,
    ) -> Result<Self> {
        let (name, bytes) = tree;
        let tree: Tree = parse(
            name,
            bytes,
            "want `{\"master\": NAME, \"domains\": [{\"name\": NAME, \"certificate_pem\": PEM}, ...]}`",
        )?;
        let master = folded(&tree.master);
        let mut domains = BTreeMap::new();
        for domain in tree.domains {
            let value = domain.certificate_pem.unwrap_or_default();
            let known = folded(&domain.name);
            let held = Held::of(&format!("domain {known}"), value.into());
            if domains.insert(known.clone(), held).is_some() {
                return Err(unfit(name, format!("it has the domain `{known}` twice")));
            }
        }
        if !domains.contains_key(&master) {
            let message = format!("its master domain `{master}` is not among its domains");
            return Err(unfit(name, message));
        }
        Ok(Self {
            master,
            domains,
            roles: configuration
                .map(|(name, bytes)| roles(&rules.roles, name, bytes))
                .transpose()?,
        })
    }

    /// Returns the domain above another: a child's name ends in its parent's, and what has none is right below the master.
    #[must_use]
    pub(super) fn parent<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        if name == self.master {
            return None;
        }
        let mut all = suffixes(name).filter(|s| self.domains.contains_key(*s));
        Some(all.next().unwrap_or(&self.master))
    }
}

/// Returns the names that end a name, the longest first, without itself.
pub(super) fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[at + 1..])
}

/// Returns a name as it is compared: small letters, no dot at its end.
pub(super) fn folded(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn unfit(name: &str, message: String) -> Error {
    Error::Input {
        subject: format!("`{name}`"),
        message,
        hint: String::new(),
    }
}

fn parse<T: for<'d> Deserialize<'d>>(name: &str, bytes: &Bytes, hint: &str) -> Result<T> {
    serde_json::from_slice(bytes.reveal()).map_err(|error| Error::Input {
        subject: format!("`{name}`"),
        // The words of the library may quote a value, and a value may be a key.
        message: format!(
            "is not the document that it should be: line {}, column {}",
            error.line(),
            error.column()
        ),
        hint: hint.to_owned(),
    })
}

fn roles(rules: &Roles, name: &str, bytes: &Bytes) -> Result<Vec<Role>> {
    let document: Value = parse(
        name,
        bytes,
        "want the configuration as the platform exports it",
    )?;
    let Some(all) = at(&document, &rules.at).and_then(Value::as_array) else {
        let message = format!("it has no list `{}`", rules.at.join("."));
        return Err(unfit(name, message));
    };
    let text = |role: &Value, key: &str| role.get(key).and_then(Value::as_str).map(str::to_owned);
    let serves = |role: &&Value| {
        let kind = role.get(&rules.kind).and_then(Value::as_str);
        kind.is_some_and(|k| rules.kinds.iter().any(|known| known == k))
            && role.get(&rules.enabled) != Some(&Value::Bool(false))
    };
    let role = |role: &Value| Role {
        name: text(role, &rules.name).unwrap_or_default(),
        directory: text(role, &rules.directory)
            .filter(|d| !d.trim().is_empty())
            .map(|d| resolve(rules, at(&document, &rules.aliases), &d)),
    };
    Ok(all.iter().filter(serves).map(role).collect())
}

fn at<'v>(document: &'v Value, way: &[String]) -> Option<&'v Value> {
    way.iter().try_fold(document, |value, key| value.get(key))
}

/// Resolves a directory that may be an alias: `PREFIXsection/alias`.
fn resolve(rules: &Roles, aliases: Option<&Value>, directory: &str) -> Result<String, String> {
    let Some(rest) = directory.strip_prefix(&rules.prefix) else {
        return Ok(directory.to_owned());
    };
    let (section, name) = rest.split_once('/').unwrap_or(("", rest));
    let list = aliases.and_then(|a| a.as_array().or_else(|| a.get(section)?.as_array()));
    let is = |entry: &&Value| entry.get(&rules.alias).and_then(Value::as_str) == Some(name);
    let mut found = list.into_iter().flatten().filter(is);
    match (found.next(), found.next()) {
        (Some(one), None) => (one.get(&rules.value).and_then(Value::as_str))
            .map(str::to_owned)
            .ok_or_else(|| format!("the alias `{name}` stands for nothing")),
        (Some(_), Some(_)) => Err(format!("the alias `{name}` is there twice")),
        (None, _) => Err(format!("there is no alias `{name}`")),
    }
}

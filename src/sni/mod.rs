//! Which certificate a platform presents for a name, where it keeps one for each domain of a tree: `certroll sni explain`.
//!
//! Pure: rules are data of the profile (section `sni`), the tree and the configuration are documents of the caller's, and
//! the answer is the walk itself, so that it can be shown step by step.

use serde::Serialize;

mod judge;
mod site;
mod walk;

pub use judge::{Given, remarks, whose};
pub use site::{Directories, Held, Role, Site};
pub use walk::{Answer, Origin, Step, Walk, explain};

/// Where a certificate is looked for while the name decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The domain of that very name.
    Itself,
    /// Its parents in the tree, the nearest first, the master domain last.
    Parents,
    /// The domains whose names end the name asked for, the longest first, without the master domain.
    Suffixes,
    /// The master domain.
    Master,
}

impl Place {
    /// Every place by its name in a profile.
    pub const NAMES: &[(&str, Self)] = &[
        ("itself", Self::Itself),
        ("parents", Self::Parents),
        ("suffixes", Self::Suffixes),
        ("master", Self::Master),
    ];
}

/// How a platform chooses, as its profile says.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where to look when the name is one of the tree, in order; the first value that is set answers.
    pub named: Vec<Place>,
    /// Where to look when it is none.
    pub other: Vec<Place>,
    /// Where the configuration has the roles that answer when no domain does.
    pub roles: Roles,
    /// Name of the leaf's file in a directory of a role.
    pub leaf: String,
    /// Name of the key's file there.
    pub key: String,
}

/// Where a configuration has its roles, and what their keys are called.
#[derive(Debug, Clone)]
pub struct Roles {
    /// The way to the list of roles.
    pub at: Vec<String>,
    /// The key of a role's name.
    pub name: String,
    /// The key of its type.
    pub kind: String,
    /// The types that serve TLS.
    pub kinds: Vec<String>,
    /// The key of its directory.
    pub directory: String,
    /// The key that switches a role off where it is false.
    pub enabled: String,
    /// The way to the aliases: a list, or a mapping of sections to lists.
    pub aliases: Vec<String>,
    /// What a directory that is an alias begins with; the section and the alias follow.
    pub prefix: String,
    /// The key of an alias's name.
    pub alias: String,
    /// The key of what it stands for.
    pub value: String,
}

//! How a unit is set up, as far as it decides whether it comes back at boot and what it can read.

use super::units::Block;
use crate::{
    host::{Host, Tree},
    probe::{Denial, Identity, readable},
    state::HostPath,
};

/// Properties asked for a plan, beside those of the state (systemd.exec(5), org.freedesktop.systemd1(5)).
pub(super) const PROPERTIES: &str = "UnitFileState,TriggeredBy,WantedBy,RequiredBy,User,Group,SupplementaryGroups,DynamicUser,CapabilityBoundingSet,AmbientCapabilities,FragmentPath,DropInPaths,RootDirectory,RootImage,ProtectHome,PrivateTmp,InaccessiblePaths,TemporaryFileSystem,BindPaths,BindReadOnlyPaths";

/// Capabilities with which modes do not bind a reader (capabilities(7)).
const READS_ALL: [&str; 2] = ["cap_dac_override", "cap_dac_read_search"];

/// Directories that `ProtectHome=` hides (systemd.exec(5)).
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// Directories that `PrivateTmp=` replaces (systemd.exec(5)).
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// Settings that name a file for systemd to read (systemd.exec(5)).
const CREDENTIALS: [&str; 2] = ["LoadCredential=", "LoadCredentialEncrypted="];

/// What systemd says of a unit's files and rights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// Whether nothing starts it at boot: disabled, and no unit triggers, wants or requires it.
    pub disabled: bool,
    user: String,
    groups: Vec<String>,
    dynamic: bool,
    /// Whether modes do not bind it.
    reads_all: bool,
    /// Another root than the host's; empty: the host's.
    root: String,
    image: String,
    /// Directories that it does not see, each with the setting that hides it.
    hidden: Vec<Hidden>,
    /// Destinations of bind mounts, which it sees also below an emptied directory.
    bound: Vec<HostPath>,
    /// The files that say all this.
    files: Vec<HostPath>,
}

/// A directory that a unit does not see as the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hidden {
    dir: HostPath,
    setting: String,
    /// Whether it is closed, so that no bind mount below it counts, rather than empty.
    closed: bool,
}

impl Setup {
    /// Reads the properties of one unit.
    pub(super) fn of(block: &Block<'_>) -> Self {
        let text = |key| block.get(key).map_or("", String::as_str);
        let words = |key| text(key).split_whitespace();
        let started = ["TriggeredBy", "WantedBy", "RequiredBy"];
        let user = text("User");
        let capable = |key| words(key).any(|word| READS_ALL.contains(&word));
        let bounded = block.contains_key("CapabilityBoundingSet");
        let root = matches!(user, "" | "root" | "0");
        let bound = ["BindPaths", "BindReadOnlyPaths"]
            .into_iter()
            .flat_map(words);
        // Source, then destination: only the latter is seen.
        let bound = bound.filter_map(|word| place(word.split(':').nth(1).unwrap_or(word)));
        let files = ["FragmentPath", "DropInPaths"].into_iter().flat_map(words);
        Self {
            disabled: text("UnitFileState") == "disabled"
                && started.iter().all(|key| text(key).is_empty()),
            user: user.to_owned(),
            groups: words("SupplementaryGroups")
                .chain(words("Group"))
                .map(str::to_owned)
                .collect(),
            dynamic: text("DynamicUser") == "yes",
            reads_all: if root {
                !bounded || capable("CapabilityBoundingSet")
            } else {
                capable("AmbientCapabilities")
            },
            root: text("RootDirectory").trim_end_matches('/').to_owned(),
            image: text("RootImage").to_owned(),
            hidden: hidden(block),
            bound: bound.collect(),
            files: files.filter_map(place).collect(),
        }
    }

    /// Says why a unit cannot read a file of a tree; none where it can, and where that cannot be told.
    ///
    /// Modes, ACLs, capabilities and the unit's view of the tree count; what a security module adds is not seen.
    #[must_use]
    pub fn cannot_read(
        &self,
        unit: &str,
        host: &dyn Host,
        tree: &dyn Tree,
        path: &HostPath,
    ) -> Option<Denial> {
        // An image has files of its own.
        if !self.image.is_empty() {
            return None;
        }
        let found = tree
            .read_followed(path)
            .map_or_else(|_| path.clone(), |(at, _)| at);
        let mut sights = [path, &found].into_iter();
        let denial = match sights.find_map(|at| self.hides(unit, at)) {
            None => readable(tree, path, &self.reader(unit, host)?).err(),
            hidden => hidden,
        };
        denial.filter(|_| !self.is_given(tree, path))
    }

    /// Tells whether systemd itself reads a file as root, and gives it to the unit.
    ///
    /// `systemctl show` cannot print credentials, so the unit's files are asked; one with a specifier may be any.
    fn is_given(&self, tree: &dyn Tree, path: &HostPath) -> bool {
        let is_source = |line: &str| {
            let value = CREDENTIALS
                .iter()
                .find_map(|key| line.trim().strip_prefix(key));
            let source = value
                .and_then(|value| value.split_once(':'))
                .map(|(_, source)| source);
            source.is_some_and(|s| s.contains('%') || place(s).is_some_and(|s| path.is_within(&s)))
        };
        let texts = self
            .files
            .iter()
            .filter_map(|file| tree.text(file).ok().flatten());
        texts.into_iter().any(|text| text.lines().any(is_source))
    }

    /// Says what keeps a path out of the unit's sight.
    fn hides(&self, unit: &str, path: &HostPath) -> Option<Denial> {
        let depth = |dir: &HostPath| dir.as_str().len();
        let bound = self.bound.iter().filter(|dir| path.is_within(dir));
        let bound = bound.map(depth).max();
        let setting = if self.root.is_empty() {
            let hides = |hidden: &&Hidden| {
                path.is_within(&hidden.dir) && (hidden.closed || bound < Some(depth(&hidden.dir)))
            };
            self.hidden.iter().find(hides)?.setting.clone()
        } else {
            let inside = place(&self.root).is_some_and(|root| path.is_within(&root));
            if inside || bound.is_some() {
                return None;
            }
            format!("RootDirectory={}", self.root)
        };
        Some(Denial {
            at: path.clone(),
            what: format!("`{unit}` does not see `{path}`: its unit has `{setting}`"),
            fix: Some(format!("systemctl edit {unit}")),
            group: None,
        })
    }

    /// Returns who reads; none where systemd would not know either.
    fn reader(&self, unit: &str, host: &dyn Host) -> Option<Identity> {
        let group = |name: &String| name.parse().ok().or_else(|| host.group(name).ok());
        let mut gids: Vec<u32> = self.groups.iter().filter_map(group).collect();
        let name = if self.user.is_empty() && !self.dynamic {
            "root"
        } else {
            &self.user
        };
        let known = host.user(name).ok();
        let uid = match &known {
            Some(user) => Some(user.uid),
            None if name == "root" => Some(0),
            None => name.parse().ok(),
        };
        gids.extend(known.into_iter().flat_map(|user| user.groups));
        let (label, acl) = match (uid, self.groups.first()) {
            (Some(_), _) => (format!("user `{name}`"), format!("u:{name}")),
            // A dynamic user is nobody that a file could name, but for the groups it is given.
            (None, Some(group)) if self.dynamic => {
                ("a dynamic user".to_owned(), format!("g:{group}"))
            }
            (None, None) if self.dynamic => ("a dynamic user".to_owned(), "o".to_owned()),
            (None, _) => return None,
        };
        Some(Identity {
            label: format!("{label} of `{unit}`"),
            acl,
            uid,
            gids,
            reads_all: self.reads_all,
        })
    }
}

/// Returns the directories that settings close or empty (systemd.exec(5)).
fn hidden(block: &Block<'_>) -> Vec<Hidden> {
    let text = |key| block.get(key).map_or("", String::as_str);
    let mut all = Vec::new();
    for (key, closed) in [("InaccessiblePaths", true), ("TemporaryFileSystem", false)] {
        let words = text(key).split_whitespace();
        let dirs = words.filter_map(|word| place(word.split(':').next()?));
        all.extend(dirs.map(|dir| Hidden {
            dir,
            setting: format!("{key}="),
            closed,
        }));
    }
    for (key, value, dirs, closed) in [
        ("ProtectHome", "yes", &HOMES[..], true),
        ("ProtectHome", "tmpfs", &HOMES[..], false),
        ("PrivateTmp", "yes", &TEMPORARY[..], false),
        ("PrivateTmp", "connected", &TEMPORARY[..], false),
        ("PrivateTmp", "disconnected", &TEMPORARY[..], false),
    ] {
        let dirs = dirs.iter().filter(|_| text(key) == value);
        all.extend(dirs.filter_map(|dir| place(dir)).map(|dir| Hidden {
            dir,
            setting: format!("{key}={value}"),
            closed,
        }));
    }
    all
}

/// Reads a path of a unit's setting: `-` and `+` before it say what is done where it is missing, or which root it is of.
fn place(word: &str) -> Option<HostPath> {
    HostPath::new(word.trim_start_matches(['-', '+'])).ok()
}

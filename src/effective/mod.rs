//! What the daemons of a platform really read, by the platform's own rules.
//!
//! A rollout that only looks at the file it wrote does not know whether anybody reads it: another file may come
//! first, a directory may have moved, a file may be skipped without a word. [`discover`] reads the configuration of
//! every daemon once, without our own file; what holds with it is then a pure question ([`check()`]).

mod check;
mod consumers;
mod document;
mod evidence;
mod readback;
mod release;
mod report;
mod table;

use serde::Serialize;
use serde_json::{Value, json};

pub use check::check;
pub use consumers::{Consumer, Pair, consumers, elsewhere, files};
pub use document::{Body, Document, Documents, Found, Layer, document, is_read, lookup};
pub use readback::ReadBack;
pub use release::Release;
pub use report::{BlockConfig, DaemonConfig, effective};
pub use table::{BlockRow, DaemonRow, Era, Table};

use crate::{
    error::Result,
    host::{Entry, Tree},
    state::{HostPath, State},
};

/// The configuration of one daemon, read once.
#[derive(Debug)]
pub struct Daemon {
    /// Name of its configuration directory.
    pub name: String,
    /// Whether the table knows it.
    pub known: bool,
    /// Its unit, where it has one.
    pub unit: Option<String>,
    /// The directory that the pattern matched.
    pub conf_d: HostPath,
    /// The directory it reads instead, and the file and line that say so.
    pub moved: Option<(HostPath, HostPath, u64)>,
    /// Its files in the order of the reader, the main one last, without ours.
    pub layers: Vec<Layer>,
}

impl Daemon {
    /// Returns a setting of this daemon.
    #[must_use]
    pub fn lookup(&self, dotted: &str) -> Found<'_> {
        lookup(&self.layers, dotted)
    }

    /// Tells whether one of its files names a block.
    #[must_use]
    pub fn names(&self, block: &str) -> bool {
        !matches!(self.lookup(block), Found::Nothing)
    }
}

/// One block that daemons call another by TLS with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Its key.
    pub name: String,
    /// The key that says how the peer is verified.
    pub flag: String,
    /// Who reads it.
    pub readers: Vec<String>,
    /// The host it names; the first that leaves the machine, where one does.
    pub host: String,
    /// Where that is said: `file:line`, or `built in`.
    pub from: String,
    /// Whether every reader's host is this machine.
    pub local: bool,
    /// Whether some readers' host is this machine and others' is not.
    pub mixed: bool,
}

/// A port that a daemon serves TLS on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The port.
    pub port: u16,
    /// The unit behind it.
    pub service: String,
}

/// A line that names this machine where certroll does not write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
}

/// What the daemons of one platform read on one host.
#[derive(Debug)]
pub struct Layered {
    /// The era that the host or the user told; none where neither does.
    pub era: Option<Era>,
    /// Why this era.
    pub why: String,
    /// Daemons that have any configuration, or are known.
    pub daemons: Vec<Daemon>,
    /// Directories that nobody known owns and that hold nothing but, perhaps, our file.
    pub bare: usize,
    /// Blocks with TLS, in the table's order.
    pub blocks: Vec<Block>,
    /// TLS ports.
    pub ports: Vec<Port>,
    /// Units that the platform's script restarts, in its order.
    pub units: Vec<String>,
    /// Units that it forgets.
    pub forgotten: Vec<String>,
    /// Lines in a daemon's own hosts that name this machine.
    pub localhost: Vec<Line>,
    /// Known daemons that are here without a directory for our file.
    pub without_dir: Vec<String>,
    /// The name of our own file.
    pub ours: String,
    /// The table it was read by.
    pub table: Table,
    /// The pattern of the directories it was read below.
    pub dirs: String,
    /// The release that was given, where one was.
    pub release: Option<String>,
}

/// Reads the configuration of every daemon below the directories that a pattern matched.
///
/// # Errors
/// [`crate::error::Error::Usage`] where `given` is no release; [`crate::error::Error::Io`] where a path cannot be looked at.
pub fn discover(
    tree: &dyn Tree,
    table: &Table,
    (pattern, dirs): (&str, &[(HostPath, Vec<Entry>)]),
    ours: &str,
    given: Option<&String>,
) -> Result<Layered> {
    let release = given.map(|r| Release::given(r)).transpose()?;
    let mut documents = Documents::default();
    let mut daemons = Vec::new();
    let mut bare = 0;
    for (conf_d, entries) in dirs {
        match daemon(tree, table, &mut documents, conf_d, entries, ours) {
            Some(daemon) => daemons.push(daemon),
            None => bare += 1,
        }
    }
    let (era, why) = evidence::era(tree, table, &daemons, release)?;
    let mut layered = Layered {
        blocks: Vec::new(),
        ports: Vec::new(),
        units: Vec::new(),
        forgotten: Vec::new(),
        localhost: Vec::new(),
        without_dir: Vec::new(),
        era: era.cloned(),
        why,
        daemons,
        bare,
        ours: ours.to_owned(),
        table: table.clone(),
        dirs: pattern.to_owned(),
        release: given.cloned(),
    };
    for daemon in &mut layered.daemons {
        daemon.unit = table
            .eras
            .iter()
            .filter(|e| era.is_none_or(|told| told.name == e.name))
            .flat_map(|e| &e.daemons)
            .find(|row| row.name == daemon.name)
            .and_then(|row| row.unit.clone());
    }
    layered.blocks = evidence::blocks(&layered, release);
    evidence::services(tree, &mut layered)?;
    layered.localhost = evidence::localhost(&layered);
    Ok(layered)
}

fn daemon(
    tree: &dyn Tree,
    table: &Table,
    documents: &mut Documents,
    conf_d: &HostPath,
    entries: &[Entry],
    ours: &str,
) -> Option<Daemon> {
    let dir = conf_d.parent()?;
    let name = dir.name().to_owned();
    let mut known_rows = table.eras.iter().flat_map(|e| &e.daemons);
    let known = known_rows.any(|row| row.name == name);
    let main = documents.layer(tree, &dir.join("config.yml"));
    let other = entries.iter().any(|e| is_read(&e.name) && e.name != ours);
    if !known && main.is_none() && !other {
        return None;
    }
    let moved = main.as_ref().and_then(|main| {
        let Body::Mapping(node) = &main.document.body else {
            return None;
        };
        let to = node.get(&table.moves)?;
        let path = HostPath::new(&to.scalar()?).ok()?;
        (path != *conf_d).then(|| (path, main.path.clone(), to.line))
    });
    let mut layers = match &moved {
        None => documents.of(tree, conf_d, entries, ours),
        Some((elsewhere, ..)) => {
            let entries = tree.list(elsewhere).ok().flatten().unwrap_or_default();
            documents.of(tree, elsewhere, &entries, "")
        }
    };
    layers.extend(main);
    Some(Daemon {
        name,
        known,
        unit: None,
        conf_d: conf_d.clone(),
        moved,
        layers,
    })
}

/// Tells whether a host name means this machine (RFC 6761 section 6.3 and the names that Debian's /etc/hosts has).
#[must_use]
pub fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_loopback());
    loopback
        || ["localhost", "localhost.localdomain", "ip6-localhost"].contains(&host)
        || host.ends_with(".localhost")
}

pub(crate) fn there(tree: &dyn Tree, path: &str) -> Result<bool> {
    let Ok(path) = HostPath::new(path) else {
        return Ok(false);
    };
    Ok(tree.read_followed(&path)?.1 != State::Absent)
}

impl Layered {
    /// Tells whether the release is known.
    #[must_use]
    pub fn told(&self) -> bool {
        self.era.is_some()
    }

    /// Returns what expressions see.
    #[must_use]
    pub fn json(&self) -> Value {
        let (local, far): (Vec<&Block>, Vec<&Block>) = self.blocks.iter().partition(|b| b.local);
        json!({
            "era": self.era.as_ref().map_or("", |e| e.name.as_str()),
            "told": self.told(),
            "why": self.why,
            "internal_tls": self.era.as_ref().is_none_or(|e| e.internal_tls),
            "blocks": self.blocks,
            "local": local,
            "far": far,
            "mixed": self.blocks.iter().filter(|b| b.mixed).collect::<Vec<_>>(),
            "tls": self.ports,
            "units": self.units,
            "forgotten": self.forgotten,
            "localhost": self.localhost,
            "without_dir": self.without_dir,
        })
    }
}

#[cfg(test)]
mod tests;

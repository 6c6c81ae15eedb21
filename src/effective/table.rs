//! The table of a platform's daemons: which release reads which block, under which name and on which port.

use super::release::Release;
use crate::{
    error::Result,
    profile::Fields,
    yaml::{self, Dialect, Node},
};

/// Daemons and blocks of every era of a platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Eras, oldest first.
    pub eras: Vec<Era>,
    /// Blocks that the platform's document overrides, in its order.
    pub document: Vec<String>,
    /// Blocks that must never be overridden.
    pub never: Vec<String>,
    /// The key that says how a peer is verified, by block; the first entry is for every other block.
    pub flag: String,
    /// Blocks whose key has another name.
    pub flags: Vec<(String, String)>,
    /// The host that a daemon has built in for every block.
    pub builtin_host: String,
    /// Key of the main file that moves the directory of the others.
    pub moves: String,
    /// Directory that only the newest era has.
    pub newest: Option<String>,
}

/// A span of releases with the same names.
#[derive(Debug, Clone, PartialEq)]
pub struct Era {
    /// Its name.
    pub name: String,
    /// Last release of it; none for the newest.
    pub until: Option<Release>,
    /// Whether daemons call one another by TLS.
    pub internal_tls: bool,
    /// Configuration directories that only this era has.
    pub marks: Vec<String>,
    /// Blocks and who reads them.
    pub blocks: Vec<BlockRow>,
    /// Daemons, in the order of the platform's restart.
    pub daemons: Vec<DaemonRow>,
}

/// One block of an era.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockRow {
    /// Its key.
    pub name: String,
    /// Configuration directories of those that read it.
    pub readers: Vec<String>,
    /// The release since which its peer speaks plain HTTP.
    pub plain_since: Option<Release>,
}

/// One daemon of an era.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonRow {
    /// Name of its configuration directory below `/etc`, or of the unit where it has none there.
    pub name: String,
    /// Its unit; none for a program that is no daemon.
    pub unit: Option<String>,
    /// The port it serves TLS on.
    pub tls: Option<u16>,
    /// Whether the platform's own script restarts it.
    pub script: bool,
    /// A path that shows that it is here, where that is not its configuration directory.
    pub present: Option<String>,
}

impl Table {
    /// Parses a table.
    ///
    /// # Errors
    /// [`crate::error::Error::Parse`] where a key is unknown or a block is both read and never to be overridden.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let root = yaml::parse(path, text, Dialect::Strict)?;
        let mut top = Fields::new(path, "table", &root)?;
        let mut flags = Vec::new();
        for (key, node) in top.node("flags").map_or(&[][..], Node::entries) {
            let text = crate::profile::text_at(path, "flags", node)?;
            flags.push((key.name.clone(), text.text));
        }
        let never = words(&mut top, "never")?;
        let eras = top.members("eras");
        let table = Self {
            eras: eras
                .iter()
                .map(|n| era(path, n, &never))
                .collect::<Result<_>>()?,
            document: words(&mut top, "document")?,
            never,
            flag: top.need("flag")?.text,
            flags,
            builtin_host: top.need("builtin_host")?.text,
            moves: top.need("moves")?.text,
            newest: top.text("newest")?.map(|e| e.text),
        };
        if table.eras.is_empty() {
            return Err(top.error("table has no eras", "add `eras:`"));
        }
        top.done()?;
        Ok(table)
    }

    /// Returns the key that says how the peer of a block is verified.
    #[must_use]
    pub fn flag_of(&self, block: &str) -> &str {
        let own = self.flags.iter().find(|(name, _)| name == block);
        own.map_or(&self.flag, |(_, flag)| flag)
    }
}

fn words(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<String>> {
    Ok(fields.texts(name)?.into_iter().map(|e| e.text).collect())
}

fn era(path: &str, node: &Node, never: &[String]) -> Result<Era> {
    let mut fields = Fields::new(path, "era", node)?;
    let mut blocks = Vec::new();
    for (key, node) in fields.node("blocks").map_or(&[][..], Node::entries) {
        if never.contains(&key.name) {
            let message = format!("block `{}` must never be overridden", key.name);
            return Err(crate::profile::error_at(path, node, message, ""));
        }
        let mut row = Fields::new(path, "block", node)?;
        blocks.push(BlockRow {
            name: key.name.clone(),
            readers: words(&mut row, "readers")?,
            plain_since: row
                .text("plain_since")?
                .map(|e| Release::parse(&e))
                .transpose()?,
        });
        row.done()?;
    }
    let era = Era {
        name: fields.need("era")?.text,
        until: fields
            .text("until")?
            .map(|e| Release::parse(&e))
            .transpose()?,
        internal_tls: fields.flag("internal_tls")?,
        marks: words(&mut fields, "marks")?,
        blocks,
        daemons: fields
            .members("daemons")
            .iter()
            .map(|n| daemon(path, n))
            .collect::<Result<_>>()?,
    };
    fields.done()?;
    Ok(era)
}

fn daemon(path: &str, node: &Node) -> Result<DaemonRow> {
    let mut fields = Fields::new(path, "daemon", node)?;
    let name = fields.need("name")?.text;
    let is_program = fields.flag("program")?;
    let unit = fields
        .text("unit")?
        .map_or_else(|| name.clone(), |e| e.text);
    let tls = fields.number("tls")?.map(|port| {
        u16::try_from(port).map_err(|_| fields.error(format!("port {port} does not exist"), ""))
    });
    let row = DaemonRow {
        unit: (!is_program).then_some(unit),
        tls: tls.transpose()?,
        script: !fields.flag("forgotten")?,
        present: fields.text("present")?.map(|e| e.text),
        name,
    };
    fields.done()?;
    Ok(row)
}

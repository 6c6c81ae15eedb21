//! What a host shows about its release, its blocks, its units and its ports.

use super::{
    Block, Daemon, DaemonRow, Era, Found, Layered, Line, Port, Release, Table, is_local, there,
};
use crate::{
    error::Result,
    host::Tree,
    state::HostPath,
    yaml::{Node, Value},
};

/// Directories that systemd reads units from (systemd.unit(5)).
const UNIT_DIRS: &[&str] = &[
    "/etc/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// Keys of a port that may serve TLS, most telling first; `enabled` beside one may turn it off.
const PORT_KEYS: &[&str] = &["rest_api.https", "rest_api", "websocket"];

/// Tells the era: what the user said, a directory of the newest era, directories of one era alone, or what the
/// daemons' own configuration says of TLS.
pub(super) fn era<'t>(
    tree: &dyn Tree,
    table: &'t Table,
    daemons: &[Daemon],
    release: Option<Release>,
) -> Result<(Option<&'t Era>, String)> {
    if let Some(release) = release {
        let era = table
            .eras
            .iter()
            .find(|e| e.until.is_none_or(|until| release <= until));
        return Ok((era, "the setting says so".to_owned()));
    }
    if let Some(newest) = &table.newest
        && there(tree, newest)?
    {
        return Ok((table.eras.last(), format!("`{newest}` is there")));
    }
    for era in &table.eras {
        if let Some(mark) = daemons.iter().find(|d| era.marks.contains(&d.name)) {
            return Ok((Some(era), format!("`/etc/{}` is there", mark.name)));
        }
    }
    for era in table.eras.iter().rev().filter(|e| e.internal_tls) {
        let mut plain = None;
        for block in era.blocks.iter().filter(|b| b.plain_since.is_some()) {
            for daemon in daemons.iter().filter(|d| block.readers.contains(&d.name)) {
                match speaks(table, daemon, &block.name) {
                    Some(true) => {
                        let why = format!("`/etc/{}` calls `{}` by TLS", daemon.name, block.name);
                        return Ok((Some(era), why));
                    }
                    Some(false) => plain = plain.or(Some((daemon, block))),
                    None => {}
                }
            }
        }
        if let Some((daemon, block)) = plain {
            let why = format!("`/etc/{}` calls `{}` without TLS", daemon.name, block.name);
            return Ok((table.eras.last(), why));
        }
    }
    Ok((None, "nothing on this host tells its release".to_owned()))
}

/// Tells whether a daemon's own configuration says that it calls a peer by TLS; none where it does not say.
fn speaks(table: &Table, daemon: &Daemon, block: &str) -> Option<bool> {
    if let Found::Value(node, _) = daemon.lookup(&format!("{block}.https"))
        && let Value::Bool(https) = node.value
    {
        return Some(https);
    }
    match daemon.lookup(&format!("{block}.{}", table.flag_of(block))) {
        Found::Value(..) => Some(true),
        Found::Nothing | Found::Masked(..) => None,
    }
}

/// Lists the blocks that daemons of this host call one another by TLS with.
pub(super) fn blocks(layered: &Layered, release: Option<Release>) -> Vec<Block> {
    let table = &layered.table;
    let Some(era) = &layered.era else {
        let everyone: Vec<&Daemon> = layered.daemons.iter().collect();
        return table
            .document
            .iter()
            .map(|name| block(table, name, &everyone))
            .collect();
    };
    let mut blocks = Vec::new();
    for row in &era.blocks {
        if let (Some(release), Some(since)) = (release, row.plain_since)
            && release >= since
        {
            continue;
        }
        let mut readers: Vec<&Daemon> = layered
            .daemons
            .iter()
            .filter(|d| row.readers.contains(&d.name) || (!d.known && d.names(&row.name)))
            .collect();
        readers.retain(|daemon| speaks(table, daemon, &row.name).unwrap_or(era.internal_tls));
        if !readers.is_empty() {
            blocks.push(block(table, &row.name, &readers));
        }
    }
    blocks
}

fn block(table: &Table, name: &str, readers: &[&Daemon]) -> Block {
    let mut host = table.builtin_host.clone();
    let mut from = "built in".to_owned();
    let (mut any_local, mut any_far) = (readers.is_empty(), false);
    for daemon in readers {
        let found = daemon.lookup(&format!("{name}.host"));
        let own = found.scalar().unwrap_or_else(|| table.builtin_host.clone());
        let far = !is_local(&own);
        any_local |= !far;
        let said = found
            .place()
            .filter(|_| (far && !any_far) || from == "built in");
        if let Some((path, line)) = said {
            from = format!("{path}:{line}");
            host = own;
        }
        any_far |= far;
    }
    Block {
        name: name.to_owned(),
        flag: table.flag_of(name).to_owned(),
        readers: readers.iter().map(|d| d.name.clone()).collect(),
        host,
        from,
        local: !any_far,
        mixed: any_far && any_local,
    }
}

/// Finds units, TLS ports, and known daemons that have nowhere to put our file.
pub(super) fn services(tree: &dyn Tree, layered: &mut Layered) -> Result<()> {
    let units = unit_files(tree)?;
    let rows: Vec<DaemonRow> = match &layered.era {
        Some(era) => era.daemons.clone(),
        None => layered
            .table
            .eras
            .iter()
            .flat_map(|e| e.daemons.clone())
            .collect(),
    };
    for row in rows {
        let daemon = layered.daemons.iter().find(|d| d.name == row.name);
        let own_dir = format!("/etc/{}", row.name);
        let here = match &row.present {
            Some(path) => there(tree, path)?,
            None if daemon.is_some() => true,
            None => there(tree, &format!("{own_dir}/config.yml"))?,
        };
        if !here {
            continue;
        }
        if row.present.is_none() && daemon.is_none() {
            layered.without_dir.push(row.name.clone());
        }
        let port = row
            .tls
            .filter(|_| layered.era.is_some())
            .and_then(|p| port(daemon, p));
        let Some(unit) = row.unit else { continue };
        if let Some(port) = port {
            let service = unit.clone();
            layered.ports.push(Port { port, service });
        }
        let exists = units.is_empty() || units.iter().any(|u| u == file_of(&unit));
        let list = if row.script {
            &mut layered.units
        } else {
            &mut layered.forgotten
        };
        if exists && !list.contains(&unit) {
            list.push(unit);
        }
    }
    Ok(())
}

fn port(daemon: Option<&Daemon>, default: u16) -> Option<u16> {
    let Some(daemon) = daemon else {
        return Some(default);
    };
    for key in PORT_KEYS {
        if let Found::Value(node, _) = daemon.lookup(&format!("{key}.enabled"))
            && node.value == Value::Bool(false)
        {
            return None;
        }
        if let Found::Value(node, _) = daemon.lookup(&format!("{key}.port"))
            && let Value::Int(port) = node.value
        {
            return u16::try_from(port).ok();
        }
    }
    Some(default)
}

/// The name of the file that a unit is read from: `a@` for the instance `a@b` (systemd.unit(5)).
fn file_of(unit: &str) -> &str {
    match unit.find('@') {
        Some(at) => &unit[..=at],
        None => unit,
    }
}

fn unit_files(tree: &dyn Tree) -> Result<Vec<String>> {
    let mut units = Vec::new();
    for dir in UNIT_DIRS {
        let Ok(dir) = HostPath::new(dir) else {
            continue;
        };
        for entry in tree.list(&dir)?.unwrap_or_default() {
            if let Some(unit) = entry.name.strip_suffix(".service") {
                units.push(unit.to_owned());
            }
        }
    }
    Ok(units)
}

/// Finds lines below `sources` that name this machine: directories that a daemon asks have hosts of their own.
pub(super) fn localhost(layered: &Layered) -> Vec<Line> {
    let mut lines = Vec::new();
    for daemon in &layered.daemons {
        for layer in &daemon.layers {
            if let super::Body::Mapping(node) = &layer.document.body
                && let Some(sources) = node.get("sources")
            {
                hosts_below(sources, layer.path.as_str(), &mut lines);
            }
        }
    }
    lines
}

fn hosts_below(node: &Node, path: &str, lines: &mut Vec<Line>) {
    if let Value::Text(text) = &node.value {
        let authority = text
            .split_once("://")
            .map_or(text.as_str(), |(_, rest)| rest);
        let host = authority.split(['/', ':']).next().unwrap_or_default();
        if is_local(host) {
            lines.push(Line {
                path: path.to_owned(),
                line: node.line,
            });
        }
    }
    for child in node.items() {
        hosts_below(child, path, lines);
    }
    for (_, child) in node.entries() {
        hosts_below(child, path, lines);
    }
}

//! What every daemon reads, for people and `--json`.

use serde::Serialize;

use super::Layered;

/// What one daemon reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaemonConfig {
    /// Name of its configuration directory.
    pub name: String,
    /// Its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its files, the first of which wins.
    pub files: Vec<String>,
    /// The blocks it calls others with.
    pub blocks: Vec<BlockConfig>,
}

/// One block as one daemon reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockConfig {
    /// Its key.
    pub name: String,
    /// The host it calls.
    pub host: String,
    /// Where that is said: `file:line`, or `built in`.
    pub host_from: String,
    /// How it verifies its peer, as YAML writes it; none where no file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
}

/// Returns what each daemon reads without our own file.
#[must_use]
pub fn effective(layered: &Layered) -> Vec<DaemonConfig> {
    let table = &layered.table;
    let config = |daemon: &super::Daemon| DaemonConfig {
        name: daemon.name.clone(),
        unit: daemon.unit.clone(),
        files: daemon.layers.iter().map(|l| l.path.to_string()).collect(),
        blocks: layered
            .blocks
            .iter()
            .filter(|b| b.readers.contains(&daemon.name))
            .map(|block| {
                let host = daemon.lookup(&format!("{}.host", block.name));
                let from = host.place();
                BlockConfig {
                    name: block.name.clone(),
                    host: host.scalar().unwrap_or_else(|| table.builtin_host.clone()),
                    host_from: from
                        .map_or_else(|| "built in".to_owned(), |(p, l)| format!("{p}:{l}")),
                    verify: daemon
                        .lookup(&format!("{}.{}", block.name, block.flag))
                        .scalar(),
                }
            })
            .collect(),
    };
    layered.daemons.iter().map(config).collect()
}

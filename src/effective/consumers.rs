//! Who uses the pair: files below `/etc` that name it, or that name another one where a server's is set.

use serde::Serialize;

use crate::{
    error::Result,
    facts::Facts,
    host::Tree,
    preflight::{Finding, Severity},
    state::HostPath,
};

/// The most files that are read.
const MOST_FILES: usize = 6_000;

/// The deepest directory below /etc.
const DEEPEST: usize = 8;

/// Directories below /etc that hold certificates, keys or nothing that names a pair for a server.
const PASSED_OVER: &[&str] = &[
    "/etc/ssl/certs",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/selinux",
    "/etc/apparmor.d",
];

/// The pair whose consumers are looked for.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Paths of its files, and every other path it is known under.
    pub paths: Vec<HostPath>,
}

/// A file that names the pair, or another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consumer {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// The unit that reads it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Ports that the file says it serves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The pair that is named instead of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

/// Returns the files that name the pair, a line each: `file:line,line (unit) port 443`.
#[must_use]
pub fn files(consumers: &[Consumer]) -> Vec<String> {
    let ours: Vec<&Consumer> = consumers.iter().filter(|c| c.other.is_none()).collect();
    let mut files = Vec::new();
    for file in ours.chunk_by(|a, b| a.path == b.path) {
        let Some(first) = file.first() else { continue };
        let lines: Vec<String> = file.iter().map(|c| c.line.to_string()).collect();
        let unit = first.unit.as_ref().map(|unit| format!(" ({unit})"));
        let ports: Vec<String> = first.ports.iter().map(u16::to_string).collect();
        let port = if ports.is_empty() {
            String::new()
        } else {
            format!(" port {}", ports.join(", "))
        };
        files.push(format!(
            "{}:{}{}{port}",
            first.path,
            lines.join(","),
            unit.unwrap_or_default()
        ));
    }
    files
}

/// Finds the consumers of a pair.
///
/// Configuration that the facts hold already is not read again. Links are never followed, so the walk cannot
/// leave the root; it ends at a bound, and the second value tells whether all of `/etc` was seen.
///
/// # Errors
/// [`crate::error::Error::Io`] where `/etc` itself cannot be listed.
pub fn consumers(tree: &dyn Tree, facts: &[&Facts], pair: &Pair) -> Result<(Vec<Consumer>, bool)> {
    let mut found = Vec::new();
    let mut known_dirs: Vec<HostPath> = (facts.iter().flat_map(|f| f.all_globbed()))
        .filter_map(HostPath::parent)
        .collect();
    for layered in facts.iter().flat_map(|f| f.layered.values()) {
        for daemon in &layered.daemons {
            let unit = daemon.unit.as_deref();
            let own = layered.ports.iter();
            let own = own.filter(|port| unit == Some(port.service.as_str()));
            let ports: Vec<u16> = own.map(|port| port.port).collect();
            for layer in &daemon.layers {
                let text = &layer.document.text;
                scan(&layer.path, text, (unit, &ports), pair, &mut found);
            }
        }
    }
    known_dirs.sort();
    let enabled = enabled_sites(tree);
    let Ok(etc) = HostPath::new("/etc") else {
        return Ok((found, true));
    };
    let files = tree.walk(&etc, DEEPEST, &|dir| !passed_over(dir, &known_dirs))?;
    let texts = files.iter().filter(|path| is_text_name(path.name()));
    for (n, path) in texts.enumerate() {
        if n == MOST_FILES {
            return Ok((sorted(found, &enabled), false));
        }
        if let Ok(Some(text)) = tree.text(path) {
            let ports = ports(path, &text);
            scan(path, &text, (unit_of(path), &ports), pair, &mut found);
        }
    }
    Ok((sorted(found, &enabled), true))
}

fn sorted(mut found: Vec<Consumer>, enabled: &[HostPath]) -> Vec<Consumer> {
    found.retain(|c| {
        !c.path.starts_with("/etc/nginx/sites-available/")
            || enabled.iter().any(|site| site.as_str() == c.path)
    });
    found.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    found.dedup();
    found
}

/// Sites that nginx really reads: what the links in `sites-enabled` lead to.
fn enabled_sites(tree: &dyn Tree) -> Vec<HostPath> {
    let Ok(dir) = HostPath::new("/etc/nginx/sites-enabled") else {
        return Vec::new();
    };
    let Ok(Some(entries)) = tree.list(&dir) else {
        return Vec::new();
    };
    let targets = entries
        .iter()
        .map(|entry| tree.read_followed(&dir.join(&entry.name)));
    targets.filter_map(|found| Some(found.ok()?.0)).collect()
}

/// Warns of servers that are set to another pair, one finding a file.
#[must_use]
pub fn elsewhere(consumers: &[Consumer]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut last = "";
    for consumer in consumers {
        let Some(other) = consumer.other.as_ref().filter(|_| consumer.path != last) else {
            continue;
        };
        last = &consumer.path;
        let unit = consumer.unit.as_deref().unwrap_or("a server");
        let message = format!(
            "{}:{}: {unit} uses `{other}`, which this rollout does not change",
            consumer.path, consumer.line
        );
        findings.push(
            Finding::host(Severity::Warning, "another-pair", message).hinted(
                "point it at the platform's pair, or roll it out with a profile of its own",
            ),
        );
    }
    findings
}

fn passed_over(path: &HostPath, known: &[HostPath]) -> bool {
    PASSED_OVER.contains(&path.as_str()) || known.binary_search(path).is_ok()
}

fn is_text_name(name: &str) -> bool {
    let binary = [
        ".pem", ".crt", ".key", ".p12", ".pfx", ".db", ".gz", ".cache", ".jks",
    ];
    !binary.iter().any(|end| name.ends_with(end))
        && !name.starts_with("shadow")
        && !name.starts_with("gshadow")
}

/// The unit whose configuration lives where a file is.
fn unit_of(path: &HostPath) -> Option<&'static str> {
    let below = path.as_str().strip_prefix("/etc/")?;
    ["nginx", "asterisk", "consul"]
        .into_iter()
        .find(|unit| below.split('/').next() == Some(unit))
}

/// Directives that set a server's certificate or key: nginx, asterisk's http.conf, consul, wazo-phoned.
const DIRECTIVES: &[&str] = &[
    "ssl_certificate",
    "ssl_certificate_key",
    "tlscertfile",
    "tlsprivatekey",
    "cert_file",
    "key_file",
    "certificate",
    "private_key",
];

fn scan(
    path: &HostPath,
    text: &str,
    (unit, ports): (Option<&str>, &[u16]),
    pair: &Pair,
    found: &mut Vec<Consumer>,
) {
    // Hardly any file of a host names the pair, so that the whole of it is asked before each line is.
    let paths: Vec<&str> = (pair.paths.iter().map(HostPath::as_str))
        .filter(|path| text.contains(path))
        .collect();
    if paths.is_empty() && unit.is_none() {
        return;
    }
    for (n, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        if bare.starts_with(['#', ';']) {
            continue;
        }
        let ours = paths.iter().any(|path| names(line, path));
        let other = if ours { None } else { directive(bare, unit) };
        if ours || other.is_some() {
            found.push(Consumer {
                path: path.to_string(),
                line: n as u64 + 1,
                unit: unit.map(str::to_owned),
                ports: ports.to_vec(),
                other,
            });
        }
    }
}

/// Tells whether a line has a path that is not only the start of a longer one.
fn names(line: &str, path: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    line.match_indices(path).any(|(at, _)| {
        let after = line[at + path.len()..].chars().next();
        let before = line[..at].chars().next_back();
        !after.is_some_and(goes_on) && !before.is_some_and(goes_on)
    })
}

/// Returns the file that a TLS directive of a known server names.
fn directive(line: &str, unit: Option<&str>) -> Option<String> {
    unit?;
    let line = line.trim_start_matches('"');
    let end = line.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let (key, rest) = line.split_at(end);
    if !DIRECTIVES.contains(&key) {
        return None;
    }
    let value = rest.trim_start_matches(|c: char| " \t=:\"'>".contains(c));
    let value: String = value
        .chars()
        .take_while(|c| !" \t;,\"'".contains(*c))
        .collect();
    value.starts_with('/').then_some(value)
}

/// Ports of nginx's `listen` and of asterisk's `tlsbindaddr`.
fn ports(path: &HostPath, text: &str) -> Vec<u16> {
    let key = match unit_of(path) {
        Some("nginx") => "listen",
        Some("asterisk") => "tlsbindaddr",
        _ => return Vec::new(),
    };
    let mut ports = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix(key) else {
            continue;
        };
        if key == "listen" && !rest.contains("ssl") {
            continue;
        }
        let mut words = rest.split([' ', '\t', ';', '=']).filter(|w| !w.is_empty());
        let port = words.find_map(|w| w.rsplit(':').next()?.parse().ok());
        ports.extend(port.filter(|p| !ports.contains(p)));
    }
    ports
}

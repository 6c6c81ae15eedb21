//! What every daemon serves and whether its calls are verified, seen from outside and asked of itself.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use super::{host::DemoHost, platform::NAME};
use crate::{
    cli::text::{BOLD, GREEN, RED, YELLOW, paint},
    error::{Error, Result},
    host::{Dial, Host as _},
    probe::details,
    starttls::Protocol,
};

/// One daemon.
struct Row {
    name: &'static str,
    running: bool,
    port: Option<u16>,
    /// Fingerprint and subject of the leaf served; none where nothing is.
    leaf: Option<(String, String)>,
    verified: usize,
    calls: usize,
    refused: Vec<String>,
}

/// Every daemon at one moment.
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Looks at every endpoint by a handshake, and has every daemon make its calls.
    pub(super) fn look(host: &DemoHost) -> Result<Self> {
        host.fleet.borrow_mut().look();
        let called = host.fleet.borrow_mut().call_all()?;
        let members: Vec<_> = host
            .fleet
            .borrow()
            .members
            .iter()
            .map(|m| (m.unit, m.is_running()))
            .collect();
        let mut rows = Vec::new();
        for (unit, running) in members {
            let calls = called.get(unit.name).map_or(&[][..], Vec::as_slice);
            let refused = calls.iter().filter_map(|call| {
                let why = call.refused.as_ref()?;
                Some(format!("{} at {}: {why}", call.block, call.peer))
            });
            let refused: Vec<String> = refused.collect();
            rows.push(Row {
                name: unit.name,
                running,
                port: unit.port,
                leaf: unit.port.and_then(|port| served(host, port)),
                verified: calls.len() - refused.len(),
                calls: calls.len(),
                refused,
            });
        }
        Ok(Self(rows))
    }

    pub(super) fn daemons(&self) -> usize {
        self.0.len()
    }

    pub(super) fn endpoints(&self) -> usize {
        self.0.iter().filter(|row| row.port.is_some()).count()
    }

    pub(super) fn calls(&self) -> usize {
        self.0.iter().map(|row| row.calls).sum()
    }

    /// Holds that every daemon runs, every TLS port serves this leaf, and every call is made and verified.
    pub(super) fn hold(&self, leaf: &str, calls: usize) -> Result<()> {
        for row in &self.0 {
            let broken = |want: &str, found: String| Error::Unproved {
                subject: format!("`{}`", row.name),
                want: want.to_owned(),
                found,
            };
            if !row.running {
                return Err(broken("running", "is stopped".to_owned()));
            }
            let found = row.leaf.as_ref().map(|(leaf, _)| leaf.as_str());
            if row.port.is_some() && found != Some(leaf) {
                return Err(broken(
                    leaf,
                    format!("serves {}", found.unwrap_or("nothing")),
                ));
            }
            if let Some(refused) = row.refused.first() {
                return Err(broken("every call verified", format!("refused {refused}")));
            }
        }
        if self.calls() == calls {
            return Ok(());
        }
        Err(Error::Unproved {
            subject: "the daemons".to_owned(),
            want: format!("{calls} calls"),
            found: format!("made {}", self.calls()),
        })
    }

    /// Renders the table.
    pub(super) fn text(&self) -> String {
        let mut out = paint(
            BOLD,
            &format!(
                "  {:<17}{:>6}  {:<43}{}",
                "daemon", "port", "leaf served", "calls to others"
            ),
        ) + "\n";
        for row in &self.0 {
            let port = row
                .port
                .map_or_else(|| "-".to_owned(), |port| port.to_string());
            let leaf = match (&row.leaf, row.port) {
                (Some((leaf, subject)), _) => {
                    format!("{} {subject}", leaf.get(..8).unwrap_or_default())
                }
                (None, None) => "- (no TLS of its own)".to_owned(),
                (None, Some(_)) => "nothing".to_owned(),
            };
            let calls = match (row.running, row.calls) {
                (false, _) => paint(RED, "stopped"),
                (true, 0) => "-".to_owned(),
                (true, n) if n == row.verified => paint(GREEN, &format!("{n} of {n} verified")),
                (true, n) => paint(YELLOW, &format!("{} of {n} verified", row.verified)),
            };
            // A `String` takes whatever is written.
            let _ = writeln!(out, "  {:<17}{port:>6}  {leaf:<43}{calls}", row.name);
        }
        out
    }
}

fn served(host: &DemoHost, port: u16) -> Option<(String, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let presented = host
        .handshake(&Dial::new(
            address,
            Protocol::Direct,
            NAME,
            Duration::from_secs(5),
        ))
        .ok()?;
    let leaf = details(presented.certificates.first()?);
    Some((leaf.sha256, leaf.subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            name: "xivo-auth",
            running: true,
            port: Some(9497),
            leaf: Some(("new".to_owned(), String::new())),
            verified: 2,
            calls: 2,
            refused: Vec::new(),
        }
    }

    #[test]
    fn a_table_holds_only_if_all_run_serve_the_leaf_and_believe_one_another() {
        let plain = || Row {
            port: None,
            leaf: None,
            ..row()
        };
        assert!(Table(vec![row(), plain()]).hold("new", 4).is_ok());
        let stopped = Row {
            running: false,
            ..row()
        };
        let silent = Row {
            leaf: None,
            ..row()
        };
        let refused = Row {
            verified: 1,
            refused: vec!["confd at localhost:9486: no".to_owned()],
            ..row()
        };
        for (bad, leaf, calls) in [
            (stopped, "new", 2),
            (silent, "new", 2),
            (refused, "new", 2),
            (row(), "old", 2),
            (row(), "new", 3),
        ] {
            assert!(
                Table(vec![bad]).hold(leaf, calls).is_err(),
                "{leaf} {calls}"
            );
        }
    }
}

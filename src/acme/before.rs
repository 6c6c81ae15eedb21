//! What would fail at the server anyway is found out before an order counts against its limits.

use std::{net::IpAddr, time::Duration};

use super::{
    asked::{Answering, Asked},
    folder::Folder,
    present::{self, Proof},
    problem,
    shown::show,
};
use crate::{
    error::{Error, Result},
    hex::hex,
    host::{Host, WebCall},
};

/// The longest that a look from here may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Checks what can be checked from here, and returns what cannot, a line for each name.
///
/// # Errors
/// [`Error::Usage`] for names that cannot be had so; [`Error::Unproved`] where a name leads nowhere, or to somebody who
/// answers otherwise; what keeps an answer from being put in place ([`Error::Io`] for a port that is taken). What was put in
/// place for a look and cannot be taken away is said, and tried again by the next run.
pub fn check(
    host: &mut dyn Host,
    folder: &Folder,
    asked: &Asked,
    say: &dyn Fn(&str),
) -> Result<Vec<String>> {
    asked.check()?;
    let port = match &asked.answering {
        Answering::Http { port } | Answering::Webroot { port, .. } => *port,
        Answering::TlsAlpn { port } => {
            // Whether it can be had is all that is seen from here.
            let token = token(host)?;
            let free = show(
                host,
                folder,
                &asked.answering,
                proof("localhost", &token),
                say,
            );
            free.map_err(|error| taken(error, *port))?
                .take_back(host, folder)?;
            return lead_somewhere(host, asked);
        }
        Answering::DnsUpdate(_) => {
            for name in &asked.names {
                let proof = proof(name.trim_start_matches("*."), &token(host)?);
                show(host, folder, &asked.answering, proof, say)?.take_back(host, folder)?;
            }
            return Ok(vec![
                "whether the records are seen elsewhere: not checkable from here".to_owned(),
            ]);
        }
        Answering::HttpHook(_) => return lead_somewhere(host, asked),
        Answering::DnsHook(_) => {
            return Ok(vec![
                "the records of the names: not checkable from here".to_owned(),
            ]);
        }
    };
    let mut unseen = lead_somewhere(host, asked)?;
    unseen.clear();
    for name in &asked.names {
        let token = token(host)?;
        let proof = proof(name, &token);
        let showing = show(host, folder, &asked.answering, proof.clone(), say);
        let showing = showing.map_err(|error| taken(error, port))?;
        let seen = look(host, name, port, &proof);
        showing.take_back(host, folder)?;
        unseen.extend(seen?);
    }
    Ok(unseen)
}

/// Finds names that lead nowhere.
fn lead_somewhere(host: &dyn Host, asked: &Asked) -> Result<Vec<String>> {
    for name in &asked.names {
        if name.parse::<IpAddr>().is_err() && host.resolve(name).is_empty() {
            return Err(Error::Unproved {
                subject: format!("`{name}`"),
                want: "an address that leads here".to_owned(),
                found: "does not resolve".to_owned(),
            });
        }
    }
    Ok(vec![
        "whether the server can reach this host: not checkable from here".to_owned(),
    ])
}

/// Asks for an answer as the server would: by name.
fn look(host: &dyn Host, name: &str, port: u16, proof: &Proof) -> Result<Option<String>> {
    let shown = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    };
    let url = format!("http://{shown}:{port}{}", present::page(&proof.token));
    let reply = host.web(&WebCall {
        method: "GET".to_owned(),
        url: url.clone(),
        headers: Vec::new(),
        body: Vec::new(),
        anchors: Vec::new(),
        limit: LIMIT,
    });
    match reply {
        // Behind a translation of addresses a host often cannot reach itself by its own name.
        Err(error) => Ok(Some(format!("`{name}`: not checkable from here: {error}"))),
        Ok(reply) if reply.status == 200 && reply.body == proof.text.as_bytes() => Ok(None),
        // The server follows that (RFC 8555 section 8.3), maybe to where only it can look.
        Ok(reply) if matches!(reply.status, 301 | 302 | 303 | 307 | 308) => {
            let to = problem::plain(reply.header("location").unwrap_or("nowhere"));
            Ok(Some(format!(
                "`{name}`: not checkable from here: redirects to `{to}`"
            )))
        }
        Ok(reply) => Err(Error::Unproved {
            subject: format!("`{url}`"),
            want: "the answer of this host".to_owned(),
            found: format!(
                "answers with {} and {} bytes of somebody else's",
                reply.status,
                reply.body.len()
            ),
        }),
    }
}

fn token(host: &dyn Host) -> Result<String> {
    Ok(format!("certroll-{}", &hex(&host.random()?)[..32]))
}

fn proof(name: &str, token: &str) -> Proof {
    Proof {
        name: name.to_owned(),
        token: token.to_owned(),
        text: format!("{token}.looked-for"),
        record: format!("{token}.looked-for"),
    }
}

/// Says who may have a port.
fn taken(error: Error, port: u16) -> Error {
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            Error::Server {
                server: format!("port {port}"),
                message: "is taken: the server's challenge could not be answered".to_owned(),
                hint: format!(
                    "who has it: `ss -ltnp 'sport = :{port}'`; if a web server does, have it answer: `--webroot DIR`"
                ),
            }
        }
        other => other,
    }
}

//! Calls of a peer by HTTP.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{Login, Secret};
use crate::{
    error::{Error, Result},
    host::{Call, Dial, Host, Load, Reply},
    peer::{Accept, Fingerprint},
    pins, source,
    state::Bytes,
};

/// The longest that one request may take, all addresses of its peer together: an upload of some KiB, and a server that writes it down.
const LIMIT: Duration = Duration::from_secs(20);

/// A call at each address of a peer.
#[derive(Debug)]
pub(crate) struct Calls(Call, Vec<Call>);

impl Calls {
    /// Makes one after the other until one is taken.
    ///
    /// # Errors
    /// What the last one failed with.
    pub(crate) fn make<T>(self, mut attempt: impl FnMut(Call) -> Result<T>) -> Result<T> {
        let mut made = attempt(self.0);
        for call in self.1 {
            if made.is_ok() {
                break;
            }
            made = attempt(call);
        }
        made
    }
}

/// Prepares to `GET` a path at a peer over TLS.
///
/// # Errors
/// [`Error::Unproved`] where its name does not resolve.
pub(crate) fn calls(
    host: &dyn Host,
    peer: &str,
    accept: &[Fingerprint],
    path: &str,
) -> Result<Calls> {
    let (_, peer) = pins::key(peer)?;
    let addresses = match peer.name.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => host.resolve(&peer.name),
    };
    let share = LIMIT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut calls = addresses.into_iter().map(|address| {
        let address = SocketAddr::new(address, peer.port);
        Call {
            dial: Dial {
                accept: Accept::Only(accept.to_vec()),
                ..Dial::new(address, peer.protocol, &peer.name, share)
            },
            tls: true,
            method: "GET".to_owned(),
            path: path.to_owned(),
            login: None,
            load: Load::Nothing,
        }
    });
    let one = calls.next().ok_or_else(|| Error::Unproved {
        subject: format!("`{peer}`"),
        want: "an address".to_owned(),
        found: "does not resolve".to_owned(),
    })?;
    Ok(Calls(one, calls.collect()))
}

/// Reads a password.
///
/// # Errors
/// As [`Host::read_input`]; [`Error::Input`] where its first line is empty.
pub(crate) fn password(host: &dyn Host, secret: &Secret) -> Result<Bytes> {
    match secret {
        Secret::Public(text) => Ok(text.clone().into()),
        Secret::File(path) | Secret::Kept(path) => {
            source::password_in(path, &host.read_input(path)?)
        }
    }
}

/// Asks a path, over TLS unless `with` has it otherwise: as nobody where there are no logins, else as each in turn while the peer
/// answers 401.
///
/// # Errors
/// As [`calls`] and [`Host::fetch`], and what keeps a password from being read.
pub(crate) fn get(
    host: &dyn Host,
    peer: &str,
    accept: &[Fingerprint],
    logins: &[Login],
    path: &str,
    with: impl Fn(&mut Call),
) -> Result<Reply> {
    let asked = |login: Option<&Login>| {
        let login = login.map(|l| Ok::<_, Error>((l.user.clone(), password(host, &l.password)?)));
        let login = login.transpose()?;
        calls(host, peer, accept, path)?.make(|mut call| {
            call.login.clone_from(&login);
            with(&mut call);
            host.fetch(&call)
        })
    };
    let Some((last, others)) = logins.split_last() else {
        return asked(None);
    };
    for login in others {
        match asked(Some(login))? {
            Reply::Answer { status: 401, .. } => {}
            reply => return Ok(reply),
        }
    }
    asked(Some(last))
}

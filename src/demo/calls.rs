//! One daemon calling another, and whether it would go on after the handshake.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::config::{Peer, Verify, path};
use crate::{
    error::{Error, Result},
    host::{Dial, Host, Presented},
    identity::{Identity, Input, Trust},
    probe::lookup_in_hosts,
    starttls::Protocol,
    state::Bytes,
};

/// The longest that a call may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What came of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Call {
    /// The block that describes the peer.
    pub(super) block: String,
    /// The peer as the daemon calls it: `host:port`.
    pub(super) peer: String,
    /// Why the peer was refused; none where the peer was verified.
    pub(super) refused: Option<String>,
}

/// Calls a peer. `ports` tells where the platform's ports really are.
pub(super) fn call(host: &dyn Host, peer: &Peer, ports: &BTreeMap<u16, u16>) -> Call {
    Call {
        block: peer.block.to_owned(),
        peer: format!("{}:{}", peer.host, peer.port),
        refused: attempt(host, peer, ports).err(),
    }
}

fn attempt(host: &dyn Host, peer: &Peer, ports: &BTreeMap<u16, u16>) -> Result<(), String> {
    let hosts = path("/etc/hosts")
        .and_then(|path| host.text(&path))
        .map_err(|e| e.to_string())?;
    let found = lookup_in_hosts(&hosts.unwrap_or_default(), &peer.host);
    // The daemons listen on this address alone.
    let address = match found.first() {
        Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) => Ipv4Addr::LOCALHOST,
        Some(other) => return Err(format!("`{}` is {other}, where nobody listens", peer.host)),
        None => return Err(format!("`{}` does not resolve", peer.host)),
    };
    let port = ports.get(&peer.port).ok_or("connection refused")?;
    let address = SocketAddr::from((address, *port));
    let presented = host
        .handshake(&Dial::new(address, Protocol::Direct, &peer.host, LIMIT))
        .map_err(|e| e.to_string())?;
    verify(host, peer, &presented)
}

/// Verifies a peer as the Python clients of that release do: a path to an anchor, then the name, for which the CN counts
/// only where there is no SAN (urllib3 1.x; RFC 2818 section 3.1).
fn verify(host: &dyn Host, peer: &Peer, presented: &Presented) -> Result<(), String> {
    let trusted = |identity: &Identity| match &peer.verify {
        Verify::Off => Err("taken without verification".to_owned()),
        Verify::System => {
            let trust = identity.trust(&host.trust_anchors(), host.now());
            Ok(trust == Trust::Trusted)
        }
        Verify::File(file) => {
            let (_, state) = host.read_followed(file).map_err(|e| e.to_string())?;
            let anchors = state
                .bytes()
                .ok_or_else(|| format!("`{file}` is not there"))?;
            Ok(identity.verifies_with(anchors.reveal(), host.now()))
        }
    };
    let input = |der: &Vec<u8>| Input {
        name: peer.peer_name(),
        bytes: Bytes::from(der.clone()),
    };
    let inputs: Vec<Input> = presented.certificates.iter().map(input).collect();
    let (identity, _) = Identity::assemble(&inputs, None).map_err(|e: Error| e.to_string())?;
    if presented.certificates.first() != Some(&identity.leaf.der) {
        return Err("did not present its leaf first".to_owned());
    }
    if !trusted(&identity)? {
        return Err("certificate verify failed: no trust anchor issued it".to_owned());
    }
    let leaf = &identity.leaf;
    let nameless = leaf.dns.is_empty() && leaf.ips.is_empty();
    let by_cn = nameless
        && leaf
            .cn
            .as_deref()
            .is_some_and(|cn| matches_cn(cn, &peer.host));
    if leaf.covers(&peer.host) || by_cn {
        Ok(())
    } else {
        Err(format!(
            "hostname `{}` doesn't match {}",
            peer.host, leaf.subject
        ))
    }
}

fn matches_cn(cn: &str, host: &str) -> bool {
    match cn.strip_prefix('*') {
        Some(rest) => host.split_once('.').map_or(rest.is_empty(), |(_, domain)| {
            rest.strip_prefix('.') == Some(domain)
        }),
        None => cn.eq_ignore_ascii_case(host),
    }
}

impl Peer {
    fn peer_name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_cn_stands_for_one_label() {
        for (cn, host, want) in [
            ("*", "localhost", true),
            ("*", "wazo.example.com", false),
            ("*.example.com", "wazo.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("Localhost", "localhost", true),
        ] {
            assert_eq!(matches_cn(cn, host), want, "{cn} {host}");
        }
    }
}

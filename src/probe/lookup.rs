//! What a name resolves to.

use std::net::IpAddr;

use crate::{
    host::{Host, Tree},
    state::HostPath,
};

/// Asks the resolver of a live host; of another root its `/etc/hosts`, the only part of a resolver that a root has.
pub(super) fn observe(host: &dyn Host, name: &str) -> Vec<IpAddr> {
    if host.is_live() {
        host.resolve(name)
    } else {
        in_tree(host.tree(), name)
    }
}

fn in_tree(tree: &dyn Tree, name: &str) -> Vec<IpAddr> {
    let text = HostPath::new("/etc/hosts")
        .ok()
        .and_then(|path| tree.text(&path).ok().flatten());
    lookup_in_hosts(&text.unwrap_or_default(), name)
}

/// Returns the addresses that a hosts file gives a name, in the order of its lines, each once.
///
/// As glibc's `files` service answers `getaddrinfo` for both families (hosts(5), nss/nss_files/files-hosts.c): every
/// line counts, not only the first that matches; `#` starts a comment anywhere; canonical name and aliases count the
/// same, without regard to ASCII case; a line whose first field is no address is skipped. A literal address is itself.
#[must_use]
pub fn lookup_in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    if let Ok(address) = name.parse() {
        return vec![address];
    }
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut fields = line.split_ascii_whitespace();
        let address = fields.next().and_then(address);
        let named = fields.any(|field| field.eq_ignore_ascii_case(name));
        if let Some(address) = address.filter(|address| named && !found.contains(address)) {
            found.push(address);
        }
    }
    found
}

/// Parses an address, its scope (`fe80::1%eth0`) left out.
fn address(field: &str) -> Option<IpAddr> {
    field.split('%').next().unwrap_or(field).parse().ok()
}

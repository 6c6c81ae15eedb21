//! Where a name leads, as the resolver of this host sees it.

use std::net::IpAddr;

use crate::host::Host;

/// The words that [`word`] may say.
pub const WORDS: [&str; 6] = [
    "here",
    "split",
    "elsewhere",
    "private",
    "unresolved",
    "untold",
];

/// Asks the resolver of this host for a name.
#[must_use]
pub fn look(host: &dyn Host, name: &str, here: &[IpAddr]) -> (&'static str, Vec<IpAddr>) {
    let found = host.resolve(name);
    (word(&found, here), found)
}

/// Says where a name leads: to the addresses that are `here` alone, to them and others (`split`), to a public address that is
/// none of them (`elsewhere`), to others that only some network knows (`private`); `unresolved` where it leads nowhere, and
/// `untold` where nobody said what is here.
#[must_use]
pub fn word(found: &[IpAddr], here: &[IpAddr]) -> &'static str {
    if found.is_empty() {
        return "unresolved";
    }
    if here.is_empty() {
        return "untold";
    }
    let is_ours = |address: &&IpAddr| {
        let address = address.to_canonical();
        here.iter().any(|known| known.to_canonical() == address)
    };
    match found.iter().filter(is_ours).count() {
        0 if found.iter().any(|address| is_public(*address)) => "elsewhere",
        0 => "private",
        ours if ours == found.len() => "here",
        _ => "split",
    }
}

/// Tells whether an address may lead somewhere from everywhere (RFC 1918, 3927, 4193, 4291, 6598).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

//! What profiles see of the identity and of the host's users and groups.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use crate::{error::Result, host::Host, rotation::Turn, state::Bytes};

/// What a rollout's identity says about itself, in the words that expressions use.
pub struct IdentityContext {
    /// `name`, `cn`, `dns`, `ips`, `fingerprint`, `self_signed`, `trust` (`trusted`, `self-signed`, `private-ca` or
    /// `unknown`) and `has_anchor`.
    pub json: Value,
    /// Forms as PEM: `key`, `leaf`, `chain`, `fullchain`, `bundle`, and `anchor` where one came with it.
    pub forms: BTreeMap<&'static str, Bytes>,
    /// Tells whether a SAN covers a name (RFC 9525).
    pub covers: Box<dyn Fn(&str) -> bool>,
    /// How far its rotation is.
    pub turn: Turn,
}

impl IdentityContext {
    /// What expressions see where a platform makes its pair itself: nothing but the name by which it serves its own machine.
    pub(crate) fn of_platform() -> Self {
        Self {
            json: json!({
                "name": "localhost", "cn": "localhost", "dns": ["localhost"], "ips": [], "fingerprint": "",
                "self_signed": true, "trust": "self-signed", "has_anchor": false,
                "key": "", "sha1": "",
            }),
            forms: BTreeMap::new(),
            covers: Box::new(|name| name == "localhost"),
            turn: Turn::default(),
        }
    }
}

impl fmt::Debug for IdentityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityContext")
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// Names of users and groups to their ids.
pub trait Ids: fmt::Debug {
    /// Returns the id of a user.
    ///
    /// # Errors
    /// [`crate::error::Error::Unknown`] where there is none.
    fn user(&self, name: &str) -> Result<u32>;

    /// Returns the id of a group.
    ///
    /// # Errors
    /// [`crate::error::Error::Unknown`] where there is none.
    fn group(&self, name: &str) -> Result<u32>;
}

/// The ids that a host knows.
pub struct HostIds<'h>(pub &'h dyn Host);

impl fmt::Debug for HostIds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostIds")
    }
}

impl Ids for HostIds<'_> {
    fn user(&self, name: &str) -> Result<u32> {
        Ok(self.0.user(name)?.uid)
    }

    fn group(&self, name: &str) -> Result<u32> {
        self.0.group(name)
    }
}

//! What a document demands of versions and suites, held against what an endpoint offers. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::survey::{Offered, Order};
use crate::error::{Error, Result};

/// The demands of one document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Its name, as `--rules` takes it.
    #[serde(skip)]
    pub name: String,
    /// The document.
    pub source: String,
    /// Exactly these versions are offered, by name.
    versions: Vec<String>,
    /// By version: the strong suites that are offered, the most preferred first. Others may be offered behind them.
    strong: BTreeMap<String, Vec<String>>,
}

/// Whether demands hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Name of the rules.
    pub rules: String,
    /// Whether all hold.
    pub hold: bool,
    /// What does not, in words.
    pub faults: Vec<String>,
}

impl Rules {
    /// Returns the rules of a name.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there are none.
    pub fn named(name: &str) -> Result<Self> {
        let mut all = Self::all()?;
        let known = all.keys().cloned().collect();
        let mut rules = all.remove(name).ok_or_else(|| Error::Unknown {
            what: "set of rules",
            name: name.to_owned(),
            known,
        })?;
        name.clone_into(&mut rules.name);
        Ok(rules)
    }

    /// Returns all that are built in, by name.
    ///
    /// # Errors
    /// [`Error::Input`] where the built-in table cannot be read, which its test excludes.
    pub fn all() -> Result<BTreeMap<String, Self>> {
        serde_yaml::from_str(include_str!("rules.yaml")).map_err(|error| Error::Input {
            subject: "the table of rules".to_owned(),
            message: error.to_string(),
            hint: String::new(),
        })
    }

    /// Holds the rules against what is offered.
    #[must_use]
    pub fn judge(&self, offers: &[Offered]) -> Judged {
        let mut faults = Vec::new();
        for offer in offers {
            let wanted = self.versions.iter().any(|v| v == offer.version);
            match (wanted, offer.suites.is_empty()) {
                (false, false) => faults.push(format!("offers {}", offer.version)),
                (true, true) => faults.push(format!("does not offer {}", offer.version)),
                (true, false) => faults.extend(self.faults(offer)),
                (false, true) => {}
            }
        }
        Judged {
            rules: self.name.clone(),
            hold: faults.is_empty(),
            faults,
        }
    }

    /// What is said where nothing could be found out.
    pub(super) fn unknown(&self, reason: &str) -> Judged {
        Judged {
            rules: self.name.clone(),
            hold: false,
            faults: vec![format!("cannot be told: {reason}")],
        }
    }

    fn faults(&self, offer: &Offered) -> Vec<String> {
        let Some(strong) = self.strong.get(offer.version) else {
            return Vec::new();
        };
        let version = offer.version;
        let lacking: Vec<&str> = strong
            .iter()
            .filter(|suite| !offer.suites.contains(suite))
            .map(String::as_str)
            .collect();
        let mut faults = Vec::new();
        if !lacking.is_empty() {
            faults.push(format!("{version} lacks {}", lacking.join(", ")));
        }
        let there: Vec<&String> = strong.iter().filter(|s| offer.suites.contains(s)).collect();
        if offer.order == Some(Order::Client) {
            faults.push(format!("{version} leaves the order to the client"));
        } else if !offer
            .suites
            .iter()
            .take(there.len())
            .eq(there.iter().copied())
        {
            let found: Vec<&str> = offer.suites.iter().map(String::as_str).collect();
            let wanted: Vec<&str> = there.iter().map(|s| s.as_str()).collect();
            faults.push(format!(
                "{version} prefers {}, want first {}",
                found[..there.len().min(found.len())].join(", "),
                wanted.join(", ")
            ));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::{SUITES, Version};

    fn offered(version: &'static str, suites: &[&str], order: Order) -> Offered {
        Offered {
            version,
            suites: suites.iter().map(|s| (*s).to_owned()).collect(),
            order: Some(order),
        }
    }

    #[test]
    fn the_table_names_known_versions_and_suites_alone() {
        let all = Rules::all().unwrap();
        assert!(all.len() > 1);
        for rules in all.values() {
            let versions = Version::ALL.map(Version::name);
            assert!(
                rules
                    .versions
                    .iter()
                    .all(|v| versions.contains(&v.as_str()))
            );
            for (version, suites) in &rules.strong {
                assert!(rules.versions.contains(version));
                let known = |suite: &String| SUITES.iter().any(|(_, name)| name == suite);
                assert!(suites.iter().all(known), "{suites:?}");
            }
        }
    }

    #[test]
    fn versions_suites_and_their_order_are_held_against_the_rules() {
        let rules = Rules::named("speechmatics-v1").unwrap();
        let strong = rules.strong["TLS 1.3"].iter().map(String::as_str);
        let new: Vec<&str> = strong.collect();
        let strong = rules.strong["TLS 1.2"].iter().map(String::as_str);
        let mut old: Vec<&str> = strong.collect();
        old.push("TLS_RSA_WITH_AES_128_CBC_SHA");
        let offers =
            |first: Offered, last: Offered| [offered("TLS 1.0", &[], Order::Server), first, last];
        let good = offers(
            offered("TLS 1.2", &old, Order::Server),
            offered("TLS 1.3", &new, Order::Server),
        );
        assert_eq!(rules.judge(&good).faults, [""; 0]);
        let back: Vec<&str> = new.iter().rev().copied().collect();
        for (first, last, want) in [
            (
                offered("TLS 1.2", &old, Order::Server),
                offered("TLS 1.3", &back, Order::Server),
                "TLS 1.3 prefers TLS_AES_128",
            ),
            (
                offered("TLS 1.2", &old[1..], Order::Server),
                offered("TLS 1.3", &new, Order::Server),
                "TLS 1.2 lacks TLS_ECDHE_RSA_WITH_CHACHA20",
            ),
            (
                offered("TLS 1.2", &old, Order::Client),
                offered("TLS 1.3", &new, Order::Server),
                "TLS 1.2 leaves the order to the client",
            ),
            (
                offered("TLS 1.2", &old, Order::Server),
                offered("TLS 1.3", &[], Order::Server),
                "does not offer TLS 1.3",
            ),
            (
                offered("TLS 1.1", &old, Order::Server),
                offered("TLS 1.3", &new, Order::Server),
                "offers TLS 1.1",
            ),
        ] {
            let judged = rules.judge(&offers(first, last));
            assert!(!judged.hold);
            assert!(
                judged.faults.iter().any(|f| f.starts_with(want)),
                "{want}: {judged:?}"
            );
        }
    }
}

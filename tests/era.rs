//! The Era platform: which certificate answers for a name, its configuration, its directories and its settings.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests make their own files and fail by panicking"
)]

#[path = "era/acme.rs"]
mod acme;
mod common;
#[path = "era/configuration.rs"]
mod configuration;
#[path = "era/directory.rs"]
mod directory;
#[path = "era/dns.rs"]
mod dns;
#[path = "era/domain.rs"]
mod domain;
#[path = "era/explain.rs"]
mod explain;
#[path = "era/site.rs"]
mod site;

use common::Scratch;
use serde_json::{Value, json};

/// The configuration of two ws roles, one sg and one esg as the platform exports it, in notations that a library would change.
const EXPORTED: &str = r#"{
  "id": "c1", "name": "main",
  "content": {
    "general": {"order": 1.50, "big": 12345678901234567890},
    "aliases": { },
    "roles": [
      {"name":"ws1","roletype":"ws","iface":"eth0","roleid":  1},
      { "roletype": "sg", "name": "sg1", "iface": "eth0", "certdir": "alias://paths/default_certdir" },
      {"name":"ws2","roletype":"ws","iface":"eth0","enabled":false,"certdir":"/opt/old"},
      {"name":"esg1","roletype":"esg","iface":"eth0"},
      {"name":"mdc1","roletype":"mdc","iface":"eth0","dbconnstrings":["alias://pgdb_strings/b"]}
    ]
  }
}
"#;

/// The tree of the worked example: the domains with the names of their pairs.
const DOMAINS: [(&str, &str); 5] = [
    ("era.local", "m"),
    ("corp.example.com", "c"),
    ("a.corp.example.com", ""),
    ("b.corp.example.com", "b"),
    ("other.org", ""),
];

/// Writes `tree.json` with the pairs of the domains, each minted with the names it has.
fn tree(scratch: &Scratch, domains: &[(&str, &str)]) {
    let domain = |(name, pair): &(&str, &str)| {
        let pem = match *pair {
            "" => Value::Null,
            // A value of white space is none.
            "blank" => " \n".into(),
            "broken" => "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
            pair => {
                let key = scratch.read(&format!("{pair}.key"));
                let leaf = scratch.read(&format!("{pair}.pem"));
                // As the platform's page has it: text before the blocks, and spaces for line ends.
                Value::from(format!(
                    "date=2023-11-29 {}",
                    (key + &leaf).replace('\n', " ")
                ))
            }
        };
        json!({ "name": name, "certificate_pem": pem })
    };
    let domains: Vec<Value> = domains.iter().map(domain).collect();
    let document = json!({ "master": "era.local", "domains": domains });
    scratch.file("tree.json", document.to_string());
}

/// Mints the pairs of the worked example; that of b has ended.
fn minted() -> Scratch {
    let scratch = Scratch::new();
    scratch.mint("m", "era.local");
    scratch.mint("c", "corp.example.com");
    scratch.mint_between("b", "b.corp.example.com", 2020, 2021);
    scratch
}

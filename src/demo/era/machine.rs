//! What the platform is and becomes: pure but for the clock and the directory of its roles.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use serde_json::{Value, json};

use super::acme::Acme;
use crate::{
    demo::wire::Message,
    error::{Error, Result},
    identity::{Identity, Input},
};

/// What a platform does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It takes what it is given, and keeps what it has.
    KeepsOld,
    /// Its other servers never get a change.
    NeverSyncs,
    /// It refuses a setting with 400.
    Refuses,
    /// Its monitor complains of the domain, whatever it serves.
    Complains,
    /// Its monitor answers 503.
    MonitorDown,
    /// It does not tell the settings that it has.
    TellsNothing,
}

/// A request as it came, without a byte of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Whether it held a private key.
    pub key: bool,
    /// The status that was answered.
    pub status: u16,
}

/// Something, and what it was until servers but the first have the change.
#[derive(Debug, Clone, Default)]
struct Synced<T> {
    now: T,
    before: T,
    changed: Option<Instant>,
}

impl<T: Clone> Synced<T> {
    fn change(&mut self, to: T, delay: Duration, fault: Fault) {
        let arrived = self
            .changed
            .is_none_or(|at| at.elapsed() >= delay && fault != Fault::NeverSyncs);
        let now = std::mem::replace(&mut self.now, to);
        if arrived {
            self.before = now;
        }
        self.changed = Some(Instant::now());
    }

    fn on(&self, server: usize, delay: Duration, fault: Fault) -> &T {
        let late =
            fault == Fault::NeverSyncs || self.changed.is_some_and(|at| at.elapsed() < delay);
        if server > 0 && late && self.changed.is_some() {
            &self.before
        } else {
            &self.now
        }
    }
}

#[derive(Debug)]
pub(super) struct Machine {
    master: String,
    domains: BTreeMap<String, Synced<String>>,
    domain: String,
    token: String,
    builtin: Arc<CertifiedKey>,
    directory: Synced<Option<Arc<CertifiedKey>>>,
    delay: Duration,
    pub(super) fault: Fault,
    pub(super) requests: Vec<Request>,
    pub(super) acme: Acme,
}

impl Machine {
    pub(super) fn new(
        domains: &[&str],
        domain: &str,
        token: &str,
        (cert, key): (&str, &str),
        delay: Duration,
    ) -> Result<Self> {
        let builtin = pair(&format!("{key}{cert}")).ok_or_else(|| Error::Input {
            subject: "the platform's own pair".to_owned(),
            message: "is none".to_owned(),
            hint: String::new(),
        })?;
        let known = domains.iter().map(|d| ((*d).to_owned(), Synced::default()));
        Ok(Self {
            master: domains.first().copied().unwrap_or_default().to_owned(),
            domains: known.collect(),
            domain: domain.to_owned(),
            token: token.to_owned(),
            builtin,
            directory: Synced::default(),
            delay,
            fault: Fault::None,
            requests: Vec::new(),
            acme: Acme::default(),
        })
    }

    pub(super) fn set(&mut self, domain: &str, value: &str) {
        let entry = self.domains.entry(domain.to_owned()).or_default();
        *entry = Synced {
            now: value.to_owned(),
            ..Synced::default()
        };
    }

    pub(super) fn value(&self, domain: &str) -> String {
        self.domains
            .get(domain)
            .map(|d| d.now.clone())
            .unwrap_or_default()
    }

    /// Has the roles read a directory.
    pub(super) fn restart(&mut self, directory: &Path) {
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
        let found = pair(&(read("server.key") + &read("server.crt")));
        if let Some(found) = found.filter(|_| self.fault != Fault::KeepsOld) {
            self.directory.change(Some(found), self.delay, self.fault);
        }
    }

    /// Returns what a server presents to a client that asks for a name, or for none.
    pub(super) fn presents(&mut self, server: usize, name: Option<&str>) -> Arc<CertifiedKey> {
        self.issue();
        let value = name.and_then(|name| self.chosen(server, &name.to_lowercase()));
        if let Some(found) = value.and_then(|value| pair(&value)) {
            return found;
        }
        let directory = self.directory.on(server, self.delay, self.fault);
        directory
            .clone()
            .unwrap_or_else(|| Arc::clone(&self.builtin))
    }

    /// Finds the value that answers for a name: its own domain's, else that of the nearest name above it, else the master's.
    fn chosen(&self, server: usize, name: &str) -> Option<String> {
        let of = |domain: &str| {
            let value = self.domains.get(domain)?.on(server, self.delay, self.fault);
            (!value.trim().is_empty()).then(|| value.clone())
        };
        let mut rest = Some(name);
        while let Some(domain) = rest {
            if domain != self.master
                && let Some(value) = of(domain)
            {
                return Some(value);
            }
            rest = domain.split_once('.').map(|(_, above)| above);
        }
        of(&self.master)
    }

    /// Has the domain have what was issued by now.
    fn issue(&mut self) {
        if let Some(value) = self.acme.issued() {
            let entry = self.domains.entry(self.domain.clone()).or_default();
            entry.change(value, self.delay, self.fault);
        }
    }

    /// Answers a request, and notes it.
    pub(super) fn answer(&mut self, asked: &Message) -> (u16, String) {
        let (status, body) = self.said(asked);
        self.requests.push(Request {
            method: asked.method.clone(),
            path: asked.path.clone(),
            key: String::from_utf8_lossy(&asked.body).contains("PRIVATE KEY"),
            status,
        });
        (status, body.to_string())
    }

    fn said(&mut self, asked: &Message) -> (u16, Value) {
        self.issue();
        if asked.authorization.as_deref() != Some(&format!("Bearer {}", self.token)) {
            return (401, json!({}));
        }
        if asked.path == "/api/monitor/v1/system/state" {
            return match self.fault {
                Fault::MonitorDown => (503, json!({})),
                _ => (200, self.state()),
            };
        }
        let refuses = self.fault == Fault::Refuses;
        if let Some(answer) = self.acme.answer(asked, refuses) {
            return answer;
        }
        let Some("certificate_pem") = asked.path.strip_prefix("/rest/v1/domain/settings/") else {
            return (404, json!({}));
        };
        let entity = |value: &str| json!({ "key": "certificate_pem", "value": value });
        let known = self.domains.entry(self.domain.clone()).or_default();
        match asked.method.as_str() {
            "GET" if self.fault == Fault::TellsNothing => (403, json!({})),
            "GET" => (200, entity(&known.now)),
            "PATCH" if self.fault == Fault::Refuses => (400, json!({ "errormsg": "not today" })),
            "PATCH" => {
                let document: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
                let (Some("certificate_pem"), Some(value)) =
                    (document["key"].as_str(), document["value"].as_str())
                else {
                    return (400, json!({ "errormsg": "no setting" }));
                };
                if self.fault != Fault::KeepsOld {
                    known.change(value.to_owned(), self.delay, self.fault);
                }
                (200, entity(value))
            }
            _ => (405, json!({})),
        }
    }

    /// What its monitor says: a domain whose certificate is broken, or that it complains of.
    fn state(&self) -> Value {
        let bad = |(name, value): &(&String, &Synced<String>)| {
            let broken = !value.now.trim().is_empty() && pair(&value.now).is_none();
            broken || (self.fault == Fault::Complains && **name == self.domain)
        };
        let items: Vec<Value> = (self.domains.iter().filter(bad))
            .map(|(name, _)| {
                let item =
                    json!({ "status": "error", "reason": "Certificate expired", "domain": name });
                json!({ "site": "main_site", "servers": [{ "mdc1@192.0.2.11": [item] }] })
            })
            .collect();
        let mut data = json!({ "inactive_nodes": [] });
        // What is well has no entry.
        if !items.is_empty() {
            data["certificate"] = Value::Array(items);
        }
        json!({ "resultcode": 0, "resultmsg": "OK", "data": data })
    }
}

/// Reads a pair as the platform does: text before the blocks, white space for line ends.
fn pair(text: &str) -> Option<Arc<CertifiedKey>> {
    let input = Input {
        name: "pair".to_owned(),
        bytes: text.to_owned().into(),
    };
    let (identity, findings) = Identity::assemble(&[input], None).ok()?;
    if findings.iter().any(|f| f.name == "key-mismatch") {
        return None;
    }
    let provider = aws_lc_rs::default_provider().key_provider;
    let der = PrivateKeyDer::try_from(identity.key.as_ref()?.reveal().to_vec()).ok()?;
    let signer = provider.load_private_key(der).ok()?;
    let all = std::iter::once(&identity.leaf).chain(&identity.chain);
    let certs = all.map(|c| CertificateDer::from(c.der.clone())).collect();
    Some(Arc::new(CertifiedKey::new(certs, signer)))
}

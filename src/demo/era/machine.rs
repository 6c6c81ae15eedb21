//! What the platform is and becomes: pure but for the clock and the directory that its servers copy.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use serde_json::{Value, json};

use super::{SERVERS, acme::Acme, synced::Synced};
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
    /// It refuses a setting with 400, and quotes a line of it, which is one of the key.
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

#[derive(Debug)]
pub(super) struct Machine {
    master: String,
    domains: BTreeMap<String, Synced<String>>,
    domain: String,
    token: String,
    /// The directory of the first server, which is copied to the others, and what each has in it: key and chain.
    directory: Option<PathBuf>,
    files: Synced<String>,
    /// What the roles of each server read when they last started; at first, what they come with.
    roles: Vec<Arc<CertifiedKey>>,
    delay: Duration,
    fault: Fault,
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
            directory: None,
            files: Synced::default(),
            roles: vec![builtin; usize::from(SERVERS)],
            delay,
            fault: Fault::None,
            requests: Vec::new(),
            acme: Acme::default(),
        })
    }

    pub(super) fn set(&mut self, domain: &str, value: &str) {
        let value = Synced::on_all(value.to_owned());
        self.domains.insert(domain.to_owned(), value);
    }

    pub(super) fn value(&self, domain: &str) -> String {
        self.domains
            .get(domain)
            .map(|d| d.on(0).clone())
            .unwrap_or_default()
    }

    /// Has it do something wrong from now on.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.arrive();
        self.fault = fault;
    }

    /// Gives all servers a directory, as it is now.
    pub(super) fn shares(&mut self, directory: &Path) {
        self.files = Synced::on_all(files(directory));
        self.directory = Some(directory.to_owned());
    }

    /// Notices what changed in the directory, and has come to the other servers.
    pub(super) fn arrive(&mut self) {
        if let Some(directory) = &self.directory {
            let found = files(directory);
            if found != *self.files.on(0) {
                self.files.change(found);
            }
        }
        if let Some(value) = self.acme.issued() {
            let domain = self.domains.entry(self.domain.clone());
            domain.or_default().change(value);
        }
        if self.fault != Fault::NeverSyncs {
            self.files.arrive(self.delay);
            self.domains.values_mut().for_each(|d| d.arrive(self.delay));
        }
    }

    /// Has the roles of a server read what it has of the directory; nothing else does.
    pub(super) fn restart(&mut self, server: usize) {
        self.arrive();
        let found = pair(self.files.on(server)).filter(|_| self.fault != Fault::KeepsOld);
        if let Some((role, found)) = self.roles.get_mut(server).zip(found) {
            *role = found;
        }
    }

    /// Returns what a server presents to a client that asks for a name, or for none: a domain's value even where that is no
    /// pair, and the handshake fails.
    pub(super) fn presents(
        &mut self,
        server: usize,
        name: Option<&str>,
    ) -> Option<Arc<CertifiedKey>> {
        self.arrive();
        match name.and_then(|name| self.chosen(server, &name.to_lowercase())) {
            Some(value) => pair(&value),
            None => self.roles.get(server).cloned(),
        }
    }

    /// Finds the value that answers for a name: its own domain's, else that of the nearest name above it, else the master's.
    fn chosen(&self, server: usize, name: &str) -> Option<String> {
        let of = |domain: &str| {
            let value = self.domains.get(domain)?.on(server);
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
        self.arrive();
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
            "GET" => (200, entity(known.on(0))),
            "PATCH" => {
                let document: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
                if self.fault == Fault::Refuses {
                    let line = document["value"].as_str().and_then(|v| v.lines().nth(1));
                    let said = format!("cannot decode line 2: {}", line.unwrap_or_default());
                    return (400, json!({ "errormsg": said }));
                }
                let (Some("certificate_pem"), Some(value)) =
                    (document["key"].as_str(), document["value"].as_str())
                else {
                    return (400, json!({ "errormsg": "no setting" }));
                };
                if self.fault != Fault::KeepsOld {
                    known.change(value.to_owned());
                }
                (200, entity(value))
            }
            _ => (405, json!({})),
        }
    }

    /// What its monitor says: a domain whose certificate is broken, or that it complains of.
    fn state(&self) -> Value {
        let bad = |(name, value): &(&String, &Synced<String>)| {
            let broken = !value.on(0).trim().is_empty() && pair(value.on(0)).is_none();
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

/// What a directory holds, as far as roles read it.
fn files(directory: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    read("server.key") + &read("server.crt")
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

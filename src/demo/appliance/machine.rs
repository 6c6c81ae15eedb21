//! What the appliance is and becomes: pure but for the clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::form;
use crate::{
    error::{Error, Result},
    identity::{Identity, Input, base64},
};

/// Generation of the management API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// From 3.4.0.
    V1,
    /// From 6.0.
    V2,
}

/// What an appliance does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It says that it took the pair, and never shows it.
    NeverSwitches,
    /// It shows its default pair instead.
    SwitchesToAnother,
    /// It answers 200, and says that it was no success.
    DeniesSuccess,
    /// It heeds the request and breaks the connection instead of an answer.
    ResetsAfterBody,
    /// It refuses with 400.
    Refuses,
    /// It repeats in its refusal what it was sent.
    Echoes,
    /// It repeats in its refusal the login, as it was sent and as it reads.
    EchoesLogin,
    /// It answers so many requests with 503, and ignores them.
    Busy(usize),
    /// It speaks no TLS above 1.1.
    OldTls,
    /// It speaks no TLS at all, as before 3.4.0.
    NoTls,
    /// It shows a new pair on its first port alone.
    OnePortOnly,
    /// Its Monitoring API does not come back after a change.
    LosesMonitoring,
    /// It answers uploads with a redirection to plain HTTP.
    Redirects,
    /// It says that plain HTTP is closed, and leaves it open.
    KeepsHttpOpen,
}

/// A request as it came, without a byte of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The port.
    pub port: u16,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The private key that it held, if any: the label of its PEM (RFC 7468).
    pub key: Option<String>,
    /// Whether it came with a login.
    pub login: bool,
    /// The status that was answered; 0: none.
    pub status: u16,
}

/// A request with everything, on its way through.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) content_type: String,
    pub(super) authorization: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Answer(u16, &'static str, String),
    /// The connection is closed without a byte.
    Nothing,
    /// The connection is broken.
    Reset,
}

#[derive(Debug, Clone)]
struct Pair {
    cert: String,
    key: Arc<CertifiedKey>,
}

#[derive(Debug, Clone)]
enum Change {
    Pair(Pair),
    Http(bool),
    Password(Option<String>),
    Reset,
    LoseMonitoring,
}

#[derive(Debug)]
pub(super) struct Machine {
    api: Api,
    active: Pair,
    default: Pair,
    http_open: bool,
    password: Option<String>,
    monitoring: bool,
    pending: Vec<(Instant, Change)>,
    delay: Duration,
    fault: Fault,
    busy: usize,
    requests: Vec<Request>,
}

const HTML_401: &str = "<head><title>401 Authorization Required</title></head>\n<center><h1>401 Authorization Required</h1></center>\n";
const DONE: &str =
    r#"{"success": true, "message": "certificate and private_key applied successfully"}"#;

impl Machine {
    pub(super) fn new(api: Api, cert: &str, key: &str, delay: Duration) -> Result<Self> {
        let default = Pair::read(cert, key).map_err(|message| Error::Input {
            subject: "the appliance's default pair".to_owned(),
            message,
            hint: String::new(),
        })?;
        Ok(Self {
            api,
            active: default.clone(),
            default,
            http_open: true,
            password: (api == Api::V2).then(|| "admin".to_owned()),
            monitoring: true,
            pending: Vec::new(),
            delay,
            fault: Fault::None,
            busy: 0,
            requests: Vec::new(),
        })
    }

    pub(super) fn api(&self) -> Api {
        self.api
    }

    pub(super) fn fault(&self) -> Fault {
        self.fault
    }

    pub(super) fn set_fault(&mut self, fault: Fault) {
        self.fault = fault;
        self.busy = match fault {
            Fault::Busy(many) => many,
            _ => 0,
        };
    }

    pub(super) fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    pub(super) fn set_password(&mut self, password: Option<&str>) {
        self.password = password.map(str::to_owned);
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    pub(super) fn state(&mut self) -> (String, bool, bool) {
        self.settle();
        (
            self.active.cert.clone(),
            self.http_open,
            self.password.is_some(),
        )
    }

    /// Returns what the n-th port of TLS presents now.
    pub(super) fn presents(&mut self, port: usize) -> Arc<CertifiedKey> {
        self.settle();
        if self.fault == Fault::OnePortOnly && port > 0 {
            return Arc::clone(&self.default.key);
        }
        Arc::clone(&self.active.key)
    }

    /// Tells whether plain HTTP answers now; v2 then redirects.
    pub(super) fn http(&mut self) -> bool {
        self.settle();
        self.http_open
    }

    /// Makes what is due.
    fn settle(&mut self) {
        let now = Instant::now();
        while self.pending.first().is_some_and(|(at, _)| *at <= now) {
            match self.pending.remove(0).1 {
                Change::Pair(_) if self.fault == Fault::SwitchesToAnother => {
                    self.active = self.default.clone();
                }
                Change::Pair(pair) => self.active = pair,
                Change::Http(false) if self.fault == Fault::KeepsHttpOpen => {}
                Change::Http(open) => self.http_open = open,
                Change::Password(password) => self.password = password,
                Change::LoseMonitoring => self.monitoring = false,
                Change::Reset => {
                    self.active = self.default.clone();
                    self.password = (self.api == Api::V2).then(|| "admin".to_owned());
                    self.http_open = true;
                }
            }
        }
    }

    fn later(&mut self, change: Change) {
        let at = Instant::now() + self.delay;
        self.pending.push((at, change));
        if self.fault == Fault::LosesMonitoring {
            self.pending.push((at, Change::LoseMonitoring));
        }
    }

    /// Answers a request, and notes it.
    pub(super) fn answer(&mut self, asked: &Asked) -> Said {
        self.settle();
        let said = self.said(asked);
        self.requests.push(Request {
            port: asked.port,
            tls: asked.tls,
            method: asked.method.clone(),
            path: asked.path.clone(),
            key: label(&asked.body),
            login: asked.authorization.is_some(),
            status: match said {
                Said::Answer(status, ..) => status,
                Said::Nothing | Said::Reset => 0,
            },
        });
        said
    }

    fn said(&mut self, asked: &Asked) -> Said {
        if !asked.tls && !self.http_open {
            return match self.api {
                Api::V1 => Said::Nothing,
                Api::V2 => Said::Answer(301, "text/plain", String::new()),
            };
        }
        if let Some(denied) = self.denied(asked) {
            return denied;
        }
        let json = "application/json";
        let prefix = match self.api {
            Api::V1 => "/v1/security/",
            Api::V2 => "/v2/security/",
        };
        if let Some(what) = asked.path.strip_prefix(prefix) {
            return match (asked.method.as_str(), what) {
                ("GET", _) => Said::Answer(405, json, "{}".to_owned()),
                (method, what) => self.change(method, what, asked),
            };
        }
        let well = || Said::Answer(200, json, r#"{"ok": true}"#.to_owned());
        match asked.path.as_str() {
            "/v1/management/services" if self.api == Api::V1 => well(),
            "/v2/management/host/about" if self.api == Api::V2 => well(),
            "/monitor/api/3/mem" | "/api/3/mem" if self.monitoring => well(),
            "/v1.0/user/1/jobs/" => {
                let text = format!(r#"{{"bytes": {}}}"#, asked.body.len());
                Said::Answer(200, json, text)
            }
            _ => Said::Answer(404, json, "{}".to_owned()),
        }
    }

    /// Basic authentication: of v1 on HTTPS alone.
    fn denied(&self, asked: &Asked) -> Option<Said> {
        let password = self.password.as_ref()?;
        if !asked.tls && self.api == Api::V1 {
            return None;
        }
        let right = format!(
            "Basic {}",
            base64(format!("admin:{password}").as_bytes()).as_str()
        );
        if asked.authorization.as_ref() == Some(&right) {
            return None;
        }
        Some(match self.api {
            Api::V1 => Said::Answer(401, "text/html", HTML_401.to_owned()),
            Api::V2 => Said::Answer(401, "text/plain", "401 Unauthorized".to_owned()),
        })
    }

    fn change(&mut self, method: &str, what: &str, asked: &Asked) -> Said {
        let json = "application/json";
        let refused = |why: &str| {
            Said::Answer(
                400,
                json,
                format!(r#"{{"success": false, "message": "{why}"}}"#),
            )
        };
        if self.busy > 0 {
            self.busy -= 1;
            return Said::Answer(503, "text/html", "restarting".to_owned());
        }
        match self.fault {
            Fault::Refuses => return refused("not today"),
            Fault::DeniesSuccess => {
                return Said::Answer(
                    200,
                    json,
                    r#"{"success": false, "message": "no"}"#.to_owned(),
                );
            }
            Fault::Echoes => {
                return Said::Answer(400, json, String::from_utf8_lossy(&asked.body).into_owned());
            }
            Fault::EchoesLogin => {
                let login = asked.authorization.clone().unwrap_or_default();
                let password = self.password.clone().unwrap_or_default();
                return Said::Answer(400, json, format!("{login} is admin:{password}"));
            }
            Fault::Redirects => {
                return Said::Answer(307, "text/plain", format!("to http {}", asked.path));
            }
            _ => {}
        }
        let document: serde_json::Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let change = match (method, what) {
            ("POST", "sslcertificate") => match uploaded(asked) {
                Ok(pair) => Change::Pair(pair),
                Err(why) => return refused(&why),
            },
            ("POST", "insecureports") => match document["enable_insecure_ports"].as_bool() {
                Some(open) => Change::Http(open),
                None => return refused("enable_insecure_ports is missing"),
            },
            ("POST", "adminpassword") => match document["password"].as_str() {
                Some(password) => Change::Password(Some(password.to_owned())),
                None => return refused("password is missing"),
            },
            ("DELETE", "adminpassword") if self.api == Api::V2 => Change::Password(None),
            ("DELETE", "reset") => Change::Reset,
            _ => return Said::Answer(405, json, "{}".to_owned()),
        };
        if self.fault != Fault::NeverSwitches {
            self.later(change);
        }
        if self.fault == Fault::ResetsAfterBody {
            return Said::Reset;
        }
        let text = match (what, self.api) {
            ("sslcertificate", Api::V1) => DONE,
            ("reset", Api::V1) => r#"{"success": true, "message": "nginx_restart"}"#,
            (_, Api::V1) => r#"{"success": true}"#,
            (_, Api::V2) => "",
        };
        Said::Answer(200, json, text.to_owned())
    }
}

/// Returns the label of the first private key in a body.
fn label(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let labels = text.split("-----BEGIN ").skip(1);
    let mut labels = labels.filter_map(|rest| rest.split("-----").next());
    labels
        .find(|label| label.ends_with("PRIVATE KEY"))
        .map(str::to_owned)
}

/// Reads an uploaded pair as the appliance does: both parts, unencrypted, belonging together, the leaf first.
fn uploaded(asked: &Asked) -> std::result::Result<Pair, String> {
    let parts = form::parts(&asked.content_type, &asked.body).ok_or("no form")?;
    let text = |name: &str| {
        let part = parts.iter().find(|(part, _)| part == name);
        let (_, bytes) = part.ok_or_else(|| format!("{name} is missing"))?;
        String::from_utf8(bytes.clone()).map_err(|_| format!("{name} is no PEM"))
    };
    let (key, cert) = (text("keyfile")?, text("certfile")?);
    if key.contains("ENCRYPTED") {
        return Err("encrypted keys are not supported".to_owned());
    }
    Pair::read(&cert, &key)
}

impl Pair {
    fn read(cert: &str, key: &str) -> std::result::Result<Self, String> {
        let inputs = [cert, key].map(|text| Input {
            name: "pair".to_owned(),
            bytes: text.to_owned().into(),
        });
        let (identity, findings) = Identity::assemble(&inputs, None).map_err(|e| e.to_string())?;
        let bad = |name: &str| findings.iter().any(|f| f.name == name);
        if identity.key.is_none() || bad("key-mismatch") {
            return Err("key and certificate do not belong together".to_owned());
        }
        if bad("order-repaired") {
            return Err("the leaf is not first".to_owned());
        }
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(cert.as_bytes())
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| e.to_string())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| e.to_string())?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|e| e.to_string())?;
        Ok(Self {
            cert: cert.to_owned(),
            key: Arc::new(CertifiedKey::new(chain, key)),
        })
    }
}

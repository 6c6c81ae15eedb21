//! A server in memory.

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    rc::Rc,
};

use serde_json::{Value, json};

use crate::{
    acme::request::decode,
    error::{Error, Result},
    host::{WebCall, WebReply},
};

/// What the server says in the end of each order, when all names are proved.
const ENOUGH: &str = "enough\u{1b}]0;owned\u{7}";

/// What a server does with an order that says which leaf it replaces (RFC 9773 section 5).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaces {
    /// It has no renewal information.
    #[default]
    Unheard,
    /// It says so again.
    Heeded,
    /// It says nothing of it.
    Lost,
    /// It has an order that replaces this leaf already.
    Refused,
    /// It refuses all orders, as there were too many.
    Limited,
}

/// A server that has every name proved and then issues nothing, with what it heard.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// The names and tokens of its challenges; else the names are proved as asked, with good tokens.
    pub(super) challenges: RefCell<Vec<(String, String)>>,
    /// How many of them were answered.
    pub(super) answered: Cell<usize>,
    /// Whether it asks for another token each time, and never has enough.
    pub(super) restless: Cell<bool>,
    /// Accounts that it lets go without an answer.
    pub(super) deaf: Cell<usize>,
    /// What it does with an order that says which leaf it replaces.
    pub(super) replaces: Cell<Replaces>,
    /// What it was sent: path, key or account, payload.
    heard: RefCell<Vec<(String, Value, Value)>>,
}

impl Server {
    pub(super) fn new(challenges: &[(&str, &str)]) -> Rc<Self> {
        let all = challenges.iter();
        let all = all.map(|(name, token)| ((*name).to_owned(), (*token).to_owned()));
        Rc::new(Self {
            challenges: RefCell::new(all.collect()),
            ..Self::default()
        })
    }

    /// Returns what came to a path.
    pub(super) fn at(&self, path: &str) -> Vec<(Value, Value)> {
        let heard = self.heard.borrow();
        let ours = heard.iter().filter(|(at, ..)| at == path);
        ours.map(|(_, who, what)| (who.clone(), what.clone()))
            .collect()
    }

    /// Notes what it was sent.
    fn hear(&self, call: &WebCall, path: &str) {
        if let Ok(sent) = serde_json::from_slice::<Value>(&call.body) {
            let part = |name: &str| {
                let bytes = decode(sent[name].as_str().unwrap()).unwrap_or_default();
                serde_json::from_slice::<Value>(bytes.reveal()).unwrap_or_default()
            };
            let head = part("protected");
            let who = if head["jwk"].is_null() {
                &head["kid"]
            } else {
                &head["jwk"]
            };
            let request = (path.to_owned(), who.clone(), part("payload"));
            self.heard.borrow_mut().push(request);
        }
    }

    /// Answers a new order, which would be `order`.
    fn order(&self, mut order: Value) -> (u16, Value, &'static str) {
        let replaced = self.at("order").pop().unwrap().1["replaces"].take();
        let refuse = |status: u16, kind: &str| {
            let kind = format!("urn:ietf:params:acme:error:{kind}");
            (status, json!({ "type": kind, "detail": "no" }), "")
        };
        match self.replaces.get() {
            Replaces::Refused if !replaced.is_null() => refuse(409, "alreadyReplaced"),
            Replaces::Limited => refuse(429, "rateLimited"),
            does => {
                if does == Replaces::Heeded && !replaced.is_null() {
                    order["replaces"] = replaced;
                }
                (201, order, "https://acme.test/order/1")
            }
        }
    }

    pub(super) fn answer(&self, call: &WebCall) -> Result<WebReply> {
        let silent = || Error::Server {
            server: call.url.clone(),
            message: "gives no answer".to_owned(),
            hint: String::new(),
        };
        let path = call
            .url
            .strip_prefix("https://acme.test/")
            .ok_or_else(silent)?;
        self.hear(call, path);
        let all = self.challenges.borrow();
        let is_ready = self.answered.get() >= all.len() && !self.restless.get();
        let order = || {
            let urls: Vec<String> = (0..all.len())
                .map(|n| format!("https://acme.test/authz/{n}"))
                .collect();
            json!({
                "status": if is_ready { "ready" } else { "pending" },
                "authorizations": urls, "finalize": "https://acme.test/finalize",
            })
        };
        let challenge = |n: usize| {
            let done = n < self.answered.get() && !self.restless.get();
            let mut token = all[n].1.clone();
            if self.restless.get() {
                let _ = write!(token, "-{}", self.heard.borrow().len());
            }
            let one = |kind: &str| {
                json!({
                    "type": kind, "url": format!("https://acme.test/challenge/{n}"), "token": token,
                    "status": if done { "valid" } else { "pending" },
                })
            };
            let challenges = [one("http-01"), one("dns-01")];
            (done, challenges)
        };
        let number = |text: &str| text.rsplit('/').next().unwrap().parse::<usize>();
        let (status, body, at) = match path {
            "dir" => {
                let url = |name: &str| format!("https://acme.test/{name}");
                let mut body = json!({
                    "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order"),
                });
                if self.replaces.get() != Replaces::Unheard {
                    body["renewalInfo"] = json!(url("info"));
                }
                (200, body, "")
            }
            "nonce" => (200, json!({}), ""),
            "account" if self.deaf.replace(self.deaf.get().saturating_sub(1)) > 0 => {
                return Err(silent());
            }
            "account" => (
                201,
                json!({ "status": "valid" }),
                "https://acme.test/account/1",
            ),
            "account/1" => (200, json!({ "status": "valid" }), ""),
            "order" => self.order(order()),
            "order/1" => (200, order(), ""),
            "finalize" => (403, json!({ "type": "about:blank", "detail": ENOUGH }), ""),
            _ if path.starts_with("challenge/") => {
                let n = number(path).unwrap();
                self.answered.set(n + 1);
                (200, challenge(n).1[0].clone(), "")
            }
            _ => {
                let n = number(path).unwrap();
                let (done, challenges) = challenge(n);
                let body = json!({
                    "status": if done { "valid" } else { "pending" },
                    "identifier": { "type": "dns", "value": all[n].0 }, "challenges": challenges,
                });
                (200, body, "")
            }
        };
        let kind = if status >= 400 {
            "application/problem+json"
        } else {
            "application/json"
        };
        let fields = [
            ("replay-nonce", "bm9uY2U"),
            ("content-type", kind),
            ("location", at),
        ];
        let fields = fields.iter().filter(|(_, value)| !value.is_empty());
        Ok(WebReply {
            status,
            headers: fields
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.to_string().into_bytes(),
        })
    }
}

//! Far resources: what certroll sets on another machine by a request, since it has no files there.
//!
//! A far resource is a request and the probes that prove it. It is needed where one of those probes says otherwise, it is
//! sent once everything local is switched and proved, one at a time, and it is taken back by the request that leads to what
//! was before. What stands in a plan and a journal names secrets and holds none: [`Secret`] says where they are.

use serde::{Deserialize, Serialize};

use crate::{
    desired::Probe, identity::Form, journal::Event, peer::Fingerprint, preflight::Finding,
    render::shell_word,
};

mod before;
mod call;
mod plan;
mod send;
mod ssh;
mod told;
pub mod value;

pub(crate) use call::get;
pub(crate) use plan::{Peers, Planned, Previous, plan, presents};
pub(crate) use send::{Outcome, send};
pub(crate) use ssh::command;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// In a file of the generation's `far/`, by name: a pair, before or after.
    Kept(String),
    /// In a file of the caller's, its first line: a password.
    File(String),
    /// Here: the default that a platform's document tells everybody.
    Public(String),
}

/// Who a request says that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Name of the user; empty: the password is a token that stands for itself (RFC 6750).
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// What a request carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Nothing.
    Nothing,
    /// A JSON document without secrets.
    Json(serde_json::Map<String, serde_json::Value>),
    /// A JSON document with one member, which is a secret.
    Secret(String, Secret),
    /// A JSON document with one more member, whose value is kept as JSON.
    Member(serde_json::Map<String, serde_json::Value>, String, Secret),
    /// Files, each under its name.
    Form(Vec<(String, Secret)>),
}

/// How a request gets to its peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// Over HTTPS, to the peer as pins name it.
    Https {
        /// The method, as in `POST`.
        method: String,
        /// The path, from `/`.
        path: String,
    },
    /// By the system's own OpenSSH client, which checks the machine's host key against what it knows; the body is standard
    /// input, one file after the other.
    Ssh {
        /// Where to, as ssh(1) takes a destination.
        to: String,
        /// A file of `ssh_config(5)` instead of the user's and the system's; empty: those.
        config: String,
        /// What the login shell there runs: all of it happens, or it fails.
        run: String,
    },
}

/// A request without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// How it gets there.
    pub over: Over,
    /// What it carries.
    pub body: Body,
}

/// The way back from a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Back {
    /// This request leads to what was before.
    By(Request),
    /// None does, and why.
    Never(String),
}

/// One far resource that a plan changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Far {
    /// What it is, for people: `certificate`.
    pub what: String,
    /// The peer, as pins name it.
    pub peer: String,
    /// The leaves that are accepted of it: the one of before and the new one.
    pub accept: Vec<Fingerprint>,
    /// What it is tried as, in order, where it wants to know.
    pub logins: Vec<Login>,
    /// The request.
    pub ask: Request,
    /// The way back.
    pub back: Back,
    /// Seconds that the peer takes until an accepted request shows.
    pub settle: u64,
    /// Path and way at which the peer tells what it replaces, where it does.
    #[serde(skip)]
    pub was: Option<(String, Vec<String>)>,
    /// Whether it was sent, as far as the journal tells.
    #[serde(skip)]
    pub sent: Standing,
}

/// Whether a request was sent: a record without its end leaves it open, and means that one has to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    begun: bool,
    taken: bool,
}

impl Standing {
    /// Tells whether the peer may have heeded it.
    #[must_use]
    pub fn is_possible(self) -> bool {
        self.begun || self.taken
    }
}

/// What came of a request, as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The peer says that it is done.
    Done,
    /// The peer says that it did nothing.
    Refused,
    /// It was sent, and what became of it is not known.
    Unknown,
    /// Nothing was sent.
    Unsent,
}

/// A far resource that a profile wants, before its peer is asked anything.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it is, for people.
    pub what: String,
    /// The peer, as pins name it.
    pub peer: String,
    /// What it is tried as, in order.
    pub logins: Vec<Login>,
    /// The request.
    pub ask: Request,
    /// The way back; none: the same request with the pair of before.
    pub back: Option<Back>,
    /// Seconds that the peer takes until an accepted request shows.
    pub settle: u64,
    /// What proves it.
    pub proves: Vec<Probe>,
    /// Where the value of before can be read, so that the way back restores it exactly.
    pub was: Option<Was>,
}

/// Where a peer tells what a request would replace.
#[derive(Debug, Clone)]
pub struct Was {
    /// The path.
    pub path: String,
    /// The way to the value in the JSON document that it answers, by names.
    pub at: Vec<String>,
    /// What replaces it.
    pub put: Put,
    /// What follows from what is there: words of [`value::words`], all of which must hold, and the finding.
    pub remarks: Vec<(Vec<String>, Finding)>,
}

/// What replaces a value.
#[derive(Debug, Clone)]
pub enum Put {
    /// A form of the identity.
    Form(Form),
    /// This value.
    Value(serde_json::Value),
    /// Something that the peer gets by itself.
    Nothing,
}

impl Request {
    /// Tells whether it only reads: what it is about, its peer changes by itself, once all requests are sent. It comes before them,
    /// so that whatever follows is taken back before it.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        matches!(&self.over, Over::Https { method, .. } if method == "GET")
    }

    /// Returns the request as a line, as in `POST https://asr1:443/v1/security/reset`.
    #[must_use]
    pub fn line(&self, peer: &str) -> String {
        match &self.over {
            Over::Https { method, path } => format!("{method} https://{peer}{path}"),
            Over::Ssh { to, run, .. } => format!("ssh {to} {}", shell_word(run)),
        }
    }

    /// Says what it carries, for the plan.
    #[must_use]
    pub fn carries(&self) -> String {
        match &self.body {
            Body::Nothing => String::new(),
            Body::Json(members) => format!(" {}", serde_json::Value::Object(members.clone())),
            Body::Secret(name, Secret::File(path)) => format!(" {name} from {path}"),
            Body::Secret(name, Secret::Kept(_) | Secret::Public(_)) => format!(" {name}"),
            Body::Member(members, name, _) => {
                let public = serde_json::Value::Object(members.clone());
                format!(" {public}, {name}: not shown")
            }
            Body::Form(parts) => {
                let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
                format!(" {}", names.join(", "))
            }
        }
    }

    /// Returns the same request with the pair of before instead of the new one.
    fn with_previous(&self) -> Self {
        let mut request = self.clone();
        for name in request.kept_mut() {
            *name = name.replacen("new-", "old-", 1);
        }
        request
    }

    /// Returns the names of the kept files that it carries.
    pub(crate) fn kept_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let secrets: Vec<&mut Secret> = match &mut self.body {
            Body::Form(parts) => parts.iter_mut().map(|(_, secret)| secret).collect(),
            Body::Member(_, _, secret) => vec![secret],
            Body::Nothing | Body::Json(_) | Body::Secret(..) => Vec::new(),
        };
        secrets.into_iter().filter_map(|secret| match secret {
            Secret::Kept(name) => Some(name),
            Secret::File(_) | Secret::Public(_) => None,
        })
    }

    /// Tells whether it carries a pair.
    #[must_use]
    pub fn has_pair(&self) -> bool {
        matches!(&self.body, Body::Form(parts) if parts.iter().any(|(_, s)| matches!(s, Secret::Kept(_))))
    }
}

impl Far {
    /// Takes from the journal whether it was sent; `n` is its own number.
    pub(crate) fn learn(&mut self, n: usize, event: &Event) {
        match event {
            Event::Sending {
                request,
                back: false,
            } if *request == n => self.sent.begun = true,
            Event::Sent {
                request,
                back: false,
                answer,
            } if *request == n => {
                self.sent.begun = false;
                self.sent.taken |= matches!(answer, Answer::Done | Answer::Unknown);
            }
            _ => {}
        }
    }

    /// Tells whether another is about the same resource of the same peer.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.peer == other.peer && self.what == other.what
    }

    /// Tells whether its way back carries a pair.
    #[must_use]
    pub fn back_has_pair(&self) -> bool {
        matches!(&self.back, Back::By(back) if back.has_pair())
    }

    /// Tells whether a pair goes there on either way.
    #[must_use]
    pub fn has_pair(&self) -> bool {
        self.ask.has_pair() || self.back_has_pair()
    }

    /// Says how it can be taken back, for the plan.
    #[must_use]
    pub fn undo(&self) -> String {
        match &self.back {
            Back::By(back) if matches!(back.body, Body::Member(..)) => {
                format!("with the very value of before: {}", back.line(&self.peer))
            }
            Back::By(back) if back.has_pair() => {
                format!("with the pair from before: {}", back.line(&self.peer))
            }
            Back::By(back) => format!("exactly: {}", back.line(&self.peer)),
            Back::Never(why) => format!("impossible: {why}"),
        }
    }
}

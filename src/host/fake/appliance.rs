//! An appliance in a fake world: it takes a pair by a request, and shows it a while later.

use std::{net::SocketAddr, time::Duration};

use super::FakeHost;
use crate::{
    error::{Error, Result},
    host::{Call, Load, Presented, Reply},
    identity::{Identity, Input},
    peer::Accept,
};

/// A machine that is set by requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appliance {
    /// Where it is.
    pub address: SocketAddr,
    /// What it presents.
    pub presented: Presented,
    /// What it will present, and from when on.
    pub pending: Option<(Presented, Duration)>,
    /// How long it takes.
    pub delay: Duration,
    /// Whether it refuses every request.
    pub refuses: bool,
    /// The requests that it got, method and path.
    pub requests: Vec<String>,
}

impl Appliance {
    /// Returns what it presents at a time.
    pub(super) fn presents(&mut self, now: Duration) -> Presented {
        if let Some((pending, at)) = self.pending.take() {
            if at <= now {
                self.presented = pending;
            } else {
                self.pending = Some((pending, at));
            }
        }
        self.presented.clone()
    }

    /// Takes a request.
    pub(super) fn answer(&mut self, call: &Call, now: Duration) -> Reply {
        self.requests.push(format!("{} {}", call.method, call.path));
        if call.method == "GET" {
            return says(200, "{}");
        }
        if self.refuses {
            return says(400, r#"{"success": false, "message": "no"}"#);
        }
        let Load::Form(parts) = &call.load else {
            return says(200, "{}");
        };
        let inputs: Vec<Input> = parts
            .iter()
            .map(|(name, bytes)| Input {
                name: name.clone(),
                bytes: bytes.clone(),
            })
            .collect();
        let Ok((pair, _)) = Identity::assemble(&inputs, None) else {
            return says(400, r#"{"success": false, "message": "no pair"}"#);
        };
        let all = std::iter::once(&pair.leaf).chain(&pair.chain);
        let presented = Presented {
            certificates: all.map(|c| c.der.clone()).collect(),
            version: "TLS 1.3".to_owned(),
            ..Presented::default()
        };
        self.pending = Some((presented, now + self.delay));
        says(200, r#"{"success": true, "message": "applied"}"#)
    }
}

fn says(status: u16, body: &str) -> Reply {
    Reply::Answer {
        status,
        body: body.to_owned(),
    }
}

impl FakeHost {
    /// Returns what the appliance answers to a client that accepts its leaf; nobody else answers.
    pub(super) fn answered(&self, call: &Call) -> Result<Reply> {
        let nobody = |found: &str| Error::Unproved {
            subject: call.dial.address.to_string(),
            want: "an answer".to_owned(),
            found: found.to_owned(),
        };
        let now = self.clock.get();
        let mut world = self.world.borrow_mut();
        let far = world.appliance.as_mut();
        let appliance = far
            .filter(|a| a.address == call.dial.address)
            .ok_or_else(|| nobody("refused the connection"))?;
        let presented = appliance.presents(now);
        let accepted = match (&call.dial.accept, presented.certificates.first()) {
            (Accept::Only(pins), Some(leaf)) => pins.iter().any(|pin| pin.is_of(leaf)),
            _ => false,
        };
        if call.tls && !accepted {
            return Err(nobody("presents a leaf that is not accepted"));
        }
        Ok(appliance.answer(call, now))
    }
}

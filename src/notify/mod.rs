//! Telling others how a run ended: a command and a webhook, as `/etc/certroll/notify.yaml` says.
//!
//! Nothing of it is a part of the transaction: it begins when the outcome is durable, is bounded in time, and what fails here is
//! reported and changes nothing.

use serde_json::json;

use crate::{
    error::Result,
    host::{Deciding, Host, ours_alone},
    peer::Fingerprint,
    profile::Fields,
    receipt::{Outcome, Receipt},
    starttls::Peer,
    state::HostPath,
    yaml::{self, Node},
};

mod send;

pub use send::tell;

/// Where it is said who is told.
pub const FILE: &str = "/etc/certroll/notify.yaml";

/// Version of the document that is sent.
pub const FORMAT: &str = "certroll/notify/1";

/// Seconds that a command or a webhook may take, unless the file says otherwise; and the most that it may say.
const LIMIT: (u64, u64) = (10, 120);

/// Who is told of which outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where the document is posted.
    pub webhook: Option<Webhook>,
    /// The outcomes that are told; empty: all.
    pub on: Vec<Outcome>,
    /// Seconds that each may take.
    pub limit: u64,
}

/// An address that takes a signed JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whom it is sent to.
    pub peer: Peer,
    /// The path, from `/`.
    pub path: String,
    /// The file whose first line is the key of the signature.
    pub secret_file: HostPath,
    /// The leaf that it must present; none: one that this host's trust anchors lead to, and that has its name.
    pub pin: Option<Fingerprint>,
}

/// The outcomes of which somebody can be told: all but that nothing was to be done.
fn outcomes() -> impl Iterator<Item = Outcome> {
    (Outcome::ALL.into_iter()).filter(|outcome| *outcome != Outcome::Converged)
}

impl Config {
    /// Parses the file.
    ///
    /// # Errors
    /// [`crate::error::Error::Parse`] with line and column where something in it cannot be.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let root = yaml::parse(path, text, yaml::Dialect::Strict)?;
        let mut top = Fields::new(path, "notify", &root)?;
        let mut on = Vec::new();
        for name in top.texts("on")? {
            let known = outcomes().find(|outcome| outcome.word() == name.text);
            let unknown = || {
                let message = format!("unknown outcome `{}`", name.text);
                let words: Vec<&str> = outcomes().map(Outcome::word).collect();
                name.error(message, format!("want `{}`", words.join("`, `")))
            };
            on.push(known.ok_or_else(unknown)?);
        }
        let command = top.texts("command")?;
        let program = command.first();
        if let Some(word) = program.filter(|w| w.text.contains('/') && !w.text.starts_with('/')) {
            let message = format!("`{}` is a relative path", word.text);
            return Err(word.error(message, "want a path from `/`, or a program's name"));
        }
        let config = Self {
            command: (command.into_iter()).map(|word| word.text).collect(),
            webhook: top
                .node("webhook")
                .map(|node| Webhook::parse(path, node))
                .transpose()?,
            on,
            limit: top.number("limit")?.unwrap_or(LIMIT.0).clamp(1, LIMIT.1),
        };
        if config.command.is_empty() && config.webhook.is_none() {
            return Err(top.error(
                "nobody is told",
                "add `command: [PROGRAM]` or `webhook: {url: URL, secret_file: FILE}`",
            ));
        }
        top.done()?;
        Ok(config)
    }

    /// Reads the file of a host, if it has one.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] where others than root may write it, and so have root run what they like; else as
    /// [`Config::parse`].
    pub fn read(host: &dyn Host) -> Result<Option<Self>> {
        let path = HostPath::new(FILE).unwrap_or_default();
        let Some(text) = host.text(&path)? else {
            return Ok(None);
        };
        ours_alone(host, Deciding::Root(&path), "it decides what root runs")?;
        Self::parse(path.as_str(), &text).map(Some)
    }

    /// Tells whether an outcome is told.
    #[must_use]
    pub fn wants(&self, outcome: Outcome) -> bool {
        outcome != Outcome::Converged && (self.on.is_empty() || self.on.contains(&outcome))
    }
}

impl Webhook {
    fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "webhook", node)?;
        let url = fields.need("url")?;
        let wrong = |why: String| url.error(why, "want `https://HOST[:PORT]/PATH`");
        let Some(rest) = url.text.strip_prefix("https://") else {
            return Err(wrong(format!(
                "`{}` does not begin with `https://`",
                url.text
            )));
        };
        let (peer, below) = rest.split_once('/').unwrap_or((rest, ""));
        if !below
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"#<>[\\]^`{|}".contains(&byte))
        {
            let what = "the path has a character that stands in none (RFC 3986, section 3.3)";
            return Err(wrong(what.to_owned()));
        }
        let secret = fields.need("secret_file")?;
        let pin = fields.text("pin")?;
        let webhook = Self {
            peer: Peer::parse(peer).map_err(|error| wrong(error.to_string()))?,
            path: format!("/{below}"),
            secret_file: HostPath::new(&secret.text)
                .map_err(|_| secret.error("want an absolute path", ""))?,
            pin: pin
                .map(|pin| {
                    Fingerprint::read(&pin.text)
                        .map_err(|why| pin.error(why.to_string(), "want the SHA-256 of the leaf"))
                })
                .transpose()?,
        };
        fields.done()?;
        Ok(webhook)
    }
}

/// Returns the document that is sent: the receipt, and where and when it is from.
#[must_use]
pub fn document(receipt: &Receipt, host: &str, now: i64) -> String {
    let document = json!({ "format": FORMAT, "host": host, "sent": now, "receipt": receipt });
    document.to_string()
}

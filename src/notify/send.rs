//! Doing it: the command is run, the document is posted.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use aws_lc_rs::hmac;

use super::{Config, Webhook, document};
use crate::{
    error::{Error, Result},
    hex::hex,
    host::{Call, Command, Deciding, Dial, Host, Load, Permit, Place, Reply, Writer, ours_alone},
    identity::{Certificate, Identity, Input, Trust},
    peer::{Accept, Fingerprint},
    receipt::Receipt,
    source::password_in,
    state::{Bytes, HostPath},
};

/// Arguments that anybody may write to, and that nobody runs.
const EVERYBODYS: [&str; 4] = ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/log"];

/// Tells everybody whom the host's file names of a receipt, and returns what failed, a line each. It changes no outcome.
#[must_use]
pub fn tell(host: &mut dyn Host, receipt: &Receipt) -> Vec<String> {
    // What is done to a tree is nobody's outcome, and its commands are not this machine's.
    if !host.is_live() {
        return Vec::new();
    }
    let config = match Config::read(host) {
        Ok(Some(config)) if config.wants(receipt.outcome) => config,
        Ok(_) => return Vec::new(),
        Err(error) => return vec![error.to_string()],
    };
    let mut failed = Vec::new();
    if !config.command.is_empty()
        && let Err(error) = run(host, &config, receipt)
    {
        failed.push(error.to_string());
    }
    if let Some(webhook) = &config.webhook
        && let Err(error) = post(host, webhook, config.limit, receipt)
    {
        failed.push(error.to_string());
    }
    failed
}

/// Runs the command with outcome, rollout, number of the generation and path of the receipt.
fn run(host: &mut dyn Host, config: &Config, receipt: &Receipt) -> Result<()> {
    // An argument may be what the program runs, as a shell does.
    for (n, word) in config.command.iter().enumerate() {
        if !word.starts_with('/') || (n > 0 && EVERYBODYS.contains(&word.as_str())) {
            continue;
        }
        match ours_alone(host, Deciding::Profile(word), "root runs it") {
            Err(Error::Io { source, .. }) if n > 0 && source.kind() == ErrorKind::NotFound => {}
            judged => judged?,
        }
    }
    let at = Place::State(Receipt::at(receipt.generation));
    let told = [
        receipt.outcome.word().to_owned(),
        receipt.rollout.clone(),
        receipt.generation.to_string(),
        host.location(&at),
    ];
    let command = Command {
        argv: config.command.iter().cloned().chain(told).collect(),
        limit: config.limit,
    };
    let permit = Permit {
        commands: [command.argv.clone()].into(),
        ..Permit::default()
    };
    let marker = format!("notify-{}", receipt.generation);
    let output = Writer::new(host, permit, marker).run(&command, &|_| {})?;
    let outcome = match output.status {
        Some(0) => return Ok(()),
        _ if output.timed_out => format!("took longer than {} s", config.limit),
        Some(status) => format!("exited with {status}"),
        None => "was ended by a signal".to_owned(),
    };
    Err(Error::Run {
        command: command.line(),
        outcome,
    })
}

/// Posts the signed document to a peer that is who it should be.
fn post(host: &mut dyn Host, webhook: &Webhook, limit: u64, receipt: &Receipt) -> Result<()> {
    let peer = &webhook.peer;
    let wrong = |found: String| Error::Unproved {
        subject: format!("webhook `{peer}`"),
        want: "an answer from 200 to 299".to_owned(),
        found,
    };
    let secret = secret(host, &webhook.secret_file)?;
    let address = match peer.name.parse() {
        Ok(address) => Some(address),
        Err(_) => host.resolve(&peer.name).first().copied(),
    };
    let address = address.ok_or_else(|| wrong("does not resolve".to_owned()))?;
    let mut dial = Dial::new(
        SocketAddr::new(address, peer.port),
        peer.protocol,
        &peer.name,
        Duration::from_secs(limit),
    );
    let leaf = match &webhook.pin {
        Some(pin) => *pin,
        None => trusted(host, &dial).map_err(wrong)?,
    };
    dial.accept = Accept::Only(vec![leaf]);
    let name = host.text(&HostPath::new("/etc/hostname").unwrap_or_default());
    let name = name.ok().flatten().unwrap_or_default();
    let body = document(receipt, name.trim(), host.now());
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal());
    let signature = format!("sha256={}", hex(hmac::sign(&key, body.as_bytes()).as_ref()));
    let call = Call {
        dial,
        tls: true,
        method: "POST".to_owned(),
        path: webhook.path.clone(),
        login: None,
        load: Load::Signed(body.into(), signature),
    };
    let named = peer.to_string();
    let permit = Permit {
        requests: [(named.clone(), call.method.clone(), call.path.clone())].into(),
        ..Permit::default()
    };
    let reply = Writer::new(host, permit, String::new()).send(&named, &call)?;
    match reply {
        Reply::Answer { status, .. } if (200..300).contains(&status) => Ok(()),
        Reply::Answer { status, .. } => Err(wrong(format!("answers {status}"))),
        Reply::Empty => Err(wrong("closes the connection".to_owned())),
        Reply::Lost(why) => Err(wrong(why)),
    }
}

/// Reads the key of the signature, which is for root alone.
fn secret(host: &dyn Host, path: &HostPath) -> Result<Bytes> {
    let (_, state) = host.read_followed(path)?;
    let bad = |message: String, hint: String| Error::Input {
        subject: format!("`{path}`"),
        message,
        hint,
    };
    let (Some(bytes), Some(attrs)) = (state.bytes(), state.attrs()) else {
        return Err(bad("is not there".to_owned(), String::new()));
    };
    if attrs.mode & 0o077 != 0 {
        let message = format!("is 0{:o}: others than its owner may read it", attrs.mode);
        return Err(bad(message, format!("chmod 600 {path}")));
    }
    ours_alone(host, Deciding::Root(path), "it signs what is told")?;
    password_in(path.as_str(), bytes)
}

/// Returns the leaf that a peer presents, where this host's trust anchors lead to it and it has the peer's name.
fn trusted(host: &dyn Host, dial: &Dial) -> Result<Fingerprint, String> {
    let presented = host.handshake(dial).map_err(|error| error.to_string())?;
    let Some(leaf) = presented.certificates.first() else {
        return Err("presents no certificate".to_owned());
    };
    let input = |der: &Vec<u8>| Input {
        name: dial.name.clone(),
        bytes: der.clone().into(),
    };
    let inputs: Vec<Input> = presented.certificates.iter().map(input).collect();
    let (identity, _) = Identity::assemble(&inputs, None).map_err(|error| error.to_string())?;
    let same = Certificate::from_der(leaf).is_ok_and(|first| first.sha256 == identity.leaf.sha256);
    if !same || identity.trust(&host.trust_anchors(), host.now()) != Trust::Trusted {
        return Err("presents a leaf that no trust anchor of this host leads to".to_owned());
    }
    if !identity.leaf.covers(&dial.name) {
        return Err(format!(
            "presents a leaf that does not cover `{}`",
            dial.name
        ));
    }
    Ok(Fingerprint::of(leaf))
}

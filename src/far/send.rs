//! Sends one request of a far resource.

use super::{
    Answer, Body, Far, Login, Over, Request, Secret,
    call::{calls, password},
    ssh,
    told::Secrets,
};
use crate::{
    error::{Error, Result},
    host::{Call, Host, Load, Reply, Writer},
    identity::base64,
    journal::Store,
    state::Bytes,
};

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// In short.
    pub(crate) answer: Answer,
    /// In words.
    pub(crate) told: String,
    /// Whether the same again may do better: nothing was sent, or the server was not ready.
    pub(crate) again: bool,
}

/// Sends a request of a far resource: as nobody, or as each login in turn while the peer answers 401, which means that it
/// did nothing.
///
/// # Errors
/// What keeps its secrets from being read, or [`Error::NotPlanned`]: nothing was sent.
pub(crate) fn send(
    writer: &mut Writer<'_>,
    generation: u64,
    far: &Far,
    request: &Request,
) -> Result<Outcome> {
    let load = load(writer.host(), generation, &request.body)?;
    let carried = carried(writer.host(), generation, &request.body, &load)?;
    let (method, path) = match &request.over {
        Over::Https { method, path } => (method, path),
        Over::Ssh { to, config, run } => {
            return ssh::send(writer, &ssh::command(to, config, run), &load, &carried);
        }
    };
    let mut logins: Vec<Option<&Login>> = far.logins.iter().map(Some).collect();
    if logins.is_empty() {
        logins.push(None);
    }
    let mut outcome = None;
    for login in logins {
        let login = login.map(|l| Ok((l.user.clone(), password(writer.host(), &l.password)?)));
        let login = login.transpose()?;
        let mut secrets = carried.clone();
        if let Some((user, password)) = &login {
            // As both are sent (RFC 7617), too.
            let both = [user.as_bytes(), b":", password.reveal()].concat();
            secrets.add(password);
            secrets.add(&base64(&both).to_string().into());
        }
        let calls = calls(writer.host(), &far.peer, &far.accept, path)?;
        let sent = calls.make(|call| {
            let call = Call {
                login: login.clone(),
                load: load.clone(),
                method: method.clone(),
                ..call
            };
            writer.send(&far.peer, &call)
        });
        let reply = match sent {
            // What it reads is a secret that nobody sent.
            Ok(Reply::Answer { status, .. }) if request.only_reads() => Reply::Answer {
                status,
                body: String::new(),
            },
            Ok(reply) => reply,
            Err(error @ Error::NotPlanned { .. }) => return Err(error),
            Err(error) => {
                return Ok(Outcome {
                    answer: Answer::Unsent,
                    told: format!("nothing was sent: {error}"),
                    again: true,
                });
            }
        };
        let wants_login = matches!(reply, Reply::Answer { status: 401, .. });
        outcome = Some(heard(&reply, &secrets));
        if !wants_login {
            break;
        }
    }
    outcome.ok_or_else(|| Error::NotPlanned {
        verb: "send",
        what: request.line(&far.peer),
    })
}

/// Returns what a request carries in secret.
fn carried(host: &dyn Host, generation: u64, body: &Body, load: &Load) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    match (body, load) {
        (Body::Secret(_, secret), _) => secrets.add(&password(host, secret)?),
        (Body::Member(_, _, secret), _) => {
            let value = kept(host, generation, secret)?;
            // As JSON it is kept: a text, or whatever else stood there before.
            let text = serde_json::from_slice::<String>(value.reveal());
            secrets.add(&text.map_or(value, Bytes::from));
        }
        (_, Load::Form(files)) => files.iter().for_each(|(_, file)| secrets.add(file)),
        _ => {}
    }
    Ok(secrets)
}

fn load(host: &dyn Host, generation: u64, body: &Body) -> Result<Load> {
    Ok(match body {
        Body::Nothing => Load::Nothing,
        Body::Json(members) => Load::Json(serde_json::to_vec(members).unwrap_or_default().into()),
        Body::Secret(name, secret) => {
            let value = password(host, secret)?;
            let text =
                zeroize::Zeroizing::new(serde_json::to_string(&*value.text()).unwrap_or_default());
            Load::Json(format!("{{\"{name}\": {}}}", text.as_str()).into())
        }
        Body::Member(members, name, secret) => {
            let value = kept(host, generation, secret)?;
            let value = value.text();
            let public = serde_json::to_string(members).unwrap_or_default();
            let public = public.strip_suffix('}').unwrap_or(&public);
            let comma = if members.is_empty() { "" } else { ", " };
            let name = serde_json::Value::from(name.as_str());
            // Its room is made at once, so that a key is never copied by growth.
            let mut text =
                String::with_capacity(public.len() + value.len() + name.to_string().len() + 8);
            for part in [public, comma, &name.to_string(), ": ", &value, "}"] {
                text.push_str(part);
            }
            Load::Json(text.into())
        }
        Body::Form(parts) => {
            let part = |(name, secret): &(String, Secret)| {
                Ok((name.clone(), kept(host, generation, secret)?))
            };
            Load::Form(parts.iter().map(part).collect::<Result<_>>()?)
        }
    })
}

/// Reads a part of a form: a file that the generation kept.
fn kept(host: &dyn Host, generation: u64, secret: &Secret) -> Result<Bytes> {
    let Secret::Kept(name) = secret else {
        return password(host, secret);
    };
    let at = Store::file(generation, &format!("far/{name}"));
    host.load(&at)?
        .bytes()
        .cloned()
        .ok_or_else(|| Error::Stored {
            path: at.to_string(),
            message: "the pair that was kept is gone".to_owned(),
        })
}

/// Says what a reply means. Any answer but a 2xx is a refusal, and so is one whose JSON says that it was no success; a
/// server that is being restarted has done nothing or something: that is not known.
fn heard(reply: &Reply, secrets: &Secrets) -> Outcome {
    let (answer, told, again) = match reply {
        Reply::Empty => (
            Answer::Unknown,
            "closed the connection without an answer".to_owned(),
            false,
        ),
        Reply::Lost(why) => (
            Answer::Unknown,
            format!("gave no whole answer: {why}"),
            false,
        ),
        Reply::Answer { status, body } => {
            let said = secrets.told(body);
            let success = serde_json::from_str::<serde_json::Value>(body)
                .ok()
                .and_then(|v| v.get("success").cloned());
            let denied = success.is_some_and(|s| s != serde_json::Value::Bool(true));
            let told = format!("answered {status}{said}");
            match status {
                200..=299 if !denied => (Answer::Done, told, false),
                502..=504 => (Answer::Unknown, told, true),
                _ => (Answer::Refused, told, false),
            }
        }
    };
    Outcome {
        answer,
        told,
        again,
    }
}

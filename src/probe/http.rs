//! What a path answers over HTTP.

use serde_json::Value;

use crate::{
    desired::{Lacks, Probe},
    error::{Error, Result},
    far::{self, Login},
    host::{Host, Reply},
};

/// Asks a path; what came of it as `200`, `empty`, `refused`, or in words.
pub(super) fn observe(host: &dyn Host, probe: &Probe) -> String {
    let Probe::Http {
        tls,
        peer,
        path,
        logins,
        accept,
        lacks,
        ..
    } = probe
    else {
        return String::new();
    };
    if *tls && accept.is_empty() {
        return "not asked: nothing is accepted of this peer".to_owned();
    }
    let ask = |login: Option<&Login>| -> Result<String> {
        let login = login
            .map(|l| Ok::<_, Error>((l.user.clone(), far::password(host, &l.password)?)))
            .transpose()?;
        let reply = far::calls(host, peer, accept, path)?.make(|mut call| {
            call.tls = *tls;
            call.dial.limit = super::tls::LIMIT;
            call.login.clone_from(&login);
            host.fetch(&call)
        });
        Ok(match reply? {
            Reply::Answer { status: 200, body } => match lacks {
                Some(lacks) => stands(lacks, &body).to_owned(),
                None => "200".to_owned(),
            },
            Reply::Answer { status, .. } => status.to_string(),
            Reply::Empty => "empty".to_owned(),
            Reply::Lost(why) => format!("broke off: {why}"),
        })
    };
    let told = |asked: Result<String>| match asked {
        Ok(answer) => answer,
        Err(Error::Unproved { found, .. }) if found == "refused the connection" => {
            "refused".to_owned()
        }
        Err(error) => super::reason(&error),
    };
    if logins.is_empty() {
        return told(ask(None));
    }
    let mut answer = String::new();
    for login in logins {
        answer = told(ask(Some(login)));
        if answer != "401" {
            break;
        }
    }
    answer
}

/// Looks for an entry in a document: `200` where it is not there, `listed` where it is, `unread` where nobody can tell.
fn stands(lacks: &Lacks, body: &str) -> &'static str {
    let Ok(document) = serde_json::from_str::<Value>(body) else {
        return "unread";
    };
    let (last, way) = match lacks.at.split_last() {
        Some((last, way)) => (Some(last), way),
        None => (None, &[][..]),
    };
    let found = way.iter().try_fold(&document, |value, key| value.get(key));
    let Some(Value::Object(above)) = found else {
        return "unread";
    };
    match last.map_or(found, |last| above.get(last)) {
        Some(place) if has(place, &lacks.members) => "listed",
        _ => "200",
    }
}

fn has(value: &Value, members: &[(String, String)]) -> bool {
    match value {
        Value::Object(map) => {
            let is = |(name, text): &(String, String)| {
                map.get(name).and_then(Value::as_str) == Some(text)
            };
            members.iter().all(is) || map.values().any(|below| has(below, members))
        }
        Value::Array(list) => list.iter().any(|below| has(below, members)),
        _ => false,
    }
}

/// Tells whether a path answered well.
pub(super) fn is_well(answer: &str) -> bool {
    answer.len() == 3 && answer.starts_with('2')
}

//! What a path answers over HTTP.

use crate::{
    desired::Probe,
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

/// Tells whether a path answered well.
pub(super) fn is_well(answer: &str) -> bool {
    answer.len() == 3 && answer.starts_with('2')
}

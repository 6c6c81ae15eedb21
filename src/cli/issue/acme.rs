//! `issue acme`: an identity from an ACME server.

use serde_json::json;

use crate::{
    acme::{Folder, Stands, identity_name, obtain, settle},
    cli::{
        args::{Acme, Go},
        changes,
        print::Printer,
    },
    error::{Error, ExitCode, Result},
    host::Host,
    identity::{Identity, date},
};

pub(super) fn run(
    host: &mut dyn Host,
    acme: &Acme,
    state: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    let asked = acme.asked(host)?;
    asked.check()?;
    let name = acme
        .id
        .clone()
        .unwrap_or_else(|| identity_name(&asked.names));
    let folder = Folder::of(&name)?;
    let go = Go {
        yes: true,
        wait: acme.wait,
    };
    changes::enter(host, go, printer)?;
    settle(host, &folder, &|line| printer.progress(line))?;
    let before = match Stands::of(host, &folder) {
        Ok(stands) => Some(stands),
        Err(Error::Unknown { .. }) => None,
        Err(error) => return Err(error),
    };
    let good =
        before.filter(|stands| stands.asked == asked && !stands.is_due(host.now()) && !acme.force);
    let (identity, is_new) = if let Some(identity) = good.and_then(|stands| stands.identity) {
        (identity, false)
    } else {
        let issued = obtain(host, &folder, &asked, &|line| printer.progress(line))?;
        (issued.identity, true)
    };
    let at = |file: &str| {
        let state = state.unwrap_or("/var/lib/certroll");
        format!("{state}{}", folder.live(file))
    };
    let (cert, key) = (at("fullchain.pem"), at("key.pem"));
    let document = json!({
        "format": "certroll/issued/1",
        "id": name,
        "issued": is_new,
        "fingerprint": identity.fingerprint(),
        "not_after": identity.leaf.not_after,
        "cert": cert,
        "key": key,
    });
    printer.result(&document, || shown(&name, &identity, is_new, &cert, &key));
    Ok(ExitCode::Success)
}

fn shown(name: &str, identity: &Identity, is_new: bool, cert: &str, key: &str) -> String {
    let what = if is_new {
        "issued"
    } else {
        "nothing was ordered, what is there is good"
    };
    format!(
        "{what}: identity `{name}`, leaf {}, until {}\n\
         a rollout follows it by /etc/certroll/rollouts.d/NAME.yaml, here for profile PROFILE:\n\
         \x20 profiles: [PROFILE]\n\x20 cert: {cert}\n\x20 key: {key}\n\
         then: certroll apply NAME; certroll hooks install\n",
        identity.fingerprint(),
        date(identity.leaf.not_after)
    )
}

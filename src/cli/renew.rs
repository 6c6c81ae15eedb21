//! `renew`: what is due is asked for again, and rolled out by the rollouts that follow it.

use serde_json::{Value, json};

use super::{
    args::{Go, Renew},
    changes, hooks,
    print::Printer,
};
use crate::{
    acme::{self, Folder, Stands, obtain},
    error::{Error, ExitCode, Result},
    host::Host,
    identity::date,
    journal::Store,
    rollouts::{self, Request},
};

pub(crate) fn run(
    host: &mut dyn Host,
    renew: &Renew,
    profiles: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    if let Some(mark) = crate::hooks::is_held(host)? {
        printer.message(&format!(
            "an upgrade is at work (`{mark}`): left to a later run"
        ));
        return Ok(ExitCode::Success);
    }
    let go = Go {
        yes: true,
        wait: renew.wait,
    };
    changes::enter(host, go, printer)?;
    for folder in acme::folders(host)? {
        let settled = acme::settle(host, &folder, &|line| printer.progress(line));
        if let Err(error) = settled {
            let name = folder.name();
            printer.progress(&format!("identity `{name}`: {error}"));
        }
    }
    let folders = if renew.names.is_empty() {
        acme::issued(host)?
    } else {
        let named = renew.names.iter().map(|name| Folder::of(name));
        named.collect::<Result<_>>()?
    };
    let mut worst = ExitCode::Success;
    let mut identities = Vec::new();
    for folder in &folders {
        if let Some(signal) = host.interrupted() {
            return Err(Error::Interrupted { signal });
        }
        let row = one(host, folder, renew.force, printer).unwrap_or_else(|error| {
            worst = worst.max(error.exit());
            printer.error_of(&error, Some(folder.name()))
        });
        identities.push(row);
    }
    let request = Request {
        profiles_dir: profiles.map(str::to_owned),
        ..Request::default()
    };
    let mut names = Vec::new();
    for name in Store::rollouts(host)?.rollouts.into_keys() {
        // One that cannot be told is told of where it is applied.
        let sources = rollouts::sources(host, &name);
        if sources.map_or(true, |sources| {
            folders.iter().any(|folder| folder.is_in(&sources))
        }) {
            names.push(name);
        }
    }
    let (exit, rollouts) = hooks::each(host, "renew", &request, names, printer);
    let document =
        json!({ "format": "certroll/renew/1", "identities": identities, "rollouts": rollouts });
    printer.result(&document, String::new);
    Ok(worst.max(exit))
}

/// Renews one identity, where it is due.
fn one(host: &mut dyn Host, folder: &Folder, force: bool, printer: &Printer) -> Result<Value> {
    let name = folder.name();
    if !force && let Err(error) = acme::ask(host, folder) {
        printer.progress(&format!(
            "identity `{name}`: no window of the server's: {error}"
        ));
    }
    let stands = Stands::of(host, folder)?;
    let now = host.now();
    if !(force || stands.is_due(now)) {
        let due = stands
            .due
            .map(|due| json!({ "at": due.at, "by_server": due.by_server }));
        return Ok(json!({ "id": name, "renewed": false, "due": due }));
    }
    if let (Some(again), Some(missed)) = (stands.again(), &stands.missed)
        && now < again
        && !force
    {
        return Err(Error::Server {
            server: name.to_owned(),
            message: format!(
                "was not renewed on {}: {}; tried again from {}",
                date(missed.when),
                missed.message,
                date(again)
            ),
            hint: format!("once that is mended: `certroll renew --force {name}`"),
        });
    }
    match obtain(host, folder, &stands.asked, &|line| printer.progress(line)) {
        Ok(issued) => {
            let (leaf, until) = (
                issued.identity.fingerprint(),
                issued.identity.leaf.not_after,
            );
            printer.detail(|| {
                format!(
                    "renewed: identity `{name}`, leaf {leaf}, until {}\n",
                    date(until)
                )
            });
            Ok(json!({ "id": name, "renewed": true, "fingerprint": leaf, "not_after": until }))
        }
        Err(error) => {
            acme::missed(host, folder, &error)?;
            Err(error)
        }
    }
}

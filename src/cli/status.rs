//! `status`: one rollout for people and programs, or every one for monitoring.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    args::{Rollout, Shape, Watching},
    look::refuse_open,
    print::Printer,
    text,
};
use crate::{
    error::{Error, ExitCode, Result, count},
    host::Host,
    identity::date,
    journal::Store,
    plan::{Plan, View},
    prepare,
    rollouts::{self, Request},
    watch::{self, Level, Renewal, Sighting, Watched},
};

/// Shows one rollout.
pub(crate) fn show(
    host: &mut dyn Host,
    request: &Request,
    watching: &Watching,
    printer: &Printer,
) -> Result<ExitCode> {
    if watching.output.is_some() {
        return Err(without_file());
    }
    refuse_open(host)?;
    let prepared = prepare(host, request)?;
    let plan = &prepared.plan;
    let mut view = View::of(plan, host);
    let open = plan.steps.iter().filter(|s| !s.is_done(host.tree()));
    view.steps = open.map(|s| s.text.clone()).collect();
    let watched = watch::seen(host, &plan.rollout, &prepared);
    let now = host.now();
    let is_ending = |one: &Sighting| one.not_after - now < one.warning;
    // Where a platform gets its pair by itself there is none that is wanted.
    let wanted_ends = !plan.identity.fingerprint.is_empty()
        && plan.identity.not_after - now < crate::identity::Checks::WARN_DAYS * 86_400;
    let known = |one: &Sighting| one.sha256 == plan.identity.fingerprint;
    // Of the identity that is wanted but nowhere yet only its end is known.
    let expires_soon = watched.certificates.iter().any(is_ending)
        || (wanted_ends && !watched.certificates.iter().any(known));
    let renewals = watch::renewals(host, Some(&plan.rollout))?;
    let rotation = plan.phase.as_ref().filter(|phase| phase.is_unfinished());
    let document = json!({
        "format": "certroll/status/1",
        "rollout": view.rollout,
        "identity": view.identity,
        "drift": view.changes,
        "owed": view.owed,
        "endpoints": watched.endpoints,
        "findings": view.findings,
        "steps": view.steps,
        "expires_soon": expires_soon,
        "certificates": watched.certificates,
        "unread": watched.unread,
        "last": watched.last,
        "renewals": renewals,
        "rotation": rotation,
    });
    printer.result(&document, || {
        let mut out = head(&view, plan, printer.quiet());
        if printer.quiet() {
            return out;
        }
        out.push_str(&super::renewals::shown(&renewals));
        if let Some(phase) = rotation {
            let last = phase.phases.last().map_or("", String::as_str);
            let _ = writeln!(
                out,
                "rotation {}\n  hint: go on: `certroll apply {} --until {last}`",
                phase.standing(),
                view.rollout
            );
        }
        for verdict in &watched.endpoints {
            let word = if verdict.good { "good" } else { "BAD " };
            let _ = writeln!(out, "{word} {}: {}", verdict.probe, verdict.found);
        }
        certificates(&mut out, &watched, now, printer.verbose());
        if !plan.is_empty()
            || view.findings.iter().any(|f| f.severity != "note")
            || !view.steps.is_empty()
        {
            out.push_str(&text::plan(&view, printer.verbose()));
        }
        out
    });
    let is_done = plan.is_empty() && !plan.is_blocked() && rotation.is_none();
    let is_renewed = renewals.iter().all(|one| watch::late(one).is_none());
    Ok(if is_done && !expires_soon && is_renewed {
        ExitCode::Success
    } else {
        ExitCode::Differences
    })
}

fn head(view: &View, plan: &Plan, brief: bool) -> String {
    let state = match (plan.is_empty(), plan.is_blocked()) {
        (true, false) => "as wanted",
        (true, true) => "not judged, a finding is in the way",
        (false, _) => "drifted or owed",
    };
    let first = format!("rollout {}: {state}\n", view.rollout);
    if brief || view.identity.fingerprint.is_empty() {
        return first;
    }
    format!(
        "{first}leaf {}, until {}{}\n",
        view.identity.fingerprint,
        date(view.identity.not_after),
        text::taken_from(&view.identity)
    )
}

/// Lists each certificate once with the number of its places, or with `-v` with all of them; and how the last run ended.
fn certificates(out: &mut String, watched: &Watched, now: i64, verbose: bool) {
    let mut all: Vec<&Sighting> = watched.certificates.iter().collect();
    all.sort_by_key(|one| (one.not_after, &one.sha256));
    for places in all.chunk_by(|a, b| a.sha256 == b.sha256) {
        let one = places[0];
        let word = match one.not_after - now {
            left if left < 0 => "EXPIRED",
            left if left < one.warning => "ENDS SOON",
            _ => "until",
        };
        let many = count(places.len(), "place");
        let (subject, end) = (&one.subject, date(one.not_after));
        let _ = writeln!(out, "{word} {end}: {subject}, at {many}");
        for place in places.iter().filter(|_| verbose) {
            let _ = writeln!(out, "    {}", place.place);
        }
    }
    for unread in &watched.unread {
        let _ = writeln!(out, "UNREAD {}: {}", unread.path, unread.reason);
    }
    if let Some(last) = &watched.last {
        let _ = writeln!(
            out,
            "last run: generation {} {}, {}",
            last.generation,
            last.outcome.words(),
            date(last.finished)
        );
    }
}

/// Tells monitoring of a rollout, or of every one, and returns the exit code that it expects.
pub(crate) fn monitor(
    host: &dyn Host,
    rollout: &Rollout,
    watching: &Watching,
    profiles_dir: Option<&str>,
    printer: &Printer,
) -> u8 {
    let asked = match watching.output {
        Some(_) if watching.format == Shape::Nagios => Err(without_file()),
        _ => gather(host, rollout, profiles_dir),
    };
    let told = asked.and_then(|(all, renewals, open)| {
        if watching.format == Shape::Nagios {
            let (level, line) = watch::line(&all, &renewals, open, host.now());
            printer.stdout(&(line + "\n"));
            return Ok(level.exit());
        }
        let text = watch::metrics(&all, &renewals, open, host.now());
        match &watching.output {
            Some(path) => host.write_shared(path, text.as_bytes())?,
            None => printer.stdout(&text),
        }
        Ok(printer.ended(ExitCode::Success, false) as u8)
    });
    told.unwrap_or_else(|error| silent(&error, watching, printer))
}

/// Says that only metrics go to a file.
fn without_file() -> Error {
    Error::Usage {
        message: "`--output` is for `--format prometheus`".to_owned(),
        hint: "leave it out, or send the output to a file: `> FILE`".to_owned(),
    }
}

/// Tells monitoring that nothing can be told, in its own form, and returns the exit code that it expects.
pub(crate) fn silent(error: &Error, watching: &Watching, printer: &Printer) -> u8 {
    if watching.format == Shape::Nagios {
        printer.stdout(&(watch::unknown(&error.to_string()) + "\n"));
        return Level::Unknown.exit();
    }
    printer.error(error);
    error.exit() as u8
}

/// Looks at the rollout that is named, or at every one, and at the identities that are renewed.
fn gather(
    host: &dyn Host,
    rollout: &Rollout,
    profiles_dir: Option<&str>,
) -> Result<(Vec<Watched>, Vec<Renewal>, Option<u64>)> {
    let request = rollout.request(profiles_dir)?;
    let named = request.name.is_some() || !request.profiles.is_empty();
    let all = if named {
        let known = Store::rollouts(host)?.rollouts;
        vec![rollouts::name(host, &request, &known)?]
    } else if request.files.cert.is_some() {
        return Err(Error::Usage {
            message: "no profile is given for this identity".to_owned(),
            hint: "name one: `--profile NAME`".to_owned(),
        });
    } else {
        rollouts::all(host)?
    };
    let look = |name: &String| {
        let request = Request {
            name: Some(name.clone()),
            ..request.clone()
        };
        watch::look(host, name, &request)
    };
    let one = all.first().filter(|_| named).map(String::as_str);
    let renewals = watch::renewals(host, one)?;
    Ok((
        all.iter().map(look).collect(),
        renewals,
        Store::pending(host)?,
    ))
}

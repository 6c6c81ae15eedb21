//! `certroll pin`.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use super::{args::Pin as Command, print::Printer};
use crate::{
    error::{Error, ExitCode, Result},
    host::Host,
    identity::date,
    peer::{Accept, Fingerprint},
    pins::{self, Leaf, Looked, Mismatch, Pin, Pins, Seen, Source},
};

/// How long another run that holds the lock is waited for: no change of pins takes longer than its handshakes.
const WAIT: Duration = Duration::from_secs(10);

pub(super) fn run(host: &mut dyn Host, command: &Command, printer: &Printer) -> Result<ExitCode> {
    match command {
        Command::Add {
            target,
            fingerprint,
            require_sha256,
            ..
        } => add(
            host,
            target,
            fingerprint.as_deref(),
            *require_sha256,
            printer,
        ),
        Command::List => list(host, printer),
        Command::Remove { targets } => remove(host, targets, printer),
        Command::Check { targets } => check(host, targets, printer),
        Command::Import { file } => import(host, file, printer),
        Command::Export {
            language,
            cpapi,
            targets,
        } => match (language, cpapi) {
            (Some(language), _) => program(host, language, targets, printer),
            (None, file) => cpapi_file(host, file.as_deref().unwrap_or_default(), targets, printer),
        },
    }
}

fn add(
    host: &mut dyn Host,
    target: &str,
    fingerprint: Option<&str>,
    require_sha256: bool,
    printer: &Printer,
) -> Result<ExitCode> {
    let (name, peer) = pins::key(target)?;
    let given = fingerprint.map(Fingerprint::read).transpose()?;
    if let Some(Fingerprint::Sha1(_)) = given.filter(|_| require_sha256) {
        return Err(Error::Usage {
            message: "a SHA-1 is given, and `--require-sha256` with it".to_owned(),
            hint: "give the SHA-256: `api fingerprint -f json` has both".to_owned(),
        });
    }
    host.lock(WAIT)?;
    let mut pins = pins::load(host)?;
    // Trust on first use is for the first: a peer that has a pin is held to it.
    let before = pins.hosts.get(&name).cloned();
    let (accept, expected) = match (given, &before) {
        (Some(given), _) => (Accept::Only(vec![given]), vec![line(given)]),
        (None, Some(pin)) => (pin.accept(), pin.leaf.lines()),
        (None, None) => (Accept::Any, vec!["any, on first use".to_owned()]),
    };
    let seen = pins::look(host, &[(peer, accept)]).pop();
    let seen = seen.unwrap_or_else(|| Seen::Silent("was not asked".to_owned()));
    let leaf = seen.accepted(&name, expected, &pins)?;
    let known = before.is_some_and(|pin| pin.leaf.sha256 == leaf.sha256);
    if known {
        printer.message(&format!("`{name}` is pinned to this leaf already"));
        return Ok(ExitCode::Success);
    }
    let source = match fingerprint {
        None => Source::Tofu,
        Some(text) if text.trim_start().starts_with(['[', '{']) => Source::ApiFingerprint,
        Some(_) => Source::Manual,
    };
    put(&mut pins, &name, &leaf, source, host.now());
    pins::save(host, &pins)?;
    let shown = leaf.sha256.colons();
    printer.message(&format!("`{name}` is pinned to SHA-256 {shown}"));
    Ok(ExitCode::Success)
}

fn put(pins: &mut Pins, name: &str, leaf: &Leaf, source: Source, now: i64) {
    let pin = Pin {
        leaf: leaf.clone(),
        first_seen: now,
        source,
        next: None,
    };
    pins.hosts.insert(name.to_owned(), pin);
}

fn line(fingerprint: Fingerprint) -> String {
    format!("{:<7} {}", fingerprint.digest(), fingerprint.colons())
}

fn list(host: &dyn Host, printer: &Printer) -> Result<ExitCode> {
    let pins = pins::load(host)?;
    printer.result(&pins, || {
        let mut text = String::new();
        for (name, pin) in &pins.hosts {
            let source = serde_json::to_value(pin.source).unwrap_or_default();
            let source = source.as_str().unwrap_or_default();
            let _ = writeln!(text, "{name}  ({source}, {})", date(pin.first_seen));
            let leaves = [("leaf", Some(&pin.leaf)), ("next", pin.next.as_ref())];
            for (label, leaf) in leaves
                .iter()
                .filter_map(|(label, leaf)| leaf.map(|l| (label, l)))
            {
                for (at, line) in leaf.lines().iter().enumerate() {
                    let label = if at == 0 { label } else { "" };
                    let _ = writeln!(text, "  {label:<5} {line}");
                }
            }
        }
        if text.is_empty() {
            "no pins are kept\n".to_owned()
        } else {
            text
        }
    });
    Ok(ExitCode::Success)
}

fn remove(host: &mut dyn Host, targets: &[String], printer: &Printer) -> Result<ExitCode> {
    host.lock(WAIT)?;
    let mut pins = pins::load(host)?;
    let mut names = Vec::new();
    for target in targets {
        let (name, _) = pins::key(target)?;
        pins.get(&name)?;
        names.push(name);
    }
    pins.hosts.retain(|name, _| !names.contains(name));
    pins::save(host, &pins)?;
    printer.message(&format!("removed the pin of {}", names.join(", ")));
    Ok(ExitCode::Success)
}

fn check(host: &dyn Host, targets: &[String], printer: &Printer) -> Result<ExitCode> {
    let looked = pins::check(host, &pins::load(host)?, targets)?;
    report(&looked, "certroll/pins-checked/1", printer)
}

/// Shows how peers were found; an error where one is not the one wanted.
fn report(looked: &[Looked], format: &str, printer: &Printer) -> Result<ExitCode> {
    let wrong: Vec<Mismatch> = looked
        .iter()
        .filter_map(|one| one.mismatch.clone())
        .collect();
    let says = |one: &Looked| match &one.seen {
        Seen::Accepted(_) => "pinned".to_owned(),
        Seen::Refused { .. } => "WRONG PEER".to_owned(),
        Seen::Silent(reason) => format!("silent: {reason}"),
    };
    let text = || {
        if looked.is_empty() {
            return "no pins are kept\n".to_owned();
        }
        let lines = looked
            .iter()
            .map(|one| format!("{}  {}", one.peer, says(one)));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let silent = looked.iter().any(|one| matches!(one.seen, Seen::Silent(_)));
    if printer.is_json() {
        let peers: Vec<_> = looked
            .iter()
            .map(|one| json!({ "peer": one.peer, "found": says(one), "mismatch": one.mismatch }))
            .collect();
        printer.result(&json!({ "format": format, "peers": peers }), String::new);
    } else {
        printer.detail(text);
        if !wrong.is_empty() {
            return Err(Error::WrongPeer(wrong));
        }
    }
    Ok(match (wrong.is_empty(), silent) {
        (false, _) => ExitCode::WrongPeer,
        (true, true) => ExitCode::Failed,
        (true, false) => ExitCode::Success,
    })
}

fn import(host: &mut dyn Host, file: &str, printer: &Printer) -> Result<ExitCode> {
    let entries = pins::parse_cpapi(file, host.read_input(file)?.reveal())?;
    host.lock(WAIT)?;
    let mut pins = pins::load(host)?;
    let (mut names, mut peers) = (Vec::new(), Vec::new());
    for (server, fingerprint) in &entries {
        let (name, peer) = pins::key(server)?;
        // A pin that is kept is the stronger word: only `pin add` replaces one.
        let accept = match pins.hosts.get(&name) {
            Some(pin) => (pin.accept(), pin.leaf.lines()),
            None => (Accept::Only(vec![*fingerprint]), vec![line(*fingerprint)]),
        };
        names.push((name, accept.1));
        peers.push((peer, accept.0));
    }
    let mut looked = Vec::new();
    for ((name, expected), seen) in names.into_iter().zip(pins::look(host, &peers)) {
        if let (Seen::Accepted(leaf), false) = (&seen, pins.hosts.contains_key(&name)) {
            put(&mut pins, &name, leaf, Source::Imported, host.now());
        }
        looked.push(Looked {
            mismatch: seen.mismatch(&name, expected, &pins),
            peer: name,
            seen,
        });
    }
    pins::save(host, &pins)?;
    report(&looked, "certroll/pins-imported/1", printer)
}

fn program(
    host: &dyn Host,
    language: &str,
    targets: &[String],
    printer: &Printer,
) -> Result<ExitCode> {
    let [target] = targets else {
        return Err(Error::Usage {
            message: format!(
                "{} targets are given, and a program is for one",
                targets.len()
            ),
            hint: "certroll pin export --as LANGUAGE HOST:PORT".to_owned(),
        });
    };
    let (name, _) = pins::key(target)?;
    let program = pins::snippet(language, &name, pins::load(host)?.get(&name)?)?;
    let document = json!({ "format": "certroll/pin-program/1", "language": language, "peer": name, "program": program });
    printer.result(&document, || program.clone());
    Ok(ExitCode::Success)
}

fn cpapi_file(
    host: &dyn Host,
    file: &str,
    targets: &[String],
    printer: &Printer,
) -> Result<ExitCode> {
    let pins = pins::load(host)?;
    let mut names = Vec::new();
    for target in targets {
        names.push(pins::key(target)?.0);
    }
    if targets.is_empty() {
        names.extend(pins.hosts.keys().cloned());
    }
    let mut entries: Vec<(String, Fingerprint)> = Vec::new();
    for name in &names {
        let (_, peer) = pins::key(name)?;
        let sha1 = pins.get(name)?.leaf.sha1;
        // The file knows no ports, so that two leaves of one host cannot both be in it.
        if entries
            .iter()
            .any(|(server, other)| *server == peer.name && *other != sha1)
        {
            return Err(Error::Usage {
                message: format!(
                    "`{}` is pinned to different leaves at different ports, and `{file}` knows no ports",
                    peer.name
                ),
                hint: "name the one that is meant: `certroll pin export --cpapi FILE HOST:PORT`"
                    .to_owned(),
            });
        }
        entries.push((peer.name, sha1));
    }
    let before = match host.read_input(file) {
        Ok(bytes) => bytes,
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Vec::new().into()
        }
        Err(error) => return Err(error),
    };
    let text = pins::merge(file, before.reveal(), &entries)?;
    host.write_output(file, &text)?;
    printer.message(&format!("put {} into {file}", names.join(", ")));
    Ok(ExitCode::Success)
}

/// What is wanted of a peer, and what it presents.
pub(super) fn side_by_side(peer: &Mismatch) -> String {
    let mut text = String::new();
    let sides = [("expected", &peer.expected), ("presented", &peer.presented)];
    for (label, lines) in sides {
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let _ = writeln!(text, "  {label:<9} {line}");
        }
    }
    for other in &peer.elsewhere {
        let _ = writeln!(text, "  this leaf is pinned for `{other}`");
    }
    text
}

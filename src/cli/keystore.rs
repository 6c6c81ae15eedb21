//! `certroll keystore`, and `inspect` of a store.

mod make;

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::{
    args::{Keystore as Command, Opened},
    inspect,
    print::Printer,
};
use crate::{
    error::{Error, ExitCode, Result},
    host::Host,
    identity::{self, Checks, Identity, Input, certificate_pem, date, key_pem},
    keystore::{CertificateLine, Entry, EntryReport, Format, Holds, Store, StoreReport, shown},
    preflight::{self, Finding, Severity},
    source::{Files, password_in},
    state::Bytes,
};

pub(super) fn run(host: &dyn Host, command: &Command, printer: &Printer) -> Result<ExitCode> {
    match command {
        Command::List { store } => {
            let (store, entries, verified) = open(host, store)?;
            let report = StoreReport::of(&store.0, &store.1, &entries, verified);
            printer.result(&report, || text(&report, host.now()));
            Ok(ExitCode::Success)
        }
        Command::Export {
            store,
            alias,
            chain,
            with_key,
            output,
            force,
        } => {
            let (_, entries, _) = open(host, store)?;
            let pem = part(&store.file, &entries, alias, *chain, *with_key)?;
            if let Some(path) = output {
                write(host, path, &pem, *force)?;
                printer.message(&format!("wrote `{}` to {path}", shown(alias)));
            } else {
                let document = json!({ "format": "certroll/keystore-export/1", "alias": alias, "pem": pem.text() });
                printer.result(&document, || pem.text());
            }
            Ok(ExitCode::Success)
        }
        Command::New(new) => make::run(host, new, printer),
    }
}

/// What `inspect` says of a store.
#[derive(Debug, Serialize)]
struct Inspected {
    #[serde(flatten)]
    store: StoreReport,
    findings: Vec<Finding>,
}

/// Shows one input that is a store of other things than one identity; none where it is for the report of an identity.
///
/// # Errors
/// As [`Store::read`]; what is no store, or a PKCS#12 store that does not open, is left to the report of an identity.
pub(super) fn inspect(
    host: &dyn Host,
    files: &Files,
    allow: &[String],
    printer: &Printer,
) -> Result<Option<ExitCode>> {
    let [file] = files.others.as_slice() else {
        return Ok(None);
    };
    let bytes = host.read_input(file)?;
    if !Store::looks_like(bytes.reveal()) {
        return Ok(None);
    }
    let password = password(host, files.password_file.as_ref())?;
    let store = match Store::read(bytes.reveal(), password.as_ref()) {
        Err(_) if identity::is_store(bytes.reveal()) => return Ok(None),
        read => read.map_err(|fault| fault.of(file))?,
    };
    let entries = store.entries(password.as_ref());
    let is_one_key = matches!(entries.as_slice(), [one] if matches!(one.holds, Holds::Key { .. }));
    if store.format() == Format::Pkcs12 && is_one_key {
        return Ok(None);
    }
    let mut findings = Vec::new();
    for entry in &entries {
        findings.extend(judged(host, entry)?);
    }
    let report = Inspected {
        store: StoreReport::of(file, &store, &entries, password.is_some()),
        findings: preflight::heard(preflight::allow(findings, allow), allow),
    };
    printer.result(&report, || {
        let mut out = text(&report.store, host.now());
        inspect::findings(&mut out, &report.findings);
        out
    });
    let fatal = |f: &Finding| f.severity == Severity::Fatal;
    Ok(Some(if report.findings.iter().any(fatal) {
        ExitCode::Usage
    } else {
        ExitCode::Success
    }))
}

/// Returns the findings about the identity of a key entry.
fn judged(host: &dyn Host, entry: &Entry) -> Result<Vec<Finding>> {
    let Holds::Key { key, chain } = &entry.holds else {
        return Ok(Vec::new());
    };
    let parts = chain.iter().map(|c| certificate_pem(&c.der).into());
    let parts = parts.chain(key.as_ref().map(key_pem));
    let inputs: Vec<Input> = parts
        .map(|bytes| Input {
            name: shown(&entry.alias),
            bytes,
        })
        .collect();
    let (identity, mut findings) = Identity::assemble(&inputs, None)?;
    let anchors = host.trust_anchors();
    findings.extend(identity.findings(&Checks {
        now: host.now(),
        warn_days: Checks::WARN_DAYS,
        anchors: &anchors,
        names: &[],
    }));
    for finding in &mut findings {
        finding.message = format!("`{}`: {}", shown(&entry.alias), finding.message);
    }
    Ok(findings)
}

fn password(host: &dyn Host, path: Option<&String>) -> Result<Option<Bytes>> {
    path.map(|path| password_in(path, &host.read_input(path)?))
        .transpose()
}

type Named = (String, Store);

/// Opens a store, and returns its name with it, its entries, and whether the whole was verified.
fn open(host: &dyn Host, opened: &Opened) -> Result<(Named, Vec<Entry>, bool)> {
    let file = &opened.file;
    let bytes = host.read_input(file)?;
    let own = password(host, opened.password_file.as_ref())?;
    let of_keys = password(host, opened.key_password_file.as_ref())?;
    let store = Store::read(bytes.reveal(), own.as_ref()).map_err(|fault| fault.of(file))?;
    let entries = store.entries(of_keys.as_ref().or(own.as_ref()));
    Ok(((file.clone(), store), entries, own.is_some()))
}

/// Renders a store for people.
fn text(report: &StoreReport, now: i64) -> String {
    let mut out = String::new();
    let count = report.entries.len();
    let entries = if count == 1 { "entry" } else { "entries" };
    let verified = if report.verified {
        ""
    } else {
        ", not verified: no password was given"
    };
    let _ = writeln!(
        out,
        "{}: {} store, {count} {entries}{verified}",
        report.file, report.store
    );
    for entry in &report.entries {
        let _ = writeln!(out, "{}", head(entry));
        let label = if entry.kind == "key" { "leaf" } else { "" };
        let own = entry.certificate.iter().map(|line| (label, line));
        for (label, line) in own.chain(entry.chain.iter().map(|line| ("chain", line))) {
            certificate(&mut out, label, line, now);
        }
    }
    out
}

fn head(entry: &EntryReport) -> String {
    let what = match (entry.kind, &entry.key, entry.other) {
        ("key", Some(key), _) => format!("{key} key"),
        ("key", None, _) => {
            "key, not opened: it has another password, or none was given".to_owned()
        }
        (_, _, Some(other)) => other.to_owned(),
        _ => "trusted certificate".to_owned(),
    };
    let made = entry
        .made
        .map_or_else(String::new, |at| format!(", made {}", date(at)));
    format!("{}: {what}{made}", shown(&entry.alias))
}

fn certificate(out: &mut String, label: &str, line: &CertificateLine, now: i64) {
    let expired = if now > line.not_after {
        ", EXPIRED"
    } else {
        ""
    };
    let until = date(line.not_after);
    let _ = writeln!(out, "  {label:<5} {}, until {until}{expired}", line.subject);
    let _ = writeln!(out, "        SHA-256 {}", line.sha256);
    let _ = writeln!(out, "        SHA-1   {}", line.sha1);
}

/// Returns an entry, or what was asked of it, as PEM.
fn part(
    file: &str,
    entries: &[Entry],
    alias: &str,
    with_chain: bool,
    with_key: bool,
) -> Result<Bytes> {
    let wanted = |entry: &&Entry| entry.found_as == alias.to_lowercase() || entry.alias == alias;
    let entry = entries.iter().find(wanted).ok_or_else(|| Error::Unknown {
        what: "alias",
        name: alias.to_owned(),
        known: entries.iter().map(|entry| shown(&entry.alias)).collect(),
    })?;
    let lacks = |what: &str, hint: &str| Error::Input {
        subject: format!("`{file}`"),
        message: format!("`{}` {what}", shown(alias)),
        hint: hint.to_owned(),
    };
    let mut pem = Vec::new();
    let certificates = match &entry.holds {
        Holds::Trusted(certificate) if !with_key => std::slice::from_ref(&**certificate),
        Holds::Key { key, chain } => {
            if with_key {
                let key = key.as_ref().ok_or_else(|| {
                    let hint = "give it: `--password-file F`, or `--key-password-file F` where keys have one of their own";
                    lacks("has a key that the password given does not open", hint)
                })?;
                pem.push(key_pem(key));
            }
            chain
        }
        Holds::Trusted(_) => {
            return Err(lacks(
                "is a trusted certificate, and has no key",
                "leave out `--with-key`",
            ));
        }
        Holds::Other(what) => return Err(lacks(&format!("is {what}"), "")),
    };
    let count = if with_chain { certificates.len() } else { 1 };
    let certificates = certificates.iter().take(count);
    pem.extend(certificates.map(|c| Bytes::from(certificate_pem(&c.der))));
    let size = pem.iter().map(Bytes::len).sum();
    let mut all = zeroize::Zeroizing::new(Vec::with_capacity(size));
    for part in &pem {
        all.extend_from_slice(part.reveal());
    }
    Ok(Bytes::from(std::mem::take(&mut *all)))
}

fn write(host: &dyn Host, path: &str, bytes: &Bytes, force: bool) -> Result<()> {
    if force {
        return host.write_output(path, bytes.reveal());
    }
    let hint = "give another name, or replace it: `--force`";
    super::write_new(host, path, bytes.reveal(), 0o600, hint)
}

//! `certroll issue self-signed` and `issue ca`: pairs that are made here, and written where nothing is.

use std::{fmt::Write as _, io::ErrorKind};

use serde_json::json;

use crate::{
    cli::{
        args::{Made, MadeByCa},
        print::Printer,
        write_new,
    },
    error::{Error, ExitCode, Result},
    host::Host,
    identity::{Form, Identity, date},
    issue::{self, Chance},
    preflight::Severity,
    source::Files,
};

/// Days of a leaf that Apple's platforms take at most (their support article HT210176).
const APPLE_DAYS: u32 = 825;

pub(super) fn self_signed(host: &dyn Host, asked: &Made, printer: &Printer) -> Result<ExitCode> {
    free(host, &[&asked.key, &asked.cert])?;
    let pair = issue::self_signed(&asked.wanted(), chance(host)?)?;
    write(host, &pair, &asked.cert, &asked.key)?;
    Ok(told(&pair, asked, &asked.cert, Vec::new(), printer))
}

pub(super) fn by_ca(host: &dyn Host, asked: &MadeByCa, printer: &Printer) -> Result<ExitCode> {
    let MadeByCa {
        made,
        ca_cert,
        ca_key,
    } = asked;
    free(host, &[&made.key, &made.cert])?;
    let (ca, fresh) = if is_there(host, ca_cert)? || is_there(host, ca_key)? {
        let files = Files {
            cert: Some(ca_cert.clone()),
            key: Some(ca_key.clone()),
            ..Files::default()
        };
        let (ca, findings) = files.judged(host)?;
        if findings.iter().any(|f| f.severity == Severity::Fatal) {
            return Err(Error::Findings(findings));
        }
        (ca, None)
    } else {
        let root = issue::root(made.wanted().key, chance(host)?)?;
        (root.clone(), Some(root))
    };
    let pair = issue::by_ca(&made.wanted(), &ca, chance(host)?)?;
    let mut lines = Vec::new();
    if let Some(root) = fresh {
        write(host, &root, ca_cert, ca_key)?;
        lines.push(format!(
            "{ca_cert}: `{}`, the root of a new private CA, until {}",
            ca.leaf.title(),
            date(ca.leaf.not_after)
        ));
        lines.push(format!(
            "{ca_key}: its private key, 0600, not encrypted: whoever has it is trusted by every client of this CA"
        ));
    }
    if lines.is_empty() {
        lines.push(format!(
            "signed by the CA that was there, {ca_cert}: `{}`, SHA-256 fingerprint {}",
            ca.leaf.title(),
            ca.leaf.sha256
        ));
    }
    write(host, &pair, &made.cert, &made.key)?;
    Ok(told(&pair, made, ca_cert, lines, printer))
}

fn chance(host: &dyn Host) -> Result<Chance> {
    Ok(Chance {
        now: host.now(),
        random: host.random()?,
    })
}

fn is_there(host: &dyn Host, path: &str) -> Result<bool> {
    match host.read_input(path) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(false),
        Err(error @ Error::Io { .. }) => Err(error),
        Ok(_) | Err(_) => Ok(true),
    }
}

const TAKEN: &str = "give another name, or move it away: nothing that is there is replaced";

/// Refuses names that are taken before anything is written: a key without its certificate is of no use.
fn free(host: &dyn Host, paths: &[&str]) -> Result<()> {
    for path in paths {
        if is_there(host, path)? {
            return Err(Error::Usage {
                message: format!("`{path}` is there already"),
                hint: TAKEN.to_owned(),
            });
        }
    }
    Ok(())
}

/// Writes the key first: nobody trusts a leaf before it is there.
fn write(host: &dyn Host, pair: &Identity, cert: &str, key: &str) -> Result<()> {
    let form = |form| pair.form(form).unwrap_or_default();
    let mut certs = form(Form::Fullchain).text();
    if !pair.leaf.self_signed {
        certs += &form(Form::Anchor).text();
    }
    write_new(host, key, form(Form::Key).reveal(), 0o600, TAKEN)?;
    write_new(host, cert, certs.as_bytes(), 0o644, TAKEN)
}

/// Says what was issued, and what clients must be given.
fn told(
    pair: &Identity,
    asked: &Made,
    anchor: &str,
    mut lines: Vec<String>,
    printer: &Printer,
) -> ExitCode {
    let leaf = &pair.leaf;
    let wanted = asked.wanted();
    let (cert, key) = (&asked.cert, &asked.key);
    lines.push(format!(
        "{cert}: {}, {}, until {}\n  SHA-256 fingerprint {}",
        wanted.names.join(", "),
        leaf.key,
        date(leaf.not_after),
        leaf.sha256
    ));
    lines.push(format!("{key}: its private key, 0600, not encrypted"));
    let mut notes = Vec::new();
    if wanted.days > APPLE_DAYS {
        notes.push(format!(
            "Apple's platforms refuse leaves of more than {APPLE_DAYS} days"
        ));
    }
    if wanted.key == issue::KeyKind::Ed25519 {
        notes.push("browsers do not take Ed25519".to_owned());
    }
    let document = json!({
        "format": "certroll/issue/1", "cert": cert, "key": key, "names": wanted.names,
        "serial": leaf.serial, "sha256": leaf.sha256, "not_after": leaf.not_after, "anchor": anchor, "notes": notes,
    });
    printer.result(&document, || {
        let mut out = lines.join("\n") + "\n";
        for note in &notes {
            let _ = writeln!(out, "note: {note}");
        }
        let _ = writeln!(
            out,
            "clients trust it once they have {anchor}\nroll it out: certroll plan --profile NAME --cert {cert} --key {key}"
        );
        out
    });
    ExitCode::Success
}

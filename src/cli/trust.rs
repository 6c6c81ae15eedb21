//! `certroll trust`: the anchor that clients of an identity need, for others and for this host.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    args::{Anchor, Trust},
    changes,
    print::Printer,
    write_new,
};
use crate::{
    error::{Error, ExitCode, Result},
    host::Host,
    identity::{Certificate, certificate_pem},
    preflight::Finding,
    source::Files,
    trust,
};

pub(crate) fn run(host: &mut dyn Host, command: &Trust, printer: &Printer) -> Result<ExitCode> {
    match command {
        Trust::Export { anchor, out, der } => {
            let anchor = read(host, anchor)?;
            export(host, &anchor, out.as_deref(), *der, printer)
        }
        Trust::Install { anchor, go } => {
            let anchor = taken(host, anchor)?;
            let pem = certificate_pem(&anchor.der);
            changes::hooks(host, *go, printer, |host| {
                trust::install(host, &anchor, pem)
            })
        }
        Trust::Remove { anchor, go } => {
            let anchor = read(host, anchor)?;
            changes::hooks(host, *go, printer, |host| trust::remove(host, &anchor))
        }
    }
}

fn files(asked: &Anchor) -> Files {
    Files {
        others: vec![asked.file.clone()],
        password_file: asked.password_file.clone(),
        ..Files::default()
    }
}

fn read(host: &dyn Host, asked: &Anchor) -> Result<Certificate> {
    let (identity, _) = files(asked).read(host)?;
    trust::anchor(&identity).cloned()
}

/// Reads what this host is to trust: nobody but root may have chosen it.
fn taken(host: &dyn Host, asked: &Anchor) -> Result<Certificate> {
    let (identity, findings) = files(asked).judged(host)?;
    let open = |finding: &Finding| finding.name == "source-open";
    let open: Vec<Finding> = findings.into_iter().filter(open).collect();
    if !open.is_empty() {
        return Err(Error::Findings(open));
    }
    trust::anchor(&identity).cloned()
}

fn export(
    host: &dyn Host,
    anchor: &Certificate,
    out: Option<&str>,
    der: bool,
    printer: &Printer,
) -> Result<ExitCode> {
    let pem = certificate_pem(&anchor.der);
    if let Some(out) = out {
        let bytes = if der { &anchor.der } else { pem.as_bytes() };
        write_new(host, out, bytes, 0o644, "give another name")?;
    }
    let commands = trust::commands(anchor, out.unwrap_or("FILE"), der);
    let lines: Vec<_> = commands
        .iter()
        .map(|(client, line)| json!({ "client": client, "command": line }))
        .collect();
    let document = json!({
        "format": "certroll/trust/1", "subject": anchor.subject, "sha256": anchor.sha256, "not_after": anchor.not_after,
        "pem": pem, "file": out, "commands": lines,
    });
    printer.result(&document, || match out {
        None => pem.clone(),
        Some(out) => {
            let mut text = format!(
                "{out}: `{}`, SHA-256 fingerprint {}\n",
                anchor.title(),
                anchor.sha256
            );
            for (client, line) in &commands {
                let _ = writeln!(text, "{client}:\n  {line}");
            }
            text
        }
    });
    Ok(ExitCode::Success)
}

//! `certroll serve`.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    args::{Backend, Serve},
    print::Printer,
};
use crate::{
    error::{Error, ExitCode, Result},
    host::{Host, system, visit},
    identity::{Certificate, Input, date},
    preflight::Severity,
    source::Files,
};

/// Serves until the time is over or a signal comes.
pub(super) fn run(host: &dyn Host, serve: &Serve, printer: &Printer) -> Result<ExitCode> {
    let Serve::Mtls(asked) = serve;
    let backend = backend(host, asked, printer)?;
    system::watch_signals()?;
    let ready = |address: std::net::SocketAddr| {
        let document = json!({ "format": "certroll/serving/1", "address": address.to_string() });
        printer.line(&document, || format!("serving on {address}"));
    };
    system::serve(backend, &ready, &|| host.interrupted().is_some())?;
    Ok(ExitCode::Success)
}

fn backend(host: &dyn Host, asked: &Backend, printer: &Printer) -> Result<visit::Backend> {
    let files = Files {
        cert: Some(asked.cert.clone()),
        key: asked.key.clone(),
        chain: asked.chain.clone(),
        password_file: asked.password_file.clone(),
        ..Files::default()
    };
    let (identity, findings) = files.read(host)?;
    if findings.iter().any(|f| f.severity == Severity::Fatal) {
        return Err(Error::Findings(findings));
    }
    if identity.key.is_none() {
        return Err(Error::Input {
            subject: format!("`{}`", asked.cert),
            message: "no private key in it".to_owned(),
            hint: "give the key of this certificate: `--key F`".to_owned(),
        });
    }
    let trusted = (!asked.trust.is_empty())
        .then(|| trusted(host, &asked.trust))
        .transpose()?;
    let printer = printer.clone();
    Ok(visit::Backend {
        listen: asked.listen,
        identity,
        trusted,
        limit: Duration::from_secs(asked.seconds),
        say: Box::new(move |visit| {
            let document = document(visit);
            printer.line(&document, || text(visit, &document));
            format!("{document}\n")
        }),
    })
}

fn trusted(host: &dyn Host, files: &[String]) -> Result<Arc<[Certificate]>> {
    let mut all = Vec::new();
    for file in files {
        let input = Input {
            name: file.clone(),
            bytes: host.read_input(file)?,
        };
        let found = input.certificates()?;
        if found.is_empty() {
            return Err(Error::Input {
                subject: format!("`{file}`"),
                message: "holds no certificate".to_owned(),
                hint: "give the leaf of the client, or the CA that issued it, as PEM".to_owned(),
            });
        }
        all.extend(found);
    }
    Ok(all.into())
}

/// Returns what was seen as the document that answers the request.
pub(crate) fn document(visit: &visit::Visit) -> Value {
    let leaf = visit.certificates.first();
    let leaf = leaf.and_then(|der| Certificate::from_der(der).ok());
    let leaf = leaf.map(|leaf| {
        json!({
            "sha256": leaf.sha256,
            "sha1": leaf.sha1,
            "subject": leaf.subject,
            "issuer": leaf.issuer,
            "serial": leaf.serial,
            "not_after": leaf.not_after,
        })
    });
    let (method, path) = visit.request.clone().unzip();
    json!({
        "format": "certroll/visit/1",
        "accepted": visit.refused.is_none(),
        "refused": visit.refused,
        "leaf": leaf,
        "chain": visit.certificates.len().saturating_sub(1),
        "from": visit.from.to_string(),
        "version": visit.version,
        "server_name": visit.name,
        "method": method,
        "path": path,
    })
}

fn text(visit: &visit::Visit, document: &Value) -> String {
    let leaf = visit.certificates.first();
    let leaf = leaf.and_then(|der| Certificate::from_der(der).ok());
    let leaf = leaf.map_or_else(
        || "no leaf".to_owned(),
        |leaf| {
            let until = date(leaf.not_after);
            format!("leaf {}, {}, until {until}", leaf.title(), leaf.sha256)
        },
    );
    let from = visit.from;
    match (&visit.refused, document["method"].as_str()) {
        (Some(why), _) => format!("refused {from}: {why}; {leaf}"),
        (None, method) => {
            let path = document["path"].as_str().unwrap_or_default();
            format!(
                "answered {from}: {} {path}; {leaf}",
                method.unwrap_or_default()
            )
        }
    }
}

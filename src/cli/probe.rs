//! `certroll probe`.

use std::sync::Arc;

use serde_json::json;

use super::{args::Probing, print::Printer};
use crate::{
    error::{Error, ExitCode, Result},
    host::Host,
    identity::Identity,
    pins, probe,
    source::Files,
};

mod text;

/// Asks one target for everything, and several side by side for what they present.
pub(super) fn run(host: &dyn Host, asked: &Probing, printer: &Printer) -> Result<ExitCode> {
    let single = asked.targets.len() == 1;
    let rules = asked
        .rules
        .as_deref()
        .map(probe::Rules::named)
        .transpose()?;
    let questions = probe::Questions {
        sni: asked.sni.clone(),
        no_sni: asked.no_sni,
        client: client(host, asked)?.map(Arc::new),
        survey: single || rules.is_some(),
        rules,
        pins: readable_pins(host)?,
    };
    let reports = probe::run(host, &asked.targets, &questions)?;
    if let ([report], false) = (
        reports.as_slice(),
        reports.iter().all(probe::ProbeReport::answers),
    ) {
        return Err(report.silence());
    }
    let document = if asked.pem {
        json!({ "format": "certroll/probes/1", "probes": reports, "pem": text::pem(&reports) })
    } else {
        json!({ "format": "certroll/probes/1", "probes": reports })
    };
    printer.result(&document, || {
        if asked.pem {
            text::pem(&reports)
        } else if single || printer.verbose() || questions.survey {
            reports
                .iter()
                .map(|report| text::text(report, host.now()))
                .collect::<Vec<_>>()
                .join("\n")
        } else {
            text::lines(&reports, host.now())
        }
    });
    Ok(if reports.iter().any(probe::ProbeReport::breaks_rules) {
        ExitCode::Differences
    } else if reports.iter().all(probe::ProbeReport::answers) {
        ExitCode::Success
    } else {
        ExitCode::Failed
    })
}

/// Reads the client certificate that is named, with its key.
fn client(host: &dyn Host, asked: &Probing) -> Result<Option<Identity>> {
    let Some(cert) = &asked.client_cert else {
        return Ok(None);
    };
    let files = Files {
        cert: Some(cert.clone()),
        key: asked.client_key.clone(),
        password_file: asked.password_file.clone(),
        ..Files::default()
    };
    let (identity, _) = files.read(host)?;
    if identity.key.is_none() {
        return Err(Error::Usage {
            message: format!("`{cert}` has no key beside it that can be read"),
            hint: "name it: `--client-key FILE`, and `--password-file FILE` where it is encrypted"
                .to_owned(),
        });
    }
    Ok(Some(identity))
}

/// Returns the pins that this user may read: whoever may not has none to hold against.
fn readable_pins(host: &dyn Host) -> Result<pins::Pins> {
    match pins::load(host) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Ok(pins::Pins::default())
        }
        other => other,
    }
}

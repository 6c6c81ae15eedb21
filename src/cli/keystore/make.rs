//! `certroll keystore new`.

use std::fmt::Write as _;

use serde_json::json;

use super::{password, write};
use crate::{
    cli::{
        args::{NewStore, StoreFormat},
        print::Printer,
    },
    error::{Error, ExitCode, Result},
    host::Host,
    identity::Input,
    keystore::{Chance, Encryption, Format, Outdated, Passwords, Wanted, WantedKey},
    preflight::Severity,
    render::shell_word,
    source::{Files, password_in},
};

/// Makes a store, and says how it is imported elsewhere.
pub(super) fn run(host: &dyn Host, new: &NewStore, printer: &Printer) -> Result<ExitCode> {
    let mut trusted = Vec::new();
    for given in &new.trust {
        let Some((alias, file)) = given.split_once('=') else {
            return Err(Error::Usage {
                message: format!("`--trust {given}` has no `=`"),
                hint: "give it as `--trust ALIAS=FILE`".to_owned(),
            });
        };
        let input = Input {
            name: file.to_owned(),
            bytes: host.read_input(file)?,
        };
        let found = input.certificates()?;
        let [certificate] = found.as_slice() else {
            return Err(Error::Input {
                subject: format!("`{file}`"),
                message: format!("holds {} certificates: an alias is for one", found.len()),
                hint: "give one file for each: `--trust ALIAS=FILE`".to_owned(),
            });
        };
        trusted.push((alias.to_owned(), certificate.clone()));
    }
    let key = new
        .alias
        .as_ref()
        .map(|alias| key(host, new, alias))
        .transpose()?;
    let (format, encryption) = match (new.format, new.legacy) {
        (StoreFormat::Pkcs12, false) => (Format::Pkcs12, Encryption::Modern),
        (StoreFormat::Pkcs12, true) => (Format::Pkcs12, Encryption::Legacy),
        (StoreFormat::Jks, _) => (Format::Jks, Encryption::Modern),
    };
    let wanted = Wanted {
        key,
        outdated: Outdated::default(),
        trusted,
        format,
        encryption,
    };
    let passwords = Passwords {
        store: password_in(&new.password_file, &host.read_input(&new.password_file)?)?,
        key: password(host, new.key_password_file.as_ref())?,
    };
    let mut salt = [0; 20];
    salt.copy_from_slice(&host.random()?[..20]);
    let chance = Chance {
        salt,
        now: host.now(),
    };
    let settled = wanted
        .settle(None, &passwords, &chance)
        .map_err(|fault| fault.of(&new.file))?;
    write(host, &new.file, &settled.bytes, new.force)?;
    let line = import(&new.file, format);
    let document = json!({
        "format": "certroll/keystore-new/1", "file": new.file, "entries": settled.lines, "import": line,
    });
    printer.result(&document, || {
        let mut out = format!("{}: {format} store, 0600\n", new.file);
        for line in &settled.lines {
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(
            out,
            "import it elsewhere, where keytool asks for both passwords:\n  {line}"
        );
        out
    });
    Ok(ExitCode::Success)
}

/// Reads the identity of a key entry.
fn key(host: &dyn Host, new: &NewStore, alias: &str) -> Result<WantedKey> {
    let files = Files {
        cert: new.cert.clone(),
        key: new.key.clone(),
        chain: new.chain.clone(),
        password_file: new.cert_password_file.clone(),
        ..Files::default()
    };
    let (identity, findings) = files.read(host)?;
    if findings.iter().any(|f| f.severity == Severity::Fatal) {
        return Err(Error::Findings(findings));
    }
    let Some(key) = identity.key else {
        return Err(Error::Input {
            subject: format!("`{}`", new.cert.as_deref().unwrap_or_default()),
            message: "no private key in it".to_owned(),
            hint: "give the key of this certificate: `--key F`".to_owned(),
        });
    };
    Ok(WantedKey {
        alias: alias.to_owned(),
        key,
        chain: [vec![identity.leaf], identity.chain].concat(),
    })
}

/// Returns the line that brings the entries of a store into another one.
fn import(file: &str, format: Format) -> String {
    let (file, kind) = (shell_word(file), format.store_type());
    format!("keytool -importkeystore -srckeystore {file} -srcstoretype {kind} -destkeystore STORE")
}

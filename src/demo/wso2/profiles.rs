//! What the gateway makes of the files of its product: the profile of one backend, and the stores that it names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{
    document::{Format, Hop, said},
    keystore::{Holds, Store},
    peer::Fingerprint,
    state::Bytes,
};

/// What the gateway shows to a backend, and which leaves it takes from it.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) shows: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    pub(super) trusts: Vec<Fingerprint>,
}

/// Returns the path of the profile file, as `deployment.toml` names it: below the product's home, where the real one loads an
/// absolute one from, too.
pub(super) fn file(home: &Path) -> Result<PathBuf, String> {
    let toml = read(&home.join("repository/conf/deployment.toml"))?;
    let names = [
        "transport",
        "passthru_https",
        "sender",
        "ssl_profile",
        "file_path",
    ];
    let found = said(Format::Toml, &toml, &way(&names, "")).map_err(|fault| fault.to_string())?;
    let default = "repository/resources/security/sslprofiles.xml".to_owned();
    let found = found.into_iter().next().unwrap_or(default);
    if found.starts_with('/') {
        return Err(format!("file_path {found} is not relative"));
    }
    Ok(home.join(found))
}

/// Loads the profile of a backend; of one without, there is none.
pub(super) fn load(home: &Path, file: &Path, server: &str) -> Result<Option<Profile>, String> {
    let xml = read(file)?;
    let text = |names: &[&str]| {
        let way = way(&[&["parameter", "profile"], names].concat(), server);
        let found = said(Format::Xml, &xml, &way).map_err(|fault| fault.to_string())?;
        Ok::<_, String>(found.into_iter().next())
    };
    let need = |names: &[&str]| text(names)?.ok_or_else(|| format!("no {}", names.join("/")));
    if text(&["servers"])?.is_none() {
        return Ok(None);
    }
    let mut shows = None;
    if text(&["KeyStore", "Location"])?.is_some() {
        // As it is written: nobody trims it.
        let store = open(
            home,
            &need(&["KeyStore", "Location"])?,
            &need(&["KeyStore", "Password"])?,
        )?;
        let password = Bytes::from(need(&["KeyStore", "KeyPassword"])?);
        for entry in store.entries(Some(&password)) {
            if let Holds::Key { key, chain } = entry.holds {
                let key =
                    key.ok_or("java.security.UnrecoverableKeyException: Cannot recover key")?;
                let chain = chain.into_iter().map(|c| CertificateDer::from(c.der));
                let key = PrivateKeyDer::Pkcs8(key.reveal().into()).clone_key();
                shows.get_or_insert_with(|| (chain.collect(), key));
            }
        }
    }
    let store = open(
        home,
        &need(&["TrustStore", "Location"])?,
        &need(&["TrustStore", "Password"])?,
    )?;
    let trusted = store
        .entries(None)
        .into_iter()
        .filter_map(|entry| match entry.holds {
            Holds::Trusted(certificate) => Some(Fingerprint::of(&certificate.der)),
            Holds::Key { .. } | Holds::Other(_) => None,
        });
    Ok(Some(Profile {
        shows,
        trusts: trusted.collect(),
    }))
}

fn open(home: &Path, location: &str, password: &str) -> Result<Store, String> {
    let bytes = read(&home.join(location))?;
    let password = Bytes::from(password.to_owned());
    Store::read(&bytes, Some(&password)).map_err(|fault| format!("{location} {}", fault.message))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A way of names; of the profiles, the one of a server.
fn way(names: &[&str], server: &str) -> Vec<Hop> {
    let hop = |name: &&str| Hop {
        name: Some((*name).to_owned()),
        member: if *name == "profile" {
            vec![("servers".to_owned(), server.to_owned())]
        } else {
            Vec::new()
        },
    };
    names.iter().map(hop).collect()
}

//! What a server looks for: put in its place, and taken away again.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::{asked::Answering, hook, shown::Shown, zone};
use crate::{
    error::{Error, Result},
    host::{Edit, Host, Permit, Place, Stand, Standing, Writer, staged_name},
    state::{Attrs, Bytes, Content, HostPath, State},
};

/// Where an answer of HTTP-01 is looked for (RFC 8555 section 8.3).
const WELL_KNOWN: &str = ".well-known/acme-challenge";

/// What is staged here belongs to no rollout.
const NO_GENERATION: u64 = 0;

/// What proves one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof {
    /// The name, without `*.`.
    pub(super) name: String,
    /// The token of the challenge: one component of a path.
    pub(super) token: String,
    /// The key authorization (RFC 8555 section 8.1).
    pub(super) text: String,
    /// Its SHA-256 in base64url, as a TXT record has it.
    pub(super) record: String,
}

/// Returns the path that an answer of HTTP-01 is asked under.
pub(super) fn page(token: &str) -> String {
    format!("/{WELL_KNOWN}/{token}")
}

/// Has what ends with the run stand on its port; none where what proves a name outlives it.
///
/// # Errors
/// [`Error::Io`] where the port cannot be had.
pub(super) fn stand(
    host: &dyn Host,
    how: &Answering,
    proof: &Proof,
) -> Result<Option<Box<dyn Standing>>> {
    match how {
        Answering::Http { port } => {
            let pages = BTreeMap::from([(page(&proof.token), proof.text.clone())]);
            host.stand(*port, &Stand::Pages(pages)).map(Some)
        }
        Answering::TlsAlpn { port } => {
            let (leaf, key) = alpn(proof)?;
            host.stand(*port, &Stand::Leaf(leaf, key)).map(Some)
        }
        _ => Ok(None),
    }
}

/// Returns the directories that are made where something is put in place, the innermost first.
///
/// # Errors
/// [`Error::Usage`] where the folder of the web server is none.
pub(super) fn to_make(host: &dyn Host, how: &Answering) -> Result<Vec<HostPath>> {
    let mut made = Vec::new();
    if let Answering::Webroot { dir, .. } = how {
        for at in directories(host, dir)?.into_iter().skip(1) {
            if !host.is_dir(&at)? {
                made.insert(0, at);
            }
        }
    }
    Ok(made)
}

/// Puts in place what proves a name and outlives the run. Returns why nothing of it is there, where nothing was done: a
/// program was not started, or a DNS server refuses.
///
/// # Errors
/// [`Error::Io`] where it cannot be put there, [`Error::Run`] where a program fails, [`Error::Server`] where a DNS server
/// does not say: it may be in place, or a part of it.
pub(super) fn present(host: &mut dyn Host, shown: &Shown) -> Result<Option<Error>> {
    let proof = &shown.proof;
    match &shown.how {
        Answering::Http { .. } | Answering::TlsAlpn { .. } => Ok(None),
        Answering::Webroot { dir, .. } => file(host, dir, proof).map(|()| None),
        Answering::HttpHook(program) | Answering::DnsHook(program) => {
            hook::call(host, program, "present", shown)
        }
        Answering::DnsUpdate(to) => zone::add(host, to, &record(proof), &proof.record),
    }
}

/// Takes away what was put in place, or a part of it, or nothing.
///
/// # Errors
/// [`Error::Io`], [`Error::Run`] or [`Error::Server`] where it is still there.
pub(super) fn take_back(host: &mut dyn Host, shown: &Shown) -> Result<()> {
    let proof = &shown.proof;
    match &shown.how {
        Answering::Http { .. } | Answering::TlsAlpn { .. } => Ok(()),
        // With its folder all is gone that was below it.
        Answering::Webroot { dir, .. } if !host.is_dir(&root(dir)?)? => Ok(()),
        Answering::Webroot { dir, .. } => {
            let all = directories(host, dir)?;
            let pages = all.last().map(|dir| dir.join(&proof.token));
            let staged = all.iter().map(staged);
            let all = pages.into_iter().chain(staged);
            remove(host, all.chain(shown.made.clone()).collect())
        }
        Answering::HttpHook(program) | Answering::DnsHook(program) => {
            hook::call(host, program, "remove", shown)?.map_or(Ok(()), Err)
        }
        Answering::DnsUpdate(to) => zone::remove(host, to, &record(proof), &proof.record),
    }
}

/// Returns the name of the record that DNS-01 looks for (RFC 8555 section 8.4).
pub(super) fn record(proof: &Proof) -> String {
    format!("_acme-challenge.{}", proof.name)
}

/// Removes files, and directories where nobody else uses them by now; durable on return.
fn remove(host: &mut dyn Host, paths: Vec<HostPath>) -> Result<()> {
    let permit = Permit {
        paths: paths.iter().cloned().collect(),
        ..Permit::default()
    };
    let mut writer = Writer::new(host, permit, String::new());
    let mut removed = Vec::new();
    for path in paths {
        let is_used = writer
            .host()
            .list(&path)?
            .is_some_and(|names| !names.is_empty());
        if !is_used && writer.host().read(&path)? != State::Absent {
            let at = Place::Tree(path);
            writer.edit(&Edit::Remove { at: at.clone() })?;
            removed.push(at);
        }
    }
    writer.sync(&removed)
}

fn root(dir: &str) -> Result<HostPath> {
    HostPath::new(dir).map_err(|error| Error::Usage {
        message: format!("`{dir}`: {error}"),
        hint: "give the folder by its path from the root".to_owned(),
    })
}

/// Returns the folder that a web server has as its root, and those below it that lead to an answer.
fn directories(host: &dyn Host, dir: &str) -> Result<Vec<HostPath>> {
    let root = root(dir)?;
    if !host.is_dir(&root)? {
        return Err(Error::Usage {
            message: format!("there is no folder `{root}`"),
            hint: "give the folder that the web server has as its root".to_owned(),
        });
    }
    let mut all = vec![root];
    for part in WELL_KNOWN.split('/') {
        all.extend(all.last().map(|above| above.join(part)));
    }
    Ok(all)
}

/// Puts an answer below the folder that a web server has as its root, readable by all.
fn file(host: &mut dyn Host, dir: &str, proof: &Proof) -> Result<()> {
    let all = directories(host, dir)?;
    for pair in all.windows(2) {
        let [above, at] = pair else { continue };
        if !host.is_dir(at)? {
            put(host, above, at, Content::Dir, 0o755)?;
        }
    }
    let Some(above) = all.last() else {
        return Ok(());
    };
    let text = Content::File(proof.text.clone().into());
    put(host, above, &above.join(&proof.token), text, 0o644)
}

fn staged(dir: &HostPath) -> HostPath {
    dir.join(&staged_name(NO_GENERATION, 0, false))
}

fn put(
    host: &mut dyn Host,
    dir: &HostPath,
    at: &HostPath,
    content: Content,
    mode: u32,
) -> Result<()> {
    let permit = Permit {
        paths: [at.clone()].into(),
        staging: [dir.clone()].into(),
        ..Permit::default()
    };
    let staged = staged(dir);
    let attrs = Attrs {
        uid: host.effective_uid(),
        gid: rustix::process::getegid().as_raw(),
        mode,
        ..Attrs::default()
    };
    let mut writer = Writer::new(host, permit, String::new());
    if writer.host().read(&staged)? != State::Absent {
        writer.edit(&Edit::Remove {
            at: Place::Tree(staged.clone()),
        })?;
    }
    writer.edit(&Edit::Create {
        at: Place::Tree(staged.clone()),
        state: State::Present { content, attrs },
    })?;
    writer.edit(&Edit::Rename {
        from: Place::Tree(staged),
        to: Place::Tree(at.clone()),
    })
}

/// Mints the leaf of RFC 8737 section 3, self-signed: the name alone, and the digest in a critical extension.
fn alpn(proof: &Proof) -> Result<(Vec<u8>, Bytes)> {
    let digest = digest::digest(&digest::SHA256, proof.text.as_bytes());
    let minted = || -> std::result::Result<(Vec<u8>, Vec<u8>), rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::new(vec![proof.name.clone()])?;
        params.custom_extensions =
            vec![rcgen::CustomExtension::new_acme_identifier(digest.as_ref())];
        let leaf = params.self_signed(&key)?;
        Ok((leaf.der().to_vec(), key.serialize_der()))
    };
    let (leaf, key) = minted().map_err(|error| Error::Input {
        subject: format!("`{}`", proof.name),
        message: error.to_string(),
        hint: String::new(),
    })?;
    Ok((leaf, Bytes::from(key)))
}

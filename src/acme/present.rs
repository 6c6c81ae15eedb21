//! What a server looks for: put in its place, and taken away again.

use std::collections::BTreeMap;

use super::{
    asked::{Answering, Program},
    problem, zone,
};
use crate::{
    error::{Error, Result},
    host::{Command, Deciding, Edit, Host, Permit, Place, Stand, Standing, Writer, staged_name},
    state::{Attrs, Bytes, Content, HostPath, State},
};

/// Where an answer of HTTP-01 is looked for (RFC 8555 section 8.3).
const WELL_KNOWN: &str = ".well-known/acme-challenge";

/// The longest that a program of the administrator's may take, in seconds.
const HOOK_LIMIT: u64 = 300;

/// What is staged here belongs to no rollout.
const NO_GENERATION: u64 = 0;

/// What proves one name.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    /// The name, without `*.`.
    pub(super) name: String,
    /// The token of the challenge: one component of a path.
    pub(super) token: String,
    /// The key authorization (RFC 8555 section 8.1).
    pub(super) text: String,
    /// Its SHA-256 in base64url, as a TXT record has it.
    pub(super) record: String,
    /// Its SHA-256.
    pub(super) digest: Vec<u8>,
}

/// What is in place and must be taken away.
#[derive(Debug)]
pub(super) enum Presented {
    /// Ends by itself when it is dropped.
    Standing(Box<dyn Standing>),
    /// A file, and the directories that were made for it, the innermost first.
    File(HostPath, Vec<HostPath>),
    /// A program that knows.
    Hook(Command),
    /// A record of a DNS server.
    Record(zone::Added),
}

/// Returns the path that an answer of HTTP-01 is asked under.
pub(super) fn page(token: &str) -> String {
    format!("/{WELL_KNOWN}/{token}")
}

/// Puts in place what proves a name.
///
/// # Errors
/// [`Error::Io`] where it cannot be put there, [`Error::Run`] where a program does not; nothing is in place then.
pub(super) fn present(host: &mut dyn Host, how: &Answering, proof: &Proof) -> Result<Presented> {
    match how {
        Answering::Http { port } => {
            let pages = BTreeMap::from([(page(&proof.token), proof.text.clone())]);
            let standing = host.stand(*port, &Stand::Pages(pages))?;
            Ok(Presented::Standing(standing))
        }
        Answering::TlsAlpn { port } => {
            let (leaf, key) = alpn(proof)?;
            let standing = host.stand(*port, &Stand::Leaf(leaf, key))?;
            Ok(Presented::Standing(standing))
        }
        Answering::Webroot { dir, .. } => file(host, dir, proof),
        Answering::HttpHook(program) => hook(
            host,
            program,
            &["http-01", &proof.name, &proof.token, &proof.text],
        ),
        Answering::DnsHook(program) => {
            let at = format!("_acme-challenge.{}", proof.name);
            hook(host, program, &["dns-01", &at, &proof.record])
        }
        Answering::DnsUpdate(to) => {
            let at = format!("_acme-challenge.{}", proof.name);
            zone::add(host, to, at, &proof.record).map(Presented::Record)
        }
    }
}

impl Presented {
    /// Takes it away again.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Run`] where it is still there.
    pub(super) fn take_back(self, host: &mut dyn Host) -> Result<()> {
        match self {
            Self::Standing(standing) => {
                drop(standing);
                Ok(())
            }
            Self::File(path, made) => {
                let permit = Permit {
                    paths: std::iter::once(path.clone()).chain(made.clone()).collect(),
                    ..Permit::default()
                };
                let mut writer = Writer::new(host, permit, String::new());
                let all = std::iter::once(path).chain(made);
                for path in all {
                    // A directory that somebody else uses by now stays.
                    let is_used = writer
                        .host()
                        .list(&path)?
                        .is_some_and(|names| !names.is_empty());
                    if !is_used && writer.host().read(&path)? != State::Absent {
                        writer.edit(&Edit::Remove {
                            at: Place::Tree(path),
                        })?;
                    }
                }
                Ok(())
            }
            Self::Hook(command) => run(host, &command),
            Self::Record(record) => zone::remove(host, &record),
        }
    }
}

fn hook(host: &mut dyn Host, program: &Program, words: &[&str]) -> Result<Presented> {
    if host.effective_uid() == 0
        && let Some(open) = host.writable_by_others(Deciding::Profile(&program.path))?
    {
        return Err(Error::Input {
            subject: format!("`{}`", program.path),
            message: format!("runs as root, and others than root may write `{open}`"),
            hint: format!("chown root:root {open}; chmod go-w {open}"),
        });
    }
    let command = |verb: &str| Command {
        argv: [program.path.as_str(), verb]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect(),
        limit: HOOK_LIMIT,
    };
    run(host, &command("present"))?;
    Ok(Presented::Hook(command("remove")))
}

fn run(host: &mut dyn Host, command: &Command) -> Result<()> {
    let permit = Permit {
        commands: [command.argv.clone()].into(),
        ..Permit::default()
    };
    let mut writer = Writer::new(host, permit, "acme".to_owned());
    let output = writer.run(command, &|_| {})?;
    if output.status == Some(0) {
        return Ok(());
    }
    let said = output.stderr.trim().lines().last().unwrap_or_default();
    let how = match output.status {
        _ if output.timed_out => format!("ran past its limit of {HOOK_LIMIT} s"),
        Some(status) => format!("exited with {status}: {}", problem::plain(said)),
        None => "was ended by a signal".to_owned(),
    };
    Err(Error::Run {
        command: command.line(),
        outcome: how,
    })
}

/// Puts an answer below the folder that a web server has as its root, readable by all.
fn file(host: &mut dyn Host, dir: &str, proof: &Proof) -> Result<Presented> {
    let root = HostPath::new(dir).map_err(|error| Error::Usage {
        message: format!("`{dir}`: {error}"),
        hint: "give the folder by its path from the root".to_owned(),
    })?;
    if !host.is_dir(&root)? {
        return Err(Error::Usage {
            message: format!("there is no folder `{root}`"),
            hint: "give the folder that the web server has as its root".to_owned(),
        });
    }
    let mut made = Vec::new();
    let mut at = root;
    for part in WELL_KNOWN.split('/') {
        let parent = at.clone();
        at = at.join(part);
        if !host.is_dir(&at)? {
            put(host, &parent, &at, Content::Dir, 0o755)?;
            made.insert(0, at.clone());
        }
    }
    let page = at.join(&proof.token);
    put(
        host,
        &at,
        &page,
        Content::File(proof.text.clone().into()),
        0o644,
    )?;
    Ok(Presented::File(page, made))
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
    let staged = dir.join(&staged_name(NO_GENERATION, 0, false));
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
    let minted = || -> std::result::Result<(Vec<u8>, Vec<u8>), rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::new(vec![proof.name.clone()])?;
        params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(&proof.digest)];
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

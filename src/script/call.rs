//! Calls over mutual TLS, and what the backend behind one saw.

use std::net::IpAddr;

use super::{Line, Scribe, from_root, plain, refused};
use crate::{
    desired::{Probe, Shows},
    error::Result,
    identity::Input,
    probe::{self, Called},
    render::shell_word,
    starttls::Peer,
};

impl Scribe<'_> {
    /// Has it proved on every address whether a client is taken that shows what the probe says.
    pub(super) fn call(
        &mut self,
        probe: &Probe,
        calls: &[Called],
        taken: impl Fn(&Called) -> Option<bool>,
    ) -> Result<Vec<Line>> {
        let Probe::Call {
            protocol,
            name,
            get,
            shows,
            ..
        } = probe
        else {
            return Ok(Vec::new());
        };
        let title = probe::title(probe);
        if !protocol.is_direct() {
            return Err(refused(&format!("`{title}` begins in the clear"), HINT));
        }
        if calls.is_empty() {
            return Err(refused(&format!("`{title}` leads nowhere"), HINT));
        }
        let shown = self.shown(shows)?;
        let path = shell_word(get.as_deref().unwrap_or_default());
        let lines = calls.iter().filter_map(|call| {
            let how = if taken(call)? { "takes" } else { "refuses" };
            let (address, name) = (shell_word(&call.address.to_string()), server_name(name));
            Some(Line::Step(format!(
                "await {how} {address} {name} {path}{shown}"
            )))
        });
        Ok(lines.collect())
    }

    /// Has it proved that the backend behind a path sees a leaf.
    pub(super) fn seen(&mut self, probe: &Probe, leaf: &str) -> Result<Vec<Line>> {
        let Probe::Http {
            peer,
            path,
            logins,
            accept,
            seen_by: Some(backend),
            hint,
            ..
        } = probe
        else {
            return Ok(Vec::new());
        };
        if accept.is_empty() {
            let why = format!("nothing says which leaf of {peer} is accepted");
            let hint = format!("certroll pin add {peer} --fingerprint TEXT");
            return Err(refused(&why, &hint));
        }
        self.accept(peer, accept);
        let logins = self.as_each(logins)?;
        let behind = Peer::parse(backend)?;
        if !behind.protocol.is_direct() {
            return Err(refused(&format!("{backend} begins in the clear"), HINT));
        }
        let (peer, path) = (shell_word(peer), shell_word(path));
        let (to, name) = (shell_word(backend), server_name(&behind.name));
        let step = format!("await sees {leaf} {peer} {path} {logins} {to} {name}");
        let hint = hint
            .iter()
            .map(|hint| format!("# Where it is in vain: {}", plain(hint)));
        let lines = hint.map(Line::Plain);
        Ok(lines.chain([Line::Step(step)]).collect())
    }

    /// Returns the files of what a call shows, as words: certificate, key, and the chain where that is apart.
    fn shown(&mut self, shows: &Shows) -> Result<String> {
        let leaf = match shows {
            Shows::Nothing => return Ok(String::new()),
            Shows::Files { cert, key } => {
                let words = [cert, key].map(|path| shell_word(path.as_str()));
                return Ok(format!(" {}", words.join(" ")));
            }
            Shows::Identity { leaf } => leaf,
        };
        let all = self.files;
        let of = |file: &&Input| -> Vec<String> {
            let text = is_plain(file, CERTIFICATE).then(|| file.certificates().ok());
            let all = text.flatten().unwrap_or_default();
            all.into_iter().map(|c| c.sha256).collect()
        };
        let cert = all.iter().find(|file| of(file).first() == Some(leaf));
        let key = all.iter().find(|file| is_plain(file, KEY));
        let (Some(cert), Some(key)) = (cert, key) else {
            return Err(refused(
                "the pair that a call shows is in no files of PEM, or its key has a password",
                "write them so: `openssl pkey -in KEY -out FILE`, `openssl x509 -in CERT -out FILE`",
            ));
        };
        self.pairs(&[key, cert])?;
        let apart = all.iter().find(|file| {
            of(&cert).len() == 1
                && file.name != cert.name
                && !of(file).is_empty()
                && !of(file).contains(leaf)
        });
        let mut words = String::new();
        for file in [Some(cert), Some(key), apart].into_iter().flatten() {
            words.push(' ');
            words.push_str(&shell_word(&from_root(file)?.name));
        }
        Ok(words)
    }
}

const HINT: &str = "`certroll apply` proves it";

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

const KEY: &str = "PRIVATE KEY-----";

/// Tells whether a file has a block of PEM, and none that takes a password.
fn is_plain(file: &Input, mark: &str) -> bool {
    let text = std::str::from_utf8(file.bytes.reveal()).unwrap_or_default();
    text.contains(mark) && !text.contains("ENCRYPTED")
}

/// Returns the name that a handshake asks for, as a word; an address is none.
fn server_name(name: &str) -> String {
    let is_name = name.parse::<IpAddr>().is_err();
    shell_word(if is_name { name } else { "" })
}

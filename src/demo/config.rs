//! What a daemon reads when it starts, by the platform's rules.

use super::platform::{BLOCKS, Reads, Unit};
use crate::{
    effective::{self, Body, Documents, Layer},
    error::{Error, Result},
    host::Tree,
    state::HostPath,
    yaml::{self, Dialect},
};

/// Where a daemon serves TLS, and with what.
#[derive(Debug)]
pub(super) struct Listen {
    pub(super) port: u16,
    pub(super) certificate: HostPath,
    pub(super) key: HostPath,
    /// Whether its settings leave RSA keys alone.
    pub(super) rsa_only: bool,
}

/// How a daemon verifies whom it calls.
#[derive(Debug)]
pub(super) enum Verify {
    /// By the host's trust anchors.
    System,
    /// By the certificates in this file.
    File(HostPath),
    /// Not at all.
    Off,
}

/// A daemon that another one calls.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) block: &'static str,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) verify: Verify,
}

/// Everything a daemon wants to know.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) listen: Option<Listen>,
    pub(super) peers: Vec<Peer>,
}

/// Reads the configuration of a daemon.
///
/// # Errors
/// [`Error::Input`] where it would not start with it.
pub(super) fn read(tree: &dyn Tree, unit: &Unit) -> Result<Config> {
    let words = match unit.reads {
        Reads::Yaml(dir, key) => return layered(tree, unit, dir, key),
        Reads::Consul => {
            let path = path("/etc/consul/xivo/config.json")?;
            let node = yaml::parse(path.as_str(), &text(tree, &path)?, Dialect::PyYaml)?;
            ["ports.https", "cert_file", "key_file"].map(|key| {
                node.at(key)
                    .and_then(yaml::Node::scalar)
                    .unwrap_or_default()
            })
        }
        Reads::Nginx => {
            let site = text(tree, &path("/etc/nginx/sites-enabled/xivo")?)?;
            ["listen", "ssl_certificate", "ssl_certificate_key"].map(|key| directive(&site, key))
        }
        Reads::Asterisk => {
            let conf = text(tree, &path("/etc/asterisk/http.conf")?)?;
            ["tlsbindaddr", "tlscertfile", "tlsprivatekey"].map(|key| directive(&conf, key))
        }
    };
    let listen = listen(unit, &words, "")?;
    let peers = Vec::new();
    Ok(Config {
        listen: Some(listen),
        peers,
    })
}

fn layered(tree: &dyn Tree, unit: &Unit, dir: &str, key: &str) -> Result<Config> {
    let dir = path(&format!("/etc/{dir}"))?;
    let conf_d = dir.join("conf.d");
    let mut documents = Documents::default();
    let entries = tree.list(&conf_d)?.unwrap_or_default();
    let mut layers = documents.of(tree, &conf_d, &entries, "");
    layers.extend(documents.layer(tree, &dir.join("config.yml")));
    let deadly = |layer: &&Layer| matches!(layer.document.body, Body::Deadly(_));
    if let Some(layer) = layers.iter().find(deadly) {
        return Err(refused(
            unit,
            format!("{}: top level is no mapping", layer.path),
        ));
    }
    let get = |dotted: String| effective::lookup(&layers, &dotted).scalar();
    let words = ["port", "certificate", "private_key"];
    let words = words.map(|name| get(format!("{key}.{name}")).unwrap_or_default());
    let ciphers = get(format!("{key}.ciphers")).unwrap_or_default();
    let serves = unit.port.is_some();
    let listen = serves.then(|| listen(unit, &words, &ciphers)).transpose()?;
    let mut peers = Vec::new();
    for (block, port, flag) in BLOCKS.iter().filter(|(name, ..)| unit.calls.contains(name)) {
        let verify = match get(format!("{block}.{flag}")).as_deref() {
            None | Some("True" | "true" | "yes" | "on") => Verify::System,
            Some("False" | "false" | "no" | "off") => Verify::Off,
            Some(file) => Verify::File(path(file)?),
        };
        peers.push(Peer {
            block,
            host: get(format!("{block}.host")).unwrap_or_else(|| "localhost".to_owned()),
            port: get(format!("{block}.port"))
                .and_then(|p| p.parse().ok())
                .unwrap_or(*port),
            verify,
        });
    }
    Ok(Config { listen, peers })
}

fn listen(unit: &Unit, [port, certificate, key]: &[String; 3], ciphers: &str) -> Result<Listen> {
    let port = port.rsplit(':').next().and_then(|p| p.parse().ok());
    Ok(Listen {
        port: port.ok_or_else(|| refused(unit, "its port is no number".to_owned()))?,
        certificate: path(certificate)?,
        key: path(key)?,
        rsa_only: !ciphers.is_empty() && ciphers.split(':').all(|c| c.starts_with("RSA")),
    })
}

/// Returns the first word after a key, as nginx and asterisk write their settings.
fn directive(text: &str, key: &str) -> String {
    let ends = |c: char| " \t=;>".contains(c);
    let value = text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix(key)?;
        let value = rest.strip_prefix(ends)?.trim_start_matches(ends);
        value.split(ends).next().map(str::to_owned)
    });
    value.unwrap_or_default()
}

pub(super) fn path(text: &str) -> Result<HostPath> {
    HostPath::new(text).map_err(|why| Error::Input {
        subject: format!("`{text}`"),
        message: why.to_string(),
        hint: String::new(),
    })
}

fn text(tree: &dyn Tree, path: &HostPath) -> Result<String> {
    Ok(tree.text(path)?.unwrap_or_default())
}

pub(super) fn refused(unit: &Unit, message: String) -> Error {
    let subject = format!("`{}`", unit.name);
    Error::Input {
        subject,
        message,
        hint: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_nginx_and_asterisk_are_their_first_word() {
        let site =
            "server {\n  listen 443 ssl;\n  ssl_certificate_key /k;\n  ssl_certificate /c;\n}\n";
        assert_eq!(directive(site, "listen"), "443");
        assert_eq!(directive(site, "ssl_certificate"), "/c");
        assert_eq!(directive("tlscertfile = /c\n", "tlscertfile"), "/c");
        assert_eq!(directive("other=1\n", "tlscertfile"), "");
    }
}

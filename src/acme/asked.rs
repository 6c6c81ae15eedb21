//! What is asked of a server: one identity, as it is kept for its renewals.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::{
    error::{Error, Result},
    issue::KeyKind,
};

/// One identity: names, server, and how the server's challenges are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `certroll/acme/1`.
    pub format: String,
    /// DNS names and addresses, the first being the main one.
    pub names: Vec<String>,
    /// URL of the server's directory (RFC 8555 section 7.1.1).
    pub server: String,
    /// Address that the server may write to.
    pub contact: Option<String>,
    /// The sort of key.
    pub key: KeyKind,
    /// How challenges are answered.
    pub answering: Answering,
    /// A file with trust anchors of the server, PEM, beside those of the host.
    pub ca_file: Option<String>,
    /// The account elsewhere that the account here is bound to.
    pub external: Option<External>,
    /// How much of a lifetime is left when it is renewed, in percent, where the server does not say when.
    pub left: u8,
}

/// An account elsewhere that an ACME account is bound to (RFC 8555 section 7.3.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// Its key identifier.
    pub kid: String,
    /// A file with its key for HMAC, base64url.
    pub key_file: String,
}

/// How the challenges of a server are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answering {
    /// HTTP-01 (RFC 8555 section 8.3), answered by this program on a port.
    Http {
        /// The port.
        port: u16,
    },
    /// HTTP-01, answered by a web server out of a folder.
    Webroot {
        /// The folder that the server has as its root.
        dir: String,
        /// The port that it answers on.
        port: u16,
    },
    /// HTTP-01, answered by a program's doing.
    HttpHook(Program),
    /// DNS-01 (RFC 8555 section 8.4), answered by a program's doing.
    DnsHook(Program),
    /// DNS-01, answered by an update of the zone (RFC 2136).
    DnsUpdate(Update),
    /// TLS-ALPN-01 (RFC 8737), answered by this program on a port.
    TlsAlpn {
        /// The port.
        port: u16,
    },
}

/// A DNS server that takes updates of its zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The primary server, `HOST` or `HOST:PORT`.
    pub server: String,
    /// A file with the key that updates are signed with (TSIG, RFC 8945).
    pub key_file: String,
    /// How long an update takes to be seen, in seconds.
    pub wait: u64,
}

/// A program that puts what a server looks for in place, and takes it away again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its path.
    pub path: String,
    /// How long what it put in place takes to be seen, in seconds.
    pub wait: u64,
}

impl Answering {
    /// Returns how long what is put in place takes to be seen.
    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::HttpHook(program) | Self::DnsHook(program) => Duration::from_secs(program.wait),
            Self::DnsUpdate(update) => Duration::from_secs(update.wait),
            Self::Http { .. } | Self::Webroot { .. } | Self::TlsAlpn { .. } => Duration::ZERO,
        }
    }
}

impl Asked {
    /// The format that it is stored in.
    pub const FORMAT: &str = "certroll/acme/1";

    /// Checks what can be checked of names without asking anybody.
    ///
    /// # Errors
    /// [`Error::Usage`] where a name or a key cannot be had in this way.
    pub fn check(&self) -> Result<()> {
        // Public ones may not (Baseline Requirements of the CA/Browser Forum, section 6.1.5).
        if self.key == KeyKind::Ed25519 {
            return Err(Error::Usage {
                message: "ACME servers do not issue for Ed25519".to_owned(),
                hint: "take another: `--key-type p256`".to_owned(),
            });
        }
        for name in &self.names {
            let plain = name.strip_prefix("*.").unwrap_or(name);
            let is_name = plain.contains('.')
                && plain.split('.').all(|label| {
                    !label.is_empty()
                        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                });
            if !is_name && name.parse::<IpAddr>().is_err() {
                return Err(Error::Usage {
                    message: format!("`{name}` is no name that a server issues for"),
                    hint: "give whole DNS names in ASCII (`xn--...` for others), or addresses"
                        .to_owned(),
                });
            }
            let is_dns = matches!(
                self.answering,
                Answering::DnsHook(_) | Answering::DnsUpdate(_)
            );
            if name.starts_with("*.") && !is_dns {
                return Err(Error::Usage {
                    message: format!("`{name}` is proved by DNS alone (RFC 8555 section 7.1.3)"),
                    hint: "answer by DNS: `--dns-update SERVER --dns-key FILE`, or `--dns-hook PROGRAM`".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Returns the name of the folder that an identity gets of itself: its first name, `*` written as `_`.
#[must_use]
pub fn identity_name(names: &[String]) -> String {
    let first = names.first().map(String::as_str).unwrap_or_default();
    first.replace('*', "_").replace(':', "-")
}

/// Returns the URL of a server's directory: of one that is known by a short name, or as it is given.
///
/// # Errors
/// [`Error::Usage`] where it is neither.
pub fn server(text: &str) -> Result<String> {
    // https://letsencrypt.org/docs/acme-protocol-updates/, https://letsencrypt.org/docs/staging-environment/
    match text {
        "letsencrypt" => Ok("https://acme-v02.api.letsencrypt.org/directory".to_owned()),
        "letsencrypt-staging" => {
            Ok("https://acme-staging-v02.api.letsencrypt.org/directory".to_owned())
        }
        url if url.starts_with("https://") && url.parse::<Uri>().is_ok() => Ok(url.to_owned()),
        _ => Err(Error::Usage {
            message: format!(
                "`{text}` is no server: it is spoken to over TLS alone (RFC 8555 section 6.1)"
            ),
            hint:
                "give the `https://` URL of its directory, `letsencrypt-staging` or `letsencrypt`"
                    .to_owned(),
        }),
    }
}

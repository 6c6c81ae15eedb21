//! What `issue acme` and `renew` are told.

use clap::Args;

use crate::{
    acme::{Answering, Asked, External, Program, Update, server},
    error::Result,
    host::Host,
    issue::KeyKind,
};

#[derive(Debug, Args)]
pub(crate) struct Acme {
    /// DNS names and addresses, the main one first
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Its directory's URL, or `letsencrypt-staging`, `letsencrypt`
    #[arg(long, value_name = "URL")]
    server: String,
    /// Agree to the server's terms of service, without which it makes no account
    #[arg(long, required = true)]
    agree_tos: bool,
    /// Name of the identity [default: the first name]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Address that the server may write to
    #[arg(long, value_name = "MAIL")]
    contact: Option<String>,
    /// The sort of key
    #[arg(long, value_name = "KIND", default_value = "p256")]
    key_type: KeyKind,
    /// Answer HTTP-01 on this port: what comes to port 80 from outside must arrive there [default: 80]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Have the web server that has DIR as its root answer HTTP-01
    #[arg(long, value_name = "DIR", conflicts_with_all = ["http_hook", "dns_hook", "alpn_port"])]
    webroot: Option<String>,
    /// Have PROGRAM see to the answer of HTTP-01
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["http_port", "dns_hook", "alpn_port"])]
    http_hook: Option<String>,
    /// Have PROGRAM see to the TXT record of DNS-01
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["http_port", "alpn_port"])]
    dns_hook: Option<String>,
    /// Have the DNS server HOST or HOST:PORT take the TXT record of DNS-01 by an update (RFC 2136)
    #[arg(long, value_name = "SERVER", requires = "dns_key", conflicts_with_all = ["http_port", "webroot", "http_hook", "dns_hook", "alpn_port"])]
    dns_update: Option<String>,
    /// The key of updates in FILE, as tsig-keygen(8) writes it
    #[arg(long, value_name = "FILE", requires = "dns_update")]
    dns_key: Option<String>,
    /// Answer TLS-ALPN-01 on this port: what comes to port 443 from outside must arrive there
    #[arg(long, value_name = "PORT", conflicts_with = "http_port")]
    alpn_port: Option<u16>,
    /// Seconds that what a hook or an update puts in place takes to be seen, an hour at most
    #[arg(long, value_name = "SECS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3600))]
    hook_wait: u64,
    /// Trust the server's root in FILE too, PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// The account elsewhere that the account is bound to
    #[arg(long, value_name = "KID", requires = "eab_key_file")]
    eab_kid: Option<String>,
    /// Its HMAC key in FILE, base64url
    #[arg(long, value_name = "FILE", requires = "eab_kid")]
    eab_key_file: Option<String>,
    /// Renew when this much of the lifetime is left, in percent, where the server does not say when
    #[arg(long, value_name = "PERCENT", default_value_t = 33, value_parser = clap::value_parser!(u8).range(5..=90))]
    renew_left: u8,
    /// Order even where the pair that is there is good
    #[arg(long)]
    pub(crate) force: bool,
    /// Wait up to SECS seconds for another run to end
    #[arg(long, value_name = "SECS", default_value_t = 0)]
    pub(crate) wait: u64,
}

/// What is renewed.
#[derive(Debug, Args)]
pub(crate) struct Renew {
    /// Identities [default: all]
    #[arg(value_name = "ID")]
    pub(crate) names: Vec<String>,
    /// Renew even what is not due
    #[arg(long)]
    pub(crate) force: bool,
    /// Wait up to SECS seconds for another run to end
    #[arg(long, value_name = "SECS", default_value_t = 300)]
    pub(crate) wait: u64,
}

impl Acme {
    /// Returns what is asked for, files by their paths from `/`: a renewal is started elsewhere.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] where the server is none.
    pub(crate) fn asked(&self, host: &dyn Host) -> Result<Asked> {
        let program = |path: &String| -> Result<Program> {
            Ok(Program {
                path: host.whole(path)?,
                wait: self.hook_wait,
            })
        };
        let file = |path: &Option<String>| path.as_ref().map(|path| host.whole(path)).transpose();
        let port = self.http_port.unwrap_or(80);
        let answering = if let Some(dir) = &self.webroot {
            Answering::Webroot {
                dir: dir.clone(),
                port,
            }
        } else if let Some(hook) = &self.http_hook {
            Answering::HttpHook(program(hook)?)
        } else if let Some(hook) = &self.dns_hook {
            Answering::DnsHook(program(hook)?)
        } else if let (Some(server), Some(key)) = (&self.dns_update, &self.dns_key) {
            Answering::DnsUpdate(Update {
                server: server.clone(),
                key_file: host.whole(key)?,
                wait: self.hook_wait,
            })
        } else if let Some(port) = self.alpn_port {
            Answering::TlsAlpn { port }
        } else {
            Answering::Http { port }
        };
        let external = self.eab_kid.clone().zip(file(&self.eab_key_file)?);
        let external = external.map(|(kid, key_file)| External { kid, key_file });
        Ok(Asked {
            format: Asked::FORMAT.to_owned(),
            names: self.names.iter().map(|name| name.to_lowercase()).collect(),
            server: server(&self.server)?,
            contact: self.contact.clone(),
            key: self.key_type,
            answering,
            ca_file: file(&self.ca_file)?,
            external,
            left: self.renew_left,
        })
    }
}

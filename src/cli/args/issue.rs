//! What is issued, and by whom.

use clap::{Args, Subcommand};

use super::Acme;
use crate::issue::{KeyKind, Wanted};

#[derive(Debug, Subcommand)]
pub(crate) enum Issue {
    /// By its own key: clients must be given it, and each anew when it is replaced
    #[command(after_help = "Examples:
  certroll issue self-signed pbx.local 192.0.2.10
  certroll issue self-signed pbx.local --key-type p256 --days 397 --cert pbx.pem --key pbx.key

Nothing that is there is replaced.")]
    SelfSigned(Made),
    /// By a private CA of this host or lab: clients are given its root once
    #[command(after_help = "Examples:
  certroll issue ca pbx.local 192.0.2.10
  certroll issue ca sbc.local --ca-cert lab.crt --ca-key lab.key --cert sbc.crt --key sbc.key

The first call makes the root, later ones use it. Nothing that is there is replaced.")]
    Ca(MadeByCa),
    /// By an ACME server, as Let's Encrypt is: ordered, proved, kept, and renewed in time
    #[command(
        after_help = "Examples, each with --server letsencrypt-staging --agree-tos:
  certroll issue acme www.example.org ...
  certroll issue acme www.example.org ... --webroot /var/www/html
  certroll issue acme www.example.org ... --alpn-port 443
  certroll issue acme '*.example.org' ... --dns-hook /usr/local/sbin/dns-record
  certroll issue acme '*.example.org' ... --dns-update ns1 --dns-key tsig.key

Try with a server's staging first: its limits are wide, and its leaves are
trusted by nobody. Then again with `--server letsencrypt`. The pair lies in the
state directory, in acme/NAME/live; the end of the run says how a rollout
follows it. What a run that was killed began is taken up by the next.

A hook is run as `HOOK present|remove http-01 NAME TOKEN TEXT` or
`HOOK present|remove dns-01 RECORD TEXT`."
    )]
    Acme(Box<Acme>),
}

/// A pair that is made here.
#[derive(Debug, Args)]
pub(crate) struct Made {
    /// DNS names and addresses, the main one first
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// The sort of key
    #[arg(long, value_name = "KIND", default_value = "rsa2048")]
    key_type: KeyKind,
    /// How long it is valid, in days; Apple's platforms take no more than 825
    #[arg(long, value_name = "DAYS", default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Write the certificate to FILE
    #[arg(long, value_name = "FILE", default_value = "server.crt")]
    pub(crate) cert: String,
    /// Write the private key to FILE (0600, not encrypted)
    #[arg(long, value_name = "FILE", default_value = "server.key")]
    pub(crate) key: String,
}

/// A pair that is made here, and the CA that issues it.
#[derive(Debug, Args)]
pub(crate) struct MadeByCa {
    #[command(flatten)]
    pub(crate) made: Made,
    /// The root of the CA; made where neither it nor its key is there
    #[arg(long, value_name = "FILE", default_value = "ca.crt")]
    pub(crate) ca_cert: String,
    /// Its private key (0600, not encrypted)
    #[arg(long, value_name = "FILE", default_value = "ca.key")]
    pub(crate) ca_key: String,
}

impl Made {
    /// Returns what these flags ask for.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            names: self.names.clone(),
            key: self.key_type,
            days: self.days,
        }
    }
}

//! What is issued, and by whom.

use clap::Subcommand;

use super::Acme;

#[derive(Debug, Subcommand)]
pub(crate) enum Issue {
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

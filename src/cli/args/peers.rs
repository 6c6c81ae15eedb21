//! What is asked of other machines: `probe` and `pin`.

use clap::{ArgGroup, Args, Subcommand};

/// What is asked of endpoints.
#[derive(Debug, Args)]
pub(crate) struct Probing {
    /// `HOST:PORT`, or `SCHEME://HOST:PORT`; the port is 443, or the scheme's, where none is given
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<String>,
    /// Send NAME as the server name; once for each
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Vec<String>,
    /// Send no server name
    #[arg(long)]
    pub(crate) no_sni: bool,
    /// Show the client certificate in FILE where one is asked for, and say how both ways end
    #[arg(long, value_name = "FILE")]
    pub(crate) client_cert: Option<String>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<String>,
    /// Read the password of an encrypted client key from FILE
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) password_file: Option<String>,
    /// Hold versions and suites against the rules of an appliance's document: `speechmatics-v1` or `speechmatics-v2`
    #[arg(long, value_name = "NAME")]
    pub(crate) rules: Option<String>,
    /// Print the certificates themselves, PEM
    #[arg(long)]
    pub(crate) pem: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pin {
    /// Pin the leaf that a peer presents, if it has the fingerprint that the server itself tells
    #[command(group = ArgGroup::new("trusted").args(["fingerprint", "tofu"]).required(true), after_help = "Examples:
  certroll pin add 192.0.2.10:443 \\
      --fingerprint \"$(ssh admin@192.0.2.10 api fingerprint -f json)\"
  certroll pin add 192.0.2.10:443 --fingerprint 'SHA1 Fingerprint = AB:CD:...'
  certroll pin add 192.0.2.10:443 --tofu

A SHA-1 is compared once; its leaf's SHA-256 is enforced from then on.")]
    Add {
        /// `HOST:PORT`; the port is 443 where none is given
        #[arg(value_name = "TARGET")]
        target: String,
        /// The leaf's SHA-256 or SHA-1, in any form that a tool prints
        #[arg(long, value_name = "TEXT")]
        fingerprint: Option<String>,
        /// Trust what is presented now, the first time
        #[arg(long)]
        tofu: bool,
        /// Refuse a SHA-1
        #[arg(long)]
        require_sha256: bool,
    },
    /// List the pins
    List,
    /// Forget the pins of peers
    Remove {
        /// `HOST:PORT`
        #[arg(value_name = "TARGET", required = true)]
        targets: Vec<String>,
    },
    /// Check by handshake that peers are the ones pinned; nothing is sent to them
    Check {
        /// `HOST:PORT` [default: all that are pinned]
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Pin the servers of a `fingerprints.txt` of the management API's Python SDK, each compared once
    Import {
        /// The file; its servers are asked at port 443
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Print a program that speaks to the pinned peer alone, or write a `fingerprints.txt`
    #[command(group = ArgGroup::new("form").args(["language", "cpapi"]).required(true), after_help = "Examples:
  certroll pin export --as python 192.0.2.10:443 > pinned.py
  certroll pin export --cpapi fingerprints.txt

curl pins the public key, the others the leaf. While a rollout has a next leaf,
programs accept both.")]
    Export {
        /// Print a program in python, csharp, java, go, curl, openssl or powershell
        #[arg(long = "as", value_name = "LANGUAGE")]
        language: Option<String>,
        /// Put the pins into FILE as the management API's Python SDK reads them; other servers' entries stay
        #[arg(long, value_name = "FILE")]
        cpapi: Option<String>,
        /// `HOST:PORT`; one with `--as` [default with `--cpapi`: all that are pinned]
        #[arg(value_name = "TARGET", required_unless_present = "cpapi")]
        targets: Vec<String>,
    },
}

//! What is served for proof: `serve`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Serve {
    /// Demand a client certificate, and answer each request with the leaf that was shown
    #[command(after_help = "Examples:
  certroll serve mtls --cert backend.pem --key backend.key
  certroll serve mtls --cert backend.pem --key backend.key --listen 0.0.0.0:9444 --trust gateway.pem --for 600

Each request is answered with a JSON document that names the leaf; each connection is a line on standard output, a
refused one too. A connection carries one request. It ends with --for, or with a signal, and exits with 0.")]
    Mtls(Backend),
}

/// A backend that demands a client certificate.
#[derive(Debug, Args)]
pub(crate) struct Backend {
    /// The leaf that it presents, with its chain and key or without; PEM, DER or PKCS#12
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: String,
    /// The private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// The chain
    #[arg(long, value_name = "FILE")]
    pub(crate) chain: Option<String>,
    /// Read the password of an encrypted key or store from FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<String>,
    /// Accept the clients whose leaf is in FILE or leads to a certificate in it; once for each [default: any leaf]
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Vec<String>,
    /// Listen on ADDRESS:PORT; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9444")]
    pub(crate) listen: std::net::SocketAddr,
    /// End after SECS seconds
    #[arg(long = "for", value_name = "SECS", default_value_t = 3600)]
    pub(crate) seconds: u64,
}

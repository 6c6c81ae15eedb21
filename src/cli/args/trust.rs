//! What clients are to trust.

use clap::{Args, Subcommand};

use super::Go;

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Print the anchor as PEM, or write it to a file and say how each sort of client is given it
    #[command(after_help = "Examples:
  certroll trust export server.crt > anchor.pem
  certroll trust export server.crt --out anchor.crt
  certroll trust export server.crt --out anchor.cer --der")]
    Export {
        #[command(flatten)]
        anchor: Anchor,
        /// Write it to OUT, where nothing is, and print the commands for Debian, RHEL, Java, Firefox, NSS and Windows
        #[arg(long, value_name = "OUT")]
        out: Option<String>,
        /// As DER
        #[arg(long, requires = "out")]
        der: bool,
    },
    /// Have this host trust it, by update-ca-certificates: shown, recorded, and back where that fails
    Install {
        #[command(flatten)]
        anchor: Anchor,
        #[command(flatten)]
        go: Go,
    },
    /// Have this host trust it no more
    Remove {
        #[command(flatten)]
        anchor: Anchor,
        #[command(flatten)]
        go: Go,
    },
}

/// Whose anchor.
#[derive(Debug, Args)]
pub(crate) struct Anchor {
    /// A self-signed leaf, the root of a CA, or a pair with its root; PEM, DER or PKCS#12
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// Read the password of an encrypted store from FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<String>,
}

//! Keystores of the caller's: `keystore`.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Keystore {
    /// List the entries of a store: alias, type, fingerprint, end of validity
    #[command(after_help = "Examples:
  certroll keystore list wso2carbon.jks --password-file secret

Without a password the entries of a JKS store are listed, and nothing is
verified.")]
    List {
        #[command(flatten)]
        store: Opened,
    },
    /// Print an entry's certificate as PEM, or write it with its chain and key to a file
    #[command(after_help = "Examples:
  certroll keystore export wso2carbon.jks --password-file secret \\
      --alias wso2carbon > gateway.pem
  certroll keystore export wso2carbon.jks --password-file secret \\
      --alias wso2carbon --chain --with-key -o gateway-bundle.pem")]
    Export {
        #[command(flatten)]
        store: Opened,
        /// Alias of the entry
        #[arg(long, value_name = "ALIAS")]
        alias: String,
        /// Add the chain behind the leaf
        #[arg(long)]
        chain: bool,
        /// Put the private key first, not encrypted
        #[arg(long, requires = "output")]
        with_key: bool,
        /// Write FILE (0600) instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<String>,
        /// Replace FILE
        #[arg(long, requires = "output")]
        force: bool,
    },
    /// Make a store (0600) from an identity, or with trusted certificates only, and print the keytool line that imports it
    #[command(after_help = "Examples:
  certroll keystore new gateway.p12 --password-file secret \\
      --cert site.pem --key site.key --alias gateway
  certroll keystore new trust.jks --format jks --password-file secret \\
      --trust backend=backend.pem --trust ca=ca.pem")]
    New(NewStore),
}

/// A store and its passwords.
#[derive(Debug, Args)]
pub(crate) struct Opened {
    /// The store, JKS or PKCS#12: its first bytes tell which
    #[arg(value_name = "STORE")]
    pub(crate) file: String,
    /// Read the password of the store from FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<String>,
    /// Read the password of its keys from FILE, where they have one of their own
    #[arg(long, value_name = "FILE")]
    pub(crate) key_password_file: Option<String>,
}

/// A store that is to be made.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("held").args(["cert", "trust"]).multiple(true).required(true))]
pub(crate) struct NewStore {
    /// The store
    #[arg(value_name = "STORE")]
    pub(crate) file: String,
    /// Read the password of the new store from FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: String,
    /// Read the password of the key from FILE, if it is to have one of its own (JKS)
    #[arg(long, value_name = "FILE", requires = "alias")]
    pub(crate) key_password_file: Option<String>,
    /// Format of the store
    #[arg(long, value_name = "FORMAT", default_value = "pkcs12")]
    pub(crate) format: StoreFormat,
    /// Encrypt PKCS#12 in the old way, for Java 8 before 8u301
    #[arg(long)]
    pub(crate) legacy: bool,
    /// The leaf, with its chain and key or without; PEM, DER or PKCS#12
    #[arg(long, value_name = "FILE", requires = "alias")]
    pub(crate) cert: Option<String>,
    /// The private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<String>,
    /// The chain
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) chain: Option<String>,
    /// Read the password of the identity's own key or store from FILE
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) cert_password_file: Option<String>,
    /// Alias of the key entry
    #[arg(long, value_name = "ALIAS", requires = "cert")]
    pub(crate) alias: Option<String>,
    /// Trust the certificate in FILE under ALIAS; once for each
    #[arg(long, value_name = "ALIAS=FILE")]
    pub(crate) trust: Vec<String>,
    /// Replace STORE
    #[arg(long)]
    pub(crate) force: bool,
}

/// Formats of stores.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StoreFormat {
    /// PKCS#12
    Pkcs12,
    /// JKS
    Jks,
}

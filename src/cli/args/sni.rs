//! What is asked of a platform with a certificate for each domain: `sni`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Sni {
    /// Say which certificate answers for a name, step by step, and what is wrong with it; for all names without one
    #[command(after_help = "Examples:
  certroll sni explain pbx.example.com --tree tree.json --config exported.json
  certroll sni explain --tree tree.json --config exported.json --dir /in=/here
  certroll sni explain pbx.example.com --tree tree.json --cert site.pem

The tree is JSON: {\"master\": NAME, \"domains\": [DOMAIN, ...]}, and a DOMAIN is
{\"name\": NAME, \"certificate_pem\": PEM}. Exits with 5 if another answers
than that of --cert, or one that is expired, broken or not for the host.")]
    Explain(Explained),
}

/// A tree, a configuration, and the names that are looked for.
#[derive(Debug, Args)]
pub(crate) struct Explained {
    /// Name that a client asks for [default: every domain's, and none]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The domains and their certificates
    #[arg(long, value_name = "FILE")]
    pub(crate) tree: String,
    /// The configuration as the platform exports it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// Look at the directory INSIDE of the configuration as HERE on this host
    #[arg(long, value_name = "INSIDE=HERE", requires = "config")]
    pub(crate) dir: Vec<String>,
    /// The leaf that should answer
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<String>,
    /// Profile that says how the platform chooses
    #[arg(long, value_name = "NAME", default_value = "era")]
    pub(crate) profile: String,
}

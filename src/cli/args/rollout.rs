//! Which rollout is meant, and how a change is entered upon.

use clap::Args;

use crate::{
    error::{Error, Result},
    rollouts::Request,
    source::Files,
};

/// How a change is entered upon.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Go {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Wait up to SECS seconds for another run to end
    #[arg(long, value_name = "SECS", default_value_t = 0)]
    pub(crate) wait: u64,
}

/// What is taken back to its own default.
#[derive(Debug, Args)]
pub(crate) struct Revert {
    /// Name of the rollout [default: the profile's name, or the only remembered one]
    #[arg(value_name = "ROLLOUT")]
    name: Option<String>,
    /// Use a profile, where no rollout of it is remembered
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Set a setting of the profile; `profiles show NAME` lists them
    #[arg(long, value_name = "K=V")]
    set: Vec<String>,
    /// Accept a fatal finding by name; it is recorded
    #[arg(long, value_name = "FINDING")]
    allow: Vec<String>,
    #[command(flatten)]
    pub(crate) go: Go,
}

impl Revert {
    /// Returns the request that these flags make.
    ///
    /// # Errors
    /// As [`Rollout::request`].
    pub(crate) fn request(&self, profiles_dir: Option<&str>) -> Result<Request> {
        let rollout = Rollout {
            name: self.name.clone(),
            selected: Selected {
                profile: self.profile.iter().cloned().collect(),
                ..Selected::default()
            },
            set: self.set.clone(),
            allow: self.allow.clone(),
            ..Rollout::default()
        };
        Ok(Request {
            revert: true,
            ..rollout.request(profiles_dir)?
        })
    }
}

/// Which rollout, by name or by flags.
#[derive(Debug, Args, Default)]
pub(crate) struct Rollout {
    /// Name of the rollout [default: the profiles' names, or the only remembered one]
    #[arg(value_name = "ROLLOUT")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) selected: Selected,
    /// The leaf that an appliance has now, with its key or without: what an undo gives it back
    #[arg(long, value_name = "FILE")]
    pub(crate) previous_cert: Option<String>,
    /// Its private key
    #[arg(long, value_name = "FILE")]
    pub(crate) previous_key: Option<String>,
    /// Set a setting of the profile; `profiles show NAME` lists them
    #[arg(long, value_name = "K=V")]
    pub(crate) set: Vec<String>,
    /// Accept a fatal finding by name; it is recorded
    #[arg(long, value_name = "FINDING")]
    pub(crate) allow: Vec<String>,
}

/// A rollout and its identity.
#[derive(Debug, Args, Default)]
pub(crate) struct Selected {
    /// Use a profile; several make one transaction
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Vec<String>,
    /// The leaf, with its chain and key or without; PEM, DER or PKCS#12
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<String>,
    /// The private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// The chain
    #[arg(long, value_name = "FILE")]
    pub(crate) chain: Option<String>,
    /// Take the pair from where another tool keeps it on this host: certbot:NAME, acme.sh:NAME, lego:NAME,
    /// dehydrated:NAME, step:NAME, certmonger:ID, dir:PATH
    #[arg(long, value_name = "KIND:NAME", conflicts_with_all = ["cert", "key", "chain"])]
    pub(crate) from: Option<String>,
    /// Read the password of an encrypted key or store from FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<String>,
}

impl Selected {
    /// Returns the request that these flags make.
    pub(crate) fn request(&self, name: Option<String>, profiles_dir: Option<&str>) -> Request {
        let files = Files {
            cert: self.cert.clone(),
            key: self.key.clone(),
            chain: self.chain.clone(),
            password_file: self.password_file.clone(),
            ..Files::default()
        };
        Request {
            name,
            profiles: self.profile.clone(),
            files,
            from: self.from.clone(),
            profiles_dir: profiles_dir.map(str::to_owned),
            ..Request::default()
        }
    }
}

impl Rollout {
    /// Returns the request that these flags make.
    ///
    /// # Errors
    /// [`Error::Usage`] where a setting is not `K=V`.
    pub(crate) fn request(&self, profiles_dir: Option<&str>) -> Result<Request> {
        let mut request = self.selected.request(self.name.clone(), profiles_dir);
        for setting in &self.set {
            let Some((name, value)) = setting.split_once('=') else {
                return Err(Error::Usage {
                    message: format!("`--set {setting}` has no `=`"),
                    hint: "give a setting as `--set NAME=VALUE`".to_owned(),
                });
            };
            request.set.insert(name.to_owned(), value.to_owned());
        }
        request.allow.clone_from(&self.allow);
        request.previous.cert.clone_from(&self.previous_cert);
        request.previous.key.clone_from(&self.previous_key);
        Ok(request)
    }
}

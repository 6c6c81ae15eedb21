//! Profiles: what a platform or service needs, as data.
//!
//! A profile says how to detect its platform, which settings it has and what they default to, what it wants at which
//! path, who is told, what proves it, what must never be touched, and what is left to people. Every key and name in it
//! is resolved when it is parsed; what a host adds (facts) and what the user adds (identity, settings) come later.

mod collect;
mod context;
mod desire;
pub(crate) mod far;
mod fields;
mod load;
mod parse;
mod phases;
mod probe;
mod revert;
mod settings;
mod sni;

use crate::{
    effective::Table,
    error::Result,
    facts::Fact,
    host::Tree,
    render::{Expr, Renderer},
    resource::Resource,
    state::HostPath,
};

pub use context::{HostIds, IdentityContext, Ids};
pub use desire::desired;
pub use fields::Fields;
pub(crate) use fields::{error as error_at, text as text_at};
pub use load::{embedded, load, load_file, parse_embedded};
pub(crate) use revert::Back;
pub use revert::{RemovalSpec, Revert};
pub use settings::given_to;

use crate::{
    desired::{Action, Manager},
    preflight::{Scope, Severity},
};

/// One parsed profile.
#[derive(Debug)]
pub struct Profile {
    /// Name, as `--profile` takes it.
    pub name: String,
    /// What it is, in a line.
    pub title: String,
    /// The document it follows.
    pub source: String,
    /// Versions of the platform that it was tried against.
    pub tested: Vec<String>,
    /// Paths, one or all of which show that the platform is here.
    pub detect: Detect,
    /// Settings in order; a default may use those before it.
    pub settings: Vec<Setting>,
    /// The order in which mutual trust is rotated; empty: everything is set at once.
    pub phases: Vec<String>,
    /// What is read of the host, by name.
    pub facts: Vec<(String, Fact)>,
    /// Its own checks.
    pub findings: Vec<FindingSpec>,
    /// What it wants at which path.
    pub resources: Vec<Resource>,
    /// What it sets on another machine.
    pub far: Option<far::FarSpec>,
    /// What follows from where names lead.
    pub names: Vec<far::LeadsSpec>,
    /// What follows from what paths answer before.
    pub remarks: Vec<far::RemarkSpec>,
    /// Who is told.
    pub services: Vec<ServiceSpec>,
    /// What proves it.
    pub probes: Vec<ProbeSpec>,
    /// What is left to people.
    pub steps: Vec<StepSpec>,
    /// Paths and patterns that must never be changed.
    pub never_touch: Vec<Expr>,
    /// Subjects of the platform's own default identities, or paths of their leaves.
    pub default_identity: Vec<Expr>,
    /// Seconds that all probes together may take.
    pub deadline: Option<Expr>,
    /// How the platform chooses the certificate that answers for a name, where it has several.
    pub sni: Option<crate::sni::Rules>,
    /// Days before the end of a certificate in which the end is a warning, where the platform needs more than is usual.
    pub warn_days: Option<u64>,
    /// How the platform gets back to its own default, where the profile says so.
    pub revert: Option<Revert>,
    /// When the platform gets its pair by itself, and a rollout has no identity: the condition, which may be about settings.
    pub by_itself: Option<Expr>,
    /// What is taken away, and how the default pair is made: of a profile that was turned into its own revert.
    pub(crate) back: Option<Back>,
    /// Tables of daemons that layered facts read by, by file name.
    pub(crate) tables: std::collections::BTreeMap<String, Table>,
    pub(crate) renderer: Renderer,
}

/// How a platform is told from others.
#[derive(Debug, Clone, Default)]
pub struct Detect {
    /// One of these is there.
    pub any: Vec<HostPath>,
    /// All of these are there.
    pub all: Vec<HostPath>,
}

/// One setting of a profile.
#[derive(Debug)]
pub struct Setting {
    /// Name, as `--set` takes it.
    pub name: String,
    /// What holds where it is not given.
    pub default: Expr,
    /// What it means.
    pub help: String,
    /// The values it takes; empty: any.
    pub one_of: Vec<String>,
    /// Whether an absolute path does beside `one_of`.
    pub or_path: bool,
}

/// A check of a profile's own.
#[derive(Debug)]
pub struct FindingSpec {
    /// When it applies.
    pub when: Option<Expr>,
    /// A dotted path to a list: one finding for each member.
    pub each: Option<Expr>,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it is about the input or the host.
    pub scope: Scope,
    /// Its stable name.
    pub name: &'static str,
    /// What was found.
    pub message: Expr,
    /// What to do.
    pub hint: Option<Expr>,
}

/// One entry of `services`.
#[derive(Debug)]
pub struct ServiceSpec {
    /// When it applies.
    pub when: Option<Expr>,
    /// Who is asked.
    pub manager: Manager,
    /// Reload or restart.
    pub action: Action,
    /// Units; a single dotted path to a list is that list.
    pub units: Vec<Expr>,
    /// The command that acts.
    pub command: Vec<Expr>,
    /// The command that is run right after it.
    pub then: Vec<Expr>,
    /// The service's own check.
    pub config_test: Vec<Expr>,
    /// Seconds that a unit may take.
    pub limit: u64,
    /// Paths whose change owes it.
    pub on: Vec<Expr>,
    /// Paths that its units read with their own rights.
    pub reads: Vec<Expr>,
}

/// One entry of `probes`.
#[derive(Debug)]
pub struct ProbeSpec {
    /// When it applies.
    pub when: Option<Expr>,
    /// A dotted path to a list: one probe for each member.
    pub each: Option<Expr>,
    /// The phase from which on it is to see what it wants, by name.
    pub phase_name: Option<Expr>,
    /// The same, from 0.
    pub phase: usize,
    /// What is observed.
    pub what: ProbeKind,
}

/// What a probe of a profile observes.
#[derive(Debug)]
pub enum ProbeKind {
    /// A TLS handshake.
    Tls {
        /// `name:port`.
        endpoint: Expr,
        /// Addresses; none: those that the name resolves to.
        addresses: Vec<Expr>,
        /// What serves there.
        service: Option<Expr>,
    },
    /// The resolver's answer.
    Lookup {
        /// The name.
        name: Expr,
        /// The one address.
        is: Expr,
    },
    /// Files can be read.
    Readable {
        /// The files.
        paths: Vec<Expr>,
        /// The user.
        user: Option<Expr>,
        /// The group.
        group: Option<Expr>,
    },
    /// What a path answers.
    Http {
        /// Whether over TLS.
        tls: bool,
        /// `host:port`.
        peer: Expr,
        /// The path.
        path: Expr,
        /// As whom: `any` of the logins of the section `far`, its `first` or its `last`; none: as nobody.
        login: Option<&'static str>,
        /// The answers that are right; none: as well as before.
        is: Vec<String>,
        /// The backend behind it, `host:port`, which must have seen the leaf and refuses a client without one.
        seen_by: Option<Expr>,
        /// What to do where it did not.
        hint: Option<Expr>,
        /// What must not stand in the answer.
        lacks: Option<Box<LacksSpec>>,
        /// What the answer must tell.
        tells: Option<Box<TellsSpec>>,
    },
    /// What a document of ours says is what every daemon that reads it will see.
    Effective {
        /// The layered fact.
        fact: Expr,
        /// The document.
        file: Expr,
    },
    /// A call over mutual TLS.
    Call {
        /// `name:port`.
        endpoint: Expr,
        /// Addresses; none: those that the name resolves to.
        addresses: Vec<Expr>,
        /// What is asked for over HTTP; none: the handshake is all.
        get: Option<Expr>,
        /// What is accepted with: `identity`, or the files of certificate and key.
        with: Vec<Expr>,
        /// Whether it is refused without.
        refused: bool,
    },
    /// A command of the platform's own names the leaf.
    Says {
        /// Program and arguments.
        command: Vec<Expr>,
        /// Seconds that it may take.
        limit: u64,
    },
}

/// An entry that must not stand in an answer: the way to where it would, and its members.
pub type LacksSpec = (Vec<Expr>, Vec<(String, Expr)>);

/// What an answer must tell: the way to the place, and what stands there.
pub type TellsSpec = (Vec<Expr>, ToldSpec);

/// What stands at a place of an answer.
#[derive(Debug)]
pub enum ToldSpec {
    /// Text.
    Text(Expr),
    /// A boolean.
    Bool(bool),
    /// A certificate that the platform got by itself.
    Issued {
        /// `name:port`, where it is served.
        endpoint: Expr,
        /// Addresses; none: those that the name resolves to.
        addresses: Vec<Expr>,
    },
}

/// One entry of `steps`.
#[derive(Debug)]
pub struct StepSpec {
    /// When it applies.
    pub when: Option<Expr>,
    /// A dotted path to a list: one step for each member.
    pub each: Option<Expr>,
    /// What to do.
    pub text: Expr,
    /// A file and a text that is no longer in it when the step is done.
    pub gone: Option<(Expr, Expr)>,
}

impl Profile {
    /// Tells whether the platform is here.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where a path cannot be looked at.
    pub fn detect(&self, tree: &dyn Tree) -> Result<bool> {
        let there = |path: &HostPath| -> Result<bool> {
            Ok(tree.read_followed(path)?.1 != crate::state::State::Absent)
        };
        for path in &self.detect.all {
            if !there(path)? {
                return Ok(false);
            }
        }
        for path in &self.detect.any {
            if there(path)? {
                return Ok(true);
            }
        }
        Ok(self.detect.any.is_empty() && !self.detect.all.is_empty())
    }

    /// Returns the patterns of directories that resources and facts need, each once.
    #[must_use]
    pub fn globs(&self) -> Vec<&str> {
        let facts = self.facts.iter().filter_map(|(_, fact)| fact.glob());
        let links = self.resources.iter().filter_map(|r| r.ask.glob());
        let mut all: Vec<&str> = facts.chain(links).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests;

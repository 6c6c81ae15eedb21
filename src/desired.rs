//! What a profile asks for on one host: the output of rendering, before anything of the host's targets is read.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    rc::Rc,
};

use serde::{Deserialize, Serialize};

use crate::{
    effective::ReadBack,
    far,
    host::{Command, Tree},
    identity::Certificate,
    preflight::Finding,
    state::{Bytes, Content, HostPath, Sensitivity, Wanted},
    watch::Place,
};

mod probe;

pub use probe::{Lacks, Probe, Shows, Tells, Told};

/// What to do where a target is a symbolic link although a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLink {
    /// Stop: somebody points elsewhere on purpose.
    #[default]
    Refuse,
    /// Write what it points to.
    Follow,
    /// Put the file in its place.
    Replace,
}

/// One path that a profile wants set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub path: HostPath,
    /// Name of the kind that made it.
    pub kind: &'static str,
    /// What should be there.
    pub wanted: Wanted,
    /// How much of it may be shown.
    pub sensitivity: Sensitivity,
    /// The mode that who reads it takes at most, where that is limited.
    pub at_most: Option<u32>,
    /// Whether it holds a part of the identity: such targets switch together and are never split.
    pub identity: bool,
    /// The topmost directory above it that another program sweeps whole, so that nothing may be staged below it.
    pub swept: Option<HostPath>,
    /// What to do where it is a link.
    pub on_link: OnLink,
    /// A path that a revert takes away: where that stays, this is left alone too.
    pub unless: Option<HostPath>,
    /// Makes the content out of what is there; none: it is that of `wanted`.
    pub rewrite: Option<Rewriting>,
}

impl Target {
    /// What everybody may see, root's, of this mode; where it is a link it is refused.
    #[must_use]
    pub fn of(path: HostPath, kind: &'static str, content: Content, mode: Option<u32>) -> Self {
        Self {
            path,
            kind,
            wanted: Wanted {
                content,
                uid: None,
                gid: None,
                mode,
            },
            sensitivity: Sensitivity::Public,
            identity: false,
            at_most: None,
            swept: None,
            on_link: OnLink::Refuse,
            unless: None,
            rewrite: None,
        }
    }
}

/// A file whose content follows from what is there: values in a document, or entries of a store, beside those of others.
///
/// It is pure, so that a plan can say what it will make and a second run finds nothing to do.
pub trait Rewrite: fmt::Debug + Any {
    /// Returns the files of the host that it needs besides; links are followed.
    fn needs(&self) -> Vec<HostPath>;

    /// Returns those of them that hold a password, so that others should not be able to read them.
    fn secrets(&self) -> Vec<HostPath> {
        Vec::new()
    }

    /// Returns the content that follows from the one of before; the very same bytes where that is as wanted.
    ///
    /// # Errors
    /// What stands in the way.
    fn rewrite(&self, before: Option<&Bytes>, given: &Given) -> Result<Rewritten, Finding>;

    /// Returns the certificates that a content holds where this writes them, each with its place, for monitoring.
    ///
    /// # Errors
    /// Why they cannot be told.
    fn certificates(
        &self,
        content: &Bytes,
        given: &Given,
    ) -> Result<Vec<(Place, Vec<Certificate>)>, Finding>;

    /// Tells whether another one makes the same of whatever is there; false where that is not known.
    fn is_same(&self, _other: &dyn Any) -> bool {
        false
    }
}

/// What a [`Rewrite`] is given.
#[derive(Debug)]
pub struct Given {
    /// The files it needs, those that are there.
    pub files: BTreeMap<HostPath, Bytes>,
    /// Fresh random bytes.
    pub random: [u8; 32],
    /// Seconds since the epoch, UTC.
    pub now: i64,
}

/// What a [`Rewrite`] makes.
#[derive(Debug)]
pub struct Rewritten {
    /// The content.
    pub bytes: Bytes,
    /// What may be shown of the difference, a line each; none: the difference itself, as of any other file.
    pub lines: Option<Vec<String>>,
    /// What is worth saying of it.
    pub findings: Vec<Finding>,
}

/// A [`Rewrite`] that copies of a target share.
#[derive(Debug, Clone)]
pub struct Rewriting(pub Rc<dyn Rewrite>);

impl PartialEq for Rewriting {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || self.0.is_same(&*other.0)
    }
}

impl Eq for Rewriting {}

/// One path that a revert takes away, where what is there was put there by certroll or by the platform's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Where.
    pub path: HostPath,
    /// What the document's procedure puts there.
    pub like: Like,
}

/// What the platform's document puts at a path, by hand and without a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Like {
    /// Nothing: only what certroll itself put there is taken away.
    Nothing,
    /// Exactly this.
    This(Content),
    /// Whatever is there.
    Anything,
}

/// A directory of trusted certificates, a file each, from which old trust goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDir {
    /// Where.
    pub directory: HostPath,
    /// What the names of our files begin with.
    pub name: String,
    /// Files that stay.
    pub stays: Vec<HostPath>,
    /// Fingerprints of leaves that go, whatever their files are called.
    pub gone: BTreeSet<String>,
}

/// The platform's own default pair, made anew by the platform's own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regenerate {
    /// File of the key; it must be absent for the command to make it.
    pub key: HostPath,
    /// File of the leaf; it must be absent too.
    pub leaf: HostPath,
    /// What makes both.
    pub command: Command,
}

/// Who is told to load a changed identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// systemd, one `systemctl` call for many units.
    Systemd,
    /// The platform's own script (`wazo-service restart all`), whose exit code proves nothing.
    WazoService,
    /// A command of the profile's.
    Command,
}

/// How a service loads a changed identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Stop and start; connections are dropped.
    #[default]
    Restart,
    /// Load again; connections are kept.
    Reload,
}

impl Action {
    /// Returns the action as systemd and people say it.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

/// One entry of a profile's `services`, expressions resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Who is asked.
    pub manager: Manager,
    /// Reload, if that may suffice, or restart.
    pub action: Action,
    /// Units asked for their state afterwards, in order; for `systemd` those that are acted on.
    pub units: Vec<String>,
    /// The script or command that acts; none for `systemd`.
    pub command: Option<Command>,
    /// What is run right after that command, with nothing in between: what the one stops, the other starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Command>,
    /// The service's own check of its configuration, run after the switch and before the action.
    pub config_test: Option<Command>,
    /// Seconds that a unit may take to be active again.
    pub limit: u64,
    /// Paths whose change owes this; empty: any.
    pub on: Vec<HostPath>,
    /// By unit, full names, the titles of the probes that show what it serves; where a reload may suffice, they decide
    /// whether it did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub serves: BTreeMap<String, Vec<String>>,
    /// Paths that the command makes anew: changes of the plan, so that they are copied first, and written back rather
    /// than made again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<HostPath>,
}

impl Service {
    /// What runs a command, for its own limit at most, and nothing else.
    #[must_use]
    pub fn of(action: Action, command: Command) -> Self {
        Self {
            manager: Manager::Command,
            action,
            units: Vec::new(),
            limit: command.limit,
            command: Some(command),
            then: None,
            config_test: None,
            on: Vec::new(),
            serves: BTreeMap::new(),
            writes: Vec::new(),
        }
    }
}

/// Which files units read with their own rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// The units, full names.
    pub units: Vec<String>,
    /// The files.
    pub paths: Vec<HostPath>,
    /// Whether the profile says so; else it is taken for granted of the only unit of a profile.
    pub declared: bool,
}

/// Who must be able to read a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// A user, with primary and supplementary groups.
    User(String),
    /// Any member of a group that is neither owner nor root.
    Group(String),
}

/// Something certroll cannot do itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do, in words.
    pub text: String,
    /// A file and a text that must no longer be in it for the step to be done, where that can be checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<(HostPath, String)>,
}

impl Step {
    /// Tells whether a check shows that the step is done; false where there is no check.
    #[must_use]
    pub fn is_done(&self, tree: &dyn Tree) -> bool {
        let Some((path, text)) = &self.gone else {
            return false;
        };
        tree.text(path)
            .is_ok_and(|found| found.is_none_or(|found| !found.contains(text)))
    }
}

/// A finding that follows from where a name leads.
#[derive(Debug, Clone)]
pub struct Leads {
    /// The name.
    pub name: String,
    /// The addresses that are the platform's.
    pub here: Vec<IpAddr>,
    /// The words of [`crate::probe::dns::WORDS`] that mean it.
    pub is: Vec<String>,
    /// The finding.
    pub finding: Finding,
}

/// Everything that one or several profiles ask for on one host.
#[derive(Debug, Default)]
pub struct Desired {
    /// Profiles' names, in order.
    pub profiles: Vec<String>,
    /// Targets in the order of the switch.
    pub targets: Vec<Target>,
    /// Directories from which old trust goes.
    pub trusts: Vec<TrustDir>,
    /// What a revert takes away.
    pub removals: Vec<Removal>,
    /// How a revert gets the default pair; none: this is no revert.
    pub regenerate: Option<Regenerate>,
    /// Far resources in order.
    pub far: Vec<far::Wanted>,
    /// Findings that follow from what a probe sees before: the probe, the answers that mean it, the finding.
    pub remarks: Vec<(Probe, Vec<String>, Finding)>,
    /// Findings that follow from where names lead.
    pub names: Vec<Leads>,
    /// Services in order.
    pub services: Vec<Service>,
    /// Which files their units read.
    pub reads: Vec<Reads>,
    /// Probes in order.
    pub probes: Vec<Probe>,
    /// Paths of the targets of this very phase: what its probes find owed is owed by them alone. None: by all.
    pub own: Option<Vec<HostPath>>,
    /// Probes that must see what they saw: their phase is yet to come.
    pub steady: Vec<Probe>,
    /// What daemons must read once everything is in place.
    pub read_back: Vec<ReadBack>,
    /// Commands of the platforms' own that must then name the leaf.
    pub says: Vec<Command>,
    /// Steps for people.
    pub steps: Vec<Step>,
    /// What the profiles found worth saying.
    pub findings: Vec<Finding>,
    /// Paths and patterns that must never be changed.
    pub never_touch: Vec<String>,
    /// Seconds that all probes together may take after the services are back.
    pub deadline: u64,
    /// Days before the end of a certificate in which the end is a warning: the most that a profile asks for; 0: as usual.
    pub warn_days: u64,
    /// Files and units found to use the identity, for people.
    pub consumers: Vec<String>,
    /// How the platforms' default identities are told: subjects (as `CN=*, O=Proformatique`), or paths of their leaves.
    pub default_identities: Vec<String>,
    /// Settings as resolved, defaults included.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl Desired {
    /// Returns every probe: its own, those that prove far resources, and those of remarks.
    pub fn all_probes(&self) -> impl Iterator<Item = &Probe> {
        let far = self.far.iter().flat_map(|far| &far.proves);
        let remarks = self.remarks.iter().map(|(probe, ..)| probe);
        self.probes.iter().chain(far).chain(remarks)
    }

    /// As [`Desired::all_probes`].
    pub fn all_probes_mut(&mut self) -> impl Iterator<Item = &mut Probe> {
        let far = self.far.iter_mut().flat_map(|far| &mut far.proves);
        let remarks = self.remarks.iter_mut().map(|(probe, ..)| probe);
        self.probes.iter_mut().chain(far).chain(remarks)
    }
}

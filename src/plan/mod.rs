//! Plans: what is wanted beside what is there, and everything that follows from the difference.
//!
//! A plan leaves no choice to execution: it holds whole states before and after, the commands and what each probe must
//! see. It is made from values, and what holds it can only read.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{
    desired::{OnLink, Probe, Service, Step, Target},
    effective::ReadBack,
    error::Result,
    far::Far,
    host::{Command, Host},
    pins::Move,
    preflight::{Finding, Severity},
    probe::{Observation, Says, Want},
    service::UnitState,
    state::{Content, HostPath, Sensitivity, State},
};

mod overlay;
mod parents;
mod redact;
mod rewrite;
mod settle;
mod view;

pub use overlay::Overlay;
use parents::Parents;
pub(crate) use settle::{Settled, holders};
pub(crate) use view::holds_key;
pub use view::{ChangeView, FORMAT, FindingView, View};

/// One before and after of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: HostPath,
    /// Name of the kind that asks for it; `directory` for a missing parent.
    pub kind: Cow<'static, str>,
    /// What is there.
    pub before: State,
    /// What will be there.
    pub after: State,
    /// How much of it may be shown.
    pub sensitivity: Sensitivity,
    /// Whether it holds a part of the identity.
    pub identity: bool,
    /// The directory in which its new bytes are staged.
    pub staging: HostPath,
    /// Whether it is written through its own inode, because something is mounted on it.
    pub in_place: bool,
}

impl Change {
    /// Returns the change that takes away what is there.
    #[must_use]
    pub fn removal(path: HostPath, kind: &'static str, before: State) -> Self {
        Self {
            staging: path.parent().unwrap_or_default(),
            path,
            kind: kind.into(),
            before,
            after: State::Absent,
            sensitivity: Sensitivity::Public,
            identity: false,
            in_place: false,
        }
    }
}

/// A probe and what the plan promises that it will see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The probe.
    pub probe: Probe,
    /// What it must see.
    pub want: Want,
    /// The number of requests to other machines after which it must see that; 0: once everything local is switched.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde hands it over")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Promise {
    /// Returns the probes of promises, each with what it must see.
    #[must_use]
    pub fn pairs(promises: &[Self]) -> Vec<(Probe, Want)> {
        promises
            .iter()
            .map(|p| (p.probe.clone(), p.want.clone()))
            .collect()
    }
}

/// Which identity a plan puts in force: public facts only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityLine {
    /// SHA-256 of the leaf's DER, lower hex.
    pub fingerprint: String,
    /// The subject as text.
    pub subject: String,
    /// Names and addresses it covers.
    pub names: Vec<String>,
    /// End of validity, seconds since the epoch, UTC.
    pub not_after: i64,
    /// Where it was taken from: `certbot:NAME`, or paths; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// What will be done, whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Name of the rollout.
    pub rollout: String,
    /// Its profiles.
    pub profiles: Vec<String>,
    /// The identity it puts in force.
    pub identity: IdentityLine,
    /// Settings as resolved.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Changes in the order of the switch.
    pub changes: Vec<Change>,
    /// Requests to other machines, in order, once everything local is switched and proved.
    pub far: Vec<Far>,
    /// Services that are told.
    pub services: Vec<Service>,
    /// State of their units before.
    pub units: Vec<UnitState>,
    /// Commands that may run, in order.
    pub commands: Vec<Command>,
    /// Probes and what they must see.
    pub promises: Vec<Promise>,
    /// What may be said of changes whose content is not shown, a line each.
    pub shown: BTreeMap<HostPath, Vec<String>>,
    /// What the probes saw before.
    pub baseline: Vec<Observation>,
    /// What daemons must read once everything is in place.
    pub read_back: Vec<ReadBack>,
    /// Commands that must name the leaf once it is served.
    pub says: Vec<Says>,
    /// Why services are told although nothing changes: obligations and endpoints that serve another leaf.
    pub owed: Vec<String>,
    /// Steps for people.
    pub steps: Vec<Step>,
    /// All findings, the worst first.
    pub findings: Vec<Finding>,
    /// Files and units found to use the identity, for people.
    pub consumers: Vec<String>,
    /// Who keeps the old files that are replaced, for people.
    pub holders: Vec<String>,
    /// Seconds that the probes may take together.
    pub deadline: u64,
    /// Whether this is a live machine whose services and endpoints can be asked.
    pub live: bool,
    /// The generation that this plan takes back, for a rollback.
    pub undoes: Option<u64>,
    /// Whether it leads back to the platform's own default.
    pub reverts: bool,
    /// Pins of its endpoints that move once the new leaf is proved.
    pub pins: Vec<Move>,
}

impl Plan {
    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.owed.is_empty()
            && self.far.is_empty()
            && self.pins.is_empty()
    }

    /// Tells whether a fatal finding stands in the way.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Fatal)
    }
}

/// What observing the targets gives: the changes, and what is wrong with a target itself.
#[derive(Debug, Default)]
pub struct Observed {
    /// Differences in the order of the switch, missing directories before what goes in them.
    pub changes: Vec<Change>,
    /// What may be said of changes whose content is not shown, a line each.
    pub shown: BTreeMap<HostPath, Vec<String>>,
    /// Targets that cannot be written as they stand.
    pub findings: Vec<Finding>,
}

/// Reads every target, and keeps what differs from what is wanted.
///
/// # Errors
/// As [`crate::host::Tree::read`]; the host is unchanged, since nothing here can write.
pub fn observe(host: &dyn Host, targets: Vec<Target>, fresh: (u32, u32)) -> Result<Observed> {
    let mut observed = Observed::default();
    let mut parents = Parents::new(fresh);
    let mut settled = Settled::default();
    let mut order: Vec<Target> = targets;
    // Key and leaf switch together: no other rename between them.
    order.sort_by_key(|target| !target.identity);
    for mut target in order {
        let mut before = host.read(&target.path)?;
        let wants_file = matches!(target.wanted.content, Content::File(_));
        if wants_file && target.on_link == OnLink::Follow && before.link().is_some() {
            (target.path, before) = host.read_followed(&target.path)?;
        }
        if let Some(finding) = unfit(&target, &before) {
            observed.findings.push(finding);
            continue;
        }
        let told = &mut observed.findings;
        let lines = match rewrite::settle(host, &mut target, &before, told)? {
            Ok(lines) => lines,
            Err(finding) => {
                observed.findings.push(finding);
                continue;
            }
        };
        let identity = target.identity;
        let sensitivity = if before.bytes().is_some_and(holds_key) {
            // Where a pair was one file before, its copy is a key's, and goes when keys go.
            Sensitivity::Secret
        } else {
            target.sensitivity
        };
        let after = target.wanted.over(&before, sensitivity, fresh);
        observed
            .findings
            .extend(too_open(&target.path, target.at_most, &after));
        if same(&before, &after) {
            continue;
        }
        let footing = host.footing(&target.path, before != State::Absent)?;
        if !footing.in_dir {
            parents.missing(host, &target.path, &mut observed, &mut settled)?;
        }
        let staging = match &target.swept {
            Some(top) => top.parent().unwrap_or_default(),
            None => target.path.parent().unwrap_or_default(),
        };
        let mut change = Change {
            path: target.path,
            kind: target.kind.into(),
            before,
            after,
            sensitivity,
            identity,
            staging,
            in_place: false,
        };
        settled.add(host, &mut change, &footing)?;
        if let Some(lines) = lines {
            observed.shown.insert(change.path.clone(), lines);
        }
        observed.changes.push(change);
    }
    observed.findings.extend(settled.findings);
    Ok(observed)
}

/// Tells whether two states are the same as far as certroll sets them: a link's permission bits mean nothing.
fn same(before: &State, after: &State) -> bool {
    match (before, after) {
        (
            State::Present {
                content: a,
                attrs: x,
            },
            State::Present {
                content: b,
                attrs: y,
            },
        ) if matches!(a, Content::Link(_)) => a == b && x.uid == y.uid && x.gid == y.gid,
        _ => before == after,
    }
}

/// Says that a file would be open to more than its reader takes.
fn too_open(path: &HostPath, at_most: Option<u32>, after: &State) -> Option<Finding> {
    let (most, mode) = (at_most?, after.attrs()?.mode & 0o7777);
    let message =
        format!("`{path}` would be {mode:04o}, and who reads it takes at most {most:04o}");
    let hint = format!("in the profile, say `mode: \"{most:04o}\"`");
    let finding = Finding::host(Severity::Fatal, "mode-too-open", message).hinted(hint);
    (mode & !most != 0).then_some(finding)
}

/// Says why a target cannot be written as it stands.
fn unfit(target: &Target, before: &State) -> Option<Finding> {
    let State::Present { content, .. } = before else {
        return None;
    };
    let (name, hint) = match (content, &target.wanted.content) {
        (Content::File(_), Content::File(_))
        | (Content::Link(_), Content::Link(_))
        | (Content::Dir, Content::Dir) => return None,
        (Content::Link(_), Content::File(_)) if target.on_link == OnLink::Replace => return None,
        (Content::Link(to), Content::File(_)) => (
            "target-is-link",
            format!(
                "it points to `{to}` on purpose? set that path in the profile, or say `on_link: follow` or `replace`"
            ),
        ),
        (Content::File(_) | Content::Link(_) | Content::Dir | Content::Other, _) => (
            "target-unfit",
            format!("look at it and move it away: `ls -ld {}`", target.path),
        ),
    };
    let want = match target.wanted.content {
        Content::File(_) => "file",
        Content::Link(_) => "link",
        Content::Dir | Content::Other => "directory",
    };
    let message = format!("`{}` is a {}, want a {want}", target.path, before.noun());
    Some(Finding::host(Severity::Fatal, name, message).hinted(hint))
}

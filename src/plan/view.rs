//! A plan as people and programs see it: no secret in it, and equal for equal plans.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use serde_json::json;
use similar::TextDiff;

use super::{Change, IdentityLine, Plan, Promise, redact};
use crate::{
    desired::Service,
    far::Far,
    host::{Command, Host},
    identity::Input,
    keystore,
    preflight::Severity,
    probe::{self, Says, Want},
    rotation::Phase,
    service::{self, Planned},
    state::{Attrs, Bytes, Content, HostPath, Sensitivity, State},
};

/// Version of the format of `plan --json` and of saved plans.
pub const FORMAT: &str = "certroll/plan/1";

/// A plan without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the rollout.
    pub rollout: String,
    /// Its profiles.
    pub profiles: Vec<String>,
    /// The identity it puts in force.
    pub identity: IdentityLine,
    /// Settings as resolved.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Changes in the order of the switch.
    pub changes: Vec<ChangeView>,
    /// Requests to other machines, in order, once everything local is switched and proved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestView>,
    /// Commands that may run, in order, each as a line.
    pub commands: Vec<String>,
    /// Units that are asked for their state afterwards.
    pub units: Vec<String>,
    /// What is proved, a line each.
    pub probes: Vec<String>,
    /// Why services are told although nothing changes.
    pub owed: Vec<String>,
    /// Findings, the worst first.
    pub findings: Vec<FindingView>,
    /// Files and units found to use the identity.
    pub consumers: Vec<String>,
    /// Who keeps the old files that are replaced: as it is now, and no part of what is approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<String>,
    /// Steps for people.
    pub steps: Vec<String>,
    /// Whether services and endpoints are asked.
    pub live: bool,
    /// The phase of its rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Whether it leads back to the platform's own default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reverts: bool,
    /// Pins that move once the new leaf is proved, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
}

/// A finding as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// `fatal`, `warning` or `note`.
    pub severity: String,
    /// Stable name, as `--allow` takes it.
    pub name: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether `--allow` named it.
    #[serde(default)]
    pub allowed: bool,
}

/// A request to another machine as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// What it sets.
    pub what: String,
    /// The request, as in `POST https://asr1:443/v1/security/reset`.
    pub request: String,
    /// What it carries, secrets by what they are.
    pub carries: String,
    /// What is seen there now, a line for each probe that will prove it.
    pub now: Vec<String>,
    /// How it is taken back, or why not.
    pub undo: String,
}

/// One change without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// Where.
    pub path: HostPath,
    /// Name of the kind.
    pub kind: Cow<'static, str>,
    /// `create`, `change` or `remove`.
    pub action: Cow<'static, str>,
    /// What is there, in a line.
    pub before: String,
    /// What will be there, in a line.
    pub after: String,
    /// Whether it is written through its own inode, because something is mounted on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_place: bool,
    /// A unified diff of public text, or what may be said of a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
}

/// Names of the users and groups that a plan is about, each asked for once.
#[derive(Debug, Default)]
struct Names {
    users: BTreeMap<u32, Option<String>>,
    groups: BTreeMap<u32, Option<String>>,
}

impl Names {
    fn of(changes: &[Change], host: &dyn Host) -> Self {
        let mut names = Self::default();
        let states = changes
            .iter()
            .flat_map(|change| [&change.before, &change.after]);
        for attrs in states.filter_map(State::attrs) {
            names
                .users
                .entry(attrs.uid)
                .or_insert_with(|| host.user_name(attrs.uid));
            names
                .groups
                .entry(attrs.gid)
                .or_insert_with(|| host.group_name(attrs.gid));
        }
        names
    }

    fn attrs(&self, attrs: &Attrs) -> String {
        let name = |names: &BTreeMap<u32, Option<String>>, id: u32| {
            names
                .get(&id)
                .cloned()
                .flatten()
                .unwrap_or_else(|| id.to_string())
        };
        let extra = attrs
            .xattrs
            .keys()
            .fold(String::new(), |all, key| all + " +" + key);
        format!(
            "{}:{} {:04o}{extra}",
            name(&self.users, attrs.uid),
            name(&self.groups, attrs.gid),
            attrs.mode
        )
    }

    fn state(&self, state: &State) -> String {
        match state {
            State::Absent => "nothing".to_owned(),
            State::Present {
                content: Content::Link(target),
                ..
            } => format!("-> {target}"),
            State::Present {
                content: Content::Dir,
                attrs,
            } => format!("directory {}", self.attrs(attrs)),
            State::Present {
                content: Content::File(bytes),
                attrs,
            } => format!("{} bytes {}", bytes.len(), self.attrs(attrs)),
            State::Present {
                content: Content::Other,
                ..
            } => "device, socket or pipe".to_owned(),
        }
    }
}

impl View {
    /// Makes the view of a plan; names of owners come from the host.
    #[must_use]
    pub fn of(plan: &Plan, host: &dyn Host) -> Self {
        let names = Names::of(&plan.changes, host);
        let made = made(&plan.services);
        let finding = |f: &crate::preflight::Finding| FindingView {
            severity: match f.severity {
                Severity::Fatal => "fatal",
                Severity::Warning => "warning",
                Severity::Note => "note",
            }
            .to_owned(),
            name: f.name.to_owned(),
            message: f.message.clone(),
            hint: f.hint.clone(),
            allowed: f.allowed,
        };
        Self {
            format: FORMAT.to_owned(),
            rollout: plan.rollout.clone(),
            profiles: plan.profiles.clone(),
            identity: plan.identity.clone(),
            settings: plan.settings.clone(),
            changes: plan
                .changes
                .iter()
                .map(|c| change(c, &names, made.get(&c.path), plan.shown.get(&c.path)))
                .collect(),
            requests: (plan.far.iter().enumerate())
                .map(|(n, far)| request(plan, n, far))
                .collect(),
            commands: service::planned(&plan.services, &plan.units)
                .iter()
                .map(command)
                .chain(plan.says.iter().map(says))
                .collect(),
            units: plan
                .services
                .iter()
                .flat_map(|s| s.units.iter().cloned())
                .collect(),
            probes: plan.promises.iter().map(promise).collect(),
            owed: plan.owed.clone(),
            findings: plan.findings.iter().map(finding).collect(),
            consumers: plan.consumers.clone(),
            holders: plan.holders.clone(),
            steps: plan.steps.iter().map(|s| s.text.clone()).collect(),
            live: plan.live,
            phase: plan.phase.clone(),
            reverts: plan.reverts,
            pins: plan.pins.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns the view as one JSON document.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({ "format": FORMAT }))
    }
}

/// Returns a command as a person would type it, with the condition under which it runs.
fn command(planned: &Planned) -> String {
    let line = planned.command.line();
    match &planned.only_if {
        None => line,
        Some(condition) => format!("{line}   # only if {condition}"),
    }
}

fn says(says: &Says) -> String {
    let line = says.command.line();
    format!("{line}   # must name the leaf once it is served")
}

fn request(plan: &Plan, n: usize, far: &Far) -> RequestView {
    let seen = plan.promises.iter().zip(&plan.baseline);
    let proves = seen.filter(|(promise, _)| promise.after == n + 1);
    let now = |(promise, seen): (&Promise, &probe::Observation)| {
        let verdict = probe::judge(&promise.probe, &promise.want, seen, seen);
        format!("{}: {}", verdict.probe, verdict.found)
    };
    RequestView {
        now: proves.map(now).collect(),
        what: far.what.clone(),
        request: far.ask.line(&far.peer),
        carries: far.ask.carries(),
        undo: far.undo(),
    }
}

/// Returns what is proved, in a line.
fn promise(promise: &Promise) -> String {
    let probe = probe::title(&promise.probe);
    match &promise.want {
        Want::Leaf { leaf, chain } => format!(
            "{probe}: leaf {} with a chain of {}",
            leaf.get(..16).unwrap_or(leaf),
            chain.len()
        ),
        Want::Default { leaf, .. } => {
            format!("{probe}: the leaf of {leaf}, a default identity of the platform")
        }
        Want::Call(true) => format!("{probe}: accepted"),
        Want::Call(false) => format!("{probe}: refused"),
        Want::Lookup(address) => format!("{probe}: {address} alone"),
        Want::Readable => probe,
        Want::Answer(right) if right.is_empty() => format!("{probe}: as well as before"),
        Want::Answer(right) => format!("{probe}: {}", right.join(" or ")),
        Want::Other(leaf) => format!(
            "{probe}: another leaf than {}",
            leaf.get(..16).unwrap_or(leaf)
        ),
        Want::Baseline(_) => format!("{probe}: as before"),
    }
}

/// Returns what commands write, each with the command.
fn made(services: &[Service]) -> BTreeMap<&HostPath, String> {
    let own = |service: &'_ Service| service.command.as_ref().map(Command::line);
    let writes = services.iter().flat_map(|service| {
        let line = own(service).unwrap_or_default();
        service.writes.iter().map(move |path| (path, line.clone()))
    });
    writes.collect()
}

fn change(
    change: &Change,
    names: &Names,
    made: Option<&String>,
    shown: Option<&Vec<String>>,
) -> ChangeView {
    let action = match (&change.before, &change.after) {
        (State::Absent, _) => "create",
        _ if made.is_some() => "change",
        (_, State::Absent) => "remove",
        (State::Present { .. }, State::Present { .. }) => "change",
    };
    ChangeView {
        path: change.path.clone(),
        kind: change.kind.clone(),
        action: action.into(),
        before: names.state(&change.before),
        after: match made {
            Some(line) => format!("as `{line}` makes it"),
            None => names.state(&change.after),
        },
        in_place: change.in_place,
        diff: shown.map_or_else(|| diff(change, made), Clone::clone),
    }
}

/// Returns the lines of a unified diff, or for a secret its type and public fingerprint before and after.
fn diff(change: &Change, made: Option<&String>) -> Vec<String> {
    let (before, after) = (change.before.bytes(), change.after.bytes());
    if before == after {
        return Vec::new();
    }
    let hidden = change.sensitivity == Sensitivity::Secret
        || [before, after].into_iter().flatten().any(holds_key);
    if hidden {
        let (old, new) = (before.map(Bytes::reveal), after.map(Bytes::reveal));
        if made.is_none()
            && let Some(lines) = keystore::compared(old, new)
        {
            return lines;
        }
        let tell = |bytes: Option<&Bytes>| {
            let input = |bytes: &Bytes| Input {
                name: change.path.to_string(),
                bytes: bytes.clone(),
            };
            bytes.map_or_else(|| "none".to_owned(), |bytes| input(bytes).describe_keys())
        };
        let lines = [("-", before), ("+", after)].into_iter();
        let lines = lines.filter(|(_, bytes)| made.is_none() || bytes.is_some());
        return lines
            .map(|(sign, bytes)| format!("{sign} {}", tell(bytes)))
            .collect();
    }
    let text = |bytes: Option<&Bytes>| bytes.map(Bytes::text).unwrap_or_default();
    let (old, new) = (text(before), text(after));
    let diff = TextDiff::from_lines(&old, &new);
    let header = |state: &State| {
        if *state == State::Absent {
            "/dev/null".to_owned()
        } else {
            change.path.to_string()
        }
    };
    let heads = (header(&change.before), header(&change.after));
    match change.sensitivity {
        Sensitivity::Values => redact::document(&old, &new, &heads.0, &heads.1),
        Sensitivity::Public | Sensitivity::Secret => redact::unified(&diff, &heads.0, &heads.1),
    }
}

/// Tells whether a private key is in a file that is not meant to hold one, as where a pair was one file before.
pub(crate) fn holds_key(bytes: &Bytes) -> bool {
    // A block that is cut short or damaged is not read as a key, and must not be shown either.
    let mark = b"PRIVATE KEY-----";
    let input = || Input {
        name: String::new(),
        bytes: bytes.clone(),
    };
    bytes.reveal().windows(mark.len()).any(|w| w == mark) || input().holds_key()
}

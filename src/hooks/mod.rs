//! What certroll leaves on a host so that it is called at the right moments: files, told as a plan like any other, so
//! that they are shown, written, undone and recorded by the one way through.

use std::collections::BTreeMap;

use crate::{
    desired::{Action, Manager, OnLink, Service, Target},
    error::{Error, Result},
    host::{Command, Deciding, Host},
    plan::{Change, Plan, observe},
    service,
    state::{Content, HostPath, Sensitivity, State, Wanted},
};

/// What a hook puts at its path.
#[derive(Debug, Clone, Copy)]
enum What {
    /// A file; `@certroll@` in it stands for the program.
    File(&'static str),
    /// A link: what `systemctl enable` makes of `WantedBy=` (systemctl(1)), as data, so that no systemctl is needed.
    Link(&'static str),
}

/// Everything that is installed: path below [`UNITS`], and what it is.
const HOOKS: &[(&str, What)] = &[
    (
        "certroll-recover.service",
        What::File(include_str!("certroll-recover.service")),
    ),
    (
        "certroll-recover-network.service",
        What::File(include_str!("certroll-recover-network.service")),
    ),
    (
        "sysinit.target.wants/certroll-recover.service",
        What::Link("../certroll-recover.service"),
    ),
];

/// Where the administrator's units are (systemd.unit(5)).
const UNITS: &str = "/etc/systemd/system";

/// Name of the rollout that a generation of hooks belongs to; no file of `rollouts.d` is called so.
const ROLLOUT: &str = "certroll hooks";

/// Where packages and people put a program that is not where it runs from, as on another root.
const USUAL: [&str; 3] = [
    "/usr/bin/certroll",
    "/usr/sbin/certroll",
    "/usr/local/bin/certroll",
];

/// Plans what makes the hooks be there; `program` is where certroll itself runs from.
///
/// # Errors
/// [`Error::Usage`] where the host has no systemd, or no program that a unit may call; the host is unchanged.
pub fn install(host: &dyn Host, program: &str) -> Result<Plan> {
    let dir = units(host)?;
    let program = callable(host, program)?;
    let target = |(name, what): &(&str, What)| Target {
        path: path(&dir, name),
        kind: kind(*what),
        wanted: wanted(*what, &program),
        sensitivity: Sensitivity::Public,
        identity: false,
        at_most: None,
        swept: None,
        on_link: OnLink::Refuse,
    };
    let owner = host.effective_uid();
    let observed = observe(host, HOOKS.iter().map(target).collect(), (owner, owner))?;
    let mut plan = plan(host, observed.changes);
    plan.findings = observed.findings;
    Ok(plan)
}

/// Plans what makes the hooks be gone, and a directory with them that nobody else uses.
///
/// # Errors
/// As [`crate::host::Tree::read`]; the host is unchanged.
pub fn remove(host: &dyn Host) -> Result<Plan> {
    let dir = path(&HostPath::default(), UNITS.trim_start_matches('/'));
    let mut changes = Vec::new();
    for (name, what) in HOOKS.iter().rev() {
        let at = path(&dir, name);
        let parent = at.parent().unwrap_or_default();
        let before = host.read(&at)?;
        if before == State::Absent {
            continue;
        }
        changes.push(gone(at, kind(*what), before));
        if parent != dir && host.list(&parent)?.is_some_and(|left| left.len() == 1) {
            let before = host.read(&parent)?;
            changes.push(gone(parent, "directory", before));
        }
    }
    Ok(plan(host, changes))
}

fn gone(path: HostPath, kind: &'static str, before: State) -> Change {
    Change {
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

fn plan(host: &dyn Host, changes: Vec<Change>) -> Plan {
    let mut plan = Plan {
        rollout: ROLLOUT.to_owned(),
        live: host.is_live(),
        changes,
        ..Plan::default()
    };
    if plan.live && !plan.changes.is_empty() {
        let argv = ["systemctl", "daemon-reload"].map(str::to_owned).to_vec();
        plan.services = vec![Service {
            manager: Manager::Command,
            action: Action::Reload,
            units: Vec::new(),
            command: Some(Command { argv, limit: 90 }),
            config_test: None,
            limit: 90,
            on: Vec::new(),
            serves: BTreeMap::new(),
        }];
        plan.commands = service::commands(&plan.services, &plan.units);
    }
    plan
}

fn path(dir: &HostPath, name: &str) -> HostPath {
    name.split('/').fold(dir.clone(), |at, part| at.join(part))
}

fn kind(what: What) -> &'static str {
    match what {
        What::File(_) => "unit",
        What::Link(_) => "link",
    }
}

fn wanted(what: What, program: &str) -> Wanted {
    let content = match what {
        What::File(text) => Content::File(text.replace("@certroll@", program).into()),
        What::Link(to) => Content::Link(to.to_owned()),
    };
    Wanted {
        mode: matches!(what, What::File(_)).then_some(0o644),
        content,
        uid: None,
        gid: None,
    }
}

fn units(host: &dyn Host) -> Result<HostPath> {
    let dir = path(&HostPath::default(), UNITS.trim_start_matches('/'));
    if host.is_dir(&dir)? {
        return Ok(dir);
    }
    Err(Error::Usage {
        message: format!("there is no `{dir}`: hooks are units of systemd"),
        hint:
            "call `certroll recover --boot` before any service starts, by the init system's own way"
                .to_owned(),
    })
}

/// Returns the path by which a unit can call the program: its own, or where the root has it; root runs it at boot, so
/// nobody else may be able to replace it.
fn callable(host: &dyn Host, own: &str) -> Result<String> {
    // Looked for by name: to read a whole program for that would be much.
    let is_there = |path: &&str| {
        let at = HostPath::new(path).unwrap_or_default();
        let names = at.parent().map(|dir| host.list(&dir));
        matches!(names, Some(Ok(Some(names))) if names.iter().any(|entry| entry.name == at.name()))
    };
    let none = || Error::Usage {
        message: format!(
            "there is no certroll on this host that a unit could call: looked for {own}, {}",
            USUAL.join(", ")
        ),
        hint: format!("install it there: `install -m 0755 {own} {}`", USUAL[2]),
    };
    let program = std::iter::once(own)
        .chain(USUAL)
        .find(is_there)
        .ok_or_else(none)?;
    // A unit file takes some characters for its own (systemd.service(5), "Command lines").
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    let fault = if !program.chars().all(plain) {
        Some(format!(
            "`{program}` has characters that a unit file does not take as they are"
        ))
    } else if host.is_live() {
        let others = host.writable_by_others(Deciding::Profile(program))?;
        others.map(|path| {
            format!(
                "`{program}` would run as root at boot, and others than root may write `{path}`"
            )
        })
    } else {
        None
    };
    match fault {
        None => Ok(program.to_owned()),
        Some(message) => Err(Error::Usage {
            message,
            hint: none().hint().unwrap_or_default(),
        }),
    }
}

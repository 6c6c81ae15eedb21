//! What certroll leaves on a host so that it is called at the right moments: files, told as a plan like any other, so
//! that they are shown, written, undone and recorded by the one way through.

use crate::{
    desired::{Action, Service, Step, Target},
    error::{Error, Result},
    host::{Command, Deciding, Host},
    plan::{Change, Plan, observe},
    service,
    state::{Content, HostPath, State},
};

mod call;
mod table;
mod watch;

pub use call::{is_held, tried};

use table::{HOOKS, Hook, TOLD_BY_PEOPLE, What};
use watch::watched;

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

/// Plans what makes the hooks be there; `program` is where certroll itself runs from, and `profiles` where it is to look
/// for profiles before the built-in ones. A hook of a tool that is not on the host is left out, and the path unit where
/// no rollout is remembered that it could watch.
///
/// # Errors
/// [`Error::Usage`] where the host has no systemd, or no program that a unit may call; what keeps a remembered rollout
/// from being told. The host is unchanged.
pub fn install(host: &dyn Host, program: &str, profiles: Option<&str>) -> Result<Plan> {
    units(host)?;
    let said = Said {
        program: callable(host, program)?,
        profiles: profiles.map(absolute).transpose()?,
        watched: watched(host, profiles)?,
    };
    let mut targets = Vec::new();
    for hook in HOOKS {
        let is_wanted = !hook.watches || !said.watched.is_empty();
        if is_wanted && host.is_dir(&path(hook.needs))? {
            targets.push(target(hook, &said));
        }
    }
    let owner = host.effective_uid();
    let observed = observe(host, targets, (owner, owner))?;
    let mut plan = plan(host, observed.changes);
    plan.findings = observed.findings;
    plan.steps = steps(host, &said)?;
    Ok(plan)
}

/// Plans what makes the hooks be gone, and a directory of links with them that nobody else uses.
///
/// # Errors
/// As [`crate::host::Tree::read`]; the host is unchanged.
pub fn remove(host: &dyn Host) -> Result<Plan> {
    let mut changes = Vec::new();
    for hook in HOOKS.iter().rev() {
        let at = path(hook.at);
        let parent = at.parent().unwrap_or_default();
        let before = host.read(&at)?;
        if before == State::Absent {
            continue;
        }
        changes.push(Change::removal(at, hook.what.kind(), before));
        let of_links = parent.name().strip_suffix(".wants").is_some();
        let is_ours = |name: &str| {
            let at = parent.join(name);
            changes.iter().any(|change: &Change| change.path == at)
        };
        let left = host.list(&parent)?.unwrap_or_default();
        if of_links && left.iter().all(|entry| is_ours(&entry.name)) {
            let before = host.read(&parent)?;
            changes.push(Change::removal(parent, "directory", before));
        }
    }
    Ok(plan(host, changes))
}

/// What the hooks of one host say.
struct Said {
    program: String,
    profiles: Option<String>,
    watched: Vec<HostPath>,
}

impl Said {
    /// Puts in the text of a hook what this host's hooks say.
    fn put_in(&self, text: &str) -> String {
        let profiles = self.profiles.as_ref();
        let profiles = profiles.map(|dir| format!("--profiles {dir} "));
        // `%` begins a specifier (systemd.unit(5)).
        let watched = self.watched.iter().map(|path| {
            let path = path.as_str().replace('%', "%%");
            format!("PathChanged={path}")
        });
        text.replace("@certroll@", &self.program)
            .replace("@profiles@", &profiles.unwrap_or_default())
            .replace("@watched@", &watched.collect::<Vec<_>>().join("\n"))
    }
}

fn target(hook: &Hook, said: &Said) -> Target {
    let content = match hook.what {
        What::Unit(text) | What::Script(text) | What::Setting(text) => {
            Content::File(said.put_in(text).into())
        }
        What::Link(to) => Content::Link(to.to_owned()),
    };
    Target::of(path(hook.at), hook.what.kind(), content, hook.what.mode())
}

/// Says what people must do where a tool has no directory of hooks.
fn steps(host: &dyn Host, said: &Said) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (dir, text) in TOLD_BY_PEOPLE {
        if host.is_dir(&path(dir))? {
            steps.push(Step {
                text: said.put_in(text),
                gone: None,
            });
        }
    }
    for name in watch::without_source(host)? {
        steps.push(Step {
            text: format!(
                "Rollout `{name}` has the identity that it was given: to have it follow a source, describe it in \
                 /etc/certroll/rollouts.d/{name}.yaml and install the hooks again"
            ),
            gone: None,
        });
    }
    Ok(steps)
}

fn plan(host: &dyn Host, changes: Vec<Change>) -> Plan {
    let mut plan = Plan {
        rollout: ROLLOUT.to_owned(),
        live: host.is_live(),
        changes,
        ..Plan::default()
    };
    if plan.live && !plan.changes.is_empty() {
        plan.services = TELL_SYSTEMD.iter().map(|argv| tell(argv)).collect();
        plan.commands = service::commands(&plan.services, &plan.units);
    }
    plan
}

/// What has systemd know its units, and start those that wait for something: the same for the way back, where a pattern
/// names what is there, be it nothing (systemctl(1)).
const TELL_SYSTEMD: [&[&str]; 3] = [
    &["systemctl", "stop", "certroll-hooks.*", "certroll-renew.t*"],
    &["systemctl", "daemon-reload"],
    &[
        "systemctl",
        "--all",
        "start",
        "certroll-hooks.*",
        "certroll-renew.t*",
    ],
];

fn tell(argv: &[&str]) -> Service {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    Service::of(Action::Reload, Command { argv, limit: 90 })
}

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap_or_default()
}

fn absolute(dir: &str) -> Result<String> {
    if dir.starts_with('/') && dir.chars().all(is_plain) {
        return Ok(dir.to_owned());
    }
    Err(Error::Usage {
        message: format!("hooks run anywhere, and `{dir}` is not a plain path from the root"),
        hint: "give the profiles an absolute path of letters, digits and `._-+`".to_owned(),
    })
}

/// Tells whether units, shells and apt's settings take a character as it is (systemd.service(5), "Command lines").
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-+".contains(c)
}

fn units(host: &dyn Host) -> Result<()> {
    if host.is_dir(&path(UNITS))? {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("there is no `{UNITS}`: hooks are units of systemd"),
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
    let fault = if !program.chars().all(is_plain) {
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

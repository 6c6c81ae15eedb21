//! Files: what differs from what the rollout put there, and who cannot read what they must.

use super::{Fault, Verdict};
use crate::{
    desired::{Probe, Reader},
    error::Result,
    host::Host,
    plan::Change,
    probe::{self, Denial},
    render::shell_word,
    state::{Bytes, Content, HostPath, Sensitivity, State},
};

/// Names every difference between the host and what the rollout wants.
pub(super) fn changed(changes: &[Change]) -> Vec<Fault> {
    changes
        .iter()
        .filter(|change| change.kind != "directory")
        .map(|change| {
            let path = shell_word(change.path.as_str());
            let (verdict, look) = match &change.after {
                State::Present {
                    content: Content::Link(_),
                    ..
                } => (Verdict::OverrideUnlinked, format!("ls -ld {path}")),
                _ if bytes_differ(change) => (Verdict::FileChanged, show(change, &path)),
                _ => (
                    Verdict::FileChanged,
                    format!("stat -c '%U:%G %a' {path}; getfacl -p {path}"),
                ),
            };
            Fault {
                verdict,
                about: change.path.to_string(),
                evidence: evidence(change),
                look,
                fix: "put it back: `certroll apply`; `certroll plan` shows the difference"
                    .to_owned(),
            }
        })
        .collect()
}

fn bytes_differ(change: &Change) -> bool {
    change.before.bytes().map(Bytes::reveal) != change.after.bytes().map(Bytes::reveal)
}

/// A key is shown by its public half alone.
fn show(change: &Change, path: &str) -> String {
    if change.before.bytes().is_none() {
        return format!("ls -ld {path}");
    }
    match change.kind.as_ref() {
        "pem" if change.sensitivity == Sensitivity::Secret => {
            format!("openssl pkey -in {path} -pubout")
        }
        "pem" => format!("openssl x509 -in {path} -noout -subject -fingerprint -sha256"),
        "keystore" => format!("certroll keystore list {path} --password-file FILE"),
        _ => format!("cat {path}"),
    }
}

fn evidence(change: &Change) -> String {
    let path = &change.path;
    match (&change.before, &change.after) {
        (State::Absent, _) => format!("`{path}` is gone"),
        (
            before,
            State::Present {
                content: Content::Link(to),
                ..
            },
        ) => match before.link() {
            Some(found) if found != to => format!("`{path}` leads to `{found}`, want `{to}`"),
            Some(_) => format!("`{path}` has another owner"),
            None => format!("`{path}` is a {}, want a link to `{to}`", before.noun()),
        },
        (before, after) if before.noun() != after.noun() => {
            format!("`{path}` is a {}, want a {}", before.noun(), after.noun())
        }
        (before, _) if bytes_differ(change) => format!(
            "`{path}` is a {} with other content than the rollout put there",
            before.noun()
        ),
        (before, after) => {
            let shown = |state: &State| {
                state.attrs().map_or_else(String::new, |a| {
                    format!("{}:{} {:04o}", a.uid, a.gid, a.mode & 0o7777)
                })
            };
            format!("`{path}` is {}, want {}", shown(before), shown(after))
        }
    }
}

/// Names every file that somebody must read and cannot, on the host as it is.
///
/// # Errors
/// [`crate::error::Error::Unknown`] where there is no such user or group.
pub(super) fn unreadable(
    host: &dyn Host,
    probes: &[Probe],
    good: &mut Vec<String>,
) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for probe in probes {
        let Probe::Readable { paths, by } = probe else {
            continue;
        };
        let reader = probe::Identity::of(host, by)?;
        for path in paths {
            match probe::readable(host.tree(), path, &reader) {
                Ok(()) => good.push(format!("{} can read {path}", reader.label)),
                Err(denial) => faults.push(Fault {
                    verdict: Verdict::FileUnreadable,
                    about: format!("{path} for {}", reader.label),
                    fix: fix(&denial),
                    evidence: denial.to_string(),
                    look: look(path, by),
                }),
            }
        }
    }
    Ok(faults)
}

fn look(path: &HostPath, by: &Reader) -> String {
    let path = shell_word(path.as_str());
    match by {
        Reader::User(name) => format!("runuser -u {} -- cat {path} >/dev/null", shell_word(name)),
        Reader::Group(name) => format!(
            "setpriv --reuid=nobody --regid={} --clear-groups cat {path} >/dev/null",
            shell_word(name)
        ),
    }
}

fn fix(denial: &Denial) -> String {
    match &denial.fix {
        Some(command) => format!(
            "{command}, unless `certroll plan` shows that owner and mode go back by themselves"
        ),
        None => "put it back: `certroll apply`".to_owned(),
    }
}

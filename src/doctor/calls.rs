//! Calls between the daemons of a platform: what each will really read, and whether its peer's leaf satisfies it.

use super::{Fault, Verdict};
use crate::{
    effective::{self, Block, Daemon, Found, Layered},
    error::Result,
    facts::glob,
    host::Host,
    identity::Trust,
    prepare::Survey,
    render::shell_word,
    state::{HostPath, Sensitivity},
};

/// Judges every call that stays on this machine, by the files as they are.
///
/// # Errors
/// [`crate::error::Error::Io`] where a directory cannot be looked at.
pub(super) fn judge(
    host: &dyn Host,
    survey: &Survey,
    good: &mut Vec<String>,
) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for (_, facts) in &survey.profiles {
        for without in facts.layered.values() {
            let (pattern, release) = (&without.dirs, without.release.as_ref());
            let dirs = glob(host.tree(), pattern)?;
            // With our own file among the others this time.
            let now =
                effective::discover(host.tree(), &without.table, (pattern, &dirs), "", release)?;
            faults.extend(calls(host, survey, &now, good));
        }
    }
    Ok(faults)
}

fn calls(host: &dyn Host, survey: &Survey, now: &Layered, good: &mut Vec<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let target = survey.desired.settings.get("host");
    let target = target.and_then(|v| v.as_str()).unwrap_or_default();
    for block in &now.blocks {
        for daemon in now
            .daemons
            .iter()
            .filter(|d| block.readers.contains(&d.name))
        {
            let called = daemon.lookup(&format!("{}.host", block.name));
            let peer = called
                .scalar()
                .unwrap_or_else(|| now.table.builtin_host.clone());
            if peer != target && !effective::is_local(&peer) {
                continue;
            }
            let found = [
                name(survey, daemon, block, &peer, &called),
                verify(host, survey, daemon, block),
            ];
            let call = format!("`{}` calls `{}` at `{peer}`", daemon.name, block.name);
            if found.iter().all(Option::is_none) {
                good.push(call);
            }
            faults.extend(found.into_iter().flatten());
        }
    }
    faults
}

/// Tells whether the name that is called is one that the leaf has, where it is asked for.
fn name(
    survey: &Survey,
    daemon: &Daemon,
    block: &Block,
    peer: &str,
    called: &Found<'_>,
) -> Option<Fault> {
    let flag = daemon
        .lookup(&format!("{}.{}", block.name, block.flag))
        .scalar();
    if flag.as_deref().is_some_and(is_false) || survey.identity.leaf.covers(peer) {
        return None;
    }
    let place = called.place();
    let from = place.map_or_else(
        || "built in".to_owned(),
        |(path, line)| format!("{path}:{line}"),
    );
    Some(Fault {
        verdict: Verdict::NameUncovered,
        about: format!("calls of `{}` to `{}`", daemon.name, block.name),
        evidence: format!("{from}: `{}.host` is `{peer}`, which no SAN of the leaf covers", block.name),
        look: place.map_or_else(
            || format!("grep -rn host: {}", shell_word(daemon.conf_d.as_str())),
            |(path, line)| line_of(path, line),
        ),
        fix: "have the override name a host that the leaf has: `certroll plan` shows what stands in its way".to_owned(),
    })
}

/// Tells whether what a daemon verifies its peer by leads to the leaf.
fn verify(host: &dyn Host, survey: &Survey, daemon: &Daemon, block: &Block) -> Option<Fault> {
    let flag = daemon.lookup(&format!("{}.{}", block.name, block.flag));
    let (path, line) = flag.place()?;
    let value = flag.scalar()?;
    let wrong = if is_false(&value) {
        None
    } else if is_true(&value) {
        (survey.trust != Trust::Trusted)
            .then(|| "no trust anchor of this host leads to the leaf".to_owned())
    } else {
        by_file(host, survey, &value)
    }?;
    let by = if is_true(&value) {
        String::new()
    } else {
        format!(" -CAfile {}", shell_word(&value))
    };
    let leaf = leaf(survey).map_or_else(String::new, |path| shell_word(path.as_str()));
    let look = format!("openssl verify{by} -untrusted {leaf} {leaf}");
    Some(Fault {
        verdict: Verdict::WrongVerify,
        about: format!("calls of `{}` to `{}`", daemon.name, block.name),
        evidence: format!(
            "{path}:{line}: `{}.{}` is `{value}`: {wrong}",
            block.name, block.flag
        ),
        look: format!("{}; {look}", line_of(path, line)),
        fix: fix(survey),
    })
}

/// Returns where the rollout puts the leaf, with its chain where both are in one file.
fn leaf(survey: &Survey) -> Option<&HostPath> {
    let mut targets = survey
        .desired
        .targets
        .iter()
        .filter(|target| target.identity);
    targets
        .find(|target| target.sensitivity == Sensitivity::Public)
        .map(|target| &target.path)
}

fn by_file(host: &dyn Host, survey: &Survey, value: &str) -> Option<String> {
    let bytes = HostPath::new(value)
        .ok()
        .and_then(|path| host.read_followed(&path).ok())
        .and_then(|(_, state)| state.bytes().cloned());
    match bytes {
        None => Some("there is no such file".to_owned()),
        Some(bytes) if survey.identity.verifies_with(bytes.reveal(), host.now()) => None,
        Some(_) => Some("that file does not lead to the leaf".to_owned()),
    }
}

fn fix(survey: &Survey) -> String {
    match survey.trust {
        Trust::Trusted => "certroll apply --set verify=system".to_owned(),
        Trust::SelfSigned => "certroll apply --set verify=file".to_owned(),
        Trust::PrivateCa | Trust::Unknown => {
            "give the trust anchor: certroll apply --set verify=/path/ca.pem".to_owned()
        }
    }
}

/// Says how to see a line of a file.
pub(super) fn line_of(path: &HostPath, line: u64) -> String {
    format!("sed -n {line}p {}", shell_word(path.as_str()))
}

fn is_true(value: &str) -> bool {
    ["true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str())
}

fn is_false(value: &str) -> bool {
    ["false", "no", "off"].contains(&value.to_ascii_lowercase().as_str())
}

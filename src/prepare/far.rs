//! Far resources of a plan: who the peers are, which pair they have, and what is needed.

use super::Goal;
use crate::{
    desired::Desired,
    error::{Error, Result},
    far::{self, Peers, Planned, Previous},
    host::Host,
    peer::Fingerprint,
    preflight::{self, Finding, Severity},
    probe::{self, Observation},
    rollouts::{self, Resolved},
    source::Source as _,
};

/// Looks at the peers, and plans what they need; nothing on another root, and nothing where proof is left to a later run.
///
/// # Errors
/// [`Error::WrongPeer`] where a peer is not the one that is pinned; else what keeps its pair from being read. Nothing was
/// sent.
pub(super) fn prepare(
    host: &dyn Host,
    resolved: &Resolved,
    desired: &mut Desired,
    goal: &Goal,
) -> Result<Planned> {
    let mut findings = Vec::new();
    if !host.is_live() || goal.deferred {
        let wanted = std::mem::take(&mut desired.far);
        return Ok(Planned {
            findings: wanted.first().map(|_| later(desired)).into_iter().collect(),
            ..Planned::default()
        });
    }
    // A key that will not be sent needs no connection.
    let allowed = preflight::allow(desired.findings.clone(), &resolved.remembered.allow);
    if allowed.iter().any(|f| f.severity == Severity::Fatal) {
        return Ok(Planned::default());
    }
    let peers = Peers::look(host, desired, &mut findings)?;
    let new = goal.pair.as_ref().map(|p| Fingerprint::of(&p.leaf.der));
    peers.admit(desired, new);
    for (probe, answers, finding) in &desired.remarks {
        if let Observation::Http(answer) = probe::observe(host, probe)
            && answers.contains(&answer)
        {
            findings.push(finding.clone());
        }
    }
    let previous = previous(host, resolved, goal, &peers, &mut findings)?;
    let wanted = std::mem::take(&mut desired.far);
    let mut planned = far::plan(
        host,
        &peers,
        wanted,
        (&goal.want, goal.pair.as_ref()),
        &previous,
    );
    planned.findings.splice(0..0, findings);
    Ok(planned)
}

/// Says that requests are not sent here and now; where they are all there is, such a run would do nothing and call it done.
fn later(desired: &Desired) -> Finding {
    let is_all = desired.targets.is_empty() && desired.trusts.is_empty();
    if is_all {
        let message = "all there is to do are requests to other machines, which only a run on the live host sends, and proves at once";
        let finding = Finding::input(Severity::Fatal, "far-later", message);
        finding.hinted("without `--root` and `--defer`, on a host that reaches them")
    } else {
        let message = "requests to other machines are left to a run on the live host";
        Finding::host(Severity::Note, "far-later", message)
    }
}

/// Finds the pair that peers have now: the one given, else the one in force here, if that is what they present.
fn previous(
    host: &dyn Host,
    resolved: &Resolved,
    goal: &Goal,
    peers: &Peers,
    findings: &mut Vec<Finding>,
) -> Result<Previous> {
    let given = goal.previous.cert.is_some() || goal.previous.key.is_some();
    let found = if given {
        Some(goal.previous.fetch(host)?.0)
    } else if resolved.remembered.identity > 0 {
        rollouts::kept(host, resolved.remembered.identity)
            .ok()
            .map(|(identity, _)| identity)
    } else {
        None
    };
    let is_served = |leaf: &[u8]| peers.all_present(Fingerprint::of(leaf));
    let found = found.filter(|identity| identity.key.is_some());
    match found {
        Some(identity) if is_served(&identity.leaf.der) => Ok(Previous::Known(Box::new(identity))),
        Some(identity) if given => {
            let message = format!(
                "the pair given as the previous one has leaf {}, which is not the one that is presented now",
                Fingerprint::of(&identity.leaf.der).colons()
            );
            findings.push(Finding::input(
                Severity::Fatal,
                "previous-not-served",
                message,
            ));
            Ok(Previous::Unknown)
        }
        None if given => Err(Error::Usage {
            message: "the pair given as the previous one has no key".to_owned(),
            hint: "give it: `--previous-key FILE`".to_owned(),
        }),
        Some(_) | None => Ok(Previous::Unknown),
    }
}

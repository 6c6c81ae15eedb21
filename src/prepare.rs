//! From a request to a plan: the first half of the one way through, which cannot change anything.

use std::collections::HashSet;

use crate::{
    apply::Keep,
    desired::Desired,
    effective,
    error::{Error, Result, backticked},
    facts::{self, Facts},
    host::Host,
    identity::{Checks, Form, Identity, Trust},
    plan::{IdentityLine, Plan},
    preflight::{self, Finding, Severity},
    profile::{self, Profile},
    rollouts::{self, Request, Resolved},
    rotation::Turn,
    state::{Bytes, HostPath},
    watch::Held,
};

mod anchors;
mod assemble;
mod course;
mod defaults;
mod far;
mod itself;
mod managers;
mod names;
mod never;
mod readers;
mod revert;

use assemble::{Goal, assemble};
use itself::Maker;

/// A plan, and what a rollout of it leaves behind.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// What is kept once it is final.
    pub keep: Keep,
    /// Where its certificates are, for monitoring.
    pub held: Vec<Held>,
    /// Days before the end of a certificate in which the end is a warning.
    pub warn_days: i64,
}

/// What a request asks of this host, before its targets are read.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The rollout, nothing left to look up.
    pub resolved: Resolved,
    /// Its identity.
    pub identity: Identity,
    /// What reading it found.
    findings: Vec<Finding>,
    /// The host's trust anchors, DER.
    anchors: Vec<Vec<u8>>,
    /// Its profiles, each with what it read of the host.
    pub profiles: Vec<(Profile, Facts)>,
    /// Who trusts the leaf.
    pub trust: Trust,
    /// What the profiles ask for, with every finding so far.
    pub desired: Desired,
}

/// Finds out what a request asks of this host, in the phase that its rotation has reached.
///
/// # Errors
/// Whatever keeps that from being told. The host is unchanged.
pub(crate) fn survey(host: &dyn Host, request: &Request) -> Result<Survey> {
    let loaded = match itself::maker(host, request)? {
        Maker::Caller(loaded) => loaded,
        Maker::Platform(found) => {
            let name = found.resolved.name;
            let message =
                format!("rollout `{name}` has no identity: its platform gets one by itself");
            let hint = format!("certroll status {name}");
            return Err(Error::Usage { message, hint });
        }
    };
    let mut survey = ground(host, request, loaded)?;
    let turn = survey
        .rotation()?
        .map_or_else(Turn::default, |r| r.turn(r.done.max(1) - 1));
    survey.desired = survey.desired(host, request, &turn)?;
    Ok(survey)
}

/// Finds out what is meant, before any phase is; `loaded` are the profiles where they are known already.
fn ground(host: &dyn Host, request: &Request, mut loaded: Vec<Profile>) -> Result<Survey> {
    let (resolved, identity, findings) = rollouts::resolve(host, request)?;
    if loaded.is_empty() {
        loaded = load(host, request, &resolved)?;
    }
    let profiles = profiles(host, loaded, &resolved)?;
    if identity.key.is_none() {
        // No profile could be rendered without a key; what was found says why there is none.
        return Err(Error::Findings(findings));
    }
    let anchors = host.trust_anchors();
    let trust = identity.trust(&anchors, host.now());
    Ok(Survey {
        resolved,
        identity,
        findings,
        profiles,
        anchors,
        trust,
        desired: Desired::default(),
    })
}

impl Survey {
    /// Returns what the profiles ask for in a phase, with every finding so far.
    fn desired(&self, host: &dyn Host, request: &Request, turn: &Turn) -> Result<Desired> {
        let context = context(&self.identity, self.trust, turn);
        let set = &self.resolved.remembered.set;
        let ids = profile::HostIds(host);
        let mut desired = profile::desired(&self.profiles, &context, set, &ids)?;
        // Files of this host tell nothing of another machine.
        if request.consumers && !desired.targets.is_empty() {
            add_consumers(host, &self.profiles, &mut desired)?;
        }
        let checks = Checks {
            now: host.now(),
            warn_days: warn_days(&desired),
            anchors: &self.anchors,
            names: &[],
        };
        desired.findings.extend(self.findings.iter().cloned());
        desired.findings.extend(self.identity.findings(&checks));
        desired
            .findings
            .extend(anchors::astray(host, &self.identity, &desired));
        Ok(desired)
    }
}

/// Loads the profiles of a rollout.
fn load(host: &dyn Host, request: &Request, resolved: &Resolved) -> Result<Vec<Profile>> {
    let dir = request.profiles_dir.as_deref();
    let names = resolved.remembered.profiles.iter();
    names.map(|name| profile::load(name, host, dir)).collect()
}

/// Returns the profiles of a rollout, each with what it reads of the host.
fn profiles(
    host: &dyn Host,
    loaded: Vec<Profile>,
    resolved: &Resolved,
) -> Result<Vec<(Profile, Facts)>> {
    let with_facts = |profile: Profile| {
        fits(&profile, host)?;
        let given = profile::given_to(&profile, &resolved.remembered.set);
        let facts = facts::discover(&profile, host, &given)?;
        Ok((profile, facts))
    };
    loaded.into_iter().map(with_facts).collect()
}

/// Finds out what a request would do.
///
/// # Errors
/// Whatever keeps a plan from being made; fatal findings are in the plan. The host is unchanged.
pub fn prepare(host: &dyn Host, request: &Request) -> Result<Prepared> {
    let mut prepared = if request.revert {
        revert::prepare(host, request)?
    } else {
        match itself::maker(host, request)? {
            Maker::Platform(found) => itself::prepare(host, request, found)?,
            Maker::Caller(loaded) => forward(host, request, loaded)?,
        }
    };
    // What is remembered as accepted may have passed meanwhile; what is given now was meant for something.
    let findings = std::mem::take(&mut prepared.plan.findings);
    prepared.plan.findings = preflight::heard(findings, &request.allow);
    Ok(prepared)
}

/// Finds out how the rollout comes to be.
fn forward(host: &dyn Host, request: &Request, loaded: Vec<Profile>) -> Result<Prepared> {
    let mut survey = ground(host, request, loaded)?;
    if let Some(rotation) = survey.rotation()? {
        return survey.in_phases(host, request, rotation);
    }
    without_phases(request)?;
    let desired = survey.desired(host, request, &Turn::default())?;
    // What was read of a large host is not needed any more once it says what is wanted.
    survey.profiles.clear();
    survey.plan(host, request, desired, None)
}

/// Refuses a phase where there are none.
fn without_phases(request: &Request) -> Result<()> {
    match &request.until {
        None => Ok(()),
        Some(name) => Err(Error::Usage {
            message: format!("there is no phase `{name}`: the profiles of this rollout have none"),
            hint: "leave `--until` out".to_owned(),
        }),
    }
}

/// Tells whether the platform of a rollout gets its pair by itself, so that the rollout has no identity.
///
/// # Errors
/// As [`prepare()`].
pub(crate) fn is_by_itself(host: &dyn Host, request: &Request) -> Result<bool> {
    Ok(matches!(itself::maker(host, request)?, Maker::Platform(_)))
}

/// Returns the days of warning before the end: as usual, or more where a profile asks for it.
fn warn_days(desired: &Desired) -> i64 {
    let asked = i64::try_from(desired.warn_days).unwrap_or(i64::MAX / 86_400);
    asked.clamp(Checks::WARN_DAYS, i64::MAX / 86_400)
}

/// Refuses a profile whose platform is not here: its paths would come out of nothing.
fn fits(profile: &Profile, host: &dyn Host) -> Result<()> {
    let asked = [&profile.detect.all, &profile.detect.any];
    let shown: Vec<String> = asked
        .into_iter()
        .flatten()
        .map(HostPath::to_string)
        .collect();
    if shown.is_empty() || profile.detect(host.tree())? {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!(
            "profile `{}` is for another host: it is told by {}, which {} not here",
            profile.name,
            backticked(&shown),
            if shown.len() == 1 { "is" } else { "are" }
        ),
        hint: "`certroll profiles list` shows every profile and what it is for".to_owned(),
    })
}

/// Returns owner and group of what did not exist: root, or whoever tries it out on a tree of their own.
pub(crate) fn fresh(host: &dyn Host) -> (u32, u32) {
    match host.effective_uid() {
        0 => (0, 0),
        uid => (uid, rustix::process::getegid().as_raw()),
    }
}

/// Returns what templates may see of the identity, and its forms.
fn context(identity: &Identity, trust: Trust, turn: &Turn) -> profile::IdentityContext {
    let forms = Form::NAMES
        .iter()
        .filter_map(|(name, form)| Some((*name, identity.form(*form)?)))
        .collect();
    let leaf = identity.leaf.clone();
    profile::IdentityContext {
        json: identity.context(trust),
        forms,
        covers: Box::new(move |name| leaf.covers(name)),
        turn: turn.clone(),
    }
}

/// Returns the files of the identity that a generation keeps, so that a hook can apply the very same again.
fn kept(identity: &Identity) -> Vec<(&'static str, Bytes)> {
    let files = [
        ("key.pem", Form::Key),
        ("fullchain.pem", Form::Fullchain),
        ("anchor.pem", Form::Anchor),
    ];
    files
        .into_iter()
        .filter_map(|(name, form)| Some((name, identity.form(form)?)))
        .collect()
}

fn line(identity: &Identity, source: &str) -> IdentityLine {
    let leaf = &identity.leaf;
    IdentityLine {
        fingerprint: identity.fingerprint().to_owned(),
        subject: leaf.subject.clone(),
        names: leaf
            .dns
            .iter()
            .cloned()
            .chain(leaf.ips.iter().map(ToString::to_string))
            .collect(),
        not_after: leaf.not_after,
        source: source.to_owned(),
    }
}

/// Finds the files and units that use the identity, and servers that use another one.
fn add_consumers(
    host: &dyn Host,
    profiles: &[(Profile, Facts)],
    desired: &mut Desired,
) -> Result<()> {
    let paths = desired
        .targets
        .iter()
        .filter(|t| t.identity)
        .map(|t| t.path.clone())
        .collect();
    let facts: Vec<&Facts> = profiles.iter().map(|(_, facts)| facts).collect();
    let (mut found, whole) = effective::consumers(host.tree(), &facts, &effective::Pair { paths })?;
    desired.findings.extend(effective::elsewhere(&found));
    if !whole {
        let message = "/etc is too large to look through whole: there may be more consumers";
        desired.findings.push(Finding::host(
            Severity::Note,
            "consumers-cut-short",
            message,
        ));
    }
    let ours: HashSet<&str> = desired.targets.iter().map(|t| t.path.as_str()).collect();
    found.retain(|consumer| !ours.contains(consumer.path.as_str()));
    desired.consumers = effective::files(&found);
    Ok(())
}

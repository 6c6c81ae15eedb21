//! From a request to a plan: the first half of the one way through, which cannot change anything.

use std::collections::HashSet;

use crate::{
    apply::Keep,
    desired::{Desired, Probe, Service},
    effective,
    error::{Error, Result, backticked},
    facts::{self, Facts},
    host::Host,
    identity::{Checks, Form, Identity, Trust},
    journal::{Intent, Store},
    pins::{self, Leaf, Move},
    plan::{self, Change, IdentityLine, Overlay, Plan, Promise},
    preflight::{self, Finding, Severity},
    probe::{self, Defaults, Observation, Says, Want},
    profile::{self, Profile},
    rollouts::{self, Request, Resolved},
    service,
    source::Files,
    state::{Bytes, HostPath},
};

mod anchors;
mod defaults;
mod far;
mod managers;
mod never;
mod readers;
mod revert;

use readers::{unreadable, unreadable_by_units};

/// A plan, and what a rollout of it leaves behind.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// What is kept once it is final.
    pub keep: Keep,
}

/// What a request asks of this host, before its targets are read.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The rollout, nothing left to look up.
    pub resolved: Resolved,
    /// Its identity.
    pub identity: Identity,
    /// Its profiles, each with what it read of the host.
    pub profiles: Vec<(Profile, Facts)>,
    /// Who trusts the leaf.
    pub trust: Trust,
    /// What the profiles ask for, with every finding so far.
    pub desired: Desired,
}

/// Finds out what a request asks of this host.
///
/// # Errors
/// Whatever keeps that from being told. The host is unchanged.
pub(crate) fn survey(host: &dyn Host, request: &Request) -> Result<Survey> {
    let (resolved, identity, findings) = rollouts::resolve(host, request)?;
    let set = &resolved.remembered.set;
    let profiles = profiles(host, request, &resolved, Ok)?;
    if identity.key.is_none() {
        // No profile could be rendered without a key; what was found says why there is none.
        return Err(Error::Findings(findings));
    }
    let anchors = host.trust_anchors();
    let trust = identity.trust(&anchors, host.now());
    let context = context(&identity, trust);
    let mut desired = profile::desired(&profiles, &context, set, &profile::HostIds(host))?;
    // Files of this host tell nothing of another machine.
    if request.consumers && !desired.targets.is_empty() {
        add_consumers(host, &profiles, &mut desired)?;
    }
    let checks = Checks {
        now: host.now(),
        warn_days: Checks::WARN_DAYS,
        anchors: &anchors,
        names: &[],
    };
    desired.findings.extend(findings);
    desired.findings.extend(identity.findings(&checks));
    desired
        .findings
        .extend(anchors::astray(host, &identity, &desired));
    Ok(Survey {
        resolved,
        identity,
        profiles,
        trust,
        desired,
    })
}

/// Loads the profiles of a rollout, each as `course` takes it, with what it reads of the host.
fn profiles(
    host: &dyn Host,
    request: &Request,
    resolved: &Resolved,
    course: fn(Profile) -> Result<Profile>,
) -> Result<Vec<(Profile, Facts)>> {
    let load = |name: &String| {
        let profile = course(profile::load(name, host, request.profiles_dir.as_deref())?)?;
        fits(&profile, host)?;
        let given = profile::given_to(&profile, &resolved.remembered.set);
        let facts = facts::discover(&profile, host, &given)?;
        Ok((profile, facts))
    };
    resolved.remembered.profiles.iter().map(load).collect()
}

/// Finds out what a request would do.
///
/// # Errors
/// Whatever keeps a plan from being made; fatal findings are in the plan. The host is unchanged.
pub fn prepare(host: &dyn Host, request: &Request) -> Result<Prepared> {
    if request.revert {
        return revert::prepare(host, request);
    }
    let Survey {
        resolved,
        identity,
        profiles,
        desired,
        ..
    } = survey(host, request)?;
    let mut keep = Keep {
        identity: kept(&identity),
        far: Vec::new(),
        rollout: Some(resolved.remembered.clone()),
        deferred: request.deferred,
        plan: Vec::new(),
        hook: None,
    };
    // What was read of a large host is not needed any more once it says what is wanted.
    drop(profiles);
    let goal = Goal {
        line: line(&identity),
        want: probe::served(&identity),
        leaf: Some(Leaf::of(&identity.leaf.der)),
        changes: Vec::new(),
        made: None,
        deferred: request.deferred,
        reverts: false,
        previous: request.previous.clone(),
        pair: Some(identity),
    };
    let (plan, sent) = assemble(host, &resolved, desired, goal)?;
    keep.far = sent;
    Ok(Prepared { plan, keep })
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

/// What endpoints are to serve, and what a revert adds to a plan.
struct Goal {
    line: IdentityLine,
    want: Want,
    /// The leaf among it, where it is known before.
    leaf: Option<Leaf>,
    /// Removals, before all other changes.
    changes: Vec<Change>,
    /// What a command of the plan makes, of which nothing can be said before.
    made: Option<Service>,
    /// Whether services and proof are left to a later run.
    deferred: bool,
    /// Whether it leads back to the platform's own default.
    reverts: bool,
    /// Where the pair is that other machines have now, if it was given.
    previous: Files,
    /// The pair that they are to have.
    pair: Option<Identity>,
}

/// Puts a plan together, and returns with it what its requests to other machines carry.
fn assemble(
    host: &dyn Host,
    resolved: &Resolved,
    mut desired: Desired,
    goal: Goal,
) -> Result<(Plan, Vec<(String, Bytes)>)> {
    let far = far::prepare(host, resolved, &mut desired, &goal)?;
    let mut observed = plan::observe(host, desired.targets, fresh(host))?;
    observed.changes.splice(0..0, goal.changes);
    let mut findings = desired.findings;
    findings.extend(observed.findings);
    let made = goal
        .made
        .as_ref()
        .map_or(&[][..], |service| &service.writes);
    findings.extend(never::touched(&desired.never_touch, &observed.changes));
    findings.extend(managers::named(host.tree(), &observed.changes));
    let overlay = Overlay::new(host.tree(), &observed.changes);
    findings.extend(unreadable(
        host,
        &overlay,
        &desired.probes,
        &observed.changes,
        made,
    )?);
    let live = host.is_live();
    let mut promises = promises(&goal.want, desired.probes);
    let mut baseline: Vec<Observation> = if live {
        promises
            .iter()
            .map(|p| probe::observe(host, &p.probe))
            .collect()
    } else {
        Vec::new()
    };
    promises.extend(far.promises);
    baseline.extend(far.baseline);
    findings.extend(far.findings);
    // With changes the services are told anyway, and a run that tells none leaves what is owed as it is.
    let asks = live && !goal.deferred;
    let owed = if asks && (observed.changes.is_empty() || !resolved.obligations.is_empty()) {
        owed(resolved, &promises, &baseline)
    } else {
        Vec::new()
    };
    let pins = moves(host, &promises, goal.leaf.as_ref(), asks, &mut findings)?;
    let known = Defaults::read(host, &desired.default_identities);
    findings.extend(defaults::served(&known, &promises, &baseline));
    let services = if live {
        let mut due = due(desired.services, &observed.changes, &owed);
        due.splice(0..0, goal.made.clone());
        service::learned(due, &resolved.restart)
    } else {
        Vec::new()
    };
    let units = service::observe(host, &services)?;
    let services = match placed(host, resolved)? {
        Some(last) if observed.changes.is_empty() && last.deferred => {
            service::not_started_since(services, &last.units, &units)
        }
        // They were told then, and nothing shows that they did not heed it: only the proof is owed.
        Some(_) if observed.changes.is_empty() && owed == resolved.obligations => Vec::new(),
        Some(_) | None => services,
    };
    findings.extend(service::findings(&services, &units));
    for reads in &desired.reads {
        findings.extend(unreadable_by_units(
            host,
            &overlay,
            reads,
            &units,
            &observed.changes,
        ));
    }
    let leaf = goal.leaf.as_ref().filter(|_| live);
    let says = leaf.map_or_else(Vec::new, |leaf| Says::all(desired.says, leaf));
    let mut commands = service::commands(&services, &units);
    commands.extend(says.iter().map(|says| says.command.clone()));
    let plan = Plan {
        rollout: resolved.name.clone(),
        profiles: desired.profiles,
        identity: goal.line,
        settings: desired.settings,
        commands,
        says,
        promises: if live { promises } else { Vec::new() },
        findings: preflight::allow(findings, &resolved.remembered.allow),
        consumers: desired.consumers,
        holders: plan::holders(host, &observed.changes),
        changes: observed.changes,
        shown: observed.shown,
        read_back: desired.read_back,
        steps: desired.steps,
        deadline: desired.deadline,
        services,
        units,
        baseline,
        owed,
        live,
        undoes: None,
        reverts: desired.regenerate.is_some() || goal.reverts,
        far: far.far,
        pins,
    };
    Ok((plan, far.keep))
}

/// Returns the pins that move with the leaf, of endpoints that are the peers they pin.
///
/// # Errors
/// [`Error::WrongPeer`] where one is not: nobody knows then whose leaf would be taken over. Else as [`pins::load`].
fn moves(
    host: &dyn Host,
    promises: &[Promise],
    leaf: Option<&Leaf>,
    provable: bool,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Move>> {
    let pins = pins::load(host)?;
    let Some(leaf) = leaf else {
        findings.extend(pins.left_behind(promises, &[]));
        return Ok(Vec::new());
    };
    let moves = pins.moves(promises, leaf, provable);
    if host.is_live() && !moves.is_empty() {
        let peers: Vec<String> = moves.iter().map(|moved| moved.peer.clone()).collect();
        let looked = pins::check(host, &pins, &peers)?;
        let wrong: Vec<_> = looked.into_iter().filter_map(|one| one.mismatch).collect();
        if !wrong.is_empty() {
            return Err(Error::WrongPeer(wrong));
        }
    }
    Ok(moves)
}

/// Returns what templates may see of the identity, and its forms.
fn context(identity: &Identity, trust: Trust) -> profile::IdentityContext {
    let forms = Form::NAMES
        .iter()
        .filter_map(|(name, form)| Some((*name, identity.form(*form)?)))
        .collect();
    let leaf = identity.leaf.clone();
    profile::IdentityContext {
        json: identity.context(trust),
        forms,
        covers: Box::new(move |name| leaf.covers(name)),
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

fn line(identity: &Identity) -> IdentityLine {
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
    }
}

/// Says what each probe must see.
fn promises(served: &Want, probes: Vec<Probe>) -> Vec<Promise> {
    probes
        .into_iter()
        .map(|probe| Promise {
            want: probe.want(served),
            probe,
            after: 0,
        })
        .collect()
}

/// Says why services are told although no file changes: an earlier run owes it, or an endpoint serves another leaf.
fn owed(resolved: &Resolved, promises: &[Promise], baseline: &[Observation]) -> Vec<String> {
    let mut owed = resolved.obligations.clone();
    // What a request to another machine will set is nothing that a service could be told.
    let local = promises.iter().zip(baseline);
    for (promise, seen) in local.filter(|(promise, _)| promise.after == 0) {
        let verdict = probe::judge(&promise.probe, &promise.want, seen, seen);
        if verdict.judged && !verdict.good {
            owed.push(format!(
                "{}: {}, want {}",
                verdict.probe, verdict.found, verdict.want
            ));
        }
    }
    owed
}

/// Returns the generation that put in place what is still owed, if anything is.
fn placed(host: &dyn Host, resolved: &Resolved) -> Result<Option<Intent>> {
    if resolved.obligations.is_empty() || resolved.generation == 0 {
        return Ok(None);
    }
    Store::generation(host, resolved.generation).map(|last| Some(last.intent))
}

/// Keeps the services that a change or an obligation owes.
fn due(services: Vec<Service>, changes: &[Change], owed: &[String]) -> Vec<Service> {
    let touched: HashSet<&HostPath> = changes.iter().map(|c| &c.path).collect();
    let is_due = |service: &Service| {
        !owed.is_empty()
            || if service.on.is_empty() {
                !changes.is_empty()
            } else {
                service.on.iter().any(|p| touched.contains(p))
            }
    };
    services.into_iter().filter(is_due).collect()
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

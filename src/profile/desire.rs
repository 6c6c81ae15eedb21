//! The pure step: profiles, facts, identity and settings in; everything wanted out.

use std::collections::BTreeMap;

mod call;
mod far;
mod probe;
mod revert;

use super::{
    FindingSpec, IdentityContext, Ids, Profile, ServiceSpec, StepSpec,
    parse::is_dotted,
    settings::{self, given_to},
};
use crate::{
    desired::{Desired, Manager, Reads, Service, Step, Target},
    error::Result,
    facts::Facts,
    host::Command,
    preflight::{Finding, Scope as FindingScope},
    render::{Expr, Renderer, Scope},
    resource::Asking,
    service::{self, unit_name},
    state::HostPath,
};

/// Seconds that a platform's script or a config test may run.
const COMMAND_LIMIT: u64 = 600;

/// Seconds that all probes together may take, unless the profile says otherwise.
const DEADLINE: u64 = 60;

/// Renders everything that profiles ask for, before anything of their targets is read.
///
/// `set` are the settings that were given, by name (`port`), or by profile and name (`nginx.port`); every other one takes
/// its default.
///
/// # Errors
/// [`crate::error::Error::Unknown`] for a setting that no profile has; [`crate::error::Error::Usage`] for a value that one does not take;
/// [`crate::error::Error::Parse`] where an expression gives what cannot be. Nothing was touched.
pub fn desired(
    profiles: &[(Profile, Facts)],
    identity: &IdentityContext,
    set: &BTreeMap<String, String>,
    ids: &dyn Ids,
) -> Result<Desired> {
    let several = profiles.len() > 1;
    settings::check(profiles.iter().map(|(profile, _)| profile), set)?;
    let mut desired = Desired::default();
    for (profile, facts) in profiles {
        let (scope, settings) = settings::scope(profile, facts, identity, &given_to(profile, set))?;
        let mut one = One {
            profile,
            facts,
            identity,
            scope,
        };
        one.add(&mut desired, ids)?;
        desired.profiles.push(profile.name.clone());
        desired.deadline = desired.deadline.max(one.deadline()?);
        desired.warn_days = desired.warn_days.max(profile.warn_days.unwrap_or_default());
        desired
            .settings
            .extend(settings.into_iter().map(|(name, value)| {
                let whose = format!("{}.{name}", profile.name);
                (if several { whose } else { name }, value)
            }));
    }
    desired.findings.extend(twice(&desired.targets));
    Ok(desired)
}

struct One<'a> {
    profile: &'a Profile,
    facts: &'a Facts,
    identity: &'a IdentityContext,
    scope: Scope,
}

impl One<'_> {
    fn renderer(&self) -> &Renderer {
        &self.profile.renderer
    }

    fn text(&self, expr: &Expr, scope: &Scope) -> Result<String> {
        self.renderer().text(expr, scope)
    }

    fn path(&self, expr: &Expr, scope: &Scope) -> Result<HostPath> {
        let text = self.text(expr, scope)?;
        HostPath::new(&text).map_err(|why| expr.error(format!("path `{text}` {why}"), ""))
    }

    /// Calls `f` for each member of a list with `item` bound, or once where there is no list; `when` is asked each time.
    fn for_each(
        &self,
        each: Option<&Expr>,
        when: Option<&Expr>,
        mut f: impl FnMut(&Scope) -> Result<()>,
    ) -> Result<()> {
        let Some(each) = each else {
            if self.renderer().holds(when, &self.scope)? {
                f(&self.scope)?;
            }
            return Ok(());
        };
        let list = self
            .facts
            .list(&each.text)
            .ok_or_else(|| crate::resource::no_list(each))?;
        for item in list {
            let scope = self.scope.with_item(item);
            if self.renderer().holds(when, &scope)? {
                f(&scope)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, desired: &mut Desired, ids: &dyn Ids) -> Result<()> {
        let first_target = desired.targets.len();
        for spec in &self.profile.findings {
            self.finding(spec, &mut desired.findings)?;
        }
        let turn = &self.identity.turn;
        let due = |phase: usize| turn.at.is_none_or(|at| phase <= at);
        if turn.at.is_some() && turn.keeps {
            desired.own.get_or_insert_default();
        }
        for resource in self.profile.resources.iter().filter(|r| due(r.phase)) {
            let (targets, trusts, findings) = {
                let made: &[Target] = &desired.targets;
                let rest = (self.identity, self.facts, made, ids);
                resource.desired(
                    |r, uid, gid| Asking::new(r, (uid, gid), self.renderer(), &self.scope, rest),
                    self.renderer(),
                    &self.scope,
                    ids,
                )?
            };
            if let Some(own) = &mut desired.own
                && turn.at == Some(resource.phase)
            {
                own.extend(targets.iter().map(|target| target.path.clone()));
            }
            desired.targets.extend(targets);
            desired.trusts.extend(trusts);
            desired.findings.extend(findings);
        }
        self.revert(desired)?;
        let (first_service, first_probe) = (desired.services.len(), desired.probes.len());
        self.services(desired, first_target)?;
        for spec in &self.profile.probes {
            if due(spec.phase) {
                self.probe(spec, desired)?;
            } else {
                self.steady(spec, desired)?;
            }
        }
        self.far(desired)?;
        self.names(desired)?;
        self.remarks(desired)?;
        let own = desired.services.get_mut(first_service..);
        let probes = desired.probes.get(first_probe..);
        service::assign(own.unwrap_or_default(), probes.unwrap_or_default());
        for spec in &self.profile.steps {
            self.step(spec, &mut desired.steps)?;
        }
        for expr in &self.profile.never_touch {
            desired.never_touch.push(self.text(expr, &self.scope)?);
        }
        for expr in &self.profile.default_identity {
            desired
                .default_identities
                .push(self.text(expr, &self.scope)?);
        }
        Ok(())
    }

    fn deadline(&self) -> Result<u64> {
        let Some(expr) = &self.profile.deadline else {
            return Ok(DEADLINE);
        };
        let text = self.text(expr, &self.scope)?;
        let seconds = text.trim().parse();
        seconds.map_err(|_| expr.error(format!("`{text}` is no number of seconds"), ""))
    }

    fn finding(&self, spec: &FindingSpec, out: &mut Vec<Finding>) -> Result<()> {
        self.for_each(spec.each.as_ref(), spec.when.as_ref(), |scope| {
            let message = self.text(&spec.message, scope)?;
            let mut finding = match spec.scope {
                FindingScope::Input => Finding::input(spec.severity, spec.name, message),
                FindingScope::Host => Finding::host(spec.severity, spec.name, message),
            };
            if let Some(hint) = &spec.hint {
                finding = finding.hinted(self.text(hint, scope)?);
            }
            out.push(finding);
            Ok(())
        })
    }

    fn command(&self, argv: &[Expr], limit: u64) -> Result<Option<Command>> {
        if argv.is_empty() {
            return Ok(None);
        }
        let argv = argv
            .iter()
            .map(|e| self.text(e, &self.scope))
            .collect::<Result<_>>()?;
        Ok(Some(Command { argv, limit }))
    }

    fn service(&self, spec: &ServiceSpec) -> Result<Option<Service>> {
        if !self.renderer().holds(spec.when.as_ref(), &self.scope)? {
            return Ok(None);
        }
        let mut units = Vec::new();
        for unit in &spec.units {
            if is_dotted(unit) {
                let list = self.facts.list(&unit.text);
                let list = list.ok_or_else(|| crate::resource::no_list(unit))?;
                units.extend(list.iter().filter_map(|u| u.as_str().map(str::to_owned)));
            } else {
                let text = self.text(unit, &self.scope)?;
                units.extend(text.split_whitespace().map(str::to_owned));
            }
        }
        // A platform's script restarts many units, each of which may take the service's limit.
        let limit = match spec.manager {
            Manager::Command => spec.limit,
            Manager::Systemd | Manager::WazoService => COMMAND_LIMIT,
        };
        let command = self.command(&spec.command, limit)?;
        if units.is_empty() && command.is_none() {
            return Ok(None);
        }
        Ok(Some(Service {
            manager: spec.manager,
            action: spec.action,
            units,
            command,
            then: self.command(&spec.then, limit)?,
            config_test: self.command(&spec.config_test, limit)?,
            limit: spec.limit,
            on: self.paths(&spec.on)?,
            serves: BTreeMap::new(),
            writes: Vec::new(),
        }))
    }

    fn paths(&self, exprs: &[Expr]) -> Result<Vec<HostPath>> {
        exprs.iter().map(|e| self.path(e, &self.scope)).collect()
    }

    /// Adds the services, and which files their units read: what the profile says, or, of its only unit, all PEM files.
    fn services(&self, desired: &mut Desired, first_target: usize) -> Result<()> {
        let mut own = Vec::new();
        for spec in &self.profile.services {
            let Some(service) = self.service(spec)? else {
                continue;
            };
            let units: Vec<String> = service.units.iter().map(|unit| unit_name(unit)).collect();
            own.push((units, self.paths(&spec.reads)?));
            desired.services.push(service);
        }
        if let [(units, paths)] = own.as_mut_slice()
            && units.len() == 1
            && paths.is_empty()
        {
            let pems = desired.targets.iter().skip(first_target);
            let paths = pems.filter(|t| t.identity).map(|t| t.path.clone());
            desired.reads.push(Reads {
                units: units.clone(),
                paths: paths.collect(),
                declared: false,
            });
        }
        let declared = own.into_iter().filter(|(_, paths)| !paths.is_empty());
        desired.reads.extend(declared.map(|(units, paths)| Reads {
            units,
            paths,
            declared: true,
        }));
        Ok(())
    }

    fn step(&self, spec: &StepSpec, out: &mut Vec<Step>) -> Result<()> {
        self.for_each(spec.each.as_ref(), spec.when.as_ref(), |scope| {
            let gone = match &spec.gone {
                None => None,
                Some((file, text)) => Some((self.path(file, scope)?, self.text(text, scope)?)),
            };
            let step = Step {
                text: self.text(&spec.text, scope)?,
                gone,
            };
            if !out.contains(&step) {
                out.push(step);
            }
            Ok(())
        })
    }
}

/// Finds paths that are asked for twice with different contents or attributes.
fn twice(targets: &[Target]) -> Vec<Finding> {
    let mut seen: BTreeMap<&HostPath, &Target> = BTreeMap::new();
    let mut findings = Vec::new();
    for target in targets {
        match seen.insert(&target.path, target) {
            Some(before) if before.wanted != target.wanted || before.rewrite != target.rewrite => {
                let message = format!("`{}` is asked for twice, differently", target.path);
                findings.push(
                    Finding::input(crate::preflight::Severity::Fatal, "target-twice", message)
                        .hinted("leave out one of the profiles, or change a setting"),
                );
            }
            _ => {}
        }
    }
    findings
}

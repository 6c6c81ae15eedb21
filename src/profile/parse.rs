//! From text to [`Profile`]: the schema, strict.

use std::collections::BTreeMap;

use super::{
    Detect, Fields, FindingSpec, ProbeKind, Profile, RemovalSpec, Revert, ServiceSpec, Setting,
    StepSpec, collect,
    far::{FarSpec, leads, remark},
    fields,
    phases::{phases, settle},
    probe::probe,
};
use crate::{
    desired::{Action, Manager},
    effective::Table,
    error::Result,
    facts::Fact,
    preflight::{Scope, Severity},
    render::{Expr, Names, Renderer},
    resource::Resource,
    state::HostPath,
    yaml::{self, Dialect, Node},
};

/// Seconds that a unit may take to be active again, unless the profile says otherwise.
const UNIT_LIMIT: u64 = 90;

impl Profile {
    /// Parses a profile and the files that stand beside it.
    ///
    /// # Errors
    /// [`crate::error::Error::Parse`] with file, line and column at the first key, name, type or combination that
    /// cannot be; its hint lists what could.
    pub fn parse(path: &str, text: &str, files: &BTreeMap<String, String>) -> Result<Self> {
        let root = yaml::parse(path, text, Dialect::Strict)?;
        let mut top = Fields::new(path, "profile", &root)?;
        let name = top.need("profile")?.text;
        let detect = detect(path, &mut top)?;
        let settings = settings(path, &mut top)?;
        let facts = facts(path, &mut top)?;
        let dir = path.rsplit_once('/').map_or(".", |(dir, _)| dir);
        let tables = tables(dir, files, &facts)?;
        let names = Names {
            settings: settings.iter().map(|s| s.name.clone()).collect(),
            facts: facts.iter().map(|(name, _)| name.clone()).collect(),
        };
        let exprs = collect::expressions(path, &root)?;
        let mut profile = Self {
            name,
            title: top.need("title")?.text,
            source: top.need("source")?.text,
            tested: top.texts("tested")?.into_iter().map(|e| e.text).collect(),
            detect,
            settings,
            facts,
            findings: each(&mut top, "findings", finding)?,
            resources: each(&mut top, "resources", Resource::parse)?,
            far: top
                .node("far")
                .map(|n| FarSpec::parse(path, n))
                .transpose()?,
            names: each(&mut top, "names", leads)?,
            remarks: each(&mut top, "remarks", remark)?,
            services: each(&mut top, "services", service)?,
            probes: each(&mut top, "probes", probe)?,
            steps: each(&mut top, "steps", step)?,
            never_touch: top.texts("never_touch")?,
            default_identity: top.texts("default_identity")?,
            deadline: top.number_or_code("deadline")?,
            sni: top
                .node("sni")
                .map(|n| super::sni::rules(path, n))
                .transpose()?,
            warn_days: top.number("warn_days")?,
            revert: top
                .node("revert")
                .map(|n| Revert::parse(path, n))
                .transpose()?,
            phases: phases(&mut top)?,
            by_itself: by_itself(path, &mut top)?,
            back: None,
            tables,
            renderer: Renderer::new(dir, files, &exprs, &names)?,
        };
        if let (Some(far), false) = (&profile.far, profile.phases.is_empty()) {
            let message = "what is set on another machine cannot be rotated in phases";
            return Err(far.peer.error(
                message,
                "leave out `phases`, or make it a profile of its own",
            ));
        }
        settle(
            path,
            &profile.phases,
            &mut profile.resources,
            &mut profile.probes,
        )?;
        profile.check_references(&names)?;
        top.done()?;
        Ok(profile)
    }

    /// Resolves what expressions alone do not: templates by name, and dotted paths of `each` and `units`.
    fn check_references(&self, names: &Names) -> Result<()> {
        let revert = self.revert.as_ref();
        let resources = self
            .resources
            .iter()
            .chain(revert.iter().flat_map(|r| &r.resources));
        let templates = resources.clone().filter_map(|r| r.ask.template());
        let removals = || revert.iter().flat_map(|r| &r.back.remove);
        for template in templates.chain(removals().filter_map(RemovalSpec::template)) {
            if !self.renderer.has_template(&template.text) {
                return Err(template.error(
                    format!("unknown template `{}`", template.text),
                    "it must stand beside the profile and end in `.tera`",
                ));
            }
        }
        let findings = self
            .findings
            .iter()
            .chain(revert.iter().flat_map(|r| &r.findings));
        let probes = self
            .probes
            .iter()
            .chain(revert.iter().flat_map(|r| &r.probes));
        let steps = self
            .steps
            .iter()
            .chain(revert.iter().flat_map(|r| &r.steps));
        let lists = (findings.filter_map(|f| f.each.as_ref()))
            .chain(probes.clone().filter_map(|p| p.each.as_ref()))
            .chain(steps.filter_map(|s| s.each.as_ref()))
            .chain(resources.filter_map(|r| r.ask.list()))
            .chain(removals().filter_map(|r| r.each.as_ref()))
            .chain(
                self.services
                    .iter()
                    .flat_map(|s| &s.units)
                    .filter(|u| is_dotted(u)),
            )
            .chain(probes.filter_map(|p| match &p.what {
                ProbeKind::Effective { fact, .. } => Some(fact),
                _ => None,
            }));
        for list in lists {
            let known: Vec<String> = names.facts.iter().map(|n| format!("facts.{n}")).collect();
            let name = list.text.split('.').nth(1).unwrap_or_default();
            if !is_dotted(list) || !names.facts.iter().any(|n| n == name) {
                return Err(list.error(
                    format!("undefined fact `{}`", list.text),
                    crate::error::known(&known),
                ));
            }
        }
        Ok(())
    }
}

/// Tells whether a text is a dotted path to a fact, as `facts.daemons.units`.
pub(super) fn is_dotted(expr: &Expr) -> bool {
    let mut parts = expr.text.split('.');
    let plain = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    parts.next() == Some("facts") && expr.text.contains('.') && parts.all(plain)
}

pub(super) fn each<T>(
    top: &mut Fields<'_>,
    name: &'static str,
    read: fn(&str, &Node) -> Result<T>,
) -> Result<Vec<T>> {
    let path = top.path();
    if let Some(node) = top.node(name)
        && !matches!(node.value, yaml::Value::List(_) | yaml::Value::Null)
    {
        let message = format!("`{name}` is {}: want a list", node.noun());
        return Err(fields::error(path, node, message, ""));
    }
    top.members(name).iter().map(|n| read(path, n)).collect()
}

/// Reads when the platform gets its pair by itself.
fn by_itself(path: &str, top: &mut Fields<'_>) -> Result<Option<Expr>> {
    let Some(node) = top.node("by_itself") else {
        return Ok(None);
    };
    let mut fields = Fields::new(path, "by_itself", node)?;
    let Some(when) = fields.when()? else {
        return Err(fields.error(
            "`by_itself` has no `when`",
            "say in which case: `{when: CONDITION}`",
        ));
    };
    fields.done()?;
    Ok(Some(when))
}

fn host_path(expr: &Expr) -> Result<HostPath> {
    HostPath::new(&expr.text).map_err(|why| expr.error(format!("`{}` {why}", expr.text), ""))
}

fn detect(path: &str, top: &mut Fields<'_>) -> Result<Detect> {
    let Some(node) = top.node("detect") else {
        return Ok(Detect::default());
    };
    let mut fields = Fields::new(path, "detect", node)?;
    let any = fields
        .texts("any")?
        .iter()
        .map(host_path)
        .collect::<Result<_>>()?;
    let all = fields
        .texts("all")?
        .iter()
        .map(host_path)
        .collect::<Result<_>>()?;
    fields.done()?;
    Ok(Detect { any, all })
}

/// Reads a mapping of named things; a name that an expression could not spell is refused.
fn named<'a>(
    path: &str,
    top: &mut Fields<'a>,
    key: &'static str,
) -> Result<Vec<(String, &'a Node)>> {
    let Some(node) = top.node(key) else {
        return Ok(Vec::new());
    };
    if !matches!(node.value, yaml::Value::Map(_)) {
        let message = format!("`{key}` is {}: want a mapping", node.noun());
        return Err(fields::error(path, node, message, ""));
    }
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let mut all = Vec::new();
    for (name, node) in node.entries() {
        if !name.name.chars().all(ok) || name.name.is_empty() {
            return Err(fields::error(
                path,
                node,
                format!("`{}` cannot be named in an expression", name.name),
                "use small letters, digits and `_`",
            ));
        }
        all.push((name.name.clone(), node));
    }
    Ok(all)
}

fn settings(path: &str, top: &mut Fields<'_>) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    for (name, node) in named(path, top, "settings")? {
        let mut fields = Fields::new(path, "setting", node)?;
        let setting = Setting {
            name,
            default: fields.need("default")?,
            help: fields.need("help")?.text,
            one_of: fields
                .texts("one_of")?
                .into_iter()
                .map(|e| e.text)
                .collect(),
            or_path: fields.flag("or_path")?,
        };
        if setting.or_path && setting.one_of.is_empty() {
            return Err(fields.error(
                "`or_path` without `one_of`",
                "give the words it takes beside a path",
            ));
        }
        fields.done()?;
        all.push(setting);
    }
    Ok(all)
}

fn facts(path: &str, top: &mut Fields<'_>) -> Result<Vec<(String, Fact)>> {
    named(path, top, "facts")?
        .into_iter()
        .map(|(name, node)| Ok((name, Fact::parse(path, node)?)))
        .collect()
}

fn tables(
    dir: &str,
    files: &BTreeMap<String, String>,
    facts: &[(String, Fact)],
) -> Result<BTreeMap<String, Table>> {
    let mut tables = BTreeMap::new();
    for (_, fact) in facts {
        let Some(name) = fact.table() else { continue };
        let Some(text) = files.get(&name.text) else {
            return Err(name.error(
                format!("unknown table `{}`", name.text),
                "it must stand beside the profile",
            ));
        };
        let table = Table::parse(&format!("{dir}/{}", name.text), text)?;
        tables.insert(name.text.clone(), table);
    }
    Ok(tables)
}

pub(super) fn finding(path: &str, node: &Node) -> Result<FindingSpec> {
    let mut fields = Fields::new(path, "finding", node)?;
    let severities = [
        ("fatal", Severity::Fatal),
        ("warning", Severity::Warning),
        ("note", Severity::Note),
    ];
    let scopes = [("input", Scope::Input), ("host", Scope::Host)];
    let found = FindingSpec {
        when: fields.when()?,
        each: fields.text("each")?,
        severity: fields
            .word("severity", &severities)?
            .unwrap_or(Severity::Warning),
        scope: fields.word("scope", &scopes)?.unwrap_or(Scope::Host),
        // Findings carry static names so that `--allow` can be checked; a profile is parsed once in a process.
        name: String::leak(fields.need("name")?.text),
        message: fields.need("message")?,
        hint: fields.text("hint")?,
    };
    fields.done()?;
    Ok(found)
}

fn service(path: &str, node: &Node) -> Result<ServiceSpec> {
    let mut fields = Fields::new(path, "service", node)?;
    let managers = [
        ("systemd", Manager::Systemd),
        ("wazo-service", Manager::WazoService),
        ("command", Manager::Command),
    ];
    let actions = [("restart", Action::Restart), ("reload", Action::Reload)];
    let spec = ServiceSpec {
        when: fields.when()?,
        manager: fields
            .word("manager", &managers)?
            .unwrap_or(Manager::Systemd),
        action: fields.word("action", &actions)?.unwrap_or_default(),
        units: fields.texts("units")?,
        command: fields.texts("command")?,
        then: fields.texts("then")?,
        config_test: fields.texts("config_test")?,
        limit: fields.number("limit")?.unwrap_or(UNIT_LIMIT),
        on: fields.texts("on")?,
        reads: fields.texts("reads")?,
    };
    match (spec.manager, spec.command.is_empty(), spec.units.is_empty()) {
        (Manager::Systemd, false, _) => {
            return Err(fields.error("`systemd` takes no `command`", "use `manager: command`"));
        }
        (Manager::Systemd, true, true) => {
            return Err(fields.error("`systemd` needs `units`", "add `units: [NAME]`"));
        }
        (Manager::WazoService | Manager::Command, true, _) => {
            return Err(fields.error(
                "this manager needs a `command`",
                "add `command: [PROGRAM, ARGUMENT]`",
            ));
        }
        _ if spec.manager != Manager::Command && !spec.then.is_empty() => {
            return Err(fields.error("only `manager: command` takes `then`", ""));
        }
        _ => {}
    }
    fields.done()?;
    Ok(spec)
}

pub(super) fn step(path: &str, node: &Node) -> Result<StepSpec> {
    let mut fields = Fields::new(path, "step", node)?;
    let when = fields.when()?;
    let each = fields.text("each")?;
    let text = fields.need("text")?;
    let gone = match fields.node("gone") {
        None => None,
        Some(node) => {
            let mut gone = Fields::new(path, "gone", node)?;
            let pair = (gone.need("file")?, gone.need("text")?);
            gone.done()?;
            Some(pair)
        }
    };
    fields.done()?;
    Ok(StepSpec {
        when,
        each,
        text,
        gone,
    })
}

//! How a profile's platform gets back to its own default: the section `revert`.

use super::{
    Fields, FindingSpec, ProbeSpec, Profile, StepSpec,
    far::{FarSpec, RequestSpec, request},
    parse::{each, finding, step},
    phases::settle,
    probe::probe,
};
use crate::{
    error::{Error, Result},
    render::Expr,
    resource::Resource,
    yaml::Node,
};

/// The section `revert`: what a revert wants in place of what a rollout wants. Settings, facts, services and what is
/// never touched are the profile's own.
#[derive(Debug)]
pub struct Revert {
    pub(crate) back: Back,
    /// Requests that lead to the default, to the peer of the profile's section `far`.
    pub requests: Vec<RequestSpec>,
    /// Its own checks.
    pub findings: Vec<FindingSpec>,
    /// What it wants at which path.
    pub resources: Vec<Resource>,
    /// What proves it.
    pub probes: Vec<ProbeSpec>,
    /// What is left to people.
    pub steps: Vec<StepSpec>,
}

/// What is taken away, and how the platform makes its default pair.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) remove: Vec<RemovalSpec>,
    pub(crate) regenerate: Option<RegenerateSpec>,
}

/// How the platform makes its default pair.
#[derive(Debug)]
pub(crate) struct RegenerateSpec {
    pub(crate) key: Expr,
    pub(crate) leaf: Expr,
    pub(crate) command: Vec<Expr>,
}

/// One entry of `remove`.
#[derive(Debug)]
pub struct RemovalSpec {
    /// When it applies.
    pub when: Option<Expr>,
    /// A dotted path to a list: one removal for each member.
    pub each: Option<Expr>,
    /// Where.
    pub path: Expr,
    /// The link, or the template of the file, that the platform's document puts there.
    pub like: Option<LikeSpec>,
}

/// What the platform's document puts at a path.
#[derive(Debug)]
pub enum LikeSpec {
    /// A link to this.
    Link(Expr),
    /// What this template makes.
    From(Expr),
    /// Whatever is there.
    Any,
}

impl RemovalSpec {
    fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "removal", node)?;
        let (link, from) = (fields.text("link")?, fields.text("from")?);
        let like = match (link, from, fields.flag("any")?) {
            (None, None, false) => None,
            (Some(link), None, false) => Some(LikeSpec::Link(link)),
            (None, Some(from), false) => Some(LikeSpec::From(from)),
            (None, None, true) => Some(LikeSpec::Any),
            _ => return Err(fields.error("want one of `link`, `from` and `any`", "")),
        };
        let removal = Self {
            when: fields.when()?,
            each: fields.text("each")?,
            path: fields.need("path")?,
            like,
        };
        fields.done()?;
        Ok(removal)
    }

    pub(super) fn template(&self) -> Option<&Expr> {
        match &self.like {
            Some(LikeSpec::From(from)) => Some(from),
            Some(LikeSpec::Link(_) | LikeSpec::Any) | None => None,
        }
    }
}

impl RegenerateSpec {
    fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "regenerate", node)?;
        let spec = Self {
            key: fields.need("key")?,
            leaf: fields.need("leaf")?,
            command: fields.texts("command")?,
        };
        if spec.command.is_empty() {
            let hint = "add `command: [PROGRAM, ARGUMENT]`";
            return Err(fields.error("regenerate has no `command`", hint));
        }
        fields.done()?;
        Ok(spec)
    }
}

impl Revert {
    pub(super) fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "revert", node)?;
        let regenerate = match fields.node("regenerate") {
            Some(node) => Some(RegenerateSpec::parse(path, node)?),
            None => None,
        };
        let requests = each(&mut fields, "requests", request)?;
        if regenerate.is_none() && requests.is_empty() {
            let hint = "say which files the platform makes, and how: `regenerate: {key: PATH, leaf: PATH, command: [PROGRAM]}`, or \
                        what its API is asked: `requests`";
            return Err(fields.error("revert has neither `regenerate` nor `requests`", hint));
        }
        let back = Back {
            remove: each(&mut fields, "remove", RemovalSpec::parse)?,
            regenerate,
        };
        let mut revert = Self {
            back,
            requests,
            findings: each(&mut fields, "findings", finding)?,
            resources: each(&mut fields, "resources", Resource::parse)?,
            probes: each(&mut fields, "probes", probe)?,
            steps: each(&mut fields, "steps", step)?,
        };
        settle(path, &[], &mut revert.resources, &mut revert.probes)?;
        let holds_identity = |r: &&Resource| ["keystore", "pem", "trust"].contains(&r.kind);
        if let Some(resource) = revert.resources.iter().find(holds_identity) {
            let kind = resource.kind;
            return Err(fields.error(
                format!("a revert has no identity to put anywhere: kind `{kind}` cannot be in it"),
                "the platform makes its own pair: `regenerate`",
            ));
        }
        fields.done()?;
        Ok(revert)
    }
}

impl Profile {
    /// Turns a profile into its own revert: the same platform, settings and services, and what the section `revert` wants.
    ///
    /// # Errors
    /// [`Error::Usage`] where the profile has no such section.
    pub(crate) fn reverted(self) -> Result<Self> {
        let Some(revert) = self.revert else {
            return Err(Error::Usage {
                message: format!(
                    "profile `{}` does not say how its platform gets back to its own default",
                    self.name
                ),
                hint: "take the rollout back instead: `certroll rollback`".to_owned(),
            });
        };
        Ok(Self {
            back: Some(revert.back),
            far: self.far.map(|far| FarSpec {
                requests: revert.requests,
                ..far
            }),
            names: Vec::new(),
            remarks: Vec::new(),
            findings: revert.findings,
            resources: revert.resources,
            probes: revert.probes,
            steps: revert.steps,
            revert: None,
            phases: Vec::new(),
            ..self
        })
    }
}

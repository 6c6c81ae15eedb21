//! Kinds of resources: what each asks for on a host, from a profile's entry, the identity and the facts.
//!
//! Adding a kind is one file here and one line in [`KINDS`]. A kind only says what should be at a path; how it gets
//! there, is proved and is undone is the same for all of them.

mod document;
mod held;
mod hosts;
mod keystore;
mod link;
mod pem;
mod template;
mod trust;
mod way;

pub use way::Way;

use crate::{
    desired::{OnLink, Target, TrustDir},
    error::{Error, Result, backticked},
    facts::Facts,
    preflight::Finding,
    profile::{Fields, IdentityContext, Ids},
    render::{Expr, Renderer, Scope},
    state::{Content, HostPath, Sensitivity, Wanted},
    yaml::Node,
};

/// Every kind, by name.
pub static KINDS: &[&dyn Kind] = &[
    &document::Document,
    &hosts::Hosts,
    &keystore::Keystore,
    &link::Link,
    &pem::Pem,
    &template::Template,
    &trust::Trust,
];

/// A sort of resource.
pub trait Kind: Sync {
    /// The name that `kind:` takes.
    fn name(&self) -> &'static str;

    /// What it puts on the host, in a line for people.
    fn summary(&self) -> &'static str;

    /// Reads its own keys of a profile's entry; the common ones are read by [`Resource::parse`].
    ///
    /// # Errors
    /// [`Error::Parse`] where one is missing or cannot be.
    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>>;
}

/// One entry of `resources`, parsed by its kind.
pub trait Ask: std::fmt::Debug {
    /// The pattern of directories it needs, where it needs one.
    fn glob(&self) -> Option<&str> {
        None
    }

    /// The dotted path to a list of facts it needs, where it needs one.
    fn list(&self) -> Option<&Expr> {
        None
    }

    /// The template beside the profile it needs, where it needs one.
    fn template(&self) -> Option<&Expr> {
        None
    }

    /// Where it goes, as the profile says it, for people.
    fn place(&self) -> String;

    /// Returns what it wants, everything rendered.
    ///
    /// # Errors
    /// [`Error::Parse`] where an expression gives what cannot be.
    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>>;
}

/// One resource of a profile.
#[derive(Debug)]
pub struct Resource {
    /// When it applies.
    pub when: Option<Expr>,
    /// Name of its kind.
    pub kind: &'static str,
    /// The phase from which on it is wanted, by name.
    pub phase_name: Option<Expr>,
    /// The same, from 0.
    pub phase: usize,
    /// Where it stands in the profile, from 1.
    pub line: u64,
    pub(crate) ask: Box<dyn Ask>,
    owner: Option<Expr>,
    group: Option<Expr>,
    mode: Option<u32>,
    at_most: Option<u32>,
    on_link: OnLink,
    swept: Option<HostPath>,
}

/// Everything a kind may use when it says what it wants.
#[derive(Debug)]
pub struct Asking<'a> {
    /// Renders its expressions and templates.
    pub renderer: &'a Renderer,
    /// What they see.
    pub scope: &'a Scope,
    /// The identity, as forms.
    pub identity: &'a IdentityContext,
    /// What the host has.
    pub facts: &'a Facts,
    /// What was asked for before, in this profile and those before it.
    pub made: &'a [Target],
    /// Names to ids.
    pub ids: &'a dyn Ids,
    /// What the kind finds worth saying.
    pub findings: Vec<Finding>,
    /// Directories that old trust goes from.
    pub trusts: Vec<TrustDir>,
    resource: &'a Resource,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Resource {
    /// Parses one entry.
    ///
    /// # Errors
    /// [`Error::Parse`] where the kind is unknown, a key is not its own or the common ones', or a value cannot be.
    pub fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "resource", node)?;
        let name = fields.need("kind")?;
        let Some(kind) = KINDS.iter().find(|k| k.name() == name.text) else {
            let known: Vec<String> = KINDS.iter().map(|k| k.name().to_owned()).collect();
            return Err(name.error(
                format!("unknown kind `{}`", name.text),
                format!("known kinds are {}", backticked(&known)),
            ));
        };
        let ask = kind.parse(&mut fields)?;
        let on_link = [
            ("refuse", OnLink::Refuse),
            ("follow", OnLink::Follow),
            ("replace", OnLink::Replace),
        ];
        let resource = Self {
            when: fields.when()?,
            kind: kind.name(),
            phase_name: fields.text("phase")?,
            phase: 0,
            line: node.line,
            ask,
            owner: fields.text("owner")?,
            group: fields.text("group")?,
            mode: mode(&mut fields, "mode")?,
            at_most: mode(&mut fields, "at_most")?,
            on_link: fields.word("on_link", &on_link)?.unwrap_or_default(),
            swept: swept(&mut fields)?,
        };
        if let (Some(mode), Some(most)) = (resource.mode, resource.at_most)
            && mode & !most != 0
        {
            let message = format!("mode {mode:04o} is more than `at_most` {most:04o}");
            return Err(fields.error(message, "take the bits off `mode`"));
        }
        fields.done()?;
        Ok(resource)
    }

    /// Returns where it goes, as the profile says it.
    #[must_use]
    pub fn place(&self) -> String {
        self.ask.place()
    }

    /// Returns what this resource wants, where it takes old trust from, and what it found, or nothing where it does not apply.
    ///
    /// # Errors
    /// [`Error::Unknown`] where a user or group does not exist; else as [`Ask::ask`].
    pub(crate) fn desired<'a>(
        &'a self,
        asking: impl FnOnce(&'a Self, Option<u32>, Option<u32>) -> Asking<'a>,
        renderer: &Renderer,
        scope: &Scope,
        ids: &dyn Ids,
    ) -> Result<(Vec<Target>, Vec<TrustDir>, Vec<Finding>)> {
        if !renderer.holds(self.when.as_ref(), scope)? {
            return Ok((Vec::new(), Vec::new(), Vec::new()));
        }
        let owner = self
            .owner
            .as_ref()
            .map(|e| renderer.text(e, scope))
            .transpose()?;
        let group = self
            .group
            .as_ref()
            .map(|e| renderer.text(e, scope))
            .transpose()?;
        let uid = owner.map(|name| ids.user(&name)).transpose()?;
        let gid = group.map(|name| ids.group(&name)).transpose()?;
        let mut asking = asking(self, uid, gid);
        let targets = self.ask.ask(&mut asking)?;
        Ok((targets, asking.trusts, asking.findings))
    }
}

fn swept(fields: &mut Fields<'_>) -> Result<Option<HostPath>> {
    let top = fields.text("swept")?;
    top.map(|e| {
        HostPath::new(&e.text).map_err(|why| {
            e.error(
                format!("`{}` {why}", e.text),
                "name the topmost directory that is swept",
            )
        })
    })
    .transpose()
}

impl<'a> Asking<'a> {
    /// Assembles what a kind may use.
    pub(crate) fn new(
        resource: &'a Resource,
        (uid, gid): (Option<u32>, Option<u32>),
        renderer: &'a Renderer,
        scope: &'a Scope,
        rest: (&'a IdentityContext, &'a Facts, &'a [Target], &'a dyn Ids),
    ) -> Self {
        let (identity, facts, made, ids) = rest;
        Self {
            renderer,
            scope,
            identity,
            facts,
            made,
            ids,
            findings: Vec::new(),
            trusts: Vec::new(),
            resource,
            uid,
            gid,
        }
    }

    /// Renders an expression that must give a path.
    ///
    /// # Errors
    /// [`Error::Parse`] where it gives something else.
    pub fn path(&self, expr: &Expr) -> Result<HostPath> {
        let text = self.renderer.text(expr, self.scope)?;
        HostPath::new(&text).map_err(|why| expr.error(format!("path `{text}` {why}"), ""))
    }

    /// Makes a target with the common attributes of the entry.
    #[must_use]
    pub fn target(&self, path: HostPath, content: Content, sensitivity: Sensitivity) -> Target {
        let link = matches!(content, Content::Link(_));
        let mode = self.resource.mode.filter(|_| !link);
        let target = Target::of(path, self.resource.kind, content, mode);
        Target {
            wanted: Wanted {
                uid: self.uid,
                gid: self.gid,
                ..target.wanted
            },
            sensitivity,
            at_most: self.resource.at_most.filter(|_| !link),
            swept: self.resource.swept.clone(),
            on_link: self.resource.on_link,
            ..target
        }
    }
}

/// Reads a mode, octal text: unquoted, YAML 1.2 would take `0640` for the number 640.
fn mode(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<u32>> {
    let Some(expr) = fields.text(name)? else {
        return Ok(None);
    };
    match u32::from_str_radix(&expr.text, 8) {
        Ok(mode) if mode <= 0o7777 && expr.text.len() >= 3 => Ok(Some(mode)),
        _ => Err(expr.error(
            format!("{name} `{}` is not octal", expr.text),
            format!("write it as in `{name}: \"0640\"`"),
        )),
    }
}

/// An error for a dotted path that leads nowhere.
pub(crate) fn no_list(expr: &Expr) -> Error {
    expr.error(format!("`{}` is not a list", expr.text), "")
}

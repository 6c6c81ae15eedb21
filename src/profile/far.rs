//! The section `far`: what a profile sets on another machine by requests.

use super::{
    Fields, FindingSpec, ProbeSpec,
    parse::{each, finding},
    phases::settle,
    probe::probe,
};
use crate::{
    error::Result,
    far::value::WORDS,
    probe::dns,
    render::Expr,
    yaml::{Node, Value},
};

/// The section `far`.
#[derive(Debug)]
pub struct FarSpec {
    /// The peer, `host:port`.
    pub peer: Expr,
    /// What it is tried as, in order.
    pub logins: Vec<LoginSpec>,
    /// Seconds until an accepted request shows.
    pub settle: Expr,
    /// The requests, in order.
    pub requests: Vec<RequestSpec>,
}

/// One login.
#[derive(Debug)]
pub struct LoginSpec {
    /// When it applies.
    pub when: Option<Expr>,
    /// Name of the user; none: the secret is a token.
    pub user: Option<Expr>,
    /// The file with the password.
    pub file: Option<Expr>,
    /// A password that the document tells everybody.
    pub public: Option<Expr>,
}

/// One far resource.
#[derive(Debug)]
pub struct RequestSpec {
    /// When it applies.
    pub when: Option<Expr>,
    /// What it is, for people.
    pub what: Expr,
    /// What is sent.
    pub send: SendSpec,
    /// The way back.
    pub undo: UndoSpec,
    /// What proves it.
    pub proves: Vec<ProbeSpec>,
    /// Where the value of before is read.
    pub was: Option<WasSpec>,
}

/// What is sent.
#[derive(Debug)]
pub struct SendSpec {
    /// How it gets there.
    pub over: OverSpec,
    /// Files, each under its name: forms of the identity.
    pub form: Vec<(String, Expr)>,
    /// Members of a JSON document.
    pub json: Vec<(String, JsonSpec)>,
}

/// How a request gets to its peer.
#[derive(Debug)]
pub enum OverSpec {
    /// Over HTTPS.
    Https {
        /// The method.
        method: Expr,
        /// The path.
        path: Expr,
    },
    /// Over ssh, with the files of `form` on standard input.
    Ssh {
        /// The destination.
        to: Expr,
        /// A file of `ssh_config(5)`; empty: the user's and the system's.
        config: Option<Expr>,
        /// What the shell there runs.
        run: Expr,
    },
}

/// A member of a JSON document.
#[derive(Debug)]
pub enum JsonSpec {
    /// Text.
    Text(Expr),
    /// A boolean.
    Bool(bool),
    /// The first line of a file.
    File(Expr),
    /// A form of the identity.
    Form(Expr),
    /// A value that is kept, since the one that it replaces is put back: text or a boolean.
    Value(Box<Self>),
    /// On a way back, the value of before.
    Previous,
}

impl JsonSpec {
    /// Tells whether a generation keeps its value.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Value(_) | Self::Previous)
    }
}

/// Where a peer tells what a request would replace.
#[derive(Debug)]
pub struct WasSpec {
    /// The path.
    pub path: Expr,
    /// The way to the value, by names.
    pub at: Vec<Expr>,
    /// Words that must hold of the value, and what follows.
    pub remarks: Vec<(Vec<String>, FindingSpec)>,
}

/// The way back from a request.
#[derive(Debug)]
pub enum UndoSpec {
    /// The same request with the pair from before.
    Previous,
    /// The first of these that applies.
    Send(Vec<(Option<Expr>, SendSpec)>),
}

/// A finding that follows from what a path answers before.
#[derive(Debug)]
pub struct RemarkSpec {
    /// What is asked.
    pub probe: ProbeSpec,
    /// The answers that mean it.
    pub answers: Vec<String>,
    /// The finding.
    pub finding: FindingSpec,
}

/// A finding that follows from where a name leads.
#[derive(Debug)]
pub struct LeadsSpec {
    /// The name.
    pub name: Expr,
    /// The addresses that are the platform's, each text one or several.
    pub here: Vec<Expr>,
    /// The words that mean it.
    pub is: Vec<String>,
    /// The finding.
    pub finding: FindingSpec,
}

impl FarSpec {
    pub(super) fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "far", node)?;
        let far = Self {
            peer: fields.need("peer")?,
            logins: each(&mut fields, "logins", login)?,
            settle: fields.need("settle")?,
            requests: each(&mut fields, "requests", request)?,
        };
        fields.done()?;
        Ok(far)
    }
}

fn login(path: &str, node: &Node) -> Result<LoginSpec> {
    let mut fields = Fields::new(path, "login", node)?;
    let login = LoginSpec {
        when: fields.when()?,
        user: fields.text("user")?,
        file: fields.text("file")?,
        public: fields.text("public")?,
    };
    if login.file.is_some() == login.public.is_some() {
        return Err(fields.error("a login wants `file` or `public`, one of them", ""));
    }
    fields.done()?;
    Ok(login)
}

pub(super) fn request(path: &str, node: &Node) -> Result<RequestSpec> {
    let mut fields = Fields::new(path, "request", node)?;
    let Some(sent) = fields.node("send") else {
        return Err(fields.error(
            "request has no `send`",
            "add `send: {method: POST, path: PATH}`",
        ));
    };
    let undo = match fields.node("undo") {
        Some(node) if matches!(&node.value, Value::Text(text) if text == "previous") => {
            UndoSpec::Previous
        }
        Some(node) => UndoSpec::Send(
            node.items()
                .iter()
                .map(|n| way_back(path, n))
                .collect::<Result<_>>()?,
        ),
        None => UndoSpec::Send(Vec::new()),
    };
    let mut spec = RequestSpec {
        when: fields.when()?,
        what: fields.need("what")?,
        send: send(path, sent)?,
        undo,
        proves: each(&mut fields, "proves", probe)?,
        was: (fields.node("was").map(|n| was(path, n))).transpose()?,
    };
    settle(path, &[], &mut [], &mut spec.proves)?;
    if spec.proves.is_empty() {
        return Err(fields.error(
            "request has no `proves`",
            "say which probes show that it is heeded",
        ));
    }
    let local = |probe: &ProbeSpec| {
        use super::ProbeKind::{Effective, Lookup, Readable};
        matches!(
            probe.what,
            Lookup { .. } | Readable { .. } | Effective { .. }
        )
    };
    if spec.proves.iter().any(local) {
        return Err(fields.error(
            "`proves` looks at something of this host",
            "a request is proved by `tls`, `https`, `http` or `says`",
        ));
    }
    let has_kept = |send: &SendSpec| send.json.iter().any(|(_, member)| member.is_kept());
    let has_value = has_kept(&spec.send);
    let restores = match &spec.undo {
        UndoSpec::Previous => false,
        UndoSpec::Send(ways) => ways.iter().any(|(_, send)| has_kept(send)),
    };
    if matches!(spec.undo, UndoSpec::Previous) && spec.send.form.is_empty() && !has_value {
        return Err(fields.error("`undo: previous` without a pair in `send`", ""));
    }
    if (has_value || restores) != spec.was.is_some() {
        return Err(fields.error(
            "a value that is kept and `was` belong together",
            "say where the value of before is read: `was: {path: PATH, at: [NAME]}`",
        ));
    }
    fields.done()?;
    Ok(spec)
}

fn was(path: &str, node: &Node) -> Result<WasSpec> {
    let mut fields = Fields::new(path, "was", node)?;
    let spec = WasSpec {
        path: fields.need("path")?,
        at: fields.texts("at")?,
        remarks: each(&mut fields, "remarks", was_remark)?,
    };
    fields.done()?;
    Ok(spec)
}

pub(super) fn leads(path: &str, node: &Node) -> Result<LeadsSpec> {
    let mut fields = Fields::new(path, "name", node)?;
    let Some(found) = fields.node("finding") else {
        return Err(fields.error("name has no `finding`", ""));
    };
    let spec = LeadsSpec {
        name: fields.need("name")?,
        here: fields.texts("here")?,
        is: words(fields.texts("is")?, &dns::WORDS)?,
        finding: finding(path, found)?,
    };
    fields.done()?;
    Ok(spec)
}

/// Takes words that are known.
fn words(texts: Vec<Expr>, known: &[&str]) -> Result<Vec<String>> {
    if let Some(unknown) = texts.iter().find(|w| !known.contains(&w.text.as_str())) {
        let known: Vec<String> = known.iter().map(|w| (*w).to_owned()).collect();
        let message = format!("unknown word `{}`", unknown.text);
        return Err(unknown.error(message, crate::error::known(&known)));
    }
    Ok(texts.into_iter().map(|w| w.text).collect())
}

fn was_remark(path: &str, node: &Node) -> Result<(Vec<String>, FindingSpec)> {
    let mut fields = Fields::new(path, "remark", node)?;
    let Some(found) = fields.node("finding") else {
        return Err(fields.error("remark has no `finding`", ""));
    };
    let words = words(fields.texts("is")?, &WORDS)?;
    let spec = finding(path, found)?;
    fields.done()?;
    Ok((words, spec))
}

fn way_back(path: &str, node: &Node) -> Result<(Option<Expr>, SendSpec)> {
    let mut fields = Fields::new(path, "undo", node)?;
    let when = fields.when()?;
    let Some(sent) = fields.node("send") else {
        return Err(fields.error(
            "undo has no `send`",
            "add `send: {method: POST, path: PATH}`",
        ));
    };
    let spec = send(path, sent)?;
    fields.done()?;
    Ok((when, spec))
}

fn send(path: &str, node: &Node) -> Result<SendSpec> {
    let mut fields = Fields::new(path, "send", node)?;
    let mut form = Vec::new();
    if let Some(node) = fields.node("form") {
        let mut parts = Fields::new(path, "form", node)?;
        for (key, _) in node.entries() {
            // Keys are the document's own, and live as long as the program.
            let name: &'static str = String::leak(key.name.clone());
            let value = parts.need(name)?;
            form.push((key.name.clone(), value));
        }
        parts.done()?;
    }
    let mut json = Vec::new();
    if let Some(node) = fields.node("json") {
        for (key, value) in node.entries() {
            let member = match &value.value {
                Value::Map(_) => {
                    let mut file = Fields::new(path, "json member", value)?;
                    let (form, kept) = (file.text("form")?, file.node("value"));
                    let spec = match (form, kept) {
                        (Some(form), _) => JsonSpec::Form(form),
                        (None, Some(kept)) => JsonSpec::Value(Box::new(plain(path, kept)?)),
                        (None, None) if file.flag("previous")? => JsonSpec::Previous,
                        (None, None) => JsonSpec::File(file.need("file")?),
                    };
                    file.done()?;
                    spec
                }
                _ => plain(path, value)?,
            };
            json.push((key.name.clone(), member));
        }
    }
    let over = match fields.text("ssh")? {
        Some(to) => OverSpec::Ssh {
            to,
            config: fields.text("config")?,
            run: fields.need("run")?,
        },
        None => OverSpec::Https {
            method: fields.need("method")?,
            path: fields.need("path")?,
        },
    };
    let spec = SendSpec { over, form, json };
    fields.done()?;
    Ok(spec)
}

/// Reads a member that is text or a boolean.
fn plain(path: &str, node: &Node) -> Result<JsonSpec> {
    Ok(match node.value {
        Value::Bool(value) => JsonSpec::Bool(value),
        _ => JsonSpec::Text(super::text_at(path, "json", node)?),
    })
}

pub(super) fn remark(path: &str, node: &Node) -> Result<RemarkSpec> {
    let mut fields = Fields::new(path, "remark", node)?;
    let (Some(asked), Some(found)) = (fields.node("probe"), fields.node("finding")) else {
        return Err(fields.error("remark wants `probe` and `finding`", ""));
    };
    let answers = fields.texts("answers")?;
    let spec = RemarkSpec {
        probe: probe(path, asked)?,
        answers: answers.into_iter().map(|e| e.text).collect(),
        finding: finding(path, found)?,
    };
    fields.done()?;
    Ok(spec)
}

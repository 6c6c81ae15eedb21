//! `document`: values set inside a file that others made, everything else in it kept byte for byte.

use std::{any::Any, rc::Rc};

use super::{Ask, Asking, Kind};
use crate::{
    desired::{Given, Rewrite, Rewriting, Rewritten, Target},
    document::{Act, Edit, Edits, Format, Hop, Scalar, Wanted},
    error::Result,
    identity::{Certificate, Input},
    preflight::{Finding, Severity},
    profile::{Fields, error_at, text_at},
    render::{Expr, shell_word},
    state::{Bytes, Content, HostPath, Sensitivity},
    watch::Place,
    yaml::{Node, Value},
};

/// The kind.
#[derive(Debug)]
pub(super) struct Document;

#[derive(Debug)]
struct File {
    path: Expr,
    format: Format,
    create: Option<Expr>,
    edits: Vec<EditSpec>,
}

#[derive(Debug)]
struct EditSpec {
    when: Option<Expr>,
    at: Vec<HopSpec>,
    /// None: what is there is taken out.
    value: Option<ValueSpec>,
    every: bool,
}

#[derive(Debug)]
enum HopSpec {
    Name(Expr),
    Member(Vec<(String, Expr)>),
}

#[derive(Debug)]
enum ValueSpec {
    Text(Expr, Type),
    Scalar(Scalar),
    Map(Vec<(String, Self)>),
}

/// What a rendered text is read as.
#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    Number,
    Boolean,
}

impl Kind for Document {
    fn name(&self) -> &'static str {
        "document"
    }

    fn summary(&self) -> &'static str {
        "values set (`edits`) inside the file at `path`, whose `format` is json, toml, xml or yaml; every other byte of it stays"
    }

    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>> {
        let Some(format) = fields.word("format", &Format::NAMES)? else {
            return Err(fields.error("`document` has no `format`", "add `format: json`"));
        };
        let path = fields.path();
        let edits: Vec<EditSpec> = (fields.members("edits").iter())
            .map(|node| EditSpec::parse(path, node))
            .collect::<Result<_>>()?;
        if edits.is_empty() {
            return Err(fields.error(
                "`document` has no `edits`",
                "add `edits: [{at: [NAME], value: TEXT}]`",
            ));
        }
        Ok(Box::new(File {
            path: fields.need("path")?,
            format,
            create: fields.text("create")?,
            edits,
        }))
    }
}

impl EditSpec {
    fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "edit", node)?;
        let at = match fields.node("at") {
            None => Vec::new(),
            Some(node) if matches!(node.value, Value::List(_)) => (node.items().iter())
                .map(|node| HopSpec::parse(path, node))
                .collect::<Result<_>>()?,
            Some(node) => vec![HopSpec::parse(path, node)?],
        };
        if !matches!(at.first(), Some(HopSpec::Name(_) | HopSpec::Member(_))) {
            return Err(fields.error("edit has no `at`", "say where: `at: [NAME, NAME]`"));
        }
        let types = [
            ("text", Type::Text),
            ("number", Type::Number),
            ("boolean", Type::Boolean),
        ];
        let read_as = fields.word("as", &types)?;
        let value = match (fields.node("value"), fields.flag("remove")?) {
            (Some(node), false) => {
                Some(ValueSpec::parse(path, node, read_as.unwrap_or(Type::Text))?)
            }
            (None, true) => None,
            _ => return Err(fields.error("want one of `value` and `remove`", "")),
        };
        if read_as.is_some() && !matches!(value, Some(ValueSpec::Text(..))) {
            return Err(fields.error("`as` is for a `value` that is text", ""));
        }
        let edit = Self {
            when: fields.when()?,
            at,
            value,
            every: fields.flag("every")?,
        };
        fields.done()?;
        Ok(edit)
    }

    fn render(&self, at: &Asking<'_>) -> Result<Edit> {
        let mut hops: Vec<Hop> = Vec::new();
        for spec in &self.at {
            match spec {
                HopSpec::Name(name) => hops.push(Hop {
                    name: Some(at.renderer.text(name, at.scope)?),
                    member: Vec::new(),
                }),
                HopSpec::Member(wanted) => {
                    let mut member = Vec::new();
                    for (key, value) in wanted {
                        member.push((key.clone(), at.renderer.text(value, at.scope)?));
                    }
                    match hops.last_mut().filter(|hop| hop.member.is_empty()) {
                        Some(hop) => hop.member = member,
                        None => hops.push(Hop { name: None, member }),
                    }
                }
            }
        }
        let act = match &self.value {
            Some(value) => Act::Set(value.render(at)?),
            None => Act::Remove,
        };
        Ok(Edit {
            at: hops,
            act,
            every: self.every,
        })
    }
}

impl HopSpec {
    fn parse(path: &str, node: &Node) -> Result<Self> {
        let Value::Map(entries) = &node.value else {
            return Ok(Self::Name(text_at(path, "at", node)?));
        };
        if entries.is_empty() {
            let hint = "say what the member has: `{name: TEXT}`";
            return Err(error_at(path, node, "member of `at` is empty", hint));
        }
        let texts = entries.iter().map(|(key, value)| {
            let text = text_at(path, "at", value)?;
            Ok((key.name.clone(), text))
        });
        Ok(Self::Member(texts.collect::<Result<_>>()?))
    }
}

impl ValueSpec {
    fn parse(path: &str, node: &Node, read_as: Type) -> Result<Self> {
        Ok(match &node.value {
            Value::Text(_) => Self::Text(text_at(path, "value", node)?, read_as),
            Value::Bool(is) => Self::Scalar(Scalar::Bool(*is)),
            Value::Int(n) => Self::Scalar(Scalar::Number(n.to_string())),
            Value::Map(entries) if !entries.is_empty() => {
                let members = entries.iter().map(|(key, value)| {
                    Ok((key.name.clone(), Self::parse(path, value, Type::Text)?))
                });
                Self::Map(members.collect::<Result<_>>()?)
            }
            Value::Null | Value::Float(_) | Value::List(_) | Value::Map(_) => {
                let message = format!("`value` is {}", node.noun());
                let hint = "want text, a whole number, true or false, or a mapping of these";
                return Err(error_at(path, node, message, hint));
            }
        })
    }

    fn render(&self, at: &Asking<'_>) -> Result<Wanted> {
        Ok(match self {
            Self::Scalar(scalar) => Wanted::Scalar(scalar.clone()),
            Self::Map(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), value.render(at)?)));
                Wanted::Map(members.collect::<Result<_>>()?)
            }
            Self::Text(expr, read_as) => {
                let text = at.renderer.text(expr, at.scope)?;
                let scalar = match (read_as, text.as_str()) {
                    (Type::Text, _) => Some(Scalar::Text(text.clone())),
                    (Type::Boolean, "true") => Some(Scalar::Bool(true)),
                    (Type::Boolean, "false") => Some(Scalar::Bool(false)),
                    (Type::Boolean, _) => None,
                    (Type::Number, digits) => {
                        let number = digits.parse::<i64>().ok();
                        number.map(|n| Scalar::Number(n.to_string()))
                    }
                };
                let want = match read_as {
                    Type::Number => "a whole number",
                    Type::Text | Type::Boolean => "`true` or `false`",
                };
                let unfit = || expr.error(format!("`{text}` is not {want}"), "");
                Wanted::Scalar(scalar.ok_or_else(unfit)?)
            }
        })
    }
}

impl Ask for File {
    fn place(&self) -> String {
        self.path.text.clone()
    }

    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>> {
        let path = at.path(&self.path)?;
        let mut edits = Vec::new();
        for spec in &self.edits {
            if at.renderer.holds(spec.when.as_ref(), at.scope)? {
                edits.push(spec.render(at)?);
            }
        }
        let create = self.create.as_ref();
        let create = create.map(|e| at.renderer.text(e, at.scope)).transpose()?;
        let content = Content::File(Bytes::default());
        let mut target = at.target(path.clone(), content, Sensitivity::Values);
        let edits = Edits {
            format: self.format,
            create,
            edits,
        };
        target.rewrite = Some(Rewriting(Rc::new(Edited { path, edits })));
        Ok(vec![target])
    }
}

/// The document at a path with its edits done.
#[derive(Debug, PartialEq)]
struct Edited {
    path: HostPath,
    edits: Edits,
}

impl Rewrite for Edited {
    fn needs(&self) -> Vec<HostPath> {
        Vec::new()
    }

    fn rewrite(&self, before: Option<&Bytes>, _: &Given) -> Result<Rewritten, Finding> {
        let path = &self.path;
        let document = match (before, &self.edits.create) {
            (Some(bytes), _) => bytes.clone(),
            (None, Some(text)) => Bytes::from(text.clone()),
            (None, None) => {
                let message = format!("`{path}` is not there: want the document that is edited");
                let hint = "is the platform installed, and is the path right?";
                let finding = Finding::host(Severity::Fatal, "document-missing", message);
                return Err(finding.hinted(hint));
            }
        };
        let bytes = match self.edits.apply(document.reveal()) {
            Ok(bytes) if bytes == document.reveal() => document,
            Ok(bytes) => bytes.into(),
            Err(fault) => {
                let message = format!("{path}:{fault}");
                let hint = format!(
                    "look at it: `sed -n {}p {}`",
                    fault.line,
                    shell_word(path.as_str())
                );
                let finding = Finding::host(Severity::Fatal, "document-refused", message);
                return Err(finding.hinted(hint));
            }
        };
        Ok(Rewritten { bytes, lines: None })
    }

    fn certificates(
        &self,
        content: &Bytes,
        _: &Given,
    ) -> Result<Vec<(Place, Vec<Certificate>)>, Finding> {
        let mut found = Vec::new();
        for (key, text) in self.edits.texts(content.reveal()) {
            if !text.contains("-----BEGIN CERTIFICATE-----") {
                continue;
            }
            let path = self.path.to_string();
            let input = Input {
                name: format!("{path} ({key})"),
                bytes: text.into(),
            };
            let read = input.certificates();
            let read = read
                .map_err(|e| Finding::host(Severity::Warning, "document-refused", e.to_string()))?;
            found.push((Place::Document { path, key }, read));
        }
        Ok(found)
    }

    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
}

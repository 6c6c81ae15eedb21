//! `document`: values set inside a file that others made, everything else in it kept byte for byte.

use std::{any::Any, rc::Rc};

use super::{
    Ask, Asking, Kind,
    held::{Held, HeldSpec},
    way::Way,
};
use crate::{
    desired::{Given, Rewrite, Rewriting, Rewritten, Target},
    document::{Act, Edit, Edits, Format, Hop, Scalar, Wanted, said, way},
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
    checks: Vec<CheckSpec>,
}

#[derive(Debug)]
struct EditSpec {
    when: Option<Expr>,
    at: Way,
    does: Does,
    every: bool,
}

#[derive(Debug)]
enum Does {
    Set(ValueSpec),
    Take(HeldSpec),
    Remove,
}

/// One entry of `checks`.
#[derive(Debug)]
struct CheckSpec {
    at: Way,
    once: Option<Expr>,
    trimmed: bool,
}

/// What must be true of all texts that a way leads to, once the document is edited.
#[derive(Debug, PartialEq)]
struct Check {
    at: Vec<Hop>,
    /// No text may be there twice, by any of the members that this parts.
    once: Option<String>,
    /// None should have white space around it.
    trimmed: bool,
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
        let checks = fields.members("checks").iter();
        let checks = checks.map(|node| CheckSpec::parse(path, node));
        Ok(Box::new(File {
            path: fields.need("path")?,
            format,
            create: fields.text("create")?,
            edits,
            checks: checks.collect::<Result<_>>()?,
        }))
    }
}

impl EditSpec {
    fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "edit", node)?;
        let at = fields.node("at").map(|node| Way::parse(path, node));
        let Some(at) = at.transpose()? else {
            return Err(fields.error("edit has no `at`", "say where: `at: [NAME, NAME]`"));
        };
        let types = [
            ("text", Type::Text),
            ("number", Type::Number),
            ("boolean", Type::Boolean),
        ];
        let read_as = fields.word("as", &types)?;
        let value = fields.node("value");
        let from = fields.node("from");
        let does = match (value, from, fields.flag("remove")?) {
            (Some(node), None, false) => {
                let read_as = read_as.unwrap_or(Type::Text);
                Does::Set(ValueSpec::parse(path, node, read_as)?)
            }
            (None, Some(node), false) => Does::Take(HeldSpec::parse(path, node)?),
            (None, None, true) => Does::Remove,
            _ => return Err(fields.error("want one of `value`, `from` and `remove`", "")),
        };
        if read_as.is_some() && !matches!(does, Does::Set(ValueSpec::Text(..))) {
            return Err(fields.error("`as` is for a `value` that is text", ""));
        }
        let edit = Self {
            when: fields.when()?,
            at,
            does,
            every: fields.flag("every")?,
        };
        fields.done()?;
        Ok(edit)
    }

    /// Renders it; what it takes from elsewhere is put in when that is read.
    fn render(&self, at: &Asking<'_>) -> Result<(Edit, Option<Held>)> {
        let (act, held) = match &self.does {
            Does::Set(value) => (Act::Set(value.render(at)?), None),
            Does::Take(from) => (Act::Remove, Some(from.render(at)?)),
            Does::Remove => (Act::Remove, None),
        };
        let edit = Edit {
            at: self.at.render(at)?,
            act,
            every: self.every,
        };
        Ok((edit, held))
    }
}

impl CheckSpec {
    fn parse(path: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(path, "check", node)?;
        let at = fields.node("at").map(|node| Way::parse(path, node));
        let Some(at) = at.transpose()? else {
            return Err(fields.error("check has no `at`", "say where: `at: [NAME, NAME]`"));
        };
        let check = Self {
            at,
            once: fields.text("once")?,
            trimmed: fields.flag("trimmed")?,
        };
        fields.done()?;
        Ok(check)
    }

    fn render(&self, at: &Asking<'_>) -> Result<Check> {
        let once = self.once.as_ref();
        Ok(Check {
            at: self.at.render(at)?,
            once: once.map(|e| at.renderer.text(e, at.scope)).transpose()?,
            trimmed: self.trimmed,
        })
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
        let (mut edits, mut held) = (Vec::new(), Vec::new());
        for spec in &self.edits {
            if at.renderer.holds(spec.when.as_ref(), at.scope)? {
                let (edit, taken) = spec.render(at)?;
                held.extend(taken.map(|taken| (edits.len(), taken)));
                edits.push(edit);
            }
        }
        let checks = self.checks.iter().map(|check| check.render(at));
        let checks = checks.collect::<Result<_>>()?;
        let create = self.create.as_ref();
        let create = create.map(|e| at.renderer.text(e, at.scope)).transpose()?;
        let content = Content::File(Bytes::default());
        let mut target = at.target(path.clone(), content, Sensitivity::Values);
        let edits = Edits {
            format: self.format,
            create,
            edits,
        };
        target.rewrite = Some(Rewriting(Rc::new(Edited {
            path,
            edits,
            held,
            checks,
        })));
        Ok(vec![target])
    }
}

/// The document at a path with its edits done.
#[derive(Debug, PartialEq)]
struct Edited {
    path: HostPath,
    edits: Edits,
    /// By number of the edit, what it sets.
    held: Vec<(usize, Held)>,
    checks: Vec<Check>,
}

impl Rewrite for Edited {
    fn needs(&self) -> Vec<HostPath> {
        self.secrets()
    }

    fn secrets(&self) -> Vec<HostPath> {
        let files = self.held.iter().map(|(_, held)| held.file.clone());
        files.collect()
    }

    fn rewrite(&self, before: Option<&Bytes>, given: &Given) -> Result<Rewritten, Finding> {
        let path = &self.path;
        let mut edits = self.edits.clone();
        for (n, held) in &self.held {
            let value = held.read(given, "document-value")?;
            let text = String::from_utf8_lossy(value.reveal()).into_owned();
            if let Some(edit) = edits.edits.get_mut(*n) {
                edit.act = Act::Set(Wanted::Scalar(Scalar::Text(text)));
            }
        }
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
        let bytes = match edits.apply(document.reveal()) {
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
        let mut findings = Vec::new();
        for check in &self.checks {
            findings.extend(check.look(path, self.edits.format, &bytes)?);
        }
        Ok(Rewritten {
            bytes,
            lines: None,
            findings,
        })
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

impl Check {
    /// Returns what should not be so; what must not be is the error.
    fn look(
        &self,
        path: &HostPath,
        format: Format,
        document: &Bytes,
    ) -> Result<Vec<Finding>, Finding> {
        let all = said(format, document.reveal(), &self.at).map_err(|fault| {
            let message = format!("{path}:{fault}");
            Finding::host(Severity::Fatal, "document-refused", message)
        })?;
        let name = way(&self.at);
        if let Some(parted) = &self.once {
            let mut seen = std::collections::BTreeSet::new();
            let parts = all.iter().flat_map(|text| text.split(parted.as_str()));
            let twice = parts.map(str::trim).find(|part| !seen.insert(*part));
            if let Some(part) = twice {
                let part = part.escape_debug();
                let message = format!("`{path}` has `{part}` twice among {name}");
                let finding = Finding::host(Severity::Fatal, "document-twice", message);
                return Err(finding.hinted("one of them is never used: take it out"));
            }
        }
        let blank = |text: &&String| self.trimmed && text.trim() != text.as_str();
        let findings = all.iter().filter(blank).map(|text| {
            let message = format!(
                "`{path}` has white space around `{}`, one of {name}, which is taken for a part of it",
                text.trim().escape_debug()
            );
            Finding::host(Severity::Warning, "document-blank", message)
        });
        Ok(findings.collect())
    }
}

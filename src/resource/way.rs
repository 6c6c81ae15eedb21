//! The way to a place in a document, as profiles write it.

use super::Asking;
use crate::{
    document::Hop,
    error::Result,
    profile::{error_at, text_at},
    render::{Expr, Renderer, Scope},
    yaml::{Node, Value},
};

/// A way whose names and values may hold expressions.
#[derive(Debug, Clone)]
pub struct Way(Vec<HopSpec>);

#[derive(Debug, Clone)]
enum HopSpec {
    Name(Expr),
    Member(Vec<(String, Expr)>),
}

impl Way {
    /// Parses a name, or a list of names and of mappings that choose a member.
    ///
    /// # Errors
    /// [`crate::error::Error::Parse`] where it is neither.
    pub(crate) fn parse(path: &str, node: &Node) -> Result<Self> {
        if !matches!(node.value, Value::List(_)) {
            return Ok(Self(vec![HopSpec::parse(path, node)?]));
        }
        let hops = node.items().iter().map(|node| HopSpec::parse(path, node));
        let hops: Vec<HopSpec> = hops.collect::<Result<_>>()?;
        if hops.is_empty() {
            let hint = "say where: `at: [NAME, NAME]`";
            return Err(error_at(path, node, "`at` is empty", hint));
        }
        Ok(Self(hops))
    }

    /// Renders it for a resource.
    ///
    /// # Errors
    /// As [`Renderer::text`].
    pub(super) fn render(&self, at: &Asking<'_>) -> Result<Vec<Hop>> {
        self.rendered(at.renderer, at.scope)
    }

    /// Renders it with what a scope holds.
    ///
    /// # Errors
    /// As [`Renderer::text`].
    pub(crate) fn rendered(&self, renderer: &Renderer, scope: &Scope) -> Result<Vec<Hop>> {
        let mut hops: Vec<Hop> = Vec::new();
        for spec in &self.0 {
            match spec {
                HopSpec::Name(name) => hops.push(Hop {
                    name: Some(renderer.text(name, scope)?),
                    member: Vec::new(),
                }),
                HopSpec::Member(wanted) => {
                    let mut member = Vec::new();
                    for (key, value) in wanted {
                        member.push((key.clone(), renderer.text(value, scope)?));
                    }
                    match hops.last_mut().filter(|hop| hop.member.is_empty()) {
                        Some(hop) => hop.member = member,
                        None => hops.push(Hop { name: None, member }),
                    }
                }
            }
        }
        Ok(hops)
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

//! The section `sni`: how a platform chooses the certificate that answers for a name.

use super::Fields;
use crate::{
    error::Result,
    sni::{Place, Roles, Rules},
    yaml::Node,
};

pub(super) fn rules(path: &str, node: &Node) -> Result<Rules> {
    let mut fields = Fields::new(path, "sni", node)?;
    let served = fields.node("roles");
    let rules = Rules {
        named: places(&mut fields, "named")?,
        other: places(&mut fields, "other")?,
        leaf: fields.need("leaf")?.text,
        key: fields.need("key")?.text,
        roles: match served {
            Some(node) => read_roles(path, node)?,
            None => return Err(fields.error("sni has no `roles`", "add `roles:`")),
        },
    };
    fields.done()?;
    Ok(rules)
}

fn places(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<Place>> {
    let texts = fields.texts(name)?;
    if texts.is_empty() {
        return Err(fields.error(format!("sni has no `{name}`"), format!("add `{name}:`")));
    }
    let place = |text: &crate::render::Expr| {
        let found = Place::NAMES.iter().find(|(known, _)| *known == text.text);
        let known: Vec<String> = Place::NAMES.iter().map(|(n, _)| (*n).to_owned()).collect();
        found.map(|(_, place)| *place).ok_or_else(|| {
            text.error(
                format!("unknown place `{}`", text.text),
                crate::error::known(&known),
            )
        })
    };
    texts.iter().map(place).collect()
}

fn read_roles(path: &str, node: &Node) -> Result<Roles> {
    let mut fields = Fields::new(path, "roles", node)?;
    let mut way = |name| -> Result<Vec<String>> {
        Ok(fields.texts(name)?.into_iter().map(|e| e.text).collect())
    };
    let (at, kinds, aliases) = (way("at")?, way("types")?, way("aliases")?);
    let roles = Roles {
        at,
        kinds,
        aliases,
        name: fields.need("name")?.text,
        kind: fields.need("type")?.text,
        directory: fields.need("directory")?.text,
        enabled: fields.need("enabled")?.text,
        prefix: fields.need("prefix")?.text,
        alias: fields.need("alias")?.text,
        value: fields.need("value")?.text,
    };
    fields.done()?;
    Ok(roles)
}

//! What a profile has observed: each probe, as it is written.

use super::{Fields, ProbeKind, ProbeSpec, fields};
use crate::{
    error::{Result, backticked},
    yaml::{self, Node},
};

/// Seconds that a command which names the leaf may take, unless the profile says otherwise.
const SAYS_LIMIT: u64 = 30;

pub(super) fn probe(path: &str, node: &Node) -> Result<ProbeSpec> {
    let mut fields = Fields::new(path, "probe", node)?;
    let kinds = [
        "tls",
        "lookup",
        "readable",
        "effective",
        "says",
        "call",
        "https",
        "http",
    ];
    let given: Vec<&str> = kinds
        .into_iter()
        .filter(|k| node.get(k).is_some())
        .collect();
    let what = match given.as_slice() {
        ["tls"] => ProbeKind::Tls {
            endpoint: fields.need("tls")?,
            addresses: fields.texts("addresses")?,
            service: fields.text("service")?,
        },
        ["lookup"] => ProbeKind::Lookup {
            name: fields.need("lookup")?,
            is: fields.need("is")?,
        },
        ["readable"] => ProbeKind::Readable {
            paths: fields.texts("readable")?,
            user: fields.text("user")?,
            group: fields.text("group")?,
        },
        ["effective"] => ProbeKind::Effective {
            fact: fields.need("effective")?,
            file: fields.need("file")?,
        },
        ["says"] => ProbeKind::Says {
            command: fields.texts("says")?,
            limit: fields.number("limit")?.unwrap_or(SAYS_LIMIT),
        },
        ["call"] => call(&mut fields)?,
        [scheme @ ("https" | "http")] => ProbeKind::Http {
            tls: *scheme == "https",
            peer: fields.need(if *scheme == "https" { "https" } else { "http" })?,
            path: fields.need("get")?,
            login: fields.word(
                "login",
                &[("any", "any"), ("first", "first"), ("last", "last")],
            )?,
            is: fields.texts("is")?.into_iter().map(|e| e.text).collect(),
            seen_by: fields.text("seen_by")?,
            hint: fields.text("hint")?,
            lacks: match (fields.texts("in")?, fields.node("lacks")) {
                (way, Some(node)) => {
                    let member = |(key, value): &(yaml::Key, Node)| {
                        Ok((key.name.clone(), fields::text(path, "lacks", value)?))
                    };
                    let members = node.entries().iter().map(member).collect::<Result<_>>()?;
                    Some(Box::new((way, members)))
                }
                (way, None) if way.is_empty() => None,
                (_, None) => return Err(fields.error("`in` without `lacks`", "")),
            },
        },
        _ => {
            let known = backticked(&kinds.map(str::to_owned));
            return Err(fields.error(
                format!("probe names {} things to observe: want one", given.len()),
                format!("known are {known}"),
            ));
        }
    };
    if let ProbeKind::Readable { user, group, .. } = &what
        && user.is_some() == group.is_some()
    {
        return Err(fields.error("`readable` wants `user` or `group`, one of them", ""));
    }
    if let ProbeKind::Http {
        tls,
        is,
        seen_by: Some(_),
        ..
    } = &what
        && !(*tls && is.is_empty())
    {
        return Err(fields.error("`seen_by` is for `https` without `is`", ""));
    }
    let spec = ProbeSpec {
        when: fields.when()?,
        each: fields.text("each")?,
        phase_name: fields.text("phase")?,
        phase: 0,
        what,
    };
    fields.done()?;
    Ok(spec)
}

/// Reads a call: with what it is accepted, and whether it is refused without.
fn call(fields: &mut Fields<'_>) -> Result<ProbeKind> {
    let with = fields.texts("accepted_with")?;
    let refused = fields.flag("refused_without")?;
    match with.as_slice() {
        [] if refused => {}
        [one] if one.text == "identity" => {}
        [_, _] => {}
        _ => {
            return Err(fields.error(
                "`call` wants `accepted_with: identity` or `[CERT, KEY]`, or `refused_without: true`",
                "",
            ));
        }
    }
    Ok(ProbeKind::Call {
        endpoint: fields.need("call")?,
        addresses: fields.texts("addresses")?,
        get: fields.text("get")?,
        with,
        refused,
    })
}

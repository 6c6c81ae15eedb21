//! What a profile has observed: each probe, as it is written.

use super::{Fields, LacksSpec, ProbeKind, ProbeSpec, TellsSpec, ToldSpec, fields};
use crate::{
    error::{Result, backticked},
    yaml::{self, Node, Value},
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
    let mut what = match given.as_slice() {
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
            lacks: None,
            tells: None,
        },
        _ => {
            let known = backticked(&kinds.map(str::to_owned));
            return Err(fields.error(
                format!("probe names {} things to observe: want one", given.len()),
                format!("known are {known}"),
            ));
        }
    };
    if let ProbeKind::Http { lacks, tells, .. } = &mut what {
        said(path, &mut fields, lacks, tells)?;
    }
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

/// Reads what of an answer's document matters, and where it stands.
fn said(
    path: &str,
    fields: &mut Fields<'_>,
    lacks: &mut Option<Box<LacksSpec>>,
    tells: &mut Option<Box<TellsSpec>>,
) -> Result<()> {
    let way = fields.texts("in")?;
    let addresses = fields.texts("addresses")?;
    let given = (
        fields.node("lacks"),
        fields.node("tells"),
        fields.text("issued")?,
    );
    if given.2.is_none() && !addresses.is_empty() {
        return Err(fields.error("`addresses` without `issued`", ""));
    }
    match given {
        (Some(node), None, None) => {
            let member = |(key, value): &(yaml::Key, Node)| {
                Ok((key.name.clone(), fields::text(path, "lacks", value)?))
            };
            let members = node.entries().iter().map(member).collect::<Result<_>>()?;
            *lacks = Some(Box::new((way, members)));
        }
        (None, Some(node), None) => {
            let what = match &node.value {
                Value::Bool(value) => ToldSpec::Bool(*value),
                _ => ToldSpec::Text(fields::text(path, "tells", node)?),
            };
            *tells = Some(Box::new((way, what)));
        }
        (None, None, Some(endpoint)) => {
            let what = ToldSpec::Issued {
                endpoint,
                addresses,
            };
            *tells = Some(Box::new((way, what)));
        }
        (None, None, None) if way.is_empty() => {}
        _ => {
            return Err(fields.error("`in` wants `lacks`, `tells` or `issued`, one of them", ""));
        }
    }
    Ok(())
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

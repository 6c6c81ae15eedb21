//! One edit after the other: found, spliced, and read again.

use std::ops::Range;

use super::{
    Act, Edit, Format, Refusal,
    find::{Found, find, name},
    node::{Body, Entry, Hop, Node, Room, Scalar, Wanted},
    write,
};

/// What stands in the place of some bytes.
pub(super) type Splice = (Range<usize>, String);

/// Does all edits; a refusal comes with the text that it is about.
pub(super) fn all(format: Format, text: &str, edits: &[Edit]) -> Result<String, (String, Refusal)> {
    let about = |text: &str| {
        let text = text.to_owned();
        |refusal| (text, refusal)
    };
    let mut root = format.parse(text).map_err(about(text))?;
    let single: Vec<(Vec<Hop>, Act, bool)> = edits.iter().flat_map(single).collect();
    // In the document as people see it, before lines have moved.
    for (hops, _, every) in &single {
        find(format, &root, hops, *every).map_err(about(text))?;
    }
    let mut text = text.to_owned();
    for (hops, act, every) in &single {
        let done = one(format, &text, &root, (hops, act, *every)).map_err(about(&text))?;
        if let Some((new, again)) = done {
            (text, root) = (new, again);
        }
    }
    // A second time must find nothing to do.
    for (hops, act, every) in &single {
        if !matches!(one(format, &text, &root, (hops, act, *every)), Ok(None)) {
            let message = format!("{} is edited twice, differently", name(hops));
            return Err((text, Refusal::new(0, message)));
        }
    }
    Ok(text)
}

/// Takes a mapping apart: each member of it is an edit of its own, so that members it does not name stay.
fn single(edit: &Edit) -> Vec<(Vec<Hop>, Act, bool)> {
    let Act::Set(Wanted::Map(members)) = &edit.act else {
        return vec![(edit.at.clone(), edit.act.clone(), edit.every)];
    };
    let parts = members.iter().flat_map(|(name, value)| {
        let hop = Hop {
            name: Some(name.clone()),
            member: Vec::new(),
        };
        single(&Edit {
            at: [edit.at.as_slice(), &[hop]].concat(),
            act: Act::Set(value.clone()),
            every: edit.every,
        })
    });
    parts.collect()
}

/// Does one edit; nothing where all is as wanted.
fn one(
    format: Format,
    text: &str,
    root: &Node,
    (hops, act, every): (&[Hop], &Act, bool),
) -> Result<Option<(String, Node)>, Refusal> {
    let mut model = root.clone();
    let mut splices: Vec<Splice> = Vec::new();
    // From the last to the first: what is taken out moves only what comes behind it.
    for found in find(format, root, hops, every)?.into_iter().rev() {
        let splice = match (found, act) {
            (Found::Here(way), Act::Set(Wanted::Scalar(wanted))) => {
                set(format, text, root, &mut model, (&way, wanted, hops))?
            }
            (Found::Here(way), Act::Set(_)) => {
                let at = root.at(&way).map_or(0, |n| n.span.start);
                return Err(Refusal::new(at, format!("{} is there", name(hops))));
            }
            (Found::Here(way), Act::Remove) => {
                Some(remove(format, text, root, &mut model, (&way, hops))?)
            }
            (Found::Missing { .. }, Act::Remove) => None,
            (Found::Missing { parent, hop, list }, Act::Set(wanted)) => Some(add(
                format,
                text,
                root,
                &mut model,
                (&parent, &hops[hop..], list, wanted),
            )?),
        };
        splices.extend(splice);
    }
    if splices.is_empty() {
        return Ok(None);
    }
    let first = splices.iter().map(|(range, _)| range.start).min();
    let unsure = || {
        let message = format!(
            "{} cannot be changed for certain as this is written: change it by hand",
            name(hops)
        );
        Refusal::new(first.unwrap_or_default(), message)
    };
    let new = spliced(text, splices).ok_or_else(unsure)?;
    let again = format.parse(&new).map_err(|_| unsure())?;
    if again.same(&model) {
        Ok(Some((new, again)))
    } else {
        Err(unsure())
    }
}

fn spliced(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    splices.sort_by_key(|(range, _)| std::cmp::Reverse((range.start, range.end)));
    let mut text = text.to_owned();
    let mut free = text.len();
    for (range, new) in splices {
        if range.end > free || !text.is_char_boundary(range.start) || range.start > range.end {
            return None;
        }
        free = range.start;
        text.get(range.clone())?;
        text.replace_range(range, &new);
    }
    Some(text)
}

fn set(
    format: Format,
    text: &str,
    root: &Node,
    model: &mut Node,
    (way, wanted, hops): (&[usize], &Scalar, &[Hop]),
) -> Result<Option<Splice>, Refusal> {
    let Some(node) = root.at(way) else {
        return Ok(None);
    };
    let Body::Scalar(found) = &node.body else {
        let message = format!("{} is {}: want a value", name(hops), node.noun());
        return Err(Refusal::new(node.span.start, message));
    };
    let wanted = write::as_in(format, wanted);
    if *found == wanted {
        return Ok(None);
    }
    let splice = write::replace(format, text, node, &wanted)
        .map_err(|why| Refusal::new(node.span.start, format!("{} {why}", name(hops))))?;
    if let Some(node) = model.at_mut(way) {
        node.body = Body::Scalar(wanted);
    }
    Ok(Some(splice))
}

fn remove(
    format: Format,
    text: &str,
    root: &Node,
    model: &mut Node,
    (way, hops): (&[usize], &[Hop]),
) -> Result<Splice, Refusal> {
    // The text of an element is not what is taken out, but the element.
    let is_text = |way: &[usize]| match way.split_last() {
        Some((n, above)) => matches!(
            root.at(above).map(|node| &node.body),
            Some(Body::Map(entries)) if entries.get(*n).is_some_and(|e| e.name.is_empty())
        ),
        None => false,
    };
    let way = if is_text(way) {
        &way[..way.len() - 1]
    } else {
        way
    };
    let parent = way.split_last().and_then(|(n, above)| {
        let above_node = root.at(above)?;
        Some((*n, above, above_node))
    });
    let Some((n, above, parent)) = parent else {
        return Err(Refusal::new(0, "the whole document cannot be taken out"));
    };
    let at = root.at(way).map_or(0, |node| node.span.start);
    let splice = write::remove(format, text, parent, n)
        .map_err(|why| Refusal::new(at, format!("{} {why}", name(hops))))?;
    match model.at_mut(above).map(|node| &mut node.body) {
        Some(Body::Map(entries)) => drop(entries.remove(n)),
        Some(Body::List(items)) => drop(items.remove(n)),
        Some(Body::Scalar(_)) | None => {}
    }
    Ok(splice)
}

fn add(
    format: Format,
    text: &str,
    root: &Node,
    model: &mut Node,
    (parent, hops, list, wanted): (&[usize], &[Hop], bool, &Wanted),
) -> Result<Splice, Refusal> {
    let Some((node, target)) = root.at(parent).zip(model.at_mut(parent)) else {
        return Err(Refusal::new(0, "is not there"));
    };
    let refuse = |why: String| Refusal::new(node.span.start, format!("{} {why}", name(hops)));
    let (new, value) = built(format, hops, wanted, list).map_err(refuse)?;
    let splice = write::add(format, text, node, new.as_deref(), &value).map_err(refuse)?;
    let value = Node::of(&value);
    match (&mut target.body, new) {
        (Body::List(items), None) => items.push(value),
        (Body::Map(entries), Some(name)) => entries.push(entry(name, value)),
        (body, Some(name)) => {
            // An element with text alone, which now has an attribute too.
            let text = Node::new(0..0, body.clone(), Room::None);
            *body = Body::Map(vec![entry(name, value), entry(String::new(), text)]);
        }
        (_, None) => {}
    }
    Ok(splice)
}

fn entry(name: String, node: Node) -> Entry {
    Entry {
        name,
        span: 0..0,
        node,
    }
}

/// Builds what is missing from a hop on, and the name under which it goes.
fn built(
    format: Format,
    hops: &[Hop],
    wanted: &Wanted,
    list: bool,
) -> Result<(Option<String>, Wanted), String> {
    let Some((hop, rest)) = hops.split_first() else {
        return Ok((None, wanted_in(format, wanted)));
    };
    let mut inner = match rest {
        [] => wanted_in(format, wanted),
        rest => match built(format, rest, wanted, false)? {
            (Some(name), value) => Wanted::Map(vec![(name, value)]),
            (None, value) => Wanted::List(vec![value]),
        },
    };
    if !hop.member.is_empty() {
        let own = hop.member.iter().map(|(key, value)| {
            let value = Wanted::Scalar(Scalar::Text(value.clone()));
            (key.clone(), value)
        });
        let more = match inner {
            Wanted::Map(members) => members,
            Wanted::Scalar(_) if format == Format::Xml => vec![(String::new(), inner)],
            Wanted::Scalar(_) | Wanted::List(_) => {
                return Err("is not there, and a value alone does not make it".to_owned());
            }
        };
        let members = Wanted::Map(own.chain(more).collect());
        inner = match format {
            Format::Xml => members,
            _ if list || hop.name.is_none() => return Ok((None, members)),
            _ => Wanted::List(vec![members]),
        };
    }
    Ok((hop.name.clone(), inner))
}

fn wanted_in(format: Format, wanted: &Wanted) -> Wanted {
    match wanted {
        Wanted::Scalar(scalar) => Wanted::Scalar(write::as_in(format, scalar)),
        other => other.clone(),
    }
}

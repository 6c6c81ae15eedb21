//! The way to a place: which values it leads to, or where it ends.

use super::{
    Format, Refusal,
    node::{Body, Hop, Node},
};

/// Where a way leads, as numbers of children from the root.
#[derive(Debug)]
pub(super) enum Found {
    /// To a value.
    Here(Vec<usize>),
    /// To nothing: `hop` of it is not in `parent`. With `list`, that is a list without such a member.
    Missing {
        parent: Vec<usize>,
        hop: usize,
        list: bool,
    },
}

/// Follows a way.
///
/// # Errors
/// [`Refusal`] where it goes through something that has no members or must not be changed, or, without `every`, where
/// it leads to several places.
pub(super) fn find(
    format: Format,
    root: &Node,
    hops: &[Hop],
    every: bool,
) -> Result<Vec<Found>, Refusal> {
    let mut walk = Walk {
        format,
        hops,
        every,
        found: Vec::new(),
    };
    walk.from(root, Vec::new(), 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    format: Format,
    hops: &'a [Hop],
    every: bool,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn from(&mut self, node: &Node, way: Vec<usize>, hop: usize) -> Result<(), Refusal> {
        if let Some(why) = node.fixed {
            let message = format!("{} {why}", self.name(hop));
            return Err(Refusal::new(node.span.start, message));
        }
        let Some(next) = self.hops.get(hop) else {
            self.found.push(Found::Here(self.text_of(node, way)));
            return Ok(());
        };
        let Some(name) = &next.name else {
            return self.members(node, way, hop);
        };
        let entries = match &node.body {
            Body::Map(entries) => entries.as_slice(),
            Body::Scalar(_) if self.format == Format::Xml => &[],
            Body::Scalar(_) | Body::List(_) => return Err(self.unfit(node, hop, "a mapping")),
        };
        let named = entries.iter().enumerate().filter(|(_, e)| e.name == *name);
        if self.format == Format::Xml {
            let fit = named.filter(|(_, e)| is_member(&e.node, &next.member));
            let fit: Vec<(usize, &Node)> = fit.map(|(n, e)| (n, &e.node)).collect();
            return self.each(&fit, way, hop, false);
        }
        let named: Vec<(usize, &Node)> = named.map(|(n, e)| (n, &e.node)).collect();
        match named.as_slice() {
            [(n, list)] if !next.member.is_empty() => {
                self.members(list, [way, vec![*n]].concat(), hop)
            }
            _ => self.each(&named, way, hop, false),
        }
    }

    /// Goes on in the members of a list that fit.
    fn members(&mut self, list: &Node, way: Vec<usize>, hop: usize) -> Result<(), Refusal> {
        if let Some(why) = list.fixed {
            let message = format!("{} {why}", self.name(hop + 1));
            return Err(Refusal::new(list.span.start, message));
        }
        let Body::List(items) = &list.body else {
            return Err(self.unfit(list, hop, "a list"));
        };
        let wanted = &self.hops[hop].member;
        let fit = items
            .iter()
            .enumerate()
            .filter(|(_, n)| is_member(n, wanted));
        let fit: Vec<(usize, &Node)> = fit.collect();
        self.each(&fit, way, hop, true)
    }

    fn each(
        &mut self,
        fit: &[(usize, &Node)],
        way: Vec<usize>,
        hop: usize,
        list: bool,
    ) -> Result<(), Refusal> {
        let among = list || !self.hops[hop].member.is_empty();
        match fit {
            // Every member that there is, is none.
            [] if self.every && among => {}
            [] => self.found.push(Found::Missing {
                parent: way,
                hop,
                list,
            }),
            [_, (_, second), ..] if !self.every => {
                let message = format!(
                    "{} is here {} times: want one",
                    self.name(hop + 1),
                    fit.len()
                );
                return Err(Refusal::new(second.span.start, message));
            }
            all => {
                for (n, node) in all {
                    self.from(node, [way.as_slice(), &[*n]].concat(), hop + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Of an element with attributes and no elements in it, the value is its text.
    fn text_of(&self, node: &Node, way: Vec<usize>) -> Vec<usize> {
        let Body::Map(entries) = &node.body else {
            return way;
        };
        let plain = |name: &str| name.is_empty() || name.starts_with('@');
        let text = entries.iter().position(|e| e.name.is_empty());
        match text {
            Some(n) if self.format == Format::Xml && entries.iter().all(|e| plain(&e.name)) => {
                [way, vec![n]].concat()
            }
            _ => way,
        }
    }

    fn unfit(&self, node: &Node, hop: usize, want: &str) -> Refusal {
        let mut hops = self.hops[..hop].to_vec();
        // Of a hop with members the list is looked for first.
        let list = self.hops.get(hop).filter(|_| want == "a list");
        hops.extend(list.map(|hop| Hop {
            name: hop.name.clone(),
            member: Vec::new(),
        }));
        let message = format!("{} is {}: want {want}", name(&hops), node.noun());
        Refusal::new(node.span.start, message)
    }

    fn name(&self, hops: usize) -> String {
        name(&self.hops[..hops])
    }
}

/// Returns a way as people write it.
pub(super) fn name(hops: &[Hop]) -> String {
    let mut text = String::new();
    for hop in hops {
        if let Some(name) = &hop.name {
            text += if text.is_empty() { "" } else { "." };
            text += name;
        }
        for (key, value) in &hop.member {
            text.extend(["[", key, "=", value, "]"]);
        }
    }
    if text.is_empty() {
        return "the document".to_owned();
    }
    format!("`{}`", text.escape_debug())
}

fn is_member(node: &Node, wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(key, value)| {
        let Body::Map(entries) = &node.body else {
            return false;
        };
        let mut named = entries.iter().filter(|e| e.name == *key);
        named.any(|e| {
            e.node
                .said()
                .is_some_and(|said| said.trim() == value.trim())
        })
    })
}

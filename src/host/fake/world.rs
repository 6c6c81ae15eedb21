//! What outlives a run, and how an edit changes it.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
};

use super::Appliance;
use crate::{
    host::{Edit, Entry, EntryKind, Place, Presented},
    state::{Attrs, Content, HostPath, State},
};

/// Everything that outlives a run: files, endpoints, units.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct World {
    /// The tree below `/`.
    pub tree: BTreeMap<HostPath, State>,
    /// The state directory.
    pub state: BTreeMap<HostPath, State>,
    /// What listens, and what it presents.
    pub endpoints: BTreeMap<SocketAddr, Presented>,
    /// Names and their addresses.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// A machine that is set by requests.
    pub appliance: Option<Appliance>,
    /// Argument vectors of the commands that ran, in order.
    pub ran: Vec<Vec<String>>,
    /// Markers of commands that are still running although their run died.
    pub leftovers: Vec<String>,
}

fn area<'w>(world: &'w mut World, place: &Place) -> &'w mut BTreeMap<HostPath, State> {
    match place {
        Place::Tree(_) => &mut world.tree,
        Place::State(_) => &mut world.state,
    }
}

pub(super) fn get(area: &BTreeMap<HostPath, State>, path: &HostPath) -> State {
    area.get(path).cloned().unwrap_or(State::Absent)
}

pub(super) fn list(area: &BTreeMap<HostPath, State>, dir: &HostPath) -> Vec<Entry> {
    let below = area
        .range(dir.clone()..)
        .take_while(|(path, _)| path.is_within(dir) || path.as_str().starts_with(dir.as_str()));
    let children = below.filter(|(path, _)| path.parent().as_ref() == Some(dir));
    let entry = |(path, state): (&HostPath, &State)| {
        let kind = match state {
            State::Present {
                content: Content::Dir,
                ..
            } => EntryKind::Dir,
            State::Present {
                content: Content::File(_),
                ..
            } => EntryKind::File,
            State::Present {
                content: Content::Link(_),
                ..
            } => EntryKind::Link,
            State::Present {
                content: Content::Other,
                ..
            }
            | State::Absent => EntryKind::Other,
        };
        Entry {
            name: path.name().to_owned(),
            kind,
        }
    };
    let mut entries: Vec<_> = children.map(entry).collect();
    entries.sort();
    entries
}

fn torn(state: &State) -> State {
    match state.bytes() {
        Some(bytes) => State::file(
            bytes.reveal()[..bytes.len() / 2].to_vec(),
            Attrs {
                mode: 0o600,
                ..Attrs::default()
            },
        ),
        None => state.clone(),
    }
}

pub(super) fn perform(world: &mut World, edit: &Edit, within: bool) -> io::Result<()> {
    match edit {
        Edit::Create { at, state } => {
            let area = area(world, at);
            let parent = at.path().parent().unwrap_or_default();
            if parent != HostPath::default() && !get(area, &parent).is_dir() {
                return Err(io::ErrorKind::NotFound.into());
            }
            if area.contains_key(at.path()) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            area.insert(
                at.path().clone(),
                if within { torn(state) } else { state.clone() },
            );
        }
        Edit::Overwrite { at, state } => {
            area(world, at).insert(
                at.path().clone(),
                if within { torn(state) } else { state.clone() },
            );
        }
        // The kernel does a rename and a removal whole or not at all.
        Edit::Rename { .. } | Edit::Remove { .. } if within => {}
        Edit::Rename { from, to } => {
            let Some(state) = area(world, from).remove(from.path()) else {
                return Err(io::ErrorKind::NotFound.into());
            };
            area(world, to).insert(to.path().clone(), state);
        }
        Edit::Remove { at } => {
            let area = area(world, at);
            if !list(area, at.path()).is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            if area.remove(at.path()).is_none() {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
        Edit::Append { at, bytes } => {
            let area = area(world, at);
            let mut all = get(area, at.path())
                .bytes()
                .map(|b| b.reveal().to_vec())
                .unwrap_or_default();
            all.extend_from_slice(if within {
                &bytes[..bytes.len() / 2]
            } else {
                bytes
            });
            area.insert(
                at.path().clone(),
                State::file(
                    all,
                    Attrs {
                        mode: 0o600,
                        ..Attrs::default()
                    },
                ),
            );
        }
    }
    Ok(())
}

/// Returns what an edit left at its place.
pub(super) fn seen(world: &World, edit: &Edit) -> State {
    match edit {
        Edit::Create { at, .. }
        | Edit::Overwrite { at, .. }
        | Edit::Remove { at }
        | Edit::Append { at, .. }
        | Edit::Rename { to: at, .. } => match at {
            Place::Tree(path) => get(&world.tree, path),
            Place::State(path) => get(&world.state, path),
        },
    }
}

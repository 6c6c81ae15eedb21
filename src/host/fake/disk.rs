//! What a disk may hold when the power is cut: everything that was not synced, or any part of it.
//!
//! The assumptions are those of fsync(2), rename(2) and POSIX.1-2017 (`fsync()`, `rename()`), and no more than those:
//!
//! - An fsync of a file makes its bytes and attributes durable, and not its name; an fsync of a directory makes its
//!   names and its own attributes durable, and nothing of what they name.
//! - Until then each change of a name may have reached the disk or not, whatever came before and after it. A rename
//!   within one directory is one change; across directories it is two, one of each directory. (Journalling file
//!   systems make it one and keep the order: ext4(5), and more is not relied on.)
//! - The bytes of a file that was written may be old, new, none, zeroes, or a mixture of them; its attributes may be
//!   those of any moment since the last fsync.
//! - A name that is durable names an object that exists, however empty. A symbolic link cannot be synced for itself:
//!   its text and owner come with its name.
//! - What was durable stays as it is.

use std::{collections::BTreeMap, rc::Rc};

use super::{FakeHost, World};
use crate::{
    host::{Edit, Place},
    state::{Attrs, Content, HostPath, State},
};

/// Returns one of `0..n` each time it is asked; 0 is what running programs see.
pub type Choose<'c> = &'c mut dyn FnMut(usize) -> usize;

/// The number of an object, which keeps it through renames.
type Id = usize;

/// One change of the names of one directory.
type Move = Vec<(String, Option<Id>)>;

/// One object: what of it is durable, and what may be.
#[derive(Debug, Clone)]
struct Node {
    durable: Rc<State>,
    /// What it was since, the last as running programs see it.
    written: Vec<Rc<State>>,
    names: BTreeMap<String, Id>,
    moves: Vec<Move>,
}

impl Node {
    fn new(durable: State) -> Self {
        Self {
            durable: Rc::new(durable),
            written: Vec::new(),
            names: BTreeMap::new(),
            moves: Vec::new(),
        }
    }

    fn live(&self) -> &Rc<State> {
        self.written.last().unwrap_or(&self.durable)
    }

    fn settle(&mut self) {
        if let Some(last) = self.written.pop() {
            self.durable = last;
            self.written.clear();
        }
        for change in std::mem::take(&mut self.moves) {
            rename(&mut self.names, &change);
        }
    }
}

fn rename(names: &mut BTreeMap<String, Id>, change: &Move) {
    for (name, to) in change {
        match to {
            Some(id) => drop(names.insert(name.clone(), *id)),
            None => drop(names.remove(name)),
        }
    }
}

/// A disk, and what of it is durable.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    /// Shared with copies of the disk until they change.
    nodes: Vec<Rc<Node>>,
    /// Names as running programs see them.
    live: BTreeMap<Place, Id>,
}

fn places(world: &World) -> impl Iterator<Item = (Place, &State)> {
    let tree = world.tree.iter().map(|(p, s)| (Place::Tree(p.clone()), s));
    let state = world.state.iter();
    tree.chain(state.map(|(p, s)| (Place::State(p.clone()), s)))
}

fn parent(place: &Place) -> Option<Place> {
    match place {
        Place::Tree(path) => path.parent().map(Place::Tree),
        Place::State(path) => path.parent().map(Place::State),
    }
}

/// What a new object is before anything is written to it; owner and mode as the program makes it.
fn newborn(state: &State) -> State {
    let attrs = |mode| Attrs {
        mode,
        ..Attrs::default()
    };
    match state.bytes() {
        Some(_) => State::file(Vec::new(), attrs(0o600)),
        None if state.is_dir() => State::Present {
            content: Content::Dir,
            attrs: attrs(0o700),
        },
        None => state.clone(),
    }
}

impl Disk {
    /// Makes a disk of a world, all of it durable.
    pub(super) fn of(world: &World) -> Self {
        let mut disk = Self::default();
        for (place, state) in places(world) {
            let id = disk.add(Node::new(state.clone()));
            if let Some(parent) = parent(&place) {
                let parent = disk.id(&parent);
                let name = place.path().name().to_owned();
                disk.node(parent).names.insert(name, id);
            }
            disk.live.insert(place, id);
        }
        disk
    }

    /// Takes over what others did to the world, durable or not.
    pub(super) fn adopt(&mut self, world: &World) {
        for (place, state) in places(world) {
            match self.live.get(&place) {
                Some(id) if *self.nodes[*id].live().as_ref() == *state => {}
                Some(id) => {
                    let id = *id;
                    self.node(id).written.push(Rc::new(state.clone()));
                }
                None => self.create(&place, state, state),
            }
        }
        let gone = |place: &Place| match place {
            Place::Tree(path) => !world.tree.contains_key(path),
            Place::State(path) => !world.state.contains_key(path),
        };
        let is_top = |place: &Place| parent(place).is_none();
        let gone = |place: &&Place| !is_top(place) && gone(place);
        for place in self.live.keys().filter(gone).cloned().collect::<Vec<_>>() {
            self.remove(&place);
        }
    }

    /// Records an edit; `seen` is what it left to running programs, less than all of it where the run died within.
    pub(super) fn edit(&mut self, edit: &Edit, seen: &State, within: bool) {
        match edit {
            Edit::Create { at, state } => self.create(at, state, seen),
            Edit::Overwrite { at, state } => {
                let id = self.id(at);
                let node = self.node(id);
                // The mode is narrowed before the bytes are written, and the attributes come after them.
                if let (Some(bytes), Some(now), Some(then)) =
                    (state.bytes(), node.live().attrs(), state.attrs())
                {
                    let mode = now.mode & then.mode;
                    let narrowed = Attrs {
                        mode,
                        ..now.clone()
                    };
                    let narrowed = Rc::new(State::file(bytes.clone(), narrowed));
                    node.written.push(narrowed);
                }
                node.written.push(Rc::new(state.clone()));
                node.written.push(Rc::new(seen.clone()));
            }
            // Nothing has happened to names before the call is over.
            Edit::Rename { .. } | Edit::Remove { .. } if within => {}
            Edit::Rename { from, to } => self.rename(from, to),
            Edit::Remove { at } => self.remove(at),
            Edit::Append { at, bytes } => {
                let id = self.id(at);
                let node = self.node(id);
                if within {
                    let mut whole = node
                        .live()
                        .bytes()
                        .map_or_else(Vec::new, |b| b.reveal().to_vec());
                    whole.extend_from_slice(bytes);
                    let attrs = node.live().attrs().cloned().unwrap_or_default();
                    node.written.push(Rc::new(State::file(whole, attrs)));
                }
                node.written.push(Rc::new(seen.clone()));
            }
        }
    }

    /// Makes an edit's object durable, and not its name.
    pub(super) fn settle(&mut self, edit: &Edit) {
        if let Edit::Append { at, .. } = edit {
            let id = self.id(at);
            self.node(id).settle();
        }
    }

    /// Makes places durable: each object for itself, and the directory that holds its name.
    pub(super) fn sync(&mut self, places: &[Place]) {
        for place in places {
            for place in [Some(place.clone()), parent(place)].into_iter().flatten() {
                if let Some(id) = self.live.get(&place).copied() {
                    self.node(id).settle();
                }
            }
        }
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(Rc::new(node));
        self.nodes.len() - 1
    }

    fn node(&mut self, id: Id) -> &mut Node {
        Rc::make_mut(&mut self.nodes[id])
    }

    fn id(&mut self, place: &Place) -> Id {
        if let Some(id) = self.live.get(place) {
            return *id;
        }
        let id = self.add(Node::new(State::Present {
            content: Content::Dir,
            attrs: Attrs::default(),
        }));
        self.live.insert(place.clone(), id);
        id
    }

    fn change(&mut self, place: &Place, change: Move) {
        if let Some(parent) = parent(place) {
            let id = self.id(&parent);
            self.node(id).moves.push(change);
        }
    }

    fn create(&mut self, at: &Place, state: &State, seen: &State) {
        let mut node = Node::new(newborn(state));
        node.written = vec![Rc::new(state.clone()), Rc::new(seen.clone())];
        let id = self.add(node);
        self.live.insert(at.clone(), id);
        self.change(at, vec![(at.path().name().to_owned(), Some(id))]);
    }

    fn remove(&mut self, at: &Place) {
        self.live.remove(at);
        self.change(at, vec![(at.path().name().to_owned(), None)]);
    }

    fn rename(&mut self, from: &Place, to: &Place) {
        let Some(id) = self.live.remove(from) else {
            return;
        };
        self.live.insert(to.clone(), id);
        let gone = (from.path().name().to_owned(), None);
        let come = (to.path().name().to_owned(), Some(id));
        if parent(from) == parent(to) {
            self.change(to, vec![gone, come]);
        } else {
            self.change(to, vec![come]);
            self.change(from, vec![gone]);
        }
    }

    /// Returns the tree and the state directory as one of the disks that a power cut may leave.
    pub(super) fn cut(&self, choose: Choose<'_>) -> [BTreeMap<HostPath, State>; 2] {
        let mut seen = BTreeMap::new();
        let tops = [
            Place::Tree(HostPath::default()),
            Place::State(HostPath::default()),
        ];
        tops.map(|top| {
            let mut area = BTreeMap::new();
            if let Some(id) = self.live.get(&top) {
                self.cut_below(*id, &HostPath::default(), &mut area, &mut seen, choose);
            }
            area
        })
    }

    fn cut_below(
        &self,
        dir: Id,
        path: &HostPath,
        area: &mut BTreeMap<HostPath, State>,
        seen: &mut BTreeMap<Id, State>,
        choose: Choose<'_>,
    ) {
        let node = &self.nodes[dir];
        let mut names = node.names.clone();
        for change in &node.moves {
            if choose(2) == 0 {
                rename(&mut names, change);
            }
        }
        for (name, id) in names {
            let path = path.join(&name);
            // Two names of one object show the same object.
            let state = seen.entry(id).or_insert_with(|| self.nodes[id].cut(choose));
            let is_dir = state.is_dir();
            area.insert(path.clone(), state.clone());
            if is_dir {
                self.cut_below(id, &path, area, seen, choose);
            }
        }
    }
}

impl Node {
    fn cut(&self, choose: Choose<'_>) -> State {
        if self.written.is_empty() {
            return State::clone(&self.durable);
        }
        let last = self.written.len() - 1;
        let version = |choose: Choose<'_>| match choose(self.written.len() + 1) {
            0 => &self.written[last],
            1 => &self.durable,
            n => &self.written[n - 2],
        };
        let (content, attrs) = (version(choose), version(choose).attrs().cloned());
        let attrs = attrs.unwrap_or_default();
        let (Some(old), Some(new)) = (self.durable.bytes(), content.bytes()) else {
            return match content.as_ref() {
                State::Present { content, .. } => State::Present {
                    content: content.clone(),
                    attrs,
                },
                State::Absent => State::Absent,
            };
        };
        State::file(mixed(old.reveal(), new.reveal(), choose), attrs)
    }
}

/// What may be on the disk of a file while `new` is written over `old`.
fn mixed(old: &[u8], new: &[u8], choose: Choose<'_>) -> Vec<u8> {
    if old == new {
        return new.to_vec();
    }
    // What both begin with is on the disk already, as in a file that is added to.
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = new.len() - same;
    match choose(6) {
        0 => new.to_vec(),
        1 => new[..same].to_vec(),
        2 => [&new[..same], &vec![0; tail]].concat(),
        3 => new[..same + choose(tail + 1)].to_vec(),
        4 => {
            let torn = same + choose(tail + 1);
            [&new[..torn], old.get(torn..).unwrap_or_default()].concat()
        }
        _ => {
            let hole = choose(tail + 1);
            [&new[..same], &vec![0; hole], &new[same + hole..]].concat()
        }
    }
}

impl FakeHost {
    /// Cuts the power and boots again: a world of its own, with one of the disks that may be left. Nothing runs, and
    /// nothing listens.
    #[must_use]
    pub fn after_power_cut(&self, choose: Choose<'_>) -> Self {
        let [tree, state] = self.disk.borrow().cut(choose);
        let names = self.world.borrow().names.clone();
        // Another machine does not notice.
        let appliance = self.world.borrow().appliance.clone();
        // What starts after a boot is not what ran before it.
        let mut ran = self.world.borrow().ran.clone();
        ran.push(vec!["boot".to_owned()]);
        let world = World {
            tree,
            state,
            names,
            appliance,
            ran,
            ..World::default()
        };
        Self {
            live: self.live,
            ..Self::new(world, Rc::clone(&self.react))
        }
    }
}

//! A small host in memory that must not be asked to run anything.

use std::rc::Rc;

use certroll::{
    host::fake::{FakeHost, World},
    state::{Attrs, Content, HostPath, State},
};

pub(super) const LEAF: &str = include_str!("../../../../fixtures/identities/self-signed/leaf.pem");
pub(super) const KEY: &str =
    include_str!("../../../../fixtures/identities/self-signed/test-only.key");

pub(super) fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

pub(super) fn file(bytes: impl Into<Vec<u8>>, mode: u32) -> State {
    let attrs = Attrs {
        mode,
        ..Attrs::default()
    };
    State::file(bytes.into(), attrs)
}

pub(super) fn dir() -> State {
    State::Present {
        content: Content::Dir,
        attrs: Attrs {
            mode: 0o755,
            ..Attrs::default()
        },
    }
}

/// Puts an object and the directories above it into the tree.
pub(super) fn put(world: &mut World, at: &HostPath, state: State) {
    let mut up = at.parent();
    while let Some(above) = up {
        up = above.parent();
        world.tree.entry(above).or_insert_with(dir);
    }
    world.tree.insert(at.clone(), state);
}

/// A world with what the Wazo profile looks for, a pair, and a file for each path of the seeds.
pub(super) fn world() -> World {
    let mut world = World::default();
    for at in [
        "/etc/wazo-auth/conf.d",
        "/etc/wazo-confd/conf.d",
        "/usr/share/xivo-certs",
        "/etc/certroll/rollouts.d",
    ] {
        put(&mut world, &path(at), dir());
    }
    for (at, text) in [
        ("/etc/hostname", "pbx\n"),
        ("/etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tpbx\n"),
        (
            "/usr/share/xivo-config/templates/system/etc/hosts",
            "127.0.0.1\tlocalhost\n127.0.1.1\t#XIVO_HOSTNAME#\n",
        ),
        ("/etc/wazo-auth/config.yml", "rest_api: {port: 9497}\n"),
        ("/pair/leaf.pem", LEAF),
    ] {
        put(&mut world, &path(at), file(text, 0o644));
    }
    put(&mut world, &path("/pair/leaf.key"), file(KEY, 0o600));
    world
}

/// Makes a host whose commands are findings.
pub(super) fn host(world: World) -> FakeHost {
    FakeHost::new(
        world,
        Rc::new(|_, command| panic!("an input ran `{}`", command.line())),
    )
}

//! Real root trees in scratch directories: made from `fixtures/hosts`, looked at from outside, run against the real
//! binary.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    dead_code,
    reason = "tests make and read files themselves, fail by panicking, say what they skip, and use a part of this each"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// Where certroll keeps its state below a root: no part of the host that a rollout is about.
const STATE: &str = "/var/lib/certroll";

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Dir,
    File(Vec<u8>),
    Link(String),
}

/// One object as somebody outside sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) what: What,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
}

/// Objects by path as the host sees it.
pub(crate) type Snapshot = BTreeMap<String, Object>;

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Tells whether owners can be set, and says so where they cannot.
pub(crate) fn can_own() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: owners of a scratch root can only be set by root");
        assert!(
            std::env::var_os("CI").is_none(),
            "skipped where nothing may be"
        );
    }
    root
}

/// A root in a directory that goes with it.
#[derive(Debug)]
pub(crate) struct Root {
    dir: TempDir,
}

impl Root {
    /// Makes a root with nothing but the directory that state is kept in.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let root = Self { dir };
        root.dir("/var/lib", 0o755, 0);
        root
    }

    /// Makes the root of a fixture, as `fixtures/README.md` says.
    pub(crate) fn fixture(name: &str) -> Self {
        let home = env!("CARGO_MANIFEST_DIR");
        let text = fs::read_to_string(format!("{home}/fixtures/hosts/{name}/tree.txt")).unwrap();
        let root = Self::empty();
        for section in text.trim_end_matches('\n').split("\n== ").skip(1) {
            let (head, content) = section.split_once('\n').unwrap_or((section, ""));
            let words: Vec<&str> = head.split(' ').collect();
            match words.as_slice() {
                ["link", path, "->", target] => root.link(path, target),
                ["dir", mode, owner, path] => root.dir(path, octal(mode), gid(owner)),
                ["file", mode, owner, path] => {
                    root.file(path, &format!("{content}\n"), octal(mode), gid(owner));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        root
    }

    /// Where a path of the root is for the test.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file, its missing parents 0755.
    pub(crate) fn file(&self, path: &str, text: &str, mode: u32, gid: u32) {
        self.parents(path);
        let at = self.at(path);
        fs::write(&at, text).unwrap();
        own(&at, mode, gid);
    }

    /// Puts a directory.
    pub(crate) fn dir(&self, path: &str, mode: u32, gid: u32) {
        self.parents(path);
        let at = self.at(path);
        if !at.is_dir() {
            fs::create_dir(&at).unwrap();
        }
        own(&at, mode, gid);
    }

    /// Puts a symbolic link.
    pub(crate) fn link(&self, path: &str, target: &str) {
        self.parents(path);
        symlink(target, self.at(path)).unwrap();
    }

    fn parents(&self, path: &str) {
        let mut made = String::new();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for part in &parts[..parts.len().saturating_sub(1)] {
            made = format!("{made}/{part}");
            if !self.at(&made).is_dir() {
                fs::create_dir(self.at(&made)).unwrap();
                own(&self.at(&made), 0o755, 0);
            }
        }
    }

    /// Runs the program on this root, in the directory of an identity of `fixtures/identities`.
    pub(crate) fn run(&self, identity: &str, args: &[&str]) -> Ran {
        let home = env!("CARGO_MANIFEST_DIR");
        let output = Command::new(env!("CARGO_BIN_EXE_certroll"))
            .arg("--root")
            .arg(self.dir.path())
            .args(["--color", "never"])
            .args(args)
            .current_dir(format!("{home}/fixtures/identities/{identity}"))
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Looks at everything but certroll's own state.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut all = snapshot(self.dir.path());
        all.retain(|path, _| path != STATE && !path.starts_with(&format!("{STATE}/")));
        all
    }

    /// Inode and time of change of content, for everything but directories: what a write cannot hide.
    pub(crate) fn stamps(&self) -> BTreeMap<String, (u64, i64, i64)> {
        let stamp = |path: &String| {
            let meta = fs::symlink_metadata(self.at(path)).unwrap();
            (meta.ino(), meta.mtime(), meta.mtime_nsec())
        };
        let all = self.snapshot();
        let files = all
            .iter()
            .filter(|(_, object)| object.what != What::Dir)
            .map(|(path, _)| path);
        files.map(|path| (path.clone(), stamp(path))).collect()
    }
}

/// Looks at everything below a directory, following nothing.
pub(crate) fn snapshot(top: &Path) -> Snapshot {
    let mut all = Snapshot::new();
    for entry in walkdir::WalkDir::new(top).min_depth(1) {
        let entry = entry.unwrap();
        let below = entry.path().strip_prefix(top).unwrap().to_str().unwrap();
        all.insert(format!("/{below}"), object(entry.path()));
    }
    all
}

/// Looks at one object.
pub(crate) fn object(at: &Path) -> Object {
    let meta = fs::symlink_metadata(at).unwrap();
    let what = if meta.is_symlink() {
        What::Link(fs::read_link(at).unwrap().to_str().unwrap().to_owned())
    } else if meta.is_dir() {
        What::Dir
    } else {
        What::File(fs::read(at).unwrap())
    };
    Object {
        what,
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        xattrs: xattrs(at),
    }
}

fn xattrs(at: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 4096];
    let Ok(len) = rustix::fs::llistxattr(at, &mut names) else {
        return BTreeMap::new();
    };
    let names = String::from_utf8(names[..len].to_vec()).unwrap();
    let mut found = BTreeMap::new();
    for name in names.split_terminator('\0') {
        let mut value = vec![0; 4096];
        let len = rustix::fs::lgetxattr(at, name, &mut value).unwrap();
        found.insert(name.to_owned(), value[..len].to_vec());
    }
    found
}

fn own(at: &Path, mode: u32, gid: u32) {
    if rustix::process::geteuid().is_root() {
        chown(at, Some(0), Some(gid)).unwrap();
    }
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
}

fn octal(mode: &str) -> u32 {
    u32::from_str_radix(mode, 8).unwrap()
}

fn gid(owner: &str) -> u32 {
    match owner {
        "root:root" => 0,
        "root:www-data" => 33,
        other => panic!("{other}"),
    }
}

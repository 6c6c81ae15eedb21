//! File systems of a test's own, in a mount namespace of its own.
//!
//! Everything is mounted in the namespace of one process, images are files of a tmpfs that is mounted there too, and
//! loop devices are released with their mount: whatever ends that process, nothing of it is left, and nothing that an
//! earlier one left can be in the way.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use super::PROGRAMS;
use crate::common::{Scratch, skip};

/// Names the directory in which everything is mounted, for the process that works in a namespace of its own.
const ROOM: &str = "CERTROLL_TEST_ROOM";

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tmpfs,
    Ext4,
    Xfs,
    Btrfs,
    Overlayfs,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tmpfs => "tmpfs",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Overlayfs => "overlayfs",
        }
    }

    /// The command that makes it in an image, and the image's size; none where it has no image.
    fn make(self) -> Option<(&'static [&'static str], &'static str)> {
        match self {
            Self::Tmpfs | Self::Overlayfs => None,
            Self::Ext4 => Some((&["mkfs.ext4", "-q", "-F"], "64M")),
            // The least that mkfs.xfs(8) takes.
            Self::Xfs => Some((&["mkfs.xfs", "-q"], "300M")),
            Self::Btrfs => Some((&["mkfs.btrfs", "-q", "-m", "single"], "128M")),
        }
    }

    fn options(self) -> &'static str {
        match self {
            // Without the help that ext4(5) gives to programs that forget to sync before a rename.
            Self::Ext4 => "loop,noauto_da_alloc",
            _ => "loop",
        }
    }
}

/// Runs the calling test once more in a mount namespace of its own; true in there, where the test is to go on.
pub(crate) fn in_a_room_of_its_own() -> bool {
    if std::env::var_os(ROOM).is_some() {
        return true;
    }
    if let Some(reason) = missing() {
        skip(&reason);
        return false;
    }
    let scratch = Scratch::new();
    let room = scratch.text("room");
    scratch.dir("room");
    // libtest calls the thread by the name of the test.
    let test = thread::current().name().unwrap().to_owned();
    // Private of the host, and shared by the namespaces of single runs: a file system that is gone here is gone there.
    // Every plan looks through `/etc` and changes nothing there: of this machine's it has what programs need alone, or
    // looking would be most of what thousands of runs do.
    let script = "mount --make-rshared / && mount -t tmpfs -o mode=755 room \"$CERTROLL_TEST_ROOM\" && \
        cd / && cp -a --parents etc/passwd etc/group etc/nsswitch.conf etc/ld.so.cache etc/mke2fs.conf \
        etc/ssl/openssl.cnf \"$CERTROLL_TEST_ROOM\" && mount --bind \"$CERTROLL_TEST_ROOM/etc\" /etc && \
        mount -t tmpfs -o mode=755 run /run && exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(ROOM, &room)
        .env("TMPDIR", &room)
        .status()
        .unwrap();
    assert!(status.success(), "{test} in a room of its own: {status}");
    false
}

/// Says why no file system can be made here.
fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may mount file systems".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("there are no loop devices".to_owned());
    }
    let there = |program: &str| {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|dir| Path::new(dir).join(program).exists())
    };
    PROGRAMS
        .iter()
        .chain(&["unshare", "mount", "umount"])
        .find(|program| !there(program))
        .map(|program| format!("`{program}` is not installed"))
}

/// A mounted file system.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) kind: Kind,
    /// Where it is mounted.
    pub(crate) at: PathBuf,
    image: PathBuf,
}

impl Disk {
    /// Makes and mounts a file system below a directory of the room.
    pub(crate) fn new(kind: Kind, dir: &Path) -> Self {
        std::fs::create_dir_all(dir.join("mnt")).unwrap();
        let disk = Self {
            kind,
            at: dir.join("mnt"),
            image: dir.join("image"),
        };
        if let Some((make, size)) = kind.make() {
            call("truncate", &[&"-s", &size, &disk.image]);
            let (program, args) = make.split_first().unwrap();
            let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> =
                args.iter().map(|a| a as &dyn AsRef<_>).collect();
            args.push(&disk.image);
            call(program, &args);
        }
        disk.mount();
        disk
    }

    fn mount(&self) {
        let dir = self.at.parent().unwrap().display();
        match self.kind {
            Kind::Tmpfs => call("mount", &[&"-t", &"tmpfs", &"tmpfs", &self.at]),
            Kind::Overlayfs => {
                for part in ["lower", "upper", "work"] {
                    std::fs::create_dir_all(self.at.with_file_name(part)).unwrap();
                }
                let options =
                    format!("lowerdir={dir}/lower,upperdir={dir}/upper,workdir={dir}/work");
                call(
                    "mount",
                    &[&"-t", &"overlay", &"-o", &options, &"overlay", &self.at],
                );
            }
            Kind::Ext4 | Kind::Xfs | Kind::Btrfs => {
                call(
                    "mount",
                    &[&"-o", &self.kind.options(), &self.image, &self.at],
                );
            }
        }
    }

    /// Cuts the power: what was not brought to the disk by now is lost. Mounts what is there again.
    pub(crate) fn cut(&self) {
        match self.kind {
            Kind::Ext4 | Kind::Xfs => {
                // Without flushing the log: XFS_FSOP_GOING_FLAGS_NOLOGFLUSH, which ext4 knows as well (xfs_io(8)).
                call("xfs_io", &[&"-x", &"-c", &"shutdown", &self.at]);
                call("umount", &[&self.at]);
            }
            Kind::Btrfs => {
                let copy = self.image.with_file_name("copy");
                self.copy_as_it_is(&copy);
                call("umount", &[&self.at]);
                std::fs::rename(copy, &self.image).unwrap();
            }
            Kind::Tmpfs | Kind::Overlayfs => panic!("{} outlives no power cut", self.kind.name()),
        }
        self.mount();
    }

    /// Copies the image of a mounted file system. Two copies that are equal show one and the same moment.
    fn copy_as_it_is(&self, copy: &Path) {
        let again = copy.with_file_name("again");
        for _ in 0..20 {
            for to in [copy, &again] {
                call("cp", &[&"--sparse=always", &self.image, &to]);
            }
            let equal = Command::new("cmp").arg("-s").args([copy, &again]).status();
            if equal.unwrap().success() {
                return;
            }
        }
        panic!("{} never was at rest", self.image.display());
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&self) {
        call("sync", &[&"-f", &self.at]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that still holds it goes before the namespace does.
        drop(Command::new("umount").arg("-l").arg(&self.at).status());
    }
}

/// Runs a program that must do well.
fn call(program: &str, args: &[&dyn AsRef<std::ffi::OsStr>]) {
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let mut command = Command::new(program);
    command.args(args.iter().map(AsRef::as_ref));
    let output = command.env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

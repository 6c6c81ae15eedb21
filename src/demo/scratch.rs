//! The directory that the demo works in; gone when dropped.

use std::{
    fs::DirBuilder,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::error::{On as _, Result};

/// A directory of our own below the temporary one: `host/` is the scratch host's `/`, `pairs/` holds what a person
/// would give with `--cert` and `--key`.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the directory, 0700, under a name that was not there.
    pub(super) fn make() -> Result<Self> {
        let mut tries = 0;
        let path = loop {
            let name = format!("certroll-demo-{}-{tries}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && tries < 100 => {
                    tries += 1;
                }
                Err(error) => return Err(error).on("create", path.display().to_string()),
            }
        };
        let scratch = Self(path);
        for dir in [scratch.root(), scratch.0.join("pairs")] {
            make_dir(&dir)?;
        }
        Ok(scratch)
    }

    /// Returns the directory that is `/` to the scratch host.
    pub(super) fn root(&self) -> PathBuf {
        self.0.join("host")
    }

    /// Writes a file of the scratch host, with the directories above it, 0755.
    pub(super) fn put(&self, path: &str, text: &str, mode: u32) -> Result<()> {
        put(&self.root().join(path.trim_start_matches('/')), text, mode)
    }

    /// Makes an empty directory of the scratch host.
    pub(super) fn dir(&self, path: &str) -> Result<()> {
        make_dir(&self.root().join(path.trim_start_matches('/')))
    }

    /// Makes a symbolic link of the scratch host.
    pub(super) fn link(&self, path: &str, target: &str) -> Result<()> {
        let at = self.root().join(path.trim_start_matches('/'));
        at.parent().map_or(Ok(()), make_dir)?;
        std::os::unix::fs::symlink(target, &at).on("link", at.display().to_string())
    }

    /// Writes a file outside the scratch host, 0600, and returns its path as a person would type it.
    pub(super) fn pair_file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.0.join("pairs").join(name);
        put(&path, text, 0o600)?;
        Ok(path.display().to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing is left to tell anybody who could mend it; the test looks whether it is gone.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn put(path: &Path, text: &str, mode: u32) -> Result<()> {
    let shown = || path.display().to_string();
    path.parent().map_or(Ok(()), make_dir)?;
    std::fs::write(path, text).on("write", shown())?;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).on("set the mode of", shown())
}

/// Makes a directory and those above it; the mode does not hang on the caller's umask.
fn make_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), make_dir)?;
    let shown = || path.display().to_string();
    std::fs::create_dir(path).on("create", shown())?;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).on("set the mode of", shown())
}

//! Paths of the host.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// An absolute path as the host sees it: `/` separated, normalised, never with `.` or `..`.
///
/// Copies share their text: a plan, its journal and its permit name the same hundred thousand paths.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(Arc<str>);

/// Why a text is not a [`HostPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPath {
    /// It does not start with `/`.
    #[error("is not absolute")]
    Relative,
    /// It has a `..` component.
    #[error("has a `..` component")]
    Climbs,
    /// It has a NUL byte, a line break, or is longer than the kernel takes (4096 bytes, `path_resolution(7)`).
    #[error("has a NUL byte or a line break, or is too long")]
    Unusable,
}

impl Default for HostPath {
    /// Returns `/`.
    fn default() -> Self {
        Self(Arc::from("/"))
    }
}

impl HostPath {
    /// Parses and normalises an absolute path.
    ///
    /// # Errors
    /// [`NotAPath`] where the text is relative, climbs, or cannot be a path.
    pub fn new(text: &str) -> Result<Self, NotAPath> {
        if text.len() > 4095 || text.contains(['\0', '\n', '\r']) {
            return Err(NotAPath::Unusable);
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(NotAPath::Relative);
        };
        let mut path = String::with_capacity(text.len());
        for part in rest.split('/').filter(|p| !p.is_empty() && *p != ".") {
            if part == ".." {
                return Err(NotAPath::Climbs);
            }
            path.push('/');
            path.push_str(part);
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path.into()))
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directory that holds this path, or none for `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.as_str() == "/" {
            return None;
        }
        match self.0.rfind('/') {
            Some(0) | None => Some(Self::default()),
            Some(at) => Some(Self(Arc::from(&self.0[..at]))),
        }
    }

    /// Returns the last component; empty for `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the path of `name` inside this directory; `name` is one component.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        if self.as_str() == "/" {
            Self(format!("/{name}").into())
        } else {
            Self(format!("{}/{name}", self.0).into())
        }
    }

    /// Returns the path that a link at this path points to, resolved lexically inside the root as chroot(2) does.
    #[must_use]
    pub fn link_target(&self, target: &str) -> Self {
        let mut parts: Vec<&str> = Vec::new();
        let base = self.parent().unwrap_or_default();
        let joined = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("{base}/{target}")
        };
        for part in joined.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        Self(format!("/{}", parts.join("/")).into())
    }

    /// Tells whether this path is `dir` or lies below it.
    #[must_use]
    pub fn is_within(&self, dir: &Self) -> bool {
        dir.as_str() == "/"
            || self == dir
            || self
                .0
                .strip_prefix(&*dir.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl TryFrom<String> for HostPath {
    type Error = NotAPath;
    fn try_from(text: String) -> Result<Self, NotAPath> {
        Self::new(&text)
    }
}

impl From<HostPath> for String {
    fn from(path: HostPath) -> Self {
        path.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_normalised_or_refused() {
        for (text, want) in [
            ("/etc//hosts", Ok("/etc/hosts")),
            ("/./etc/./hosts/", Ok("/etc/hosts")),
            ("/", Ok("/")),
            ("etc/hosts", Err(NotAPath::Relative)),
            ("/etc/../shadow", Err(NotAPath::Climbs)),
            ("/etc/ho\nsts", Err(NotAPath::Unusable)),
        ] {
            assert_eq!(
                HostPath::new(text)
                    .as_ref()
                    .map(HostPath::as_str)
                    .map_err(|e| *e),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn a_link_target_stays_inside_the_root() {
        let link = HostPath::new("/etc/a/x").unwrap();
        for (target, want) in [
            ("../b", "/etc/b"),
            ("/c", "/c"),
            ("../../../../etc/d", "/etc/d"),
            (".", "/etc/a"),
        ] {
            assert_eq!(link.link_target(target).as_str(), want, "{target}");
        }
    }
}

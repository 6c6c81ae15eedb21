//! Everything that can go wrong, each a verb on a thing, and the exit code and hint that belong to it.

use std::io;

use crate::preflight::{Finding, Scope, Severity};

/// The outcome of a command as the shell sees it; the table in the README is tested against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// Converged, committed, placed, no difference; or `rollback` or `recover` did what was asked.
    Success = 0,
    /// Failed with the host unchanged.
    Failed = 1,
    /// Usage, or a fatal finding about the identity, profile or settings; nothing was touched.
    Usage = 2,
    /// Failed, rolled back and proved.
    RolledBack = 3,
    /// A person is needed, or a generation is open.
    Stuck = 4,
    /// Differences were found.
    Differences = 5,
    /// Another run holds the lock.
    Locked = 6,
    /// The host or the inputs changed since the plan was made.
    Stale = 7,
    /// A peer is not the one pinned; nothing was sent to it.
    WrongPeer = 8,
}

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure that left the host unchanged, unless the doc of the function that returns it says otherwise.
///
/// `Display` never repeats its source; the printer in `cli` prints the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One system call on one path.
    #[error("cannot {verb} `{path}`")]
    Io {
        /// What was tried, as in "read", "replace", "list".
        verb: &'static str,
        /// The path as the user knows it.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of ours or the user's that does not say what its format demands.
    #[error("{path}:{line}:{column}: {message}")]
    Parse {
        /// Path of the file.
        path: String,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What was found.
        message: String,
        /// The valid names, where there are any.
        hint: String,
    },
    /// Something wanted that is not in the set of what there is.
    #[error("unknown {what} `{name}`")]
    Unknown {
        /// The sort of thing: "profile", "setting", "group".
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The names that would do.
        known: Vec<String>,
    },
    /// An argument or a combination of them that cannot be meant.
    #[error("{message}")]
    Usage {
        /// What was found and what was wanted.
        message: String,
        /// What to type instead.
        hint: String,
    },
    /// Input that is not what it should be: empty, a directory, junk, too large.
    #[error("{subject}: {message}")]
    Input {
        /// Path of the input, in backticks where it is one.
        subject: String,
        /// What was found.
        message: String,
        /// What to do.
        hint: String,
    },
    /// At least one fatal finding; all findings are kept.
    #[error("{}", fatal_summary(.0))]
    Findings(Vec<Finding>),
    /// A command that could not be started or did not end well.
    #[error("`{command}` {outcome}")]
    Run {
        /// The program and its arguments, none of which is ever a secret.
        command: String,
        /// How it ended: "exited with 1: ...", "was not found", "ran past its limit of 30 s".
        outcome: String,
    },
    /// A probe, unit or config test that is not as promised.
    #[error("{subject} {found}: want {want}")]
    Unproved {
        /// The endpoint, unit or file.
        subject: String,
        /// What the plan promises.
        want: String,
        /// What was observed.
        found: String,
    },
    /// A resource is no longer what the plan was made from.
    #[error("`{path}` changed since the plan was made")]
    Changed {
        /// The resource.
        path: String,
    },
    /// A saved plan differs from the plan that the host and inputs give now.
    #[error("the plan in `{path}` is stale: the host or the inputs changed since it was made")]
    StalePlan {
        /// The saved plan.
        path: String,
        /// A unified diff of the two plans.
        diff: String,
    },
    /// A hook would do again what was rolled back within a day.
    #[error(
        "not tried again: generation {number} did the very same on {when}, and was rolled back"
    )]
    Tried {
        /// The generation.
        number: u64,
        /// When, for people.
        when: String,
    },
    /// Another run holds the lock.
    #[error("another certroll run{} holds the lock `{path}`", .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: String,
        /// Process id of the holder, where it is known.
        pid: Option<u32>,
    },
    /// A generation is open: a run died, or waits for a person.
    #[error("generation {generation} is open: {message}")]
    Open {
        /// Its number.
        generation: u64,
        /// What is where.
        message: String,
    },
    /// The host refused an edit or a command that the plan in force does not name.
    #[error("refused to {verb} `{what}`: the plan does not name it")]
    NotPlanned {
        /// The operation.
        verb: &'static str,
        /// The path or argument vector.
        what: String,
    },
    /// The journal or another stored format is damaged or of a newer version.
    #[error("cannot read `{path}`: {message}")]
    Stored {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// Peers that are not the ones pinned: nothing was sent to them.
    #[error("{}", wrong_peers(.0))]
    WrongPeer(Vec<crate::pins::Mismatch>),
    /// A server that gives no answer, or refuses: its own words.
    #[error("`{server}` {message}")]
    Server {
        /// Its URL, or what of it was asked.
        server: String,
        /// What it said, or why it said nothing.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The run was interrupted by a signal.
    #[error("interrupted by {signal}")]
    Interrupted {
        /// The signal's name.
        signal: &'static str,
    },
}

fn fatal_summary(findings: &[Finding]) -> String {
    let fatal: Vec<_> = findings
        .iter()
        .filter(|f| f.severity == Severity::Fatal)
        .collect();
    match fatal.as_slice() {
        [one] => one.message.clone(),
        many => format!("{} fatal findings", many.len()),
    }
}

fn wrong_peers(peers: &[crate::pins::Mismatch]) -> String {
    match peers {
        [one] if one.keyless => format!(
            "`{}` presents the leaf that is wanted without holding its key: nothing was sent to it",
            one.peer
        ),
        [one] => format!(
            "`{}` is not the peer that is pinned: nothing was sent to it",
            one.peer
        ),
        many => {
            let names: Vec<String> = many.iter().map(|one| one.peer.clone()).collect();
            format!(
                "{} are not the peers that are pinned: nothing was sent to them",
                backticked(&names)
            )
        }
    }
}

impl Error {
    /// Returns the code the process exits with.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Io { .. }
            | Self::Run { .. }
            | Self::Unproved { .. }
            | Self::NotPlanned { .. }
            | Self::Tried { .. }
            | Self::Server { .. }
            | Self::Interrupted { .. } => ExitCode::Failed,
            Self::Parse { .. } | Self::Unknown { .. } | Self::Usage { .. } | Self::Input { .. } => {
                ExitCode::Usage
            }
            Self::Findings(findings) => {
                let about_input = findings
                    .iter()
                    .any(|f| f.severity == Severity::Fatal && f.scope == Scope::Input);
                if about_input {
                    ExitCode::Usage
                } else {
                    ExitCode::Failed
                }
            }
            Self::Changed { .. } | Self::StalePlan { .. } => ExitCode::Stale,
            Self::Locked { .. } => ExitCode::Locked,
            Self::Open { .. } | Self::Stored { .. } => ExitCode::Stuck,
            Self::WrongPeer(_) => ExitCode::WrongPeer,
        }
    }

    /// Returns what to do next, as something that can be typed where possible.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { verb, source, path } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("run as root, or use `--root DIR` on a tree of your own".to_owned()),
                io::ErrorKind::NotFound if *verb == "create" => {
                    let (folder, _) = path.rsplit_once('/').unwrap_or((".", path));
                    Some(format!("make the directory first: `mkdir -p {folder}`"))
                }
                io::ErrorKind::NotFound => Some(format!("check the path: `ls -l {path}`")),
                io::ErrorKind::ReadOnlyFilesystem => Some("remount it writable, or give another `--state DIR`".to_owned()),
                io::ErrorKind::StorageFull => Some(format!("free space: `df -h {path}`")),
                _ => None,
            },
            Self::Unknown { known, .. } if !known.is_empty() => Some(format!("known: {}", backticked(known))),
            Self::Unknown { what: "group", name, .. } => Some(format!("name another in the profile, or add it: `groupadd --system {name}`")),
            Self::Unknown { what: "user", name, .. } => Some(format!("name another in the profile, or add it: `useradd --system {name}`")),
            Self::Unknown { what: "rollout", .. } => Some("none is remembered: `certroll plan --profile NAME --cert FILE --key FILE`".to_owned()),
            Self::Unknown { what: "pin", .. } => Some("no pins are kept: `certroll pin add HOST:PORT --fingerprint TEXT`".to_owned()),
            Self::Unknown { what: "generation", .. } => Some("there is none yet: nothing was changed by certroll".to_owned()),
            Self::Unknown { .. } | Self::Run { .. } | Self::Interrupted { .. } => None,
            Self::Parse { hint, .. }
            | Self::Usage { hint, .. }
            | Self::Input { hint, .. }
            | Self::Server { hint, .. } => {
                (!hint.is_empty()).then(|| hint.clone())
            }
            Self::Findings(findings) => {
                let mut hints = findings.iter().filter(|f| f.severity == Severity::Fatal).filter_map(|f| f.hint.clone());
                hints.next()
            }
            Self::Unproved { .. } => Some("`certroll doctor HOST:PORT` says why".to_owned()),
            Self::Changed { .. } | Self::StalePlan { .. } => Some("look at what changed, then plan again: `certroll plan`".to_owned()),
            Self::Tried { number, .. } => Some(format!(
                "`certroll show {number}` says why; once that is mended, `certroll apply` tries at once"
            )),
            Self::WrongPeer(_) => Some(
                "ask the server itself: `api fingerprint`, or `openssl x509 -noout -fingerprint -sha256 -in LEAF`; only if it says the \
                 one presented, give that: `certroll pin add HOST:PORT --fingerprint TEXT`"
                    .to_owned(),
            ),
            Self::Locked { .. } => Some("wait for it with `--wait SECS`".to_owned()),
            Self::Open { .. } => Some("certroll recover".to_owned()),
            Self::NotPlanned { .. } => Some("this is a fault in certroll: please report it with the plan".to_owned()),
            Self::Stored { .. } => {
                Some("keep the file for inspection; `certroll recover --abandon` gives up what it describes".to_owned())
            }
        }
    }
}

/// Counts things, one or several.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Joins names as `a`, `b`, `c`.
pub(crate) fn backticked(names: &[String]) -> String {
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Says which names would do; that there are none, where so.
pub(crate) fn known(names: &[String]) -> String {
    if names.is_empty() {
        "the profile has none".to_owned()
    } else {
        format!("known are {}", backticked(names))
    }
}

/// Gives an [`io::Error`] the verb and the path it belongs to.
pub(crate) trait On<T> {
    /// Turns the error into [`Error::Io`].
    fn on(self, verb: &'static str, path: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> On<T> for std::result::Result<T, E> {
    fn on(self, verb: &'static str, path: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Io {
            verb,
            path: path.into(),
            source: source.into(),
        })
    }
}

//! `profiles list`, `profiles show NAME` and `profiles check FILE`: what they say, as text and as data.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::{args::Profiles, print::Printer};
use crate::{
    error::{ExitCode, Result},
    host::Host,
    profile::{self, Profile},
};

/// One line of `profiles list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Listed {
    /// Name.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Versions that it was tried against.
    pub tested: Vec<String>,
    /// The document it follows.
    pub source: String,
}

/// A profile as `profiles show` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    /// Its line in the list.
    #[serde(flatten)]
    pub listed: Listed,
    /// Its settings.
    pub settings: Vec<ShownSetting>,
    /// Kinds of its resources and where they go.
    pub resources: Vec<String>,
    /// What it never touches.
    pub never_touch: Vec<String>,
    /// Subjects of the platform's default identities.
    pub default_identity: Vec<String>,
}

/// One setting as `profiles show` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ShownSetting {
    /// Name, as `--set` takes it.
    pub name: String,
    /// The expression it defaults to.
    pub default: String,
    /// What it means.
    pub help: String,
    /// The values it takes; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
}

/// Runs one of the commands.
pub(super) fn run(
    host: &dyn Host,
    command: &Profiles,
    dir: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    match command {
        Profiles::List => {
            let listed = list(host, dir)?;
            let document = json!({ "format": "certroll/profiles/1", "profiles": listed });
            printer.result(&document, || list_text(&listed));
        }
        Profiles::Show { name } => {
            let shown = show(&profile::load(name, host, dir)?);
            let document = json!({ "format": "certroll/profile/1", "profile": shown });
            printer.result(&document, || show_text(&shown));
        }
        Profiles::Check { file } => {
            let listed = check(host, file)?;
            let document = json!({ "format": "certroll/profiles/1", "profiles": [listed] });
            printer.result(&document, || {
                format!("{file}: profile `{}` is good\n", listed.name)
            });
        }
    }
    Ok(ExitCode::Success)
}

/// Returns the built-in profiles and, with `dir`, those of a folder of the user's.
///
/// # Errors
/// As [`profile::load`].
pub(super) fn list(host: &dyn Host, dir: Option<&str>) -> Result<Vec<Listed>> {
    let mut names: Vec<String> = profile::embedded().into_iter().map(str::to_owned).collect();
    if let Some(dir) = dir {
        names.extend(
            host.list_input(dir)?
                .into_iter()
                .filter(|n| !n.starts_with('.')),
        );
    }
    names.sort();
    names.dedup();
    names
        .iter()
        .map(|name| Ok(listed(&profile::load(name, host, dir)?)))
        .collect()
}

/// Returns `profiles list` as text.
#[must_use]
pub(super) fn list_text(profiles: &[Listed]) -> String {
    let mut text = String::new();
    for p in profiles {
        let _ = writeln!(text, "{:<12} {} ({})", p.name, p.title, p.tested.join(", "));
    }
    text
}

/// Returns a profile as `profiles show` shows it.
#[must_use]
pub(super) fn show(profile: &Profile) -> Shown {
    let texts = |exprs: &[crate::render::Expr]| exprs.iter().map(|e| e.text.clone()).collect();
    Shown {
        listed: listed(profile),
        settings: profile
            .settings
            .iter()
            .map(|s| ShownSetting {
                name: s.name.clone(),
                default: s.default.text.trim().to_owned(),
                help: s.help.clone(),
                one_of: s.one_of.clone(),
            })
            .collect(),
        resources: profile
            .resources
            .iter()
            .map(|r| match &r.phase_name {
                Some(phase) => format!("{} {} (phase {})", r.kind, r.place(), phase.text),
                None => format!("{} {}", r.kind, r.place()),
            })
            .collect(),
        never_touch: texts(&profile.never_touch),
        default_identity: texts(&profile.default_identity),
    }
}

/// Returns `profiles show` as text.
#[must_use]
pub(super) fn show_text(shown: &Shown) -> String {
    let mut text = format!(
        "{}: {}\nsource: {}\ntested: {}\n\nsettings (--set NAME=VALUE)\n",
        shown.listed.name,
        shown.listed.title,
        shown.listed.source,
        shown.listed.tested.join(", ")
    );
    for s in &shown.settings {
        let _ = writeln!(text, "  {:<16} {}", s.name, s.help);
        if !s.one_of.is_empty() {
            let _ = writeln!(text, "  {:<16} one of: {}", "", s.one_of.join(", "));
        }
        let _ = writeln!(text, "  {:<16} default: {}", "", s.default);
    }
    for (title, lines) in [
        ("resources", &shown.resources),
        ("never touched", &shown.never_touch),
        (
            "default identities of the platform",
            &shown.default_identity,
        ),
    ] {
        let _ = writeln!(text, "\n{title}");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// Checks a profile file and everything beside it, and returns its line in the list.
///
/// # Errors
/// As [`profile::load_file`]: the first thing that cannot be, with file, line and column.
pub(super) fn check(host: &dyn Host, path: &str) -> Result<Listed> {
    Ok(listed(&profile::load_file(path, host)?))
}

fn listed(profile: &Profile) -> Listed {
    Listed {
        name: profile.name.clone(),
        title: profile.title.clone(),
        tested: profile.tested.clone(),
        source: profile.source.clone(),
    }
}

//! `certroll sni explain`: which certificate answers for a name.

use std::{fmt::Write as _, io::ErrorKind};

use serde::Serialize;

pub(crate) use super::args::Explained;
use super::{
    args::Sni,
    print::{Printer, render_findings},
    text::{BOLD, paint},
};
use crate::{
    error::{Error, ExitCode, Result},
    host::Host,
    identity::{Certificate, date},
    preflight::{Finding, Severity},
    profile,
    sni::{self, Directories, Given, Held, Origin, Rules, Site, Step},
    source::Files,
    state::Bytes,
};

/// What answers for each name.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    format: &'static str,
    pub(crate) names: Vec<Looked>,
}

/// What answers for one name.
#[derive(Debug, Serialize)]
pub(crate) struct Looked {
    /// The name; null where the client sends none.
    pub(crate) name: Option<String>,
    /// Why the name was not looked for.
    nameless: Option<&'static str>,
    steps: Vec<Step>,
    pub(crate) answers: Vec<Line>,
    pub(crate) findings: Vec<Finding>,
}

/// A certificate that answers.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    from: Origin,
    subject: Option<String>,
    pub(crate) fingerprint: Option<String>,
    not_after: Option<i64>,
}

/// Explains what answers; changes nothing.
///
/// # Errors
/// As [`report`].
pub(super) fn run(
    host: &dyn Host,
    command: &Sni,
    profiles_dir: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    let Sni::Explain(asked) = command;
    let report = report(host, asked, profiles_dir)?;
    printer.result(&report, || report.text());
    let mut findings = report.names.iter().flat_map(|n| &n.findings);
    Ok(if findings.any(|f| f.severity != Severity::Note) {
        ExitCode::Differences
    } else {
        ExitCode::Success
    })
}

impl Report {
    /// Renders one name step by step, and several as a table.
    pub(crate) fn text(&self) -> String {
        match self.names.as_slice() {
            [one] => whole(one),
            all => table(all),
        }
    }
}

/// Finds out what answers.
///
/// # Errors
/// As [`Site::read`], [`profile::load`] and [`Files::read`]; [`Error::Usage`] where the profile has no rules.
pub(crate) fn report(
    host: &dyn Host,
    asked: &Explained,
    profiles_dir: Option<&str>,
) -> Result<Report> {
    let rules = profile::load(&asked.profile, host, profiles_dir)?.sni;
    let rules = rules.ok_or_else(|| Error::Usage {
        message: format!("profile `{}` has no section `sni`", asked.profile),
        hint: "certroll sni explain --profile era".to_owned(),
    })?;
    let tree = host.read_input(&asked.tree)?;
    let read = |path: &String| Ok::<_, Error>((path.clone(), host.read_input(path)?));
    let config = asked.config.as_ref().map(read).transpose()?;
    let config = config.as_ref().map(|(path, bytes)| (path.as_str(), bytes));
    let site = Site::read(&rules, (&asked.tree, &tree), config)?;
    let directories = directories(host, &rules, &asked.dir)?;
    let given = asked.cert.as_ref().map(|path| given(host, path));
    let given = given.transpose()?;
    let mut names: Vec<Option<&str>> = asked.names.iter().map(|n| Some(n.as_str())).collect();
    if names.is_empty() {
        names = site.domains.keys().map(|n| Some(n.as_str())).collect();
        names.push(None);
    }
    let explained = names.into_iter().map(|name| {
        let walk = sni::explain(&rules, &site, &directories, name);
        let findings = sni::remarks(&site, &directories, &walk, given.as_ref(), host.now());
        Looked {
            answers: walk.answers.iter().map(line).collect(),
            name: walk.name,
            nameless: walk.nameless,
            steps: walk.steps,
            findings,
        }
    });
    Ok(Report {
        format: "certroll/sni/1",
        names: explained.collect(),
    })
}

fn line(answer: &sni::Answer) -> Line {
    let leaf = answer.held.as_ref().and_then(Held::leaf);
    Line {
        from: answer.origin.clone(),
        subject: leaf.map(Certificate::title),
        fingerprint: leaf.map(|l| l.sha256.clone()),
        not_after: leaf.map(|l| l.not_after),
    }
}

fn given(host: &dyn Host, path: &str) -> Result<Given> {
    let files = Files {
        cert: Some(path.to_owned()),
        ..Files::default()
    };
    Ok(Given {
        leaf: files.read(host)?.0.leaf,
        name: path.to_owned(),
    })
}

/// Reads the pairs of the directories that this host has.
fn directories(host: &dyn Host, rules: &Rules, given: &[String]) -> Result<Directories> {
    let mut all = Directories::new();
    for dir in given {
        let Some((inside, here)) = dir.split_once('=') else {
            return Err(Error::Usage {
                message: format!("`--dir {dir}` has no `=`"),
                hint: "give it as `--dir INSIDE=HERE`".to_owned(),
            });
        };
        let part = |file: &str| part(host, &format!("{}/{file}", here.trim_end_matches('/')));
        let (leaf, key) = (part(&rules.leaf)?, part(&rules.key)?);
        let name = format!("`{here}`");
        all.insert(
            inside.to_owned(),
            Held::pair(&name, leaf.as_ref(), key.as_ref()),
        );
    }
    Ok(all)
}

fn part(host: &dyn Host, path: &str) -> Result<Option<Bytes>> {
    match host.read_input(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Renders one name, step by step.
fn whole(name: &Looked) -> String {
    let mut out = String::new();
    let asked = name.name.as_deref().unwrap_or("no name");
    let _ = writeln!(out, "{}", paint(BOLD, asked));
    if let Some(why) = name.nameless {
        let _ = writeln!(out, "  no domain is looked at: {why}");
    }
    for (n, step) in name.steps.iter().enumerate() {
        let _ = writeln!(out, "  {}. {}: {}", n + 1, step.at, step.found);
    }
    for answer in &name.answers {
        let _ = writeln!(out, "answers: {}", says(answer));
    }
    out.push_str(&render_findings(&name.findings, true));
    out
}

fn says(answer: &Line) -> String {
    let whose = sni::whose(&answer.from);
    match (&answer.subject, &answer.fingerprint, answer.not_after) {
        (Some(subject), Some(print), Some(end)) => {
            let short = print.get(..16).unwrap_or(print);
            format!("{whose}: {subject}, leaf {short}, until {}", date(end))
        }
        _ => whose,
    }
}

/// Renders a line for each name, in columns.
fn table(names: &[Looked]) -> String {
    let mut rows = vec![["name", "answers", "leaf", "until", "findings"].map(str::to_owned)];
    for name in names {
        let mut found: Vec<&str> = name.findings.iter().map(|f| f.name).collect();
        // Several roles may have the same fault.
        found.dedup();
        for answer in &name.answers {
            let from = match &answer.from {
                Origin::Domain(name) => format!("domain {name}"),
                Origin::Directory { role, .. } => format!("role {role}, directory"),
                Origin::Builtin { role } => format!("role {role}, built in"),
                Origin::Role => "role".to_owned(),
            };
            rows.push([
                name.name.clone().unwrap_or_else(|| "(no name)".to_owned()),
                from,
                answer.subject.clone().unwrap_or_else(|| "-".to_owned()),
                answer.not_after.map_or_else(|| "-".to_owned(), date),
                found.join(", "),
            ]);
        }
    }
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut out = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

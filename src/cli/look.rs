//! The command that only looks: plan, and what it saves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    page::{Page, page},
    print::Printer,
    text,
};
use crate::{
    Prepared,
    error::{Error, ExitCode, Result},
    host::{Deciding, Host},
    identity::Input,
    journal::{Store, other_format},
    plan::{Plan, View},
    prepare,
    receipt::{Outcome, Receipt},
    rollouts::Request,
    script::{Beside, script},
    source::{self, Files},
    watch,
};

/// A saved plan: an approval of what a request would do, never a program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    /// `certroll/saved-plan/1`.
    format: String,
    name: Option<String>,
    profiles: Vec<String>,
    cert: Option<String>,
    key: Option<String>,
    chain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    password_file: Option<String>,
    profiles_dir: Option<String>,
    #[serde(default, skip_serializing_if = "no_files")]
    previous: Files,
    set: BTreeMap<String, String>,
    allow: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    revert: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// What was shown.
    pub(crate) plan: View,
    #[serde(skip)]
    pub(crate) path: String,
}

fn no_files(files: &Files) -> bool {
    *files == Files::default()
}

const SAVED: &str = "certroll/saved-plan/1";

impl Saved {
    fn of(request: &Request, plan: View) -> Self {
        let files = request.files.clone();
        Self {
            format: SAVED.to_owned(),
            name: request.name.clone(),
            profiles: request.profiles.clone(),
            cert: files.cert,
            key: files.key,
            chain: files.chain,
            from: request.from.clone(),
            password_file: files.password_file,
            profiles_dir: request.profiles_dir.clone(),
            previous: request.previous.clone(),
            set: request.set.clone(),
            allow: request.allow.clone(),
            revert: request.revert,
            until: request.until.clone(),
            plan,
            path: String::new(),
        }
    }

    /// Reads a saved plan of a file that decides what is done.
    ///
    /// # Errors
    /// [`Error::Input`] where others than root may write it, or it is none.
    pub(crate) fn read(host: &dyn Host, path: &str) -> Result<Self> {
        let open = host.writable_by_others(Deciding::Named(path))?;
        if let Some(open) = open.filter(|_| host.effective_uid() == 0) {
            return Err(Error::Input {
                subject: format!("`{path}`"),
                message: format!(
                    "`{open}` can be written by others than root: whose approval is this?"
                ),
                hint: "make the plan again, in a directory of root's".to_owned(),
            });
        }
        Self::parse(path, host.read_input(path)?.reveal())
    }

    /// Parses a saved plan; `path` is only for messages.
    ///
    /// # Errors
    /// [`Error::Input`] where it is none, or of another version.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self> {
        let input = |message: String| Error::Input {
            subject: format!("`{path}`"),
            message,
            hint: "make one with `certroll plan --out FILE`".to_owned(),
        };
        let other = |e: serde_json::Error| input(format!("is not a saved plan: {e}"));
        let document: serde_json::Value = serde_json::from_slice(bytes).map_err(other)?;
        if let Some(format) = document["format"].as_str().filter(|f| *f != SAVED) {
            return Err(input(other_format(format, SAVED)));
        }
        let mut saved: Self = serde_json::from_value(document).map_err(other)?;
        path.clone_into(&mut saved.path);
        Ok(saved)
    }

    /// Returns the request that the plan was made from.
    #[must_use]
    pub fn request(&self) -> Request {
        let files = Files {
            cert: self.cert.clone(),
            key: self.key.clone(),
            chain: self.chain.clone(),
            password_file: self.password_file.clone(),
            ..Files::default()
        };
        Request {
            name: self.name.clone(),
            profiles: self.profiles.clone(),
            files,
            from: self.from.clone(),
            previous: self.previous.clone(),
            set: self.set.clone(),
            allow: self.allow.clone(),
            profiles_dir: self.profiles_dir.clone(),
            deferred: false,
            consumers: false,
            revert: self.revert,
            until: self.until.clone(),
        }
    }
}

/// Refuses to look at a host whose picture would be half of a rollout.
pub(crate) fn refuse_open(host: &dyn Host) -> Result<()> {
    let Some(generation) = Store::pending(host)? else {
        return Ok(());
    };
    let message = match Store::open_generation(host, generation) {
        Ok(open) => {
            let phase = open.intent.phase();
            let phase = phase.map_or_else(String::new, |phase| format!(" in phase {phase}"));
            format!(
                "a run of rollout `{}` by {} did not end{phase} ({:?})",
                open.intent.rollout, open.intent.operator, open.status
            )
        }
        Err(error) => error.to_string(),
    };
    Err(Error::Open {
        generation,
        message,
    })
}

/// Files that a plan is written to besides.
#[derive(Debug, Default)]
pub(crate) struct Written<'a> {
    /// As an approval.
    pub(crate) out: Option<&'a str>,
    /// As a shell script.
    pub(crate) script: Option<&'a str>,
    /// As a page.
    pub(crate) html: Option<&'a str>,
}

impl<'a> Written<'a> {
    /// Those of `--out`, `--emit-script` and `--html`.
    pub(crate) fn to([out, script, html]: [Option<&'a str>; 3]) -> Self {
        Self { out, script, html }
    }
}

pub(crate) fn plan(
    host: &mut dyn Host,
    request: &Request,
    written: &Written<'_>,
    printer: &Printer,
) -> Result<ExitCode> {
    refuse_open(host)?;
    let prepared = prepare(
        host,
        &Request {
            consumers: written.out.is_none(),
            ..request.clone()
        },
    )?;
    let view = View::of(&prepared.plan, host);
    if let Some(path) = written.out {
        let saved =
            serde_json::to_vec_pretty(&Saved::of(request, view.clone())).unwrap_or_default();
        host.write_output(path, &saved)?;
    }
    if let Some(path) = written.script {
        emit(host, request, &prepared, path, printer)?;
    }
    if let Some(path) = written.html {
        let (before, after) = watch::lives(host, &prepared);
        let text = page(Page {
            plan: Some(&view),
            receipt: None,
            told: None,
            before: &before,
            after: after.as_ref(),
            now: host.now(),
        });
        host.write_output(path, text.as_bytes())?;
    }
    printer.result(&view, || {
        if printer.quiet() {
            text::blunt(&view)
        } else {
            text::plan(&view, printer.verbose())
        }
    });
    if prepared.plan.is_blocked() {
        return Ok(Error::Findings(prepared.plan.findings).exit());
    }
    Ok(if prepared.plan.is_empty() {
        ExitCode::Success
    } else {
        ExitCode::Differences
    })
}

/// Writes a plan as a script, where there is something to do and nothing in the way.
fn emit(
    host: &dyn Host,
    request: &Request,
    prepared: &Prepared,
    path: &str,
    printer: &Printer,
) -> Result<()> {
    let plan = &prepared.plan;
    let nothing_changes = plan.phase.is_some() && plan.changes.is_empty() && plan.far.is_empty();
    let why_not = if plan.is_blocked() {
        Some("a finding is in the way")
    } else if plan.is_empty() {
        Some("there is nothing to do")
    } else if nothing_changes && plan.owed.is_empty() {
        Some("every phase is done on this host; `certroll apply` proves that, and remembers it")
    } else {
        None
    };
    if let Some(why_not) = why_not {
        printer.warning(&format!("no script was written to {path}: {why_not}"));
        return Ok(());
    }
    let mut named = [request.files.paths(), request.previous.paths()].concat();
    if let Some(from) = &request.from {
        named.extend(source::locate(host.tree(), from)?.0.paths());
    }
    let mut files = Vec::new();
    for name in named {
        let bytes = host.read_input(&name)?;
        files.push(Input { name, bytes });
    }
    let dir = format!("{path}.files");
    let beside = Beside::new(host.whole(&dir)?, &host.random()?);
    let targets = plan.changes.iter().map(|c| host.without_links(&c.path));
    let targets = targets.collect::<Result<Vec<_>>>()?;
    let script = script(plan, &prepared.keep.far, &files, beside, &targets)?;
    let (text, hint) = (script.text.as_bytes(), "give another name");
    if script.files.is_empty() {
        return super::write_new(host, path, text, 0o700, hint);
    }
    let needs = (dir.as_str(), script.files.as_slice());
    super::taken(host.write_new_with(path, text, 0o700, needs), hint)?;
    printer.progress(&format!(
        "{path} was written, and what it needs to {dir}, keys and passwords too: remove that once it is done"
    ));
    Ok(())
}

/// Returns the receipt of a run that had nothing to do.
pub(crate) fn converged(host: &dyn Host, plan: &Plan) -> Receipt {
    Receipt {
        rollout: plan.rollout.clone(),
        outcome: Outcome::Converged,
        started: host.now(),
        finished: host.now(),
        operator: host.operator(),
        profiles: plan.profiles.clone(),
        identity: plan.identity.clone(),
        verdicts: watch::verdicts(plan),
        ..Receipt::empty()
    }
}

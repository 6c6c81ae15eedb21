//! The commands that only look: plan, status, history, show.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{print::Printer, text};
use crate::{
    Prepared,
    error::{Error, ExitCode, Result},
    host::{Deciding, Host},
    identity::Input,
    journal::{Intent, Status, Store, other_format},
    plan::{Plan, View},
    prepare, probe,
    receipt::{Outcome, Receipt},
    rollouts::Request,
    script::script,
    source::Files,
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
fn refuse_open(host: &dyn Host) -> Result<()> {
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

pub(crate) fn plan(
    host: &mut dyn Host,
    request: &Request,
    out: Option<&str>,
    script: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    refuse_open(host)?;
    let prepared = prepare(
        host,
        &Request {
            consumers: out.is_none(),
            ..request.clone()
        },
    )?;
    let view = View::of(&prepared.plan, host);
    if let Some(path) = out {
        let saved =
            serde_json::to_vec_pretty(&Saved::of(request, view.clone())).unwrap_or_default();
        host.write_output(path, &saved)?;
    }
    if let Some(path) = script {
        emit(host, request, &prepared, path)?;
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
fn emit(host: &dyn Host, request: &Request, prepared: &Prepared, path: &str) -> Result<()> {
    if prepared.plan.is_blocked() || prepared.plan.is_empty() {
        return Ok(());
    }
    let mut files = Vec::new();
    for named in [&request.files, &request.previous] {
        for name in [&named.cert, &named.key, &named.chain]
            .into_iter()
            .flatten()
        {
            files.push(Input {
                name: name.clone(),
                bytes: host.read_input(name)?,
            });
        }
    }
    let text = script(&prepared.plan, &prepared.keep.far, &files)?;
    super::write_new(host, path, text.as_bytes(), 0o700, "give another name")
}

/// Returns the receipt of a run that had nothing to do.
pub(crate) fn converged(host: &dyn Host, plan: &Plan) -> Receipt {
    let mut verdicts = Vec::new();
    for (promise, seen) in plan.promises.iter().zip(&plan.baseline) {
        verdicts.push(probe::judge(&promise.probe, &promise.want, seen, seen));
    }
    Receipt {
        rollout: plan.rollout.clone(),
        outcome: Outcome::Converged,
        started: host.now(),
        finished: host.now(),
        operator: host.operator(),
        profiles: plan.profiles.clone(),
        identity: plan.identity.clone(),
        verdicts,
        ..Receipt::empty()
    }
}

pub(crate) fn status(
    host: &mut dyn Host,
    request: &Request,
    printer: &Printer,
) -> Result<ExitCode> {
    refuse_open(host)?;
    let prepared = prepare(host, request)?;
    let plan = &prepared.plan;
    let view = View::of(plan, host);
    let verdicts = converged(host, plan).verdicts;
    let expires_soon =
        plan.identity.not_after - host.now() < crate::identity::Checks::WARN_DAYS * 86_400;
    let steps: Vec<&str> = plan
        .steps
        .iter()
        .filter(|s| !s.is_done(host.tree()))
        .map(|s| s.text.as_str())
        .collect();
    let rotation = plan.phase.as_ref().filter(|phase| phase.is_unfinished());
    let document = json!({
        "format": "certroll/status/1",
        "rollout": view.rollout,
        "identity": view.identity,
        "drift": view.changes,
        "owed": view.owed,
        "endpoints": verdicts,
        "findings": view.findings,
        "steps": steps,
        "expires_soon": expires_soon,
        "rotation": rotation,
    });
    printer.result(&document, || {
        let mut out = format!(
            "rollout {}: {}\n",
            view.rollout,
            if plan.is_empty() {
                "as wanted"
            } else {
                "drifted or owed"
            }
        );
        if printer.quiet() {
            return out;
        }
        let _ = writeln!(
            out,
            "leaf {}, until {}",
            view.identity.fingerprint,
            text::time(view.identity.not_after)
        );
        if let Some(phase) = rotation {
            let _ = writeln!(
                out,
                "rotation {}\n  hint: go on: `certroll apply {} --until {}`",
                phase.standing(),
                view.rollout,
                phase.phases.last().map_or("", String::as_str)
            );
        }
        for verdict in &verdicts {
            let _ = writeln!(
                out,
                "{} {}: {}",
                if verdict.good { "good" } else { "BAD " },
                verdict.probe,
                verdict.found
            );
        }
        if !plan.is_empty()
            || view.findings.iter().any(|f| f.severity != "note")
            || !steps.is_empty()
        {
            out.push_str(&text::plan(&view, printer.verbose()));
        }
        out
    });
    Ok(if plan.is_empty() && !expires_soon && rotation.is_none() {
        ExitCode::Success
    } else {
        ExitCode::Differences
    })
}

/// Says how a generation ended: by its receipt where it has one, since that tells placed from committed.
fn ended(host: &dyn Host, number: u64, status: Status) -> Result<String> {
    let receipt = host.load(&Store::file(number, "receipt.json"))?;
    let receipt = receipt
        .bytes()
        .and_then(|bytes| serde_json::from_slice::<Receipt>(bytes.reveal()).ok());
    Ok(match receipt {
        Some(receipt) if status.is_final() && status != Status::Abandoned => {
            receipt.outcome.words()
        }
        Some(_) | None => state(status),
    }
    .to_owned())
}

fn state(status: Status) -> &'static str {
    match status {
        Status::Committed => "committed",
        Status::RolledBack => "rolled back",
        Status::Abandoned => "given up",
        Status::Open
        | Status::Staged
        | Status::Switched { .. }
        | Status::Restoring { .. }
        | Status::Restored { .. } => "open",
    }
}

pub(crate) fn history(host: &mut dyn Host, printer: &Printer) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for number in Store::numbers(host)? {
        let row = match Store::generation(host, number) {
            Ok(generation) => {
                let Intent {
                    rollout,
                    started,
                    operator,
                    entries,
                    undoes,
                    reverts,
                    ..
                } = generation.intent;
                json!({ "generation": number, "state": ended(host, number, generation.status)?, "rollout": rollout, "started": started,
                    "operator": operator, "changes": entries.len(), "undoes": undoes, "reverts": reverts })
            }
            Err(error) => {
                json!({ "generation": number, "state": "unreadable", "error": error.to_string() })
            }
        };
        rows.push(row);
    }
    let document = json!({ "format": "certroll/history/1", "generations": rows });
    printer.result(&document, || {
        if rows.is_empty() {
            return "no generation yet: nothing was changed by certroll\n".to_owned();
        }
        let mut out = String::new();
        for row in &rows {
            let get = |key: &str| {
                row.get(key)
                    .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                    .unwrap_or_default()
            };
            let back = row
                .get("undoes")
                .and_then(serde_json::Value::as_u64)
                .map(|n| format!(", takes {n} back"))
                .unwrap_or_default();
            let back = if row["reverts"] == true {
                ", back to the platform's default".to_owned()
            } else {
                back
            };
            let changes = row["changes"].as_u64().unwrap_or_default();
            let changes = usize::try_from(changes).unwrap_or(usize::MAX);
            let when = row
                .get("started")
                .and_then(serde_json::Value::as_i64)
                .map(text::time)
                .unwrap_or_default();
            let _ = writeln!(
                out,
                "{:>4}  {:<11}  {when}  {}  {} by {}{back}{}",
                get("generation"),
                get("state"),
                get("rollout"),
                text::count(changes, "change"),
                get("operator"),
                get("error")
            );
        }
        out
    });
    Ok(ExitCode::Success)
}

pub(crate) fn show(host: &mut dyn Host, number: u64, printer: &Printer) -> Result<ExitCode> {
    let generation = Store::generation(host, number)?;
    let load = |name: &str, ours: &str| -> Result<Option<serde_json::Value>> {
        let at = Store::file(number, name);
        let stored = |message: String| Error::Stored {
            path: at.to_string(),
            message,
        };
        let state = host.load(&at)?;
        let Some(bytes) = state.bytes() else {
            return Ok(None);
        };
        let document: serde_json::Value =
            serde_json::from_slice(bytes.reveal()).map_err(|e| stored(e.to_string()))?;
        match document["format"].as_str().filter(|found| *found != ours) {
            Some(found) => Err(stored(other_format(found, ours))),
            None => Ok(Some(document)),
        }
    };
    let plan = load("plan.json", crate::plan::FORMAT)?;
    let receipt = load("receipt.json", crate::receipt::FORMAT)?;
    let ended = ended(host, number, generation.status)?;
    let document = json!({ "format": "certroll/show/1", "generation": number, "state": ended, "plan": plan, "receipt": receipt });
    printer.result(&document, || {
        let intent = &generation.intent;
        let mut out = format!(
            "generation {number}: {} by {} on {}, {}\n",
            intent.rollout,
            intent.operator,
            text::time(intent.started),
            ended
        );
        if let Some(Ok(view)) = plan.clone().map(serde_json::from_value::<View>) {
            out.push_str(&text::plan(&view, true));
        }
        if let Some(Ok(receipt)) = receipt.clone().map(serde_json::from_value::<Receipt>) {
            out.push_str(&text::receipt(&receipt, true));
        }
        out
    });
    Ok(ExitCode::Success)
}

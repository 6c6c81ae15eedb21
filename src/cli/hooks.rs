//! The commands that have the host call certroll by itself, and what it then calls.

use serde_json::{Value, json};

use super::{
    args::{Go, Hooks},
    changes,
    print::Printer,
    text,
};
use crate::{
    Prepared,
    error::{Error, ExitCode, On as _, Result},
    hooks,
    host::Host,
    identity::date,
    journal::Store,
    prepare,
    receipt::Outcome,
    rollouts::Request,
};

pub(crate) fn run(
    host: &mut dyn Host,
    command: &Hooks,
    state: Option<&str>,
    profiles: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    if let (Some(dir), Hooks::Install { .. } | Hooks::Remove { .. }) = (state, command) {
        return Err(Error::Usage {
            message: format!("hooks look after the state below the root, not `{dir}`"),
            hint: "leave `--state` out".to_owned(),
        });
    }
    match command {
        Hooks::Install { go } => changes::hooks(host, *go, printer, |host| {
            let own = std::env::current_exe().on("find", "the program itself")?;
            hooks::install(host, &own.to_string_lossy(), profiles)
        }),
        Hooks::Remove { go } => changes::hooks(host, *go, printer, hooks::remove),
        Hooks::Run { hook, defer, wait } => {
            let request = Request {
                deferred: *defer,
                profiles_dir: profiles.map(str::to_owned),
                ..Request::default()
            };
            again(host, hook, &request, *wait, printer)
        }
    }
}

/// Applies every remembered rollout again. Each is a transaction of its own, and one that fails does not keep another
/// from being tried; only one that is stuck does.
fn again(
    host: &mut dyn Host,
    hook: &str,
    request: &Request,
    wait: u64,
    printer: &Printer,
) -> Result<ExitCode> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if hook.is_empty() || !hook.chars().all(is_plain) {
        return Err(Error::Usage {
            message: format!("`{hook}` is not the name of a hook"),
            hint: "names are letters, digits, `-`, `_` and `.`".to_owned(),
        });
    }
    if let Some(mark) = hooks::is_held(host)?.filter(|_| !request.deferred) {
        printer.message(&format!(
            "an upgrade is at work (`{mark}`): left to the hook of its last phase"
        ));
        return Ok(ExitCode::Success);
    }
    changes::enter(host, Go { yes: true, wait }, printer)?;
    let names: Vec<String> = Store::rollouts(host)?.rollouts.into_keys().collect();
    let (worst, rows) = each(host, hook, request, names, printer);
    let document: Value = json!({ "format": "certroll/hook/1", "hook": hook, "rollouts": rows });
    printer.result(&document, String::new);
    Ok(worst)
}

/// Applies rollouts again, and returns the worst exit code with a document for each. The caller has entered.
pub(super) fn each(
    host: &mut dyn Host,
    hook: &str,
    request: &Request,
    names: Vec<String>,
    printer: &Printer,
) -> (ExitCode, Vec<Value>) {
    let mut worst = ExitCode::Success;
    let mut rows = Vec::new();
    for name in names {
        let request = Request {
            name: Some(name.clone()),
            ..request.clone()
        };
        let (exit, row) = match changes::each_phase(|| one(host, hook, &request, printer)) {
            Ok(receipt) => {
                if receipt.outcome != Outcome::Converged {
                    let told = text::receipt(&receipt, printer.verbose());
                    printer.detail(|| format!("rollout `{name}`:\n{told}"));
                }
                (receipt.outcome.exit(), json!(receipt))
            }
            Err(error) => (error.exit(), printer.error_of(&error, Some(&name))),
        };
        rows.push(row);
        worst = worst.max(exit);
        if exit == ExitCode::Stuck {
            worst = exit;
            break;
        }
    }
    (worst, rows)
}

/// Applies one rollout again, unless the very same was just tried in vain, or nothing is left but a proof of what is
/// silent. Where all stands, findings about an identity in force (an expired one) are `status`'s to tell.
fn one(
    host: &mut dyn Host,
    hook: &str,
    request: &Request,
    printer: &Printer,
) -> Result<changes::Done> {
    let Prepared { plan, mut keep, .. } = prepare(host, request)?;
    let now = super::look::converged(host, &plan);
    if plan.is_empty() {
        return Ok((None, now));
    }
    let is_silent = plan.changes.is_empty() && plan.services.is_empty();
    if is_silent && !now.verdicts.iter().any(|verdict| verdict.judged) {
        let name = &plan.rollout;
        printer.progress(&format!(
            "rollout `{name}`: nothing answers that could prove what is owed"
        ));
        return Ok((None, now));
    }
    if plan.is_blocked() {
        return Err(Error::Findings(plan.findings));
    }
    if let Some(last) = hooks::tried(host, &plan)? {
        let (number, when) = (last.intent.generation, date(last.intent.started));
        return Err(Error::Tried { number, when });
    }
    keep.hook = Some(hook.to_owned());
    let phase = plan.phase.clone();
    Ok((phase, changes::carry_out(host, plan, keep, printer)?))
}

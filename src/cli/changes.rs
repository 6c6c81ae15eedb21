//! The commands that change the host: apply, rollback, recover, forget.

use std::time::Duration;

use similar::TextDiff;

use super::{Saved, args::Go, print::Printer, text};
use crate::{
    apply::{self, Keep},
    error::{Error, ExitCode, Result},
    host::{Host, Permit, Writer},
    journal::Store,
    notify,
    plan::{Plan, View},
    prepare,
    receipt::{Outcome, Receipt},
    rollback,
    rollouts::Request,
};

/// Takes the lock, and finishes what a run that died left open.
pub(super) fn enter(host: &mut dyn Host, go: Go, printer: &Printer) -> Result<()> {
    // Who keeps state elsewhere may set another machine as any user.
    if !host.has_own_state() {
        root_alone(host)?;
    }
    host.lock(Duration::from_secs(go.wait))?;
    let Some(number) = Store::pending(host)? else {
        return Ok(());
    };
    printer.progress(&format!(
        "generation {number} was left open: recovering it first"
    ));
    let recovered = apply::recover(host, false, &|message| printer.progress(message))?;
    if let Some(receipt) = &recovered {
        tell(host, receipt, printer);
    }
    match recovered {
        Some(receipt) if receipt.outcome == Outcome::Stuck => Err(Error::Open {
            generation: number,
            message: receipt.causes.join("; "),
        }),
        _ => Ok(()),
    }
}

/// Refuses to change this host to anybody but root.
fn root_alone(host: &dyn Host) -> Result<()> {
    if !host.is_live() || host.effective_uid() == 0 {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!(
            "only root can change this host, and this is user {}",
            host.effective_uid()
        ),
        hint: "run it with `sudo`, or use `--root DIR` on a tree of your own".to_owned(),
    })
}

/// Shows a plan and asks; an error where the answer is no.
fn agreed(plan: &Plan, host: &dyn Host, go: Go, printer: &Printer) -> Result<()> {
    if plan.is_blocked() {
        return Err(Error::Findings(plan.findings.clone()));
    }
    if !(plan.changes.is_empty() && plan.services.is_empty()) {
        root_alone(host)?;
    }
    let view = View::of(plan, host);
    printer.detail(|| text::plan(&view, printer.verbose()));
    let answer = if go.yes {
        Some(true)
    } else {
        printer.ask("apply this plan?", host)
    };
    match answer {
        Some(true) => Ok(()),
        Some(false) => Err(Error::Usage {
            message: "the answer was no".to_owned(),
            hint: String::new(),
        }),
        None => Err(Error::Usage {
            message: "there is no terminal to ask on".to_owned(),
            hint: format!(
                "look at the plan with `certroll plan{}`, then apply it with `--yes`",
                if plan.reverts { " --revert" } else { "" }
            ),
        }),
    }
}

pub(super) fn carry_out(
    host: &mut dyn Host,
    plan: Plan,
    mut keep: Keep,
    printer: &Printer,
) -> Result<Receipt> {
    keep.plan = serde_json::to_vec(&View::of(&plan, host)).unwrap_or_default();
    let receipt = crate::rollout(host, plan, keep, &|message| printer.progress(message))?;
    tell(host, &receipt, printer);
    Ok(receipt)
}

/// Tells whom `notify.yaml` names; what fails is said, and changes nothing.
fn tell(host: &mut dyn Host, receipt: &Receipt, printer: &Printer) {
    for failure in notify::tell(host, receipt) {
        printer.warning(&format!(
            "not told of generation {}: {failure}",
            receipt.generation
        ));
    }
}

fn finish(receipt: &Receipt, printer: &Printer) -> ExitCode {
    printer.result(receipt, || text::receipt(receipt, printer.verbose()));
    receipt.outcome.exit()
}

/// Finishes a run that told and proved nothing: the plan, and with it the steps for people, was shown the moment before.
fn finish_at_once(receipt: &Receipt, printer: &Printer) -> ExitCode {
    printer.result(receipt, || {
        let shown = Receipt {
            steps: Vec::new(),
            ..receipt.clone()
        };
        text::receipt(&shown, printer.verbose())
    });
    receipt.outcome.exit()
}

pub(crate) fn apply(
    host: &mut dyn Host,
    request: &Request,
    saved: Option<&str>,
    go: Go,
    printer: &Printer,
) -> Result<ExitCode> {
    enter(host, go, printer)?;
    let saved = saved.map(|path| Saved::read(host, path)).transpose()?;
    let request = saved.as_ref().map_or_else(
        || request.clone(),
        |saved| Request {
            deferred: request.deferred,
            ..saved.request()
        },
    );
    let prepared = prepare(host, &request)?;
    if let Some(saved) = &saved {
        let now = View::of(&prepared.plan, host);
        // Processes come and go, and change nothing of what is done.
        let approved = &View {
            holders: now.holders.clone(),
            ..saved.plan.clone()
        };
        if *approved != now {
            let (old, new) = (
                format!("{:#}\n", approved.json()),
                format!("{:#}\n", now.json()),
            );
            let diff = TextDiff::from_lines(&old, &new)
                .unified_diff()
                .header("approved", "now")
                .to_string();
            return Err(Error::StalePlan {
                path: saved.path.clone(),
                diff,
            });
        }
    }
    if prepared.plan.is_empty() && !prepared.plan.is_blocked() {
        let receipt = super::look::converged(host, &prepared.plan);
        return Ok(finish(&receipt, printer));
    }
    agreed(&prepared.plan, host, go, printer)?;
    let plan = &prepared.plan;
    let at_once = plan.commands.is_empty() && plan.promises.is_empty() && plan.far.is_empty();
    let receipt = carry_out(host, prepared.plan, prepared.keep, printer)?;
    Ok(if at_once && !printer.quiet() {
        finish_at_once(&receipt, printer)
    } else {
        finish(&receipt, printer)
    })
}

pub(crate) fn rollback(
    host: &mut dyn Host,
    request: &Request,
    to: Option<u64>,
    allow: &[String],
    go: Go,
    printer: &Printer,
) -> Result<ExitCode> {
    enter(host, go, printer)?;
    let name = rollback::name(host, request)?;
    let back = match &name {
        Some(name) => rollback::plan(host, name, to, allow)?,
        None => None,
    };
    let Some(back) = back.filter(|back| !back.plan.is_empty() || back.plan.is_blocked()) else {
        let of = name
            .map(|name| format!(" of rollout `{name}`"))
            .unwrap_or_default();
        printer.message(&format!("nothing to take back{of}"));
        return Ok(ExitCode::Success);
    };
    agreed(&back.plan, host, go, printer)?;
    let keep = Keep {
        rollout: back.remembered,
        far: back.far,
        ..Keep::default()
    };
    let receipt = carry_out(host, back.plan, keep, printer)?;
    Ok(finish(&receipt, printer))
}

pub(crate) fn recover(
    host: &mut dyn Host,
    boot: bool,
    abandon: bool,
    printer: &Printer,
) -> Result<ExitCode> {
    if Store::pending(host).is_ok_and(|open| open.is_none()) {
        printer.message("nothing to recover: no generation is open");
        return Ok(ExitCode::Success);
    }
    host.lock(Duration::ZERO)?;
    if abandon {
        printer.message(&match apply::abandon(host)? {
            Some(number) => format!("generation {number} is given up: what is there stays; copies of what was before are in its `before`"),
            None => "nothing is open any more: what is there stays".to_owned(),
        });
        return Ok(ExitCode::Success);
    }
    match apply::recover(host, boot, &|message| printer.progress(message))? {
        None => {
            printer.message("nothing to recover: no generation is open");
            Ok(ExitCode::Success)
        }
        Some(receipt) => {
            // At boot the network is not there, and what is owed ends with a receipt of its own.
            if !boot {
                tell(host, &receipt, printer);
            }
            let code = finish(&receipt, printer);
            // To be back is what was asked for.
            Ok(if code == ExitCode::RolledBack {
                ExitCode::Success
            } else {
                code
            })
        }
    }
}

/// Installs or removes hooks, or a trust anchor: a rollout of files without an identity, which is not remembered.
pub(crate) fn hooks(
    host: &mut dyn Host,
    go: Go,
    printer: &Printer,
    plan: impl FnOnce(&dyn Host) -> Result<Plan>,
) -> Result<ExitCode> {
    enter(host, go, printer)?;
    let plan = plan(host)?;
    if plan.is_empty() && !plan.is_blocked() {
        return Ok(finish(&super::look::converged(host, &plan), printer));
    }
    agreed(&plan, host, go, printer)?;
    let receipt = carry_out(host, plan, Keep::default(), printer)?;
    Ok(finish(&receipt, printer))
}

pub(crate) fn forget(host: &mut dyn Host, name: &str, printer: &Printer) -> Result<ExitCode> {
    enter(host, Go { yes: true, wait: 0 }, printer)?;
    let mut rollouts = Store::rollouts(host)?;
    if rollouts.rollouts.remove(name).is_none() {
        return Err(super::unknown(
            "rollout",
            name,
            rollouts.rollouts.into_keys().collect(),
        ));
    }
    let mut writer = Writer::new(host, Permit::default(), String::new());
    Store::forget(&mut writer, name, &rollouts)?;
    printer.message(&format!("rollout `{name}` is forgotten: its files stay as they are, and cannot be rolled back any more"));
    Ok(ExitCode::Success)
}

//! The command line: parse, call, print. The only printing in the program.

use std::{io::ErrorKind, process};

use clap::Parser as _;

use crate::{
    error::{Error, ExitCode, Result},
    host::{Host, system::SystemHost},
    rollouts::Request,
};

mod args;
mod changes;
mod doctor;
mod hooks;
pub mod inspect;
mod issue;
mod keystore;
pub(crate) mod look;
mod page;
mod pin;
pub(crate) mod print;
mod probe;
mod profiles;
mod record;
mod renew;
mod renewals;
pub(crate) mod serve;
pub(crate) mod sni;
mod status;
pub(crate) mod text;
mod trust;
mod usage;

pub use look::Saved;

pub(crate) use args::Story as DemoStory;
use args::{Cli, Command};
use print::Printer;

/// Runs the program on the machine, and returns its exit code.
#[must_use]
pub fn main() -> process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::exit(&error),
    };
    let printer = Printer::new(&cli);
    crate::host::system::keep_memory_private();
    let host = SystemHost::open(cli.root.as_deref(), cli.state.as_deref());
    if let Command::Status { rollout, watching } = &cli.command
        && watching.format.is_for_monitoring()
    {
        let profiles = cli.profiles.as_deref();
        let code = match &host {
            Ok(host) => status::monitor(host, rollout, watching, profiles, &printer),
            Err(error) => status::silent(error, watching, &printer),
        };
        return process::ExitCode::from(code);
    }
    let (ran, may_change) = match host {
        Ok(mut host) => {
            let ran = run(&mut host, &cli, &printer);
            (ran, host.is_locked())
        }
        Err(error) => (Err(error), false),
    };
    let code = ran.unwrap_or_else(|error| {
        printer.error(&error);
        error.exit()
    });
    process::ExitCode::from(printer.ended(code, may_change) as u8)
}

fn run(host: &mut dyn Host, cli: &Cli, printer: &Printer) -> Result<ExitCode> {
    let dir = cli.profiles.as_deref();
    match &cli.command {
        Command::Plan {
            rollout,
            revert,
            until,
            out,
            emit_script,
            html,
        } => {
            let mut request = rollout.request(dir)?;
            request.revert = *revert;
            request.until.clone_from(until);
            let files = [out, emit_script, html].map(Option::as_deref);
            look::plan(host, &request, &look::Written::to(files), printer)
        }
        Command::Revert(revert) => {
            let request = revert.request(dir)?;
            changes::apply(host, &request, None, revert.go, printer)
        }
        Command::Apply {
            rollout,
            until,
            plan,
            go,
            defer,
        } => {
            let mut request = rollout.request(dir)?;
            request.deferred = *defer;
            request.until.clone_from(until);
            changes::apply(host, &request, plan.as_deref(), *go, printer)
        }
        Command::Status { rollout, watching } => {
            status::show(host, &rollout.request(dir)?, watching, printer)
        }
        Command::Doctor {
            rollout,
            log: Some(log),
        } if rollout.name.is_none() => doctor::log(host, log, printer),
        Command::Doctor { rollout, log } => {
            doctor::examine(host, &rollout.request(dir)?, log.as_deref(), printer)
        }
        Command::Rollback {
            generation,
            name,
            profile,
            go,
            allow,
        } => {
            let request = Request {
                name: name.clone(),
                profiles: profile.clone(),
                ..Request::default()
            };
            changes::rollback(host, &request, *generation, allow, *go, printer)
        }
        Command::Recover { boot, abandon } => changes::recover(host, *boot, *abandon, printer),
        Command::History => record::history(host, printer),
        Command::Show { generation, html } => {
            record::show(host, *generation, html.as_deref(), printer)
        }
        Command::Forget { name } => changes::forget(host, name, printer),
        Command::Inspect {
            files,
            password_file,
            allow,
        } => inspect::command(host, files, password_file.as_deref(), allow, printer),
        Command::Probe(asked) => probe::run(host, asked, printer),
        Command::Pin { command } => pin::run(host, command, printer),
        Command::Keystore { command } => keystore::run(host, command, printer),
        Command::Serve { command } => serve::run(host, command, printer),
        Command::Sni { command } => sni::run(host, command, dir, printer),
        Command::Hooks { command } => hooks::run(host, command, cli.state.as_deref(), dir, printer),
        Command::Issue { command } => issue::run(host, command, cli.state.as_deref(), printer),
        Command::Renew(renew) => renew::run(host, renew, dir, printer),
        Command::Trust { command } => trust::run(host, command, printer),
        Command::Profiles { command } => profiles::run(host, command, dir, printer),
        Command::DemoDaemon { unit } => crate::demo::daemon(host, unit),
        Command::Demo { name } => crate::demo::run(*name, printer),
    }
}

/// Writes a file where nothing is; `hint` is for where something is.
///
/// # Errors
/// [`Error::Usage`] where something is there, and as [`Host::write_new`].
fn write_new(host: &dyn Host, path: &str, bytes: &[u8], mode: u32, hint: &str) -> Result<()> {
    taken(host.write_new(path, bytes, mode), hint)
}

/// Says of a file that was to be new that something is there; `hint` is for that.
fn taken(written: Result<()>, hint: &str) -> Result<()> {
    written.map_err(|error| match error {
        Error::Io { source, path, .. } if source.kind() == ErrorKind::AlreadyExists => {
            Error::Usage {
                message: format!("`{path}` is there already"),
                hint: hint.to_owned(),
            }
        }
        error => error,
    })
}

/// Says that nothing is known of a name, and what is.
pub(crate) fn unknown(what: &'static str, name: &str, known: Vec<String>) -> Error {
    Error::Unknown {
        what,
        name: name.to_owned(),
        known,
    }
}

//! Programs of the administrator's that put in place what a server looks for.

use super::{
    asked::{Answering, Program},
    present::record,
    problem,
    shown::Shown,
};
use crate::{
    error::{Error, Result},
    host::{Command, Deciding, Host, Permit, Writer, ours_alone},
};

/// The longest that a program of the administrator's may take, in seconds.
const LIMIT: u64 = 300;

/// Has a program of the administrator's do its part, and returns why it was not started, where it was not.
///
/// # Errors
/// [`Error::Run`] where it fails or runs past its limit: what it was to do may be done, or a part of it.
pub(super) fn call(
    host: &mut dyn Host,
    program: &Program,
    verb: &str,
    shown: &Shown,
) -> Result<Option<Error>> {
    if let Err(error) = ours_alone(host, Deciding::Profile(&program.path), "root runs it") {
        return Ok(Some(error));
    }
    let proof = &shown.proof;
    let at = record(proof);
    let words = if matches!(shown.how, Answering::HttpHook(_)) {
        vec!["http-01", &proof.name, &proof.token, &proof.text]
    } else {
        vec!["dns-01", &at, &proof.record]
    };
    let argv = [program.path.as_str(), verb].into_iter().chain(words);
    run(
        host,
        &Command {
            argv: argv.map(str::to_owned).collect(),
            limit: LIMIT,
        },
    )
}

fn run(host: &mut dyn Host, command: &Command) -> Result<Option<Error>> {
    let permit = Permit {
        commands: [command.argv.clone()].into(),
        ..Permit::default()
    };
    let mut writer = Writer::new(host, permit, "acme".to_owned());
    let output = match writer.run(command, &|_| {}) {
        Ok(output) => output,
        Err(not_started) => return Ok(Some(not_started)),
    };
    if output.status == Some(0) {
        return Ok(None);
    }
    let said = output.stderr.trim().lines().last().unwrap_or_default();
    let how = match output.status {
        _ if output.timed_out => format!("ran past its limit of {LIMIT} s"),
        Some(status) => format!("exited with {status}: {}", problem::plain(said)),
        None => "was ended by a signal".to_owned(),
    };
    Err(Error::Run {
        command: command.line(),
        outcome: how,
    })
}

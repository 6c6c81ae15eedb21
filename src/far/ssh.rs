//! Requests that go over ssh.

use super::{Answer, Outcome, told::Secrets};
use crate::{
    error::{Error, Result},
    host::{Command, Load, Output, Writer},
    state::Bytes,
};

/// What the shell on the other side says first, but for a greeting of its start files.
const HEARD: &str = "certroll: heard";

/// What ssh says where there was no shell to hear anything: it did not connect, or one of both did not know the other.
const NEVER_THERE: [&str; 8] = [
    "Could not resolve hostname",
    "Connection refused",
    "Connection timed out",
    "No route to host",
    "Network is unreachable",
    "Host key verification failed",
    "Permission denied",
    "Bad configuration option",
];

/// The longest that all of it may take, in seconds: two restarts of a web server, on a slow machine.
const LIMIT: u64 = 120;

/// Returns the command that runs something on another machine: without a terminal, a question, or a host key that is new.
pub(crate) fn command(to: &str, config: &str, run: &str) -> Command {
    let mut argv = vec!["ssh"];
    if !config.is_empty() {
        argv.extend(["-F", config]);
    }
    argv.extend([
        "-T",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
    ]);
    argv.extend(["-o", "ConnectTimeout=10", "--", to]);
    let run = format!("echo '{HEARD}'; {run}");
    argv.push(&run);
    Command {
        argv: argv.into_iter().map(str::to_owned).collect(),
        limit: LIMIT,
    }
}

/// Runs it, with files on its standard input, one after the other.
///
/// # Errors
/// [`Error::NotPlanned`]: nothing was sent.
pub(super) fn send(
    writer: &mut Writer<'_>,
    command: &Command,
    load: &Load,
    secrets: &Secrets,
) -> Result<Outcome> {
    let input: Bytes = match load {
        Load::Form(files) => {
            let files: Vec<&[u8]> = files.iter().map(|(_, file)| file.reveal()).collect();
            files.concat().into()
        }
        Load::Json(text) | Load::Signed(text, _) => text.clone(),
        Load::Nothing => Vec::new().into(),
    };
    match writer.feed(command, &input) {
        Ok(output) => Ok(heard(&output, secrets)),
        Err(error @ Error::NotPlanned { .. }) => Err(error),
        Err(error) => Ok(Outcome {
            answer: Answer::Unsent,
            told: format!("nothing was sent: {error}"),
            again: false,
        }),
    }
}

/// Says what came of it: ssh's own failures and those of the other side have one exit status in common (ssh(1), 255).
fn heard(output: &Output, secrets: &Secrets) -> Outcome {
    let said = said(&output.stderr, secrets);
    let reached = output.stdout.lines().any(|line| line.trim_end() == HEARD);
    let never = !reached && NEVER_THERE.iter().any(|why| output.stderr.contains(why));
    let (answer, told) = match output.status {
        Some(0) if reached => (Answer::Done, "done".to_owned()),
        Some(255) if never => (Answer::Unsent, format!("nothing was sent{said}")),
        Some(status) if reached && status != 255 => (
            Answer::Refused,
            format!("failed with status {status}{said}"),
        ),
        // What is not heard any more may have been done all the same.
        _ => (Answer::Unknown, format!("broke off{said}")),
    };
    Outcome {
        again: answer == Answer::Unsent,
        answer,
        told,
    }
}

/// Returns the last line of what was said: OpenSSH's reason comes last.
fn said(text: &str, secrets: &Secrets) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    secrets.told(line.unwrap_or_default())
}

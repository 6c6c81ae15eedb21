//! Command lines that cannot be meant, in the form of every other error; and help.

use std::process;

use clap::{CommandFactory as _, error::ErrorKind};

use super::{args::Cli, print::Printer};
use crate::{
    error::{Error, ExitCode},
    watch::Level,
};

/// Prints help on standard output and faults on standard error, and returns the exit code.
pub(super) fn exit(error: &clap::Error) -> process::ExitCode {
    let printer = Printer::early(std::env::args_os().any(|arg| arg == "--json"));
    let bare = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let code = if !error.use_stderr() {
        printer.stdout(&error.render().ansi().to_string());
        printer.ended(ExitCode::Success, false)
    } else if bare && !printer.is_json() {
        // Whoever gives no command wants to know which there are.
        drop(error.print());
        ExitCode::Usage
    } else {
        printer.error(&worded(error, bare));
        if std::env::args_os().any(|arg| arg == "nagios" || arg == "--format=nagios") {
            // A plugin that cannot be run has told nothing, and 2 would say CRITICAL.
            return process::ExitCode::from(Level::Unknown.exit());
        }
        ExitCode::Usage
    };
    process::ExitCode::from(code as u8)
}

/// Takes what the parser says apart: the fault with what was given and wanted, and what it advises.
fn worded(error: &clap::Error, bare: bool) -> Error {
    let text = error.render().to_string();
    let fault: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let fault = fault.join(" ");
    let advice = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("tip: "))
        // How a value may begin with `-` is advice for nobody who mistyped an option.
        .filter(|advice| !advice.starts_with("to pass "));
    Error::Usage {
        message: if bare {
            "no command is given".to_owned()
        } else {
            fault.strip_prefix("error: ").unwrap_or(&fault).to_owned()
        },
        hint: advice.map_or_else(help, str::to_owned),
    }
}

/// Returns the line that shows the help of the command that was given.
fn help() -> String {
    let mut command = Cli::command();
    let mut line = "certroll".to_owned();
    for word in std::env::args_os().skip(1) {
        if let Some(found) = command.find_subcommand(&word).cloned() {
            line.push(' ');
            line.push_str(found.get_name());
            command = found;
        }
    }
    line + " --help"
}

//! The commands that have the host call certroll by itself.

use super::{args::Hooks, changes, print::Printer};
use crate::{
    error::{Error, ExitCode, On as _, Result},
    hooks,
    host::Host,
};

pub(crate) fn run(
    host: &mut dyn Host,
    command: &Hooks,
    state: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    if let Some(dir) = state {
        return Err(Error::Usage {
            message: format!("hooks look after the state below the root, not `{dir}`"),
            hint: "leave `--state` out".to_owned(),
        });
    }
    match command {
        Hooks::Install { go } => changes::hooks(host, *go, printer, |host| {
            let own = std::env::current_exe().on("find", "the program itself")?;
            hooks::install(host, &own.to_string_lossy())
        }),
        Hooks::Remove { go } => changes::hooks(host, *go, printer, hooks::remove),
    }
}

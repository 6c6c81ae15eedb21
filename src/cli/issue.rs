//! The commands that have identities issued.

use super::{args::Issue, print::Printer};
use crate::{
    error::{ExitCode, Result},
    host::Host,
};

mod acme;
mod made;

pub(crate) fn run(
    host: &mut dyn Host,
    command: &Issue,
    state: Option<&str>,
    printer: &Printer,
) -> Result<ExitCode> {
    match command {
        Issue::SelfSigned(asked) => made::self_signed(host, asked, printer),
        Issue::Ca(asked) => made::by_ca(host, asked, printer),
        Issue::Acme(asked) => acme::run(host, asked, state, printer),
    }
}

//! The commands that have identities issued.

use super::{args::Issue, print::Printer};
use crate::{
    error::{ExitCode, Result},
    host::Host,
};

mod made;

pub(crate) fn run(host: &mut dyn Host, command: &Issue, printer: &Printer) -> Result<ExitCode> {
    match command {
        Issue::SelfSigned(asked) => made::self_signed(host, asked, printer),
        Issue::Ca(asked) => made::by_ca(host, asked, printer),
    }
}

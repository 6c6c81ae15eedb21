//! How a story is told: chapters, plans and receipts as the command line prints them.

use super::words;
use crate::{
    Prepared,
    cli::{print::Printer, text},
    error::{Error, Result},
    host::Host,
    plan::View,
    receipt::{Outcome, Receipt},
};

/// Prints a story, and stops it at a signal.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a>(pub(super) &'a Printer);

impl Teller<'_> {
    /// Begins a chapter.
    pub(super) fn chapter(self, host: &dyn Host, title: &str, text: &str) -> Result<()> {
        heed(host)?;
        self.say(&words::chapter(title, text));
        Ok(())
    }

    pub(super) fn say(self, text: &str) {
        self.0.detail(|| text.to_owned());
    }

    /// Carries a plan out as the command line does.
    pub(super) fn carry_out(self, host: &mut dyn Host, prepared: Prepared) -> Result<Receipt> {
        let mut keep = prepared.keep;
        let view = View::of(&prepared.plan, host);
        keep.plan = serde_json::to_vec(&view).unwrap_or_default();
        let progress = |message: &str| self.say(&format!("  {message}\n"));
        let receipt = crate::rollout(host, prepared.plan, keep, &progress)?;
        heed(host)?;
        Ok(receipt)
    }

    /// Prints a receipt, and holds that it is of this outcome.
    pub(super) fn ended(self, receipt: &Receipt, want: Outcome) -> Result<()> {
        self.0.detail(|| text::receipt(receipt, self.0.verbose()));
        let found = receipt.outcome.words();
        words::hold(receipt.outcome == want, "the outcome", want.words(), || {
            format!("is {found}")
        })
    }
}

fn heed(host: &dyn Host) -> Result<()> {
    host.interrupted()
        .map_or(Ok(()), |signal| Err(Error::Interrupted { signal }))
}

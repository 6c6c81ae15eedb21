//! The whole story on a scratch host: one command, no root, every claim checked.
//!
//! `certroll demo` makes a tree like that of a Wazo 17.06 host, starts its daemons as child processes with real TLS
//! listeners on loopback, and rolls pairs across it through the very code that the other commands use. Only the edge is
//! another: `DemoHost` maps units to children and the platform's ports to theirs.
#![expect(
    clippy::disallowed_methods,
    reason = "the demo is the platform it works on: it has processes, sockets and files of its own"
)]

use std::time::Instant;

use serde_json::json;

use crate::{
    cli::{
        DemoStory,
        print::Printer,
        text::{GREEN, paint},
    },
    error::{ExitCode, Result},
    host::{Host, system},
};

pub mod appliance;
mod calls;
mod checkpoint;
mod config;
mod daemon;
pub mod era;
mod fleet;
mod fold;
mod host;
mod manager;
mod mint;
mod platform;
pub mod port;
pub mod portal;
mod scratch;
mod snapshot;
mod speechmatics;
mod story;
mod table;
mod teller;
mod wire;
mod words;
pub mod wso2;

use scratch::Scratch;
use story::Story;
use teller::Teller;

/// Tells a story, and checks each claim of it.
///
/// The scratch directory and every child process are gone on return, however it ends.
///
/// # Errors
/// [`crate::error::Error::Unproved`] where a claim does not hold; [`crate::error::Error::Interrupted`] by a signal.
pub(crate) fn run(story: DemoStory, printer: &Printer) -> Result<ExitCode> {
    let teller = Teller(printer);
    match story {
        DemoStory::Wazo => told(printer, "certroll/demo/1", |scratch| {
            Story::new(scratch, printer)?.tell()
        }),
        DemoStory::Checkpoint => told(printer, "certroll/demo-checkpoint/1", |scratch| {
            checkpoint::Story::new(scratch, teller)?.tell()
        }),
        DemoStory::Era => told(printer, "certroll/demo-era/1", |scratch| {
            era::Story::new(scratch, teller)?.tell(scratch)
        }),
        DemoStory::Speechmatics => told(printer, "certroll/demo-speechmatics/1", |scratch| {
            speechmatics::Story::new(scratch, printer)?.tell()
        }),
        DemoStory::Wso2 => told(printer, "certroll/demo-wso2/1", |scratch| {
            wso2::Story::new(scratch, teller)?.tell()
        }),
    }
}

/// A story that held.
#[derive(Debug)]
struct Told {
    /// What held, for people.
    held: String,
    /// The figures in it, for programs.
    figures: Vec<(&'static str, usize)>,
}

/// Has a story told in a scratch directory, and sums it up.
fn told(
    printer: &Printer,
    format: &str,
    tell: impl FnOnce(&Scratch) -> Result<Told>,
) -> Result<ExitCode> {
    let start = Instant::now();
    // Before anything is there that a signal could leave behind.
    system::watch_signals()?;
    let scratch = Scratch::make()?;
    let Told { held, figures } = tell(&scratch)?;
    drop(scratch);
    let seconds = start.elapsed().as_secs_f64();
    let mut document = json!({ "format": format });
    for (name, figure) in figures {
        document[name] = figure.into();
    }
    document["seconds"] = seconds.into();
    printer.result(&document, || {
        let word = paint(GREEN, "every claim held");
        format!("\n{word}: {held}; {seconds:.1} s\n")
    });
    Ok(ExitCode::Success)
}

/// Is one daemon of the scratch host, until its standard input ends.
///
/// # Errors
/// Whatever keeps it from starting; its parent is told as well.
pub(crate) fn daemon(host: &dyn Host, unit: &str) -> Result<ExitCode> {
    daemon::run(host, unit)
}

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
mod mutual;
mod platform;
pub mod portal;
mod scratch;
mod snapshot;
mod speechmatics;
mod story;
mod table;
mod teller;
mod wire;
mod words;
mod wso2;

use scratch::Scratch;
use story::Story;

/// Tells a story, and checks each claim of it.
///
/// The scratch directory and every child process are gone on return, however it ends.
///
/// # Errors
/// [`crate::error::Error::Unproved`] where a claim does not hold; [`crate::error::Error::Interrupted`] by a signal.
pub(crate) fn run(story: DemoStory, printer: &Printer) -> Result<ExitCode> {
    match story {
        DemoStory::Wazo => wazo(printer),
        DemoStory::Checkpoint => checkpoint(printer),
        DemoStory::Speechmatics => speechmatics(printer),
        DemoStory::Wso2 => mutual(printer),
    }
}

fn wazo(printer: &Printer) -> Result<ExitCode> {
    let start = Instant::now();
    // Before anything is there that a signal could leave behind.
    system::watch_signals()?;
    let scratch = Scratch::make()?;
    let told = Story::new(&scratch, printer).and_then(Story::tell)?;
    drop(scratch);
    let seconds = start.elapsed().as_secs_f64();
    let document = json!({
        "format": "certroll/demo/1",
        "daemons": told.daemons,
        "endpoints": told.endpoints,
        "calls": told.calls,
        "paths": told.paths,
        "seconds": seconds,
    });
    printer.result(&document, || told.last_line(seconds));
    Ok(ExitCode::Success)
}

fn checkpoint(printer: &Printer) -> Result<ExitCode> {
    let start = Instant::now();
    system::watch_signals()?;
    let scratch = Scratch::make()?;
    let told = checkpoint::Story::new(&scratch, teller::Teller(printer))
        .and_then(checkpoint::Story::tell)?;
    drop(scratch);
    let seconds = start.elapsed().as_secs_f64();
    let checkpoint::Told { logins, paths } = told;
    let document = json!({
        "format": "certroll/demo-checkpoint/1",
        "logins": logins,
        "paths": paths,
        "seconds": seconds,
    });
    printer.result(&document, || {
        let word = paint(GREEN, "every claim held");
        format!("\n{word}: {logins} logins at the server, none in its place, {paths} paths as before; {seconds:.1} s\n")
    });
    Ok(ExitCode::Success)
}

fn speechmatics(printer: &Printer) -> Result<ExitCode> {
    let start = Instant::now();
    system::watch_signals()?;
    let scratch = Scratch::make()?;
    let told = speechmatics::Story::new(&scratch, printer).and_then(speechmatics::Story::tell)?;
    drop(scratch);
    let seconds = start.elapsed().as_secs_f64();
    let speechmatics::Told { requests, keys } = told;
    let document = json!({
        "format": "certroll/demo-speechmatics/1",
        "requests": requests,
        "keys": keys,
        "seconds": seconds,
    });
    printer.result(&document, || {
        let word = paint(GREEN, "every claim held");
        format!("\n{word}: {requests} requests, {keys} keys among them, none in the clear; {seconds:.1} s\n")
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

/// Figures of a story that held.
#[derive(Debug)]
struct Told {
    daemons: usize,
    endpoints: usize,
    calls: usize,
    paths: usize,
}

impl Told {
    /// Sums up.
    fn last_line(&self, seconds: f64) -> String {
        let word = paint(GREEN, "every claim held");
        format!(
            "\n{word}: {} daemons, {} TLS ports, {} calls between them, {} paths as before; {seconds:.1} s\n",
            self.daemons, self.endpoints, self.calls, self.paths
        )
    }
}

fn mutual(printer: &Printer) -> Result<ExitCode> {
    let start = Instant::now();
    system::watch_signals()?;
    let scratch = Scratch::make()?;
    let told =
        mutual::Story::new(&scratch, teller::Teller(printer)).and_then(mutual::Story::tell)?;
    drop(scratch);
    let seconds = start.elapsed().as_secs_f64();
    let mutual::Told {
        rollouts,
        calls,
        paths,
    } = told;
    let document = json!({
        "format": "certroll/demo-wso2/1",
        "rollouts": rollouts,
        "calls": calls,
        "paths": paths,
        "seconds": seconds,
    });
    printer.result(&document, || {
        let word = paint(GREEN, "every claim held");
        format!("\n{word}: {rollouts} identities in force, {calls} calls of which none failed, {paths} paths as before; {seconds:.1} s\n")
    });
    Ok(ExitCode::Success)
}

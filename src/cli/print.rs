//! Where results, progress and errors go.
use std::{
    fmt::Write as _,
    io::{ErrorKind, IsTerminal as _, Write as _},
    os::fd::AsFd as _,
    sync::{Arc, OnceLock},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    args::{Cli, Color},
    text::{BOLD, RED, YELLOW, paint},
};
use crate::{
    error::{Error, ExitCode},
    host::Host,
    preflight::{Finding, Severity},
};

/// Knows what the user wants to see, and where.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
    verbose: bool,
    color: anstream::ColorChoice,
    /// Why output did not arrive, the first time.
    lost: Arc<OnceLock<std::io::Error>>,
}

impl Printer {
    /// A printer for what comes before the command line is understood.
    pub(crate) fn early(json: bool) -> Self {
        Self {
            json,
            quiet: false,
            verbose: false,
            color: anstream::ColorChoice::Auto,
            lost: Arc::default(),
        }
    }

    pub(crate) fn new(cli: &Cli) -> Self {
        let color = match cli.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        Self {
            json: cli.json || cli.command.wants_json(),
            quiet: cli.quiet,
            verbose: cli.verbose,
            color,
            lost: Arc::default(),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn verbose(&self) -> bool {
        self.verbose
    }

    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Prints the result of a command on standard output: one JSON document, or text.
    pub(crate) fn result(&self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            let document = serde_json::to_string_pretty(document).unwrap_or_default();
            self.stdout(&(document + "\n"));
        } else {
            self.stdout(&text());
        }
    }

    /// Prints one line of a result that has no end of its own: with `--json` a document a line.
    pub(crate) fn line(&self, document: &Value, text: impl FnOnce() -> String) {
        if self.json {
            self.stdout(&format!("{document}\n"));
        } else {
            self.stdout(&format!("{}\n", text()));
        }
    }

    /// Prints text for people on standard output, unless they want none or JSON.
    pub(crate) fn detail(&self, text: impl FnOnce() -> String) {
        if !self.json && !self.quiet {
            self.stdout(&text());
        }
    }

    /// Says in one line what was done where nothing is left to show; a document of its own with `--json`.
    pub(crate) fn message(&self, text: &str) {
        if self.json {
            self.result(
                &json!({ "format": "certroll/message/1", "message": text }),
                String::new,
            );
        } else {
            self.detail(|| format!("{text}\n"));
        }
    }

    /// Prints text on standard output.
    pub(crate) fn stdout(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let color = match self.color {
            anstream::ColorChoice::Auto => anstream::AutoStream::choice(&out),
            chosen => chosen,
        };
        // Adapted in memory first: a stream that strips colours makes a system call of every line.
        let mut adapted = anstream::AutoStream::new(Vec::with_capacity(text.len()), color);
        let written = adapted
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(&adapted.into_inner()))
            .and_then(|()| out.flush());
        match written {
            // A reader that went away (`| head`) is no failure: the exit code still tells.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(self.lost.set(error)),
            _ => {}
        }
    }

    /// Returns the exit code of a run that ended with `code`. Where its output did not arrive, that is said; and a run that
    /// may not have changed anything has failed, since output is all that it is for.
    pub(crate) fn ended(&self, code: ExitCode, may_change: bool) -> ExitCode {
        let Some(error) = self.lost.get() else {
            return code;
        };
        let cause = plain(&error.to_string());
        let (label, what) = (paint(RED, "error:"), "cannot write standard output");
        if may_change || !matches!(code, ExitCode::Success | ExitCode::Differences) {
            let label = paint(YELLOW, "warning:");
            self.stderr(&format!(
                "{label} {what}: {cause}; the exit code is true all the same\n"
            ));
            return code;
        }
        self.stderr(&format!(
            "{label} {what}\ncaused by: {cause}\nhost: unchanged\n"
        ));
        ExitCode::Failed
    }

    fn stderr(&self, text: &str) {
        let mut out = anstream::AutoStream::new(std::io::stderr(), self.color);
        drop(out.write_all(text.as_bytes()));
    }

    /// Tells people who wait what is going on.
    pub(crate) fn progress(&self, message: &str) {
        if !self.quiet && !self.json {
            self.stderr(&format!("{message}\n"));
        }
    }

    /// Says what went wrong beside the result.
    pub(crate) fn warning(&self, message: &str) {
        self.stderr(&format!("{} {message}\n", paint(YELLOW, "warning:")));
    }

    /// Asks on the terminal; none where there is none. A signal is a no.
    pub(crate) fn ask(&self, question: &str, host: &dyn Host) -> Option<bool> {
        let stdin = std::io::stdin();
        if self.json || !stdin.is_terminal() {
            return None;
        }
        self.stderr(&format!("{} [y/N] ", paint(BOLD, question)));
        // Signals are noted by a thread of their own, so that they would not end a read that waits.
        let often = PollTimeout::from(200_u8);
        while host.interrupted().is_none() {
            let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, often).is_ok_and(|ready| ready > 0) {
                let mut answer = String::new();
                stdin.read_line(&mut answer).ok()?;
                return Some(matches!(answer.trim(), "y" | "Y" | "yes"));
            }
        }
        self.stderr("\n");
        Some(false)
    }

    /// Prints an error that left the host unchanged.
    pub(crate) fn error(&self, error: &Error) {
        let document = self.error_of(error, None);
        if self.json {
            self.stdout(&format!("{document:#}\n"));
        }
    }

    /// Prints an error of a run, or of one rollout of it; where a document is wanted it is returned instead.
    pub(crate) fn error_of(&self, error: &Error, rollout: Option<&str>) -> Value {
        let host = match error.exit() {
            ExitCode::Stuck => "NOT as before: a generation is open, or cannot be read",
            _ => "unchanged",
        };
        if self.json {
            return json!({
                "format": "certroll/error/1",
                "rollout": rollout,
                "error": error.to_string(),
                "causes": causes(error),
                "hint": error.hint(),
                "peers": match error { Error::WrongPeer(peers) => json!(peers), _ => json!([]) },
                "findings": match error { Error::Findings(findings) => json!(findings), _ => json!([]) },
                "exit": error.exit() as u8,
                "host": host,
            });
        }
        let mut text = rollout.map_or_else(String::new, |name| format!("rollout `{name}`:\n"));
        if let Error::StalePlan { diff, .. } = error {
            text.push_str(diff);
        }
        match error {
            Error::Findings(findings) => text.push_str(&render_findings(findings, self.verbose)),
            _ => drop(writeln!(text, "{} {error}", paint(RED, "error:"))),
        }
        for cause in causes(error) {
            let _ = writeln!(text, "caused by: {cause}");
        }
        if let Error::WrongPeer(peers) = error {
            text.extend(peers.iter().map(super::pin::side_by_side));
        }
        if let (Some(hint), false) = (error.hint(), matches!(error, Error::Findings(_))) {
            let _ = writeln!(text, "hint: {hint}");
        }
        self.stderr(&format!("{text}host: {host}\n"));
        Value::Null
    }
}

fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(plain(&cause.to_string()));
        source = cause.source();
    }
    causes
}

/// Puts the kernel's words in the form of the rest: lower case.
fn plain(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Renders findings, fatal ones as errors.
pub(crate) fn render_findings(findings: &[Finding], verbose: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        let label = match finding.severity {
            Severity::Fatal => paint(RED, "error:"),
            Severity::Warning => paint(YELLOW, "warning:"),
            Severity::Note if verbose => "note:".to_owned(),
            Severity::Note => continue,
        };
        let _ = writeln!(text, "{label} {} [{}]", finding.message, finding.name);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "hint: {hint}");
        }
    }
    text
}

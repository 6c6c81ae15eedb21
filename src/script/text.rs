//! The text of a script: what is particular first, then the functions that it calls.

use std::fmt::Write as _;

use super::{Scribe, beside::SALT};
use crate::{desired::Probe, peer::Fingerprint, render::shell_word};

const BASE: &str = include_str!("base.sh");
const CALLS: &str = include_str!("calls.sh");
const COMMANDS: &str = include_str!("commands.sh");
const FILES: &str = include_str!("files.sh");
const REQUESTS: &str = include_str!("requests.sh");
const LACKS: &str = include_str!("lacks.sh");
const VALUES: &str = include_str!("values.sh");
const RUN: &str = include_str!("run.sh");
const SAYS: &str = include_str!("says.sh");
const SEEN: &str = include_str!("seen.sh");

/// A line of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A command that may fail.
    Step(String),
    /// Anything else: an assignment, a condition around steps, a comment.
    Plain(String),
}

impl Line {
    /// Returns a step that stands within a condition.
    pub(super) fn within(step: &str) -> Self {
        Self::Step(format!("    {step}"))
    }
}

/// Returns lines as the body of a function, with what is done where a step fails.
fn body(lines: &[Line], otherwise: &str) -> String {
    let mut text = String::new();
    for line in lines {
        let _ = match line {
            Line::Step(step) => writeln!(text, "    {step} || {otherwise}"),
            Line::Plain(line) => writeln!(text, "    {line}"),
        };
    }
    text
}

impl Scribe<'_> {
    /// Writes it all down.
    pub(super) fn text(&self) -> String {
        let plan = self.plan;
        let mut text = self.head();
        if !plan.says.is_empty() {
            let _ = writeln!(text, "leaf={}", plan.identity.fingerprint);
        }
        let _ = writeln!(text, "deadline={}", plan.deadline);
        let places = !plan.changes.is_empty();
        if places {
            let _ = writeln!(text, "kept=.before-{}", self.names());
            let salt = if self.beside.is_empty() {
                "/dev/null".to_owned()
            } else {
                let _ = writeln!(text, "beside={}", shell_word(self.beside.dir()));
                format!("\"$beside\"/{SALT}")
            };
            let _ = writeln!(text, "salt={salt}");
        }
        let _ = writeln!(text, "reached={}", shell_word(&self.reached()));
        if self.has_local() {
            text.push_str("begun=''\n");
        }
        if !plan.far.is_empty() {
            text.push_str("sent=0\n");
        }
        text.push('\n');
        for (name, lines, otherwise) in [
            ("check", &self.checks(), "return 1"),
            ("forward", &self.forward, "return 1"),
            ("back", &self.back, "bad=1"),
        ] {
            let (first, last) = match otherwise {
                "bad=1" => ("    bad=0\n", "\"$bad\""),
                _ => ("", "0"),
            };
            let lines = body(lines, otherwise);
            let _ = write!(text, "{name}() {{\n{first}{lines}    return {last}\n}}\n\n");
        }
        if !self.tell.is_empty() {
            let lines = body(&self.tell, "told=1");
            let _ = write!(
                text,
                "# Who is told: all of it, whatever becomes of the first.\ntell() {{\n    told=0\n{lines}    return \"$told\"\n}}\n\n"
            );
        }
        if !self.accepted.is_empty() {
            text.push_str(
                "# The leaves that are accepted of a peer.\naccepted() {\n    case $1 in\n",
            );
            for (peer, leaves) in &self.accepted {
                let leaves: Vec<String> = leaves.iter().map(Fingerprint::to_string).collect();
                let leaves = leaves.join(" ");
                let _ = writeln!(text, "        {}) echo '{leaves}' ;;", shell_word(peer));
            }
            text.push_str("    esac\n}\n\n");
        }
        let parts = [
            (true, BASE),
            (places, FILES),
            (!plan.services.is_empty(), COMMANDS),
            (!plan.says.is_empty(), SAYS),
            (self.asks(), REQUESTS),
            (self.calls(), CALLS),
            (self.sees(), SEEN),
            (!self.reads.is_empty(), VALUES),
            (self.looks(), LACKS),
            (true, RUN),
        ];
        let needed: Vec<&str> = parts
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, p)| *p)
            .collect();
        text.push_str(&needed.join("\n"));
        text
    }

    /// Everything that is checked; what writes the logins stands among it.
    fn checks(&self) -> Vec<Line> {
        let login = |(n, line): (usize, &String)| format!("{line} >\"$work/login{}\"", n + 1);
        let logins = self.logins.iter().enumerate().map(login);
        self.check
            .iter()
            .cloned()
            .chain(logins)
            .chain(self.reads.iter().cloned())
            .map(Line::Step)
            .collect()
    }

    /// Tells whether anything is asked over HTTP.
    fn asks(&self) -> bool {
        let http = |probe: &Probe| matches!(probe, Probe::Http { .. });
        !self.plan.far.is_empty() || self.plan.promises.iter().any(|p| http(&p.probe))
    }

    /// Tells whether somebody is called over mutual TLS.
    fn calls(&self) -> bool {
        let call = |probe: &Probe| matches!(probe, Probe::Call { .. });
        self.sees() || self.plan.promises.iter().any(|p| call(&p.probe))
    }

    /// Tells whether a backend says what it saw.
    fn sees(&self) -> bool {
        let sees = |probe: &Probe| {
            matches!(
                probe,
                Probe::Http {
                    seen_by: Some(_),
                    ..
                }
            )
        };
        self.plan.promises.iter().any(|p| sees(&p.probe))
    }

    /// Tells whether something must not stand in an answer.
    fn looks(&self) -> bool {
        let lacks = |probe: &Probe| matches!(probe, Probe::Http { lacks: Some(_), .. });
        self.plan.promises.iter().any(|p| lacks(&p.probe))
    }
}

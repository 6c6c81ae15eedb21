//! The text of a script: what is particular first, then the functions that it calls.

use std::fmt::Write as _;

use super::Scribe;
use crate::{desired::Probe, peer::Fingerprint, render::shell_word};

const HEAD: &str = "
# It checks first, then changes and proves, and goes back once where a step or a proof fails. It exits with
#   0 done and proved    1 refused, nothing was changed    3 rolled back, proved    4 not as before: it says why
# What it does not do, and `certroll apply` does:
#   - It is no transaction: nothing is written down and nobody is locked out. What is done when it is killed stays done.
#   - It takes what is there for what the plan saw, and compares no more than the leaves of peers and of the files below.
#   - It proves which leaf is served, not the chain behind it; it asks no unit and reads no configuration back.
#   - certroll learns nothing of it: there is no generation, and pins stay as they are.
# Keys and passwords are in the files that it names, and in no argument of a program. It needs openssl, for requests curl, and
# mktemp and timeout beside the tools of every host.

# What `await` is given is called by it, which shellcheck does not see.
# shellcheck disable=SC2317
set -u
umask 077
LC_ALL=C
export LC_ALL
";

const BASE: &str = include_str!("base.sh");
const COMMANDS: &str = include_str!("commands.sh");
const FILES: &str = include_str!("files.sh");
const REQUESTS: &str = include_str!("requests.sh");
const LACKS: &str = include_str!("lacks.sh");
const VALUES: &str = include_str!("values.sh");
const RUN: &str = include_str!("run.sh");
const SAYS: &str = include_str!("says.sh");

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
        let goal = match plan.identity.fingerprint.as_str() {
            "" => "the platform's own default".to_owned(),
            leaf => format!(
                "{}, SHA-256 of the leaf\n# {leaf}",
                plain(&plan.identity.subject)
            ),
        };
        let mut text = format!(
            "#!/bin/sh\n# Rollout {}, without certroll: {goal}\n#{HEAD}\n",
            plain(&plan.rollout)
        );
        if !plan.says.is_empty() {
            let _ = writeln!(text, "leaf={}", plan.identity.fingerprint);
        }
        let _ = writeln!(text, "deadline={}", plan.deadline);
        let places = !plan.changes.is_empty();
        if places {
            let of = self.names();
            let _ = writeln!(text, "kept=.before-{of}\nnew=.new-{of}");
        }
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

    /// Tells whether something must not stand in an answer.
    fn looks(&self) -> bool {
        let lacks = |probe: &Probe| matches!(probe, Probe::Http { lacks: Some(_), .. });
        self.plan.promises.iter().any(|p| lacks(&p.probe))
    }

    /// What the names of copies and of new files beside their targets end with.
    fn names(&self) -> &str {
        let leaf = self.plan.identity.fingerprint.get(..12);
        leaf.unwrap_or("default")
    }
}

/// Returns text that stays in its comment.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

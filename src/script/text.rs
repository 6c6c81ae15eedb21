//! The text of a script: what is particular first, then the functions that it calls.

use std::fmt::Write as _;

use super::{Scribe, beside::SALT};
use crate::{desired::Probe, peer::Fingerprint, render::shell_word};

const HEAD: &str = "
# It checks first, then changes and proves, and goes back once where a step or a proof fails. It exits with
#   0 done and proved    1 refused, nothing was changed    3 rolled back, proved    4 not as before: it says why
# What it does not do, and `certroll apply` does:
#   - It is no transaction: nothing is written down and nobody is locked out. What is done when it is killed stays done: put
#     the copies back by hand then, before anything else is planned.
#   - Of what is there it compares the files that it replaces and the leaves of peers with what the plan saw, and no more.
#   - It proves which leaf is served, not the chain behind it; it asks no unit and reads no configuration back.
#   - certroll learns nothing of it: there is no generation, and pins stay as they are.
# Keys and passwords are in the files that it names, and in no argument of a program. It needs openssl, for requests curl, and
# mktemp, sha256sum and timeout beside the tools of every host.

# What `await` is given is called by it, which shellcheck does not see.
# shellcheck disable=SC2317
set -u
umask 077
LC_ALL=C
export LC_ALL
";

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
        let goal = match plan.identity.fingerprint.as_str() {
            "" => "the platform's own default".to_owned(),
            leaf => format!(
                "{}, SHA-256 of the leaf\n# {leaf}",
                plain(&plan.identity.subject)
            ),
        };
        let mut text = format!(
            "#!/bin/sh\n# Rollout {}, without certroll: {goal}\n{}#{HEAD}\n",
            plain(&plan.rollout),
            self.parts(),
        );
        if !plan.says.is_empty() {
            let _ = writeln!(text, "leaf={}", plan.identity.fingerprint);
        }
        let _ = writeln!(text, "deadline={}", plan.deadline);
        let places = !plan.changes.is_empty();
        if places {
            let of = self.names();
            let _ = writeln!(text, "kept=.before-{of}\nnew=.new-{of}");
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

    /// Says of which phase it is, and what comes beside it, as comments.
    fn parts(&self) -> String {
        let mut text = String::new();
        if let Some(phase) = &self.plan.phase {
            let rest = match phase.rest() {
                [] => "the last one",
                _ => {
                    "and nothing more: the same plan makes the script of the next one, once this one is done"
                }
            };
            let _ = writeln!(
                text,
                "# Phase {} of a rotation, {rest}",
                plain(&phase.title())
            );
        }
        if !self.beside.is_empty() {
            let dir = plain(self.beside.dir());
            let _ = writeln!(
                text,
                "# What it places and is in no file that was named is in {dir}, keys and passwords too"
            );
        }
        text
    }

    /// Says what holds once it is done.
    fn reached(&self) -> String {
        let Some(phase) = &self.plan.phase else {
            return "everything is in force and proved".to_owned();
        };
        let state = if self.proved {
            "in force and proved"
        } else {
            "in place, and nothing proves it yet"
        };
        let rest = match phase.rest() {
            [] => "",
            _ => "; for the next one plan again, with the same arguments",
        };
        format!("phase {} is {state}{rest}", phase.title())
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

    /// What the names of copies and of new files beside their targets end with: one file may change in several phases.
    fn names(&self) -> String {
        let leaf = self.plan.identity.fingerprint.get(..12);
        let leaf = leaf.unwrap_or("default");
        let phase = self.plan.phase.as_ref();
        match phase.and_then(|phase| phase.phases.get(phase.at)) {
            Some(name) => format!("{leaf}-{name}"),
            None => leaf.to_owned(),
        }
    }
}

/// Returns text that stays in its comment.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

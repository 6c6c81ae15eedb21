//! What a script says of itself.

use std::fmt::Write as _;

use super::Scribe;

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
# mktemp, sha256sum and timeout, for files `mv -T` (GNU, BusyBox) too, beside the tools of every host.

# What `await` is given is called by it, which shellcheck does not see.
# shellcheck disable=SC2317
set -u
umask 077
LC_ALL=C
export LC_ALL
";

impl Scribe<'_> {
    /// Returns its first lines.
    pub(super) fn head(&self) -> String {
        let plan = self.plan;
        let goal = match plan.identity.fingerprint.as_str() {
            "" => "the platform's own default".to_owned(),
            leaf => format!(
                "{}, SHA-256 of the leaf\n# {leaf}",
                plain(&plan.identity.subject)
            ),
        };
        format!(
            "#!/bin/sh\n# Rollout {}, without certroll: {goal}\n{}#{HEAD}\n",
            plain(&plan.rollout),
            self.parts(),
        )
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
    pub(super) fn reached(&self) -> String {
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

    /// What the names of copies beside their targets end with: one file may change in several phases.
    pub(super) fn names(&self) -> String {
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

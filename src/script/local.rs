//! Files of this host, and who is told of them.

use super::{Line, Scribe, file_of, refused};
use crate::{
    error::Result, host::Command, identity::Input, render::shell_word, service, state::State,
};

impl Scribe<'_> {
    /// Tells whether anything is done on this host.
    pub(super) fn has_local(&self) -> bool {
        !self.plan.changes.is_empty() || !self.plan.services.is_empty()
    }

    /// Copies, places and tells; returns the way back from that.
    pub(super) fn local(&mut self) -> Result<Vec<Line>> {
        if !self.has_local() {
            return Ok(Vec::new());
        }
        let mut back = self.placed()?;
        self.told()?;
        if !self.tell.is_empty() {
            self.forward.push(Line::Step("tell".to_owned()));
            back.push("tell".to_owned());
        }
        // Where nothing was begun nothing is taken back.
        let mut guarded = vec![Line::Plain("if [ -n \"$begun\" ]; then".to_owned())];
        guarded.extend(back.iter().map(|step| Line::within(step)));
        guarded.push(Line::Plain("fi".to_owned()));
        Ok(guarded)
    }

    fn placed(&mut self) -> Result<Vec<String>> {
        let (mut places, mut back) = (Vec::new(), Vec::new());
        let mut parts: Vec<&Input> = Vec::new();
        for change in &self.plan.changes {
            let path = shell_word(change.path.as_str());
            let Some((bytes, attrs)) = file_of(change).filter(|_| change.identity) else {
                let why = format!(
                    "it sets `{}` ({}), which is no file of the identity",
                    change.path, change.kind
                );
                let hint = if change.kind == "keystore" {
                    "`certroll keystore new FILE --cert CERT --key KEY` makes one of the pair, and says the keytool line that imports it"
                } else {
                    "`certroll apply` does it; or leave that setting or profile out"
                };
                return Err(refused(&why, hint));
            };
            let file = self.file(bytes, &format!("what goes to `{}`", change.path))?;
            parts.push(file);
            self.check.push(format!("free {path}\"$new\""));
            if change.before == State::Absent {
                self.check.push(format!("free {path}"));
                back.push(format!("rm -f {path} {path}\"$new\""));
            } else {
                self.check.push(format!("plain {path}"));
                self.check.push(format!("free {path}\"$kept\""));
                let copy = format!("cp -p {path} {path}\"$kept\"");
                self.forward.push(Line::Step(copy));
                back.push(format!("restore {path}"));
            }
            let (owner, mode) = (format!("{}:{}", attrs.uid, attrs.gid), attrs.mode);
            let source = shell_word(&file.name);
            places.push(format!("place {source} {path} {owner} {mode:04o}"));
        }
        self.pairs(&parts)?;
        self.forward.push(Line::Plain("begun=yes".to_owned()));
        self.forward.extend(places.into_iter().map(Line::Step));
        Ok(back)
    }

    /// Config tests, and what tells the services.
    fn told(&mut self) -> Result<()> {
        let plan = self.plan;
        if let Some(path) = plan.services.iter().find_map(|s| s.writes.first()) {
            let why = format!("a command makes `{path}`, and nobody knows what before");
            return Err(refused(&why, "`certroll apply` does it"));
        }
        let tests = plan.services.iter().filter_map(|s| s.config_test.as_ref());
        let tests: Vec<&Command> = tests.collect();
        for planned in service::planned(&plan.services, &plan.units) {
            let line = Line::Step(format!("run {}", words(&planned.command)));
            match &planned.only_if {
                None if tests.contains(&&planned.command) => self.forward.push(line),
                None => self.tell.push(line),
                // Where it is needed the proof fails, and takes the run back.
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Has copies removed once what they hold is proved to be back.
    pub(super) fn forget_copies(&mut self) {
        let changes = self.plan.changes.iter();
        let replaced = changes.filter(|change| change.before != State::Absent);
        let kept = replaced.map(|change| format!(" {}\"$kept\"", shell_word(change.path.as_str())));
        let kept: Vec<String> = kept.collect();
        if kept.is_empty() {
            return;
        }
        let kept = kept.concat();
        let forget = format!("if [ \"$bad\" = 0 ]; then rm -f{kept}; fi");
        let tell =
            format!("say 'what was there before is kept, keys too, until you remove it:'{kept}");
        self.back.push(Line::Plain(forget));
        self.forward.push(Line::Plain(tell));
    }
}

/// The limit of a command and the command, quoted.
pub(super) fn words(command: &Command) -> String {
    let argv: Vec<String> = command.argv.iter().map(|word| shell_word(word)).collect();
    format!("{} {}", command.limit, argv.join(" "))
}

//! Files of this host, and who is told of them.

use super::{Line, Scribe, file_of, refused};
use crate::{
    error::Result,
    host::Command,
    plan::Change,
    render::shell_word,
    service,
    state::{Attrs, Bytes, State},
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
        let sources = self.sources()?;
        let changes = self.plan.changes.iter().zip(self.targets);
        for ((change, target), source) in changes.zip(&sources) {
            let path = shell_word(target.as_str());
            let (bytes, attrs, before) = fit(change)?;
            self.check.push(format!("at {path} true"));
            if let Some(before) = before {
                let digest = self.beside.digest(before);
                self.check.push(format!("plain {path}"));
                self.check.push(format!("free {path}\"$kept\""));
                self.check.push(format!("same {digest} {path}"));
                self.forward.push(Line::Step(format!("keep {path}")));
                back.push(format!("restore {path}"));
            } else {
                self.check.push(format!("free {path}"));
                back.push(format!("drop {path}"));
            }
            let (source, is_ours) = source;
            if *is_ours {
                let digest = self.beside.digest(bytes);
                self.check.push(format!("same {digest} {source}"));
            }
            let (owner, mode) = (format!("{}:{}", attrs.uid, attrs.gid), attrs.mode);
            places.push(format!("place {source} {path} {owner} {mode:04o}"));
        }
        self.forward.push(Line::Plain("begun=yes".to_owned()));
        self.forward.extend(places.into_iter().map(Line::Step));
        Ok(back)
    }

    /// Returns the file, as a word, that each change is placed from, and whether it is beside the script: what is no file of
    /// the caller's as it stands.
    fn sources(&mut self) -> Result<Vec<(String, bool)>> {
        let (mut sources, mut parts) = (Vec::new(), Vec::new());
        for change in &self.plan.changes {
            let (bytes, ..) = fit(change)?;
            if let Some(file) = self.named(bytes)?.filter(|_| change.identity) {
                parts.push(file);
                sources.push((shell_word(&file.name), false));
                continue;
            }
            let name = self.beside.add(change.path.name(), bytes);
            sources.push((format!("\"$beside\"/{}", shell_word(&name)), true));
        }
        self.pairs(&parts)?;
        Ok(sources)
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
        let changes = self.plan.changes.iter().zip(self.targets);
        let replaced = changes.filter(|(change, _)| change.before != State::Absent);
        let kept = replaced.map(|(_, target)| format!(" {}\"$kept\"", shell_word(target.as_str())));
        let kept: Vec<String> = kept.collect();
        if !self.beside.is_empty() {
            let tell = "say \"what was placed is in $beside, keys and passwords too, until you remove it\"";
            self.forward.push(Line::Plain(tell.to_owned()));
        }
        if kept.is_empty() {
            return;
        }
        let kept = kept.concat();
        let forget = format!("if [ \"$bad\" = 0 ]; then drop{kept} || bad=1; fi");
        let tell =
            format!("say 'what was there before is kept, keys too, until you remove it:'{kept}");
        self.back.push(Line::Plain(forget));
        self.forward.push(Line::Plain(tell));
    }
}

/// Takes a change that a script can make.
fn fit(change: &Change) -> Result<(&Bytes, &Attrs, Option<&Bytes>)> {
    file_of(change).map_err(|what| {
        let why = format!("for `{}` ({}) it {what}", change.path, change.kind);
        let hint = "`certroll apply` does it; or leave that setting or profile out";
        refused(&why, hint)
    })
}

/// The limit of a command and the command, quoted.
pub(super) fn words(command: &Command) -> String {
    let argv: Vec<String> = command.argv.iter().map(|word| shell_word(word)).collect();
    format!("{} {}", command.limit, argv.join(" "))
}

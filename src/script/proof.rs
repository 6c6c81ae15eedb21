//! What proves it: leaves that are presented, answers over HTTP, and what the platform itself says.

use std::net::IpAddr;

use super::{Line, Scribe, local::words, refused, values::patterns};
use crate::{
    desired::Probe,
    error::Result,
    plan::Promise,
    probe::{self, Endpoint, Observation, Want},
    render::shell_word,
};

impl Scribe<'_> {
    /// Has every leaf and answer proved that is promised after so many requests; what only stays as it was comes last.
    pub(super) fn proofs(&mut self, after: usize) -> Result<()> {
        let plan = self.plan;
        for (promise, before) in plan.promises.iter().zip(&plan.baseline) {
            let stays = matches!(&promise.want, Want::Answer(right) if right.is_empty());
            if promise.after == after && !stays {
                let lines = self.proof(promise, before)?;
                self.forward.extend(lines);
            }
        }
        if after == 0 {
            for says in &plan.says {
                let sha1 = says.leaf.sha1.to_string();
                let step = format!("await names {sha1} {}", words(&says.command));
                self.forward.push(Line::Step(step));
            }
        }
        Ok(())
    }

    /// Has proved at the end what must answer as before.
    pub(super) fn unchanged(&mut self) -> Result<()> {
        let plan = self.plan;
        for (promise, before) in plan.promises.iter().zip(&plan.baseline) {
            if let (Want::Answer(right), Observation::Http(was)) = (&promise.want, before)
                && right.is_empty()
                && was.starts_with('2')
            {
                let line = self.answers(&promise.probe, std::slice::from_ref(was))?;
                self.forward.extend(line);
            }
        }
        let proves = |line: &Line| matches!(line, Line::Step(step) if step.starts_with("await "));
        self.proved = self.forward.iter().any(proves);
        // The first phase of a rotation brings trust alone, which nobody may be there to show.
        let may_wait = plan.phase.as_ref().is_some_and(|phase| phase.at == 0);
        if !self.proved && !may_wait {
            return Err(refused(
                "nothing would prove it",
                "`certroll apply` says what it cannot prove",
            ));
        }
        Ok(())
    }

    /// Has the way back proved: the leaves and answers of before.
    pub(super) fn baseline(&mut self) -> Result<()> {
        let plan = self.plan;
        for (promise, before) in plan.promises.iter().zip(&plan.baseline) {
            for line in self.as_before(&promise.probe, before)? {
                if !self.back.contains(&line) {
                    self.back.push(line);
                }
            }
        }
        self.forget_copies();
        Ok(())
    }

    /// Has it proved that a probe sees what it saw before; what showed nothing then proves nothing.
    fn as_before(&mut self, probe: &Probe, before: &Observation) -> Result<Vec<Line>> {
        let was = |end: &Endpoint| {
            let leaf = &end.presented.as_ref()?.leaf;
            Some(presents("presents", leaf, end, probe))
        };
        match before {
            Observation::Tls(ends) => Ok(ends.iter().filter_map(was).collect()),
            Observation::Call(calls) if calls.iter().any(|call| call.taken.is_some()) => {
                self.call(probe, calls, |call| call.taken)
            }
            Observation::Http(was) if is_answer(was) => {
                self.answers(probe, std::slice::from_ref(was))
            }
            Observation::Http(was) => match was.strip_prefix(probe::SEEN) {
                Some(leaf) => self.seen(probe, leaf),
                None => Ok(Vec::new()),
            },
            Observation::Call(_) | Observation::Lookup(_) | Observation::Readable(_) => {
                Ok(Vec::new())
            }
        }
    }

    fn proof(&mut self, promise: &Promise, before: &Observation) -> Result<Vec<Line>> {
        let title = probe::title(&promise.probe);
        match (&promise.probe, &promise.want, before) {
            (Probe::Tls { protocol, .. }, _, _) if !protocol.is_direct() => Err(refused(
                &format!("`{title}` begins in the clear"),
                "`certroll apply` proves it",
            )),
            (Probe::Tls { .. }, Want::Leaf { leaf, .. }, Observation::Tls(ends)) => {
                // One that is silent proves nothing, as in any rollout.
                let ends = ends.iter().filter(|end| end.presented.is_some());
                Ok(ends
                    .map(|end| presents("presents", leaf, end, &promise.probe))
                    .collect())
            }
            (Probe::Tls { .. }, Want::Baseline(before), _) => {
                self.as_before(&promise.probe, before)
            }
            (Probe::Call { .. }, Want::Call(taken), Observation::Call(calls)) => {
                self.call(&promise.probe, calls, |_| Some(*taken))
            }
            (
                Probe::Http {
                    seen_by: Some(_), ..
                },
                Want::Leaf { leaf, .. },
                _,
            ) => self.seen(&promise.probe, leaf),
            (Probe::Tls { .. }, Want::Other(leaf), Observation::Tls(ends)) => {
                let other = |end| presents("presents_other", leaf, end, &promise.probe);
                Ok(ends.iter().map(other).collect())
            }
            (
                Probe::Http {
                    seen_by: None,
                    lacks: None,
                    tells: None,
                    ..
                },
                Want::Answer(right),
                _,
            ) => self.answers(&promise.probe, right),
            (
                Probe::Http {
                    tls: true,
                    peer,
                    path,
                    logins,
                    accept,
                    lacks: Some(lacks),
                    tells: None,
                    ..
                },
                Want::Answer(_),
                _,
            ) => {
                let Some([there, listed]) = patterns(lacks) else {
                    return Err(refused(&format!("`{title}` looks for several things"), ""));
                };
                self.accept(peer, accept);
                let logins = self.as_each(logins)?;
                let words = [&there, &listed, peer, path].map(|word| shell_word(word));
                let step = format!("await lacks {} {logins}", words.join(" "));
                Ok(vec![Line::Step(step)])
            }
            _ => Err(refused(
                &format!("`{title}` takes more than openssl and curl"),
                "`certroll apply` proves it",
            )),
        }
    }

    /// Has one of some answers awaited; nothing where nobody there is accepted.
    fn answers(&mut self, probe: &Probe, right: &[String]) -> Result<Vec<Line>> {
        let Probe::Http {
            tls,
            peer,
            path,
            logins,
            accept,
            ..
        } = probe
        else {
            return Ok(Vec::new());
        };
        if *tls {
            self.accept(peer, accept);
        }
        let logins = self.as_each(logins)?;
        let scheme = if *tls { "https" } else { "http" };
        let (peer, path) = (shell_word(peer), shell_word(path));
        let right: Vec<String> = right.iter().map(|one| shell_word(one)).collect();
        let right = right.join(" ");
        let step = format!("await answers {right} -- {scheme} {peer} {path} {logins}");
        Ok(vec![Line::Step(step)])
    }
}

fn is_answer(text: &str) -> bool {
    text.len() == 3 || text == "empty" || text == "refused"
}

fn presents(how: &str, leaf: &str, end: &Endpoint, probe: &Probe) -> Line {
    let name = match probe {
        Probe::Tls { name, .. } if name.parse::<IpAddr>().is_err() => {
            format!(" {}", shell_word(name))
        }
        _ => String::new(),
    };
    let address = end.address.to_string();
    Line::Step(format!("await {how} {leaf} {}{name}", shell_word(&address)))
}

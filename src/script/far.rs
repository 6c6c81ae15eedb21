//! Requests to other machines, each proved before the next, and their ways back.

use super::{Line, Scribe, plain, refused};
use crate::{
    error::Result,
    far::{Back, Body, Far, Login, Over, Request, Secret},
    identity::Input,
    peer::Fingerprint,
    render::shell_word,
};

impl Scribe<'_> {
    /// Sends every request, and takes back those that may have been heeded, the last first.
    pub(super) fn far(&mut self) -> Result<()> {
        let plan = self.plan;
        let mut back = Vec::new();
        for (n, far) in plan.far.iter().enumerate() {
            self.accept(&far.peer, &far.accept);
            let peer = format!("peer {}", shell_word(&far.peer));
            if !self.check.contains(&peer) {
                self.check.push(peer);
            }
            let logins = self.as_each(&far.logins)?;
            let (what, line) = (plain(&far.what), plain(&far.ask.line(&far.peer)));
            let steps = self.request(far, &far.ask, &logins)?;
            self.forward.push(Line::Plain(format!("# {what}: {line}")));
            self.forward.extend(steps.into_iter().map(Line::Step));
            self.forward.push(Line::Plain(format!("sent={}", n + 1)));
            self.proofs(n + 1)?;
            let condition = format!("if [ \"$sent\" -ge {} ]; then", n + 1);
            let mut lines = vec![Line::Plain(condition)];
            match &far.back {
                Back::By(request) => {
                    let steps = self.request(far, request, &logins)?;
                    lines.extend(steps.iter().map(|step| Line::within(step)));
                }
                Back::Never(why) => {
                    let text = format!("no request takes the {what} of {} back: {why}", far.peer);
                    let say = format!("    say {}", shell_word(&plain(&text)));
                    lines.push(Line::Plain(say));
                }
            }
            lines.push(Line::Plain("fi".to_owned()));
            back.push(lines);
        }
        self.back.extend(back.into_iter().rev().flatten());
        if let Some(settle) = plan.far.iter().map(|far| far.settle).max() {
            // What was accepted last may not have shown yet, and must not come after the proof.
            let line = format!("if [ \"$sent\" -gt 0 ]; then sleep {settle}; fi");
            self.back.push(Line::Plain(line));
        }
        Ok(())
    }

    /// Notes which leaves are accepted of a peer.
    pub(super) fn accept(&mut self, peer: &str, leaves: &[Fingerprint]) {
        match self.accepted.iter_mut().find(|(known, _)| known == peer) {
            Some((_, known)) => known.extend(leaves),
            None => self
                .accepted
                .push((peer.to_owned(), leaves.iter().copied().collect())),
        }
    }

    /// Returns the numbers of logins, as one word; 0 is nobody.
    pub(super) fn as_each(&mut self, logins: &[Login]) -> Result<String> {
        let mut numbers = Vec::new();
        for login in logins {
            let password = match &login.password {
                Secret::File(path) => {
                    self.password(path);
                    format!("first_line {}", shell_word(path))
                }
                Secret::Public(text) => format!("printf %s {}", shell_word(&quoted(text))),
                Secret::Kept(name) => {
                    return Err(refused(&format!("a password is in `{name}`"), ""));
                }
            };
            let line = if login.user.is_empty() {
                format!("{{ printf 'header = \"Authorization: Bearer '; {password}; echo '\"'; }}")
            } else {
                let user = shell_word(&quoted(&login.user));
                format!("{{ printf 'user = \"%s:' {user}; {password}; echo '\"'; }}")
            };
            let known = self.logins.iter().position(|known| *known == line);
            let at = known.unwrap_or_else(|| {
                self.logins.push(line);
                self.logins.len() - 1
            });
            numbers.push((at + 1).to_string());
        }
        if numbers.is_empty() {
            numbers.push("0".to_owned());
        }
        Ok(shell_word(&numbers.join(" ")))
    }

    /// Has it checked that a file has a password.
    fn password(&mut self, path: &str) {
        let line = format!("password {}", shell_word(path));
        if !self.check.contains(&line) {
            self.check.push(line);
        }
    }

    fn request(&mut self, far: &Far, request: &Request, logins: &str) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let json = "--header 'Content-Type: application/json'".to_owned();
        let carries: Vec<String> = match &request.body {
            Body::Nothing => Vec::new(),
            Body::Json(members) => {
                let text = serde_json::Value::Object(members.clone()).to_string();
                vec![json, format!("--data-binary {}", shell_word(&text))]
            }
            Body::Secret(name, Secret::File(path)) => {
                self.password(path);
                let (name, path) = (shell_word(&quoted(name)), shell_word(path));
                lines.push(format!("{{ printf '{{\"%s\": \"' {name}; first_line {path}; echo '\"}}'; }} >\"$work/body\""));
                vec![json, "--data-binary \"@$work/body\"".to_owned()]
            }
            Body::Secret(name, Secret::Kept(_) | Secret::Public(_)) => {
                return Err(refused(
                    &format!("the {name} of {} is in no file", far.peer),
                    "",
                ));
            }
            Body::Member(members, name, secret) => {
                let way = (*request == far.ask).then_some(secret);
                let made = self.member(far, members, name, way, logins)?;
                lines.push(format!("{made} >\"$work/body\""));
                vec![json, "--data-binary \"@$work/body\"".to_owned()]
            }
            Body::Form(parts) => self.form(parts)?,
        };
        let Over::Https { method, path } = &request.over else {
            return Err(refused(
                &format!("the {} of {} goes over ssh", far.what, far.peer),
                "`certroll apply` sends it; or run the script on that machine, without `ssh`",
            ));
        };
        let (method, peer, path) = (shell_word(method), shell_word(&far.peer), shell_word(path));
        let head = format!("send {method} {peer} {path} {logins}");
        let all: Vec<String> = std::iter::once(head).chain(carries).collect();
        lines.push(all.join(" \\\n            "));
        Ok(lines)
    }

    /// Parts of a form, each by the path of its file.
    fn form(&mut self, parts: &[(String, Secret)]) -> Result<Vec<String>> {
        let mut words = Vec::new();
        let mut files: Vec<&Input> = Vec::new();
        for (name, secret) in parts {
            let Secret::Kept(kept) = secret else {
                return Err(refused(
                    &format!("the part {name} of a form is no part of a pair"),
                    "",
                ));
            };
            let bytes = self.sent.iter().find(|(known, _)| known == kept);
            let (_, bytes) = bytes.ok_or_else(|| refused(&format!("`{kept}` is not kept"), ""))?;
            let file = self.file(bytes, &format!("what is sent as {name} (`{kept}`)"))?;
            files.push(file);
            // Quoted for curl: a comma or semicolon would end the name (curl(1), --form).
            let part = format!("{name}=@\"{}\"", quoted(&file.name));
            words.push(format!("--form {}", shell_word(&part)));
        }
        self.pairs(&files)?;
        Ok(words)
    }
}

/// Text inside the double quotes of curl's options and configuration, and of JSON.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

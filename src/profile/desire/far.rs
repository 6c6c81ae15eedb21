//! The section `far`, rendered.

use super::One;
use crate::{
    desired::{Desired, Lacks, Leads, Probe, Tells},
    error::{Error, Result},
    far::{Back, Body, Login, Over, Put, Request, Secret, Wanted, Was, value},
    pins,
    profile::{
        LacksSpec,
        far::{FarSpec, JsonSpec, LoginSpec, OverSpec, SendSpec, UndoSpec, WasSpec},
    },
    render::{Expr, Scope},
};

/// The forms of a pair that a generation keeps for its requests.
const FORMS: [&str; 2] = ["key", "fullchain"];

/// The longest that a way back waits for a peer to settle, in seconds.
const LONGEST_SETTLE: u64 = 600;

/// What else than a status is asked of an answer.
pub(super) struct Answered {
    /// The backend that must have seen the leaf.
    pub(super) seen_by: Option<String>,
    /// What to do where it did not.
    pub(super) hint: Option<String>,
    /// What must not stand in it.
    pub(super) lacks: Option<Lacks>,
    /// What it must tell.
    pub(super) tells: Option<Tells>,
}

impl One<'_> {
    pub(super) fn far(&self, desired: &mut Desired) -> Result<()> {
        let Some(far) = &self.profile.far else {
            return Ok(());
        };
        let peer = self.peer(&far.peer)?;
        let settle = self.text(&far.settle, &self.scope)?;
        let seconds = settle.parse().ok().filter(|s| *s <= LONGEST_SETTLE);
        let settle = seconds.ok_or_else(|| {
            let most = format!("wanted seconds, at most {LONGEST_SETTLE}");
            far.settle.error(format!("`{settle}`: {most}"), "")
        })?;
        let logins = self.logins(far)?;
        for spec in &far.requests {
            if !self.renderer().holds(spec.when.as_ref(), &self.scope)? {
                continue;
            }
            let mut proves = Desired::default();
            for probe in &spec.proves {
                self.probe(probe, &mut proves)?;
            }
            let back = match &spec.undo {
                UndoSpec::Previous => None,
                UndoSpec::Send(ways) => Some(self.way_back(ways)?),
            };
            desired.says.append(&mut proves.says);
            desired.far.push(Wanted {
                what: self.text(&spec.what, &self.scope)?,
                peer: peer.clone(),
                logins: logins.clone(),
                ask: self.request(&spec.send)?,
                back,
                settle,
                proves: proves.probes,
                was: (spec.was.as_ref().map(|was| self.was(was, &spec.send))).transpose()?,
            });
        }
        Ok(())
    }

    fn was(&self, spec: &WasSpec, send: &SendSpec) -> Result<Was> {
        let put = send.json.iter().find_map(|(_, member)| match member {
            JsonSpec::Form(form) => Some(form.text.parse().map(Put::Form)),
            JsonSpec::Value(value) => Some(self.member(value).map(Put::Value)),
            _ => None,
        });
        let mut remarks = Vec::new();
        for (words, finding) in &spec.remarks {
            let mut found = Vec::new();
            self.finding(finding, &mut found)?;
            remarks.extend(found.into_iter().map(|one| (words.clone(), one)));
        }
        Ok(Was {
            path: self.text(&spec.path, &self.scope)?,
            at: (spec.at.iter())
                .map(|name| self.text(name, &self.scope))
                .collect::<Result<_>>()?,
            put: put.transpose()?.unwrap_or(Put::Nothing),
            remarks,
        })
    }

    /// Renders what follows from where names lead.
    pub(super) fn names(&self, desired: &mut Desired) -> Result<()> {
        for spec in &self.profile.names {
            let mut found = Vec::new();
            self.finding(&spec.finding, &mut found)?;
            for finding in found {
                desired.names.push(Leads {
                    name: self.text(&spec.name, &self.scope)?,
                    here: self.addresses(&spec.here, &self.scope)?,
                    is: spec.is.clone(),
                    finding,
                });
            }
        }
        Ok(())
    }

    /// Renders the profile's remarks: what follows from an answer.
    pub(super) fn remarks(&self, desired: &mut Desired) -> Result<()> {
        for spec in &self.profile.remarks {
            let mut found = Vec::new();
            self.finding(&spec.finding, &mut found)?;
            let mut asked = Desired::default();
            self.probe(&spec.probe, &mut asked)?;
            for (probe, finding) in asked.probes.into_iter().zip(found) {
                desired.remarks.push((probe, spec.answers.clone(), finding));
            }
        }
        Ok(())
    }

    fn way_back(&self, ways: &[(Option<Expr>, SendSpec)]) -> Result<Back> {
        for (when, spec) in ways {
            if self.renderer().holds(when.as_ref(), &self.scope)? {
                return Ok(Back::By(self.request(spec)?));
            }
        }
        Ok(Back::Never(
            "the platform's document has no request for it".to_owned(),
        ))
    }

    pub(super) fn peer(&self, expr: &Expr) -> Result<String> {
        let text = self.text(expr, &self.scope)?;
        pins::key(&text)
            .map(|(name, _)| name)
            .map_err(|error| expr.error(error.to_string(), error.hint().unwrap_or_default()))
    }

    fn logins(&self, far: &FarSpec) -> Result<Vec<Login>> {
        let mut logins = Vec::new();
        for spec in &far.logins {
            logins.extend(self.login(spec)?);
        }
        Ok(logins)
    }

    fn login(&self, spec: &LoginSpec) -> Result<Option<Login>> {
        if !self.renderer().holds(spec.when.as_ref(), &self.scope)? {
            return Ok(None);
        }
        let password = match (&spec.file, &spec.public) {
            (Some(file), _) => self.file(file)?,
            (None, Some(public)) => Secret::Public(self.text(public, &self.scope)?),
            (None, None) => return Ok(None),
        };
        let user = spec.user.as_ref().map(|u| self.text(u, &self.scope));
        Ok(Some(Login {
            user: user.transpose()?.unwrap_or_default(),
            password,
        }))
    }

    /// Renders the path of a file of the caller's, absolute, since a hook calls from elsewhere.
    fn file(&self, expr: &Expr) -> Result<Secret> {
        let path = self.text(expr, &self.scope)?;
        if path.starts_with('/') {
            return Ok(Secret::File(path));
        }
        Err(Error::Usage {
            message: format!(
                "`{}` is no absolute path of a file with a password",
                path.escape_debug()
            ),
            hint: "name the file from `/`: a hook reads it, too".to_owned(),
        })
    }

    fn request(&self, spec: &SendSpec) -> Result<Request> {
        let body = match (spec.form.as_slice(), spec.json.as_slice()) {
            ([], []) => Body::Nothing,
            ([], [(name, JsonSpec::File(file))]) => Body::Secret(name.clone(), self.file(file)?),
            ([], members) => {
                let is_kept = |(_, member): &&(String, JsonSpec)| member.is_kept();
                let public = members.iter().filter(|m| !is_kept(m));
                let public = public
                    .map(|(name, member)| Ok((name.clone(), self.member(member)?)))
                    .collect::<Result<_>>()?;
                match members.iter().find(is_kept) {
                    Some((name, _)) => {
                        Body::Member(public, name.clone(), Secret::Kept(value::FILE.to_owned()))
                    }
                    None => Body::Json(public),
                }
            }
            (parts, _) => Body::Form(
                parts
                    .iter()
                    .map(|(name, form)| Ok((name.clone(), part(form)?)))
                    .collect::<Result<_>>()?,
            ),
        };
        let over = match &spec.over {
            OverSpec::Https { method, path } => Over::Https {
                method: self.text(method, &self.scope)?,
                path: self.text(path, &self.scope)?,
            },
            OverSpec::Ssh { to, config, run } => Over::Ssh {
                to: self.text(to, &self.scope)?,
                config: match config {
                    Some(config) => self.text(config, &self.scope)?,
                    None => String::new(),
                },
                run: self.text(run, &self.scope)?,
            },
        };
        Ok(Request { over, body })
    }

    fn member(&self, member: &JsonSpec) -> Result<serde_json::Value> {
        Ok(match member {
            JsonSpec::Bool(value) => (*value).into(),
            JsonSpec::Text(text) => self.text(text, &self.scope)?.into(),
            JsonSpec::File(file) | JsonSpec::Form(file) => {
                return Err(file.error("a secret must be the only member of a document", ""));
            }
            // What is kept is put in its place when it is sent.
            JsonSpec::Value(_) | JsonSpec::Previous => serde_json::Value::Null,
        })
    }

    /// Renders what must not stand in an answer.
    pub(super) fn lacks(&self, (way, members): &LacksSpec, scope: &Scope) -> Result<Lacks> {
        let way = way.iter().map(|name| self.text(name, scope));
        let members = members.iter();
        let members = members.map(|(name, text)| Ok((name.clone(), self.text(text, scope)?)));
        Ok(Lacks {
            at: way.collect::<Result<_>>()?,
            members: members.collect::<Result<_>>()?,
        })
    }

    /// Renders a probe over HTTP.
    pub(super) fn http(
        &self,
        (tls, peer, path): (bool, &Expr, &Expr),
        login: Option<&str>,
        is: &[String],
        more: Answered,
    ) -> Result<Probe> {
        let logins = match (&self.profile.far, login) {
            (Some(far), Some("any")) => self.logins(far)?,
            (Some(far), Some("last")) => self.logins(far)?.pop().into_iter().collect(),
            (Some(far), Some("first")) => self.logins(far)?.into_iter().take(1).collect(),
            _ => Vec::new(),
        };
        Ok(Probe::Http {
            tls,
            peer: self.peer(peer)?,
            path: self.text(path, &self.scope)?,
            logins,
            accept: Vec::new(),
            is: is.to_vec(),
            seen_by: more.seen_by,
            hint: more.hint,
            lacks: more.lacks,
            tells: more.tells,
        })
    }
}

/// Names the kept file that holds a form of the new pair, or of the one from before.
fn part(form: &Expr) -> Result<Secret> {
    let (which, name) = match form.text.strip_prefix("previous-") {
        Some(name) => ("old", name),
        None => ("new", form.text.as_str()),
    };
    if FORMS.contains(&name) {
        return Ok(Secret::Kept(format!("{which}-{name}.pem")));
    }
    Err(form.error(
        format!("form `{}` is not kept for requests", form.text),
        "known are `key`, `fullchain`, `previous-key`, `previous-fullchain`",
    ))
}

//! `trust`: certificates that others are trusted by, beside those that are there: one PEM file of many, or one of many files.

use std::rc::Rc;

use super::{Ask, Asking, Kind};
use crate::{
    desired::{Given, Rewrite, Rewriting, Rewritten, Target, TrustDir},
    error::Result,
    identity::{Certificate, Input, certificate_pem},
    preflight::{Finding, Severity},
    profile::Fields,
    render::Expr,
    rotation::{Turn, is_label, label},
    state::{Bytes, Content, HostPath, Sensitivity},
    watch::Place,
};

mod bundle;

/// The forms of an identity that others trust it by.
const FORMS: &[(&str, &str)] = &[("leaf", "leaf"), ("chain", "chain"), ("anchor", "anchor")];

/// The kind.
#[derive(Debug)]
pub(super) struct Trust;

#[derive(Debug)]
struct Trusted {
    place: Where,
    name: Expr,
    form: &'static str,
}

#[derive(Debug)]
enum Where {
    File(Expr),
    Directory(Expr),
}

impl Kind for Trust {
    fn name(&self) -> &'static str {
        "trust"
    }

    fn summary(&self) -> &'static str {
        "the identity (`form`: leaf, chain, anchor) among the trusted certificates in the PEM file `path`, or the files of `directory`"
    }

    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>> {
        let place = match (fields.text("path")?, fields.text("directory")?) {
            (Some(path), None) => Where::File(path),
            (None, Some(directory)) => Where::Directory(directory),
            _ => return Err(fields.error("`trust` wants one of `path` and `directory`", "")),
        };
        Ok(Box::new(Trusted {
            place,
            name: fields.need("name")?,
            form: fields.word("form", FORMS)?.unwrap_or("leaf"),
        }))
    }
}

impl Ask for Trusted {
    fn place(&self) -> String {
        match &self.place {
            Where::File(path) => path.text.clone(),
            Where::Directory(directory) => format!("{}/*.pem", directory.text),
        }
    }

    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>> {
        let name = name(&self.name, at)?;
        let Some(bytes) = at.identity.forms.get(self.form) else {
            return Err(self.name.error(
                format!("identity has no form `{}` to be trusted by", self.form),
                "give the chain or the trust anchor with the identity",
            ));
        };
        let certificates = Input {
            name: format!("form `{}`", self.form),
            bytes: bytes.clone(),
        }
        .certificates()?;
        match &self.place {
            Where::File(path) => {
                let path = at.path(path)?;
                let mut target = at.target(
                    path.clone(),
                    Content::File(Bytes::default()),
                    Sensitivity::Public,
                );
                target.rewrite = Some(Rewriting(Rc::new(Held {
                    path,
                    name,
                    certificates,
                    turn: at.identity.turn.clone(),
                })));
                Ok(vec![target])
            }
            Where::Directory(directory) => {
                let directory = at.path(directory)?;
                let file = |c: &Certificate| {
                    let path = directory.join(&format!("{}.pem", label(&name, &c.sha256)));
                    let content = Content::File(certificate_pem(&c.der).into());
                    at.target(path, content, Sensitivity::Public)
                };
                let targets: Vec<Target> = certificates.iter().map(file).collect();
                if !at.identity.turn.keeps {
                    at.trusts.push(TrustDir {
                        stays: targets.iter().map(|t| t.path.clone()).collect(),
                        gone: at.identity.turn.gone.clone(),
                        directory,
                        name,
                    });
                }
                Ok(targets)
            }
        }
    }
}

/// Renders the name that labels begin with; it becomes a part of file names and comments.
pub(super) fn name(expr: &Expr, at: &Asking<'_>) -> Result<String> {
    let text = at.renderer.text(expr, at.scope)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.starts_with('.') || !text.chars().all(plain) {
        let hint = "use letters, digits, `.`, `_` and `-`";
        return Err(expr.error(
            format!("`{}` cannot begin a label", text.escape_debug()),
            hint,
        ));
    }
    Ok(text)
}

/// What one file is to hold beside what is there.
#[derive(Debug)]
struct Held {
    path: HostPath,
    name: String,
    certificates: Vec<Certificate>,
    turn: Turn,
}

impl Rewrite for Held {
    fn needs(&self) -> Vec<HostPath> {
        Vec::new()
    }

    fn rewrite(&self, before: Option<&Bytes>, _: &Given) -> Result<Rewritten, Finding> {
        let unfit = |message: String| -> Finding {
            let message = format!("`{}` {message}", self.path);
            let hint = format!("look at it: `openssl storeutl -noout -text {}`", self.path);
            Finding::host(Severity::Fatal, "trust-unfit", message).hinted(hint)
        };
        let text = before.map_or(Ok(""), |bytes| std::str::from_utf8(bytes.reveal()));
        let text = text.map_err(|_| unfit("is not text".to_owned()))?;
        let mut blocks = bundle::read(text).map_err(unfit)?;
        let wanted = |sha256: &str| self.certificates.iter().any(|c| c.sha256 == sha256);
        if !self.turn.keeps {
            let ours = |label: &str| is_label(label, &self.name);
            for block in &mut blocks {
                let old = !block.sha256.is_empty()
                    && (block.label().is_some_and(ours) || self.turn.gone.contains(&block.sha256));
                if old && !wanted(&block.sha256) {
                    block.strip(ours);
                }
            }
        }
        for certificate in &self.certificates {
            if !blocks
                .iter()
                .any(|block| block.sha256 == certificate.sha256)
            {
                bundle::add(&mut blocks, &self.name, certificate);
            }
        }
        let text: String = (blocks.into_iter())
            .flat_map(|block| [block.before, block.pem])
            .collect();
        Ok(Rewritten {
            bytes: text.into(),
            lines: None,
            findings: Vec::new(),
        })
    }

    /// Those of this identity alone: how long others last is theirs to know.
    fn certificates(
        &self,
        content: &Bytes,
        _: &Given,
    ) -> Result<Vec<(Place, Vec<Certificate>)>, Finding> {
        let input = Input {
            name: self.path.to_string(),
            bytes: content.clone(),
        };
        let all = input
            .certificates()
            .map_err(|e| Finding::host(Severity::Warning, "trust-unfit", e.to_string()))?;
        let is_ours = |c: &Certificate| self.certificates.iter().any(|own| own.sha256 == c.sha256);
        let at = |c: Certificate| {
            let path = self.path.to_string();
            (Place::File { path }, vec![c])
        };
        Ok(all.into_iter().filter(is_ours).map(at).collect())
    }
}

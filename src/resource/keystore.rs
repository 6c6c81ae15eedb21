//! `keystore`: entries of a Java keystore, beside those of others, which stay as they are.

use std::rc::Rc;

use super::{
    Ask, Asking, Kind,
    held::{Held, HeldSpec},
};
use crate::{
    desired::{Given, Rewrite, Rewriting, Rewritten, Target},
    error::{Error, Result},
    identity::{Certificate, Identity, Input},
    keystore::{
        self, Chance, Encryption, Fault, Format, Outdated, Passwords, Store, Wanted, WantedKey,
    },
    preflight::{Finding, Severity},
    profile::Fields,
    render::Expr,
    rotation::{Turn, is_label, label},
    state::{Bytes, Content, HostPath, Sensitivity},
    watch::Place,
    yaml::Node,
};

/// The kind.
#[derive(Debug)]
pub(super) struct Keystore;

/// The forms of an identity that are certificates alone.
const FORMS: &[(&str, &str)] = &[("leaf", "leaf"), ("chain", "chain"), ("anchor", "anchor")];

#[derive(Debug)]
struct Entries {
    path: Expr,
    alias: Option<Expr>,
    trusted: Vec<Trusted>,
    password: HeldSpec,
    key_password: Option<HeldSpec>,
    one_password: bool,
    published: Vec<Expr>,
    format: Format,
    encryption: Encryption,
}

/// One member of `trusted`.
#[derive(Debug)]
struct Trusted {
    alias: Expr,
    /// Whether that is the name of labels.
    labels: bool,
    from: From,
}

#[derive(Debug)]
enum From {
    Form(&'static str),
    File(Expr),
}

impl Kind for Keystore {
    fn name(&self) -> &'static str {
        "keystore"
    }

    fn summary(&self) -> &'static str {
        "entries of the Java keystore (JKS or PKCS#12) at `path`: key and chain under `alias`, and certificates in `trusted`"
    }

    fn parse(&self, fields: &mut Fields<'_>) -> Result<Box<dyn Ask>> {
        let file = fields.path();
        let trusted = fields.members("trusted");
        let entries = Entries {
            path: fields.need("path")?,
            alias: fields.text("alias")?,
            trusted: trusted
                .iter()
                .map(|node| Trusted::parse(file, node))
                .collect::<Result<_>>()?,
            password: held(fields, "password_file", "password_in")?.ok_or_else(|| {
                let hint = "add `password_file: PATH`, or `password_in: {file: PATH, format: toml, at: [NAME]}`";
                fields.error("`keystore` has no password", hint)
            })?,
            key_password: held(fields, "key_password_file", "key_password_in")?,
            one_password: fields.flag("one_password")?,
            published: fields.texts("published")?,
            format: fields.word("format", Format::NAMES)?.unwrap_or_default(),
            encryption: fields
                .word("encryption", Encryption::NAMES)?
                .unwrap_or_default(),
        };
        if entries.alias.is_none() && entries.trusted.is_empty() {
            return Err(fields.error(
                "`keystore` wants no entry",
                "add `alias: NAME` for the key, or `trusted: [{alias: NAME, form: leaf}]`",
            ));
        }
        Ok(Box::new(entries))
    }
}

/// Reads where a password is kept: in the first line of a file, or in a document.
fn held(
    fields: &mut Fields<'_>,
    file: &'static str,
    inside: &'static str,
) -> Result<Option<HeldSpec>> {
    let path = fields.path();
    match (fields.text(file)?, fields.node(inside)) {
        (Some(file), None) => Ok(Some(HeldSpec::first_line(file))),
        (None, Some(node)) => HeldSpec::parse(path, node).map(Some),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            let message = format!("want one of `{file}` and `{inside}`");
            Err(fields.error(message, ""))
        }
    }
}

impl Trusted {
    fn parse(file: &str, node: &Node) -> Result<Self> {
        let mut fields = Fields::new(file, "trusted entry", node)?;
        let (alias, labels) = match (fields.text("alias")?, fields.text("name")?) {
            (Some(alias), None) => (alias, false),
            (None, Some(name)) => (name, true),
            _ => return Err(fields.error("want one of `alias` and `name`", "")),
        };
        let from = match (fields.word("form", FORMS)?, fields.text("file")?) {
            (Some(form), None) => From::Form(form),
            (None, Some(path)) => From::File(path),
            _ => return Err(fields.error("want one of `form` and `file`", "")),
        };
        fields.done()?;
        Ok(Self {
            alias,
            labels,
            from,
        })
    }
}

impl Ask for Entries {
    fn place(&self) -> String {
        self.path.text.clone()
    }

    fn ask(&self, at: &mut Asking<'_>) -> Result<Vec<Target>> {
        let path = at.path(&self.path)?;
        let mut given = Vec::new();
        for trusted in &self.trusted {
            let alias = if trusted.labels {
                Alias::Labels(super::trust::name(&trusted.alias, at)?)
            } else {
                Alias::Is(at.renderer.text(&trusted.alias, at.scope)?)
            };
            let source = match &trusted.from {
                From::File(file) => Certificates::Of(at.path(file)?),
                From::Form(form) => Certificates::These(certificates(form, trusted, at)?),
            };
            given.push((alias, source));
        }
        let texts = |all: &[Expr]| -> Result<Vec<String>> {
            let texts = all.iter().map(|e| at.renderer.text(e, at.scope));
            texts.collect()
        };
        let own = self.key_password.as_ref();
        let rewrite = Rewriting(Rc::new(Filled {
            path: path.clone(),
            key: self.alias.as_ref().map(|a| key(a, at)).transpose()?,
            trusted: given,
            turn: at.identity.turn.clone(),
            password: self.password.render(at)?,
            key_password: own.map(|held| held.render(at)).transpose()?,
            one_password: self.one_password,
            published: texts(&self.published)?,
            format: self.format,
            encryption: self.encryption,
        }));
        let mut target = at.target(path, Content::File(Bytes::default()), Sensitivity::Secret);
        let is_form = |t: &Trusted| matches!(t.from, From::Form(_));
        target.identity = self.alias.is_some() || self.trusted.iter().any(is_form);
        target.rewrite = Some(rewrite);
        Ok(vec![target])
    }
}

fn form(name: &str, expr: &Expr, at: &Asking<'_>) -> Result<Input> {
    let missing = || {
        expr.error(
            format!("identity has no form `{name}`"),
            "give the chain or the trust anchor with the identity",
        )
    };
    Ok(Input {
        name: format!("form `{name}`"),
        bytes: at.identity.forms.get(name).cloned().ok_or_else(missing)?,
    })
}

fn certificates(name: &str, trusted: &Trusted, at: &Asking<'_>) -> Result<Vec<Certificate>> {
    form(name, &trusted.alias, at)?.certificates()
}

fn key(alias: &Expr, at: &Asking<'_>) -> Result<WantedKey> {
    let (identity, _) = Identity::assemble(&[form("bundle", alias, at)?], None)?;
    let Some(key) = identity.key else {
        return Err(alias.error("identity has no key", "give it: `--key F`"));
    };
    Ok(WantedKey {
        alias: at.renderer.text(alias, at.scope)?,
        key,
        chain: [vec![identity.leaf], identity.chain].concat(),
    })
}

/// What one store is to hold, nothing left to look up but files of the host.
#[derive(Debug)]
struct Filled {
    path: HostPath,
    key: Option<WantedKey>,
    trusted: Vec<(Alias, Certificates)>,
    turn: Turn,
    password: Held,
    key_password: Option<Held>,
    one_password: bool,
    published: Vec<String>,
    format: Format,
    encryption: Encryption,
}

/// What trusted certificates are called.
#[derive(Debug)]
enum Alias {
    /// This; those that follow the first have a number.
    Is(String),
    /// Each its own label of this name.
    Labels(String),
}

#[derive(Debug)]
enum Certificates {
    These(Vec<Certificate>),
    Of(HostPath),
}

impl Rewrite for Filled {
    fn needs(&self) -> Vec<HostPath> {
        let files = self.trusted.iter().filter_map(|(_, from)| match from {
            Certificates::Of(path) => Some(path),
            Certificates::These(_) => None,
        });
        files.cloned().chain(self.secrets()).collect()
    }

    fn secrets(&self) -> Vec<HostPath> {
        let passwords = [Some(&self.password), self.key_password.as_ref()];
        let files = passwords.into_iter().flatten().map(|held| &held.file);
        files.cloned().collect()
    }

    fn rewrite(&self, before: Option<&Bytes>, given: &Given) -> Result<Rewritten, Finding> {
        let passwords = self.passwords(given)?;
        let mut trusted = Vec::new();
        for (alias, from) in &self.trusted {
            let found = match from {
                Certificates::These(these) => these.clone(),
                Certificates::Of(path) => {
                    let input = Input {
                        name: path.to_string(),
                        bytes: file(path, given, "keystore-trusted")?.clone(),
                    };
                    let found = input.certificates();
                    found.map_err(|error| unfit("keystore-trusted", &error))?
                }
            };
            for (n, certificate) in found.into_iter().enumerate() {
                let alias = match (alias, n) {
                    (Alias::Labels(name), _) => label(name, &certificate.sha256),
                    (Alias::Is(alias), 0) => alias.clone(),
                    (Alias::Is(alias), n) => format!("{alias}-{}", n + 1),
                };
                trusted.push((alias, certificate));
            }
        }
        let wanted = Wanted {
            key: self.key.clone(),
            trusted,
            outdated: self.outdated(),
            format: self.format,
            encryption: self.encryption,
        };
        let mut salt = [0; 20];
        salt.copy_from_slice(&given.random[..20]);
        let chance = Chance {
            salt,
            now: given.now,
        };
        let settled = wanted
            .settle(before.map(Bytes::reveal), &passwords, &chance)
            .map_err(|fault| self.finding(fault))?;
        if let (true, [first, ..]) = (self.one_password, settled.closed.as_slice()) {
            let message = format!(
                "`{}` has a key of another password, `{}`: who reads it opens every key with one",
                self.path,
                keystore::shown(first)
            );
            let finding = Finding::host(Severity::Fatal, "keystore-passwords", message);
            return Err(finding
                .hinted("give it the same: `keytool -keypasswd -alias ALIAS -keystore FILE`"));
        }
        let is_known = |subject: &str| {
            let fits = |pattern: &String| fast_glob::glob_match(pattern, subject);
            self.published.iter().any(fits)
        };
        let published = settled.leaves.iter().filter(|(_, leaf)| is_known(leaf));
        let findings = published.map(|(alias, subject)| {
            let message = format!(
                "`{}` has a pair as it is published with the platform, `{}` ({subject}): everybody has its key",
                self.path,
                keystore::shown(alias)
            );
            Finding::host(Severity::Warning, "published-key", message)
        });
        Ok(Rewritten {
            bytes: settled.bytes,
            lines: Some(settled.lines),
            findings: findings.collect(),
        })
    }

    fn certificates(
        &self,
        content: &Bytes,
        given: &Given,
    ) -> Result<Vec<(Place, Vec<Certificate>)>, Finding> {
        let store = self.passwords(given)?.store;
        let store =
            Store::read(content.reveal(), Some(&store)).map_err(|fault| self.finding(fault))?;
        let ours = |alias: &str| {
            let key = self.key.as_ref().map(|key| key.alias.as_str());
            let is = |own: &str| own.eq_ignore_ascii_case(alias);
            let mut all = self.trusted.iter();
            key.is_some_and(is)
                || all.any(|(own, _)| match own {
                    Alias::Is(own) => is(own),
                    Alias::Labels(name) => is_label(&alias.to_lowercase(), &name.to_lowercase()),
                })
        };
        // A certificate is in the clear beside the key, which is not needed.
        Ok(keystore::leaves(
            self.path.as_str(),
            &store.entries(None),
            &ours,
        ))
    }
}

impl Filled {
    /// Returns what goes once old trust does.
    fn outdated(&self) -> Outdated {
        if self.turn.keeps {
            return Outdated::default();
        }
        // Whose identity a file is of, and whether that is still shown, is not for this rollout to know.
        let labels = |given: &(Alias, Certificates)| match given {
            (Alias::Labels(name), Certificates::These(_)) => Some(name.clone()),
            (Alias::Labels(_) | Alias::Is(_), _) => None,
        };
        Outdated {
            names: self.trusted.iter().filter_map(labels).collect(),
            leaves: self.turn.gone.clone(),
        }
    }

    /// Returns the passwords, from the files that hold them.
    fn passwords(&self, given: &Given) -> Result<Passwords, Finding> {
        let password = |held: &Held| held.read(given, "keystore-password");
        Ok(Passwords {
            store: password(&self.password)?,
            key: self.key_password.as_ref().map(password).transpose()?,
        })
    }

    fn finding(&self, fault: Fault) -> Finding {
        let message = format!("`{}` {}", self.path, fault.message);
        if fault.is_password {
            let files: Vec<String> = self.secrets().iter().map(HostPath::to_string).collect();
            let files = crate::error::backticked(&files);
            return Finding::host(Severity::Fatal, "keystore-password", message)
                .hinted(format!("the password is read from {files}"));
        }
        let finding = Finding::host(Severity::Fatal, "keystore-unfit", message);
        if fault.hint.is_empty() {
            finding
        } else {
            finding.hinted(fault.hint)
        }
    }
}

/// Returns a file that is needed, or says that it is not there.
fn file<'g>(path: &HostPath, given: &'g Given, name: &'static str) -> Result<&'g Bytes, Finding> {
    given.files.get(path).ok_or_else(|| {
        Finding::host(Severity::Fatal, name, format!("`{path}` is not there"))
            .hinted(format!("check the path: `ls -l {path}`"))
    })
}

fn unfit(name: &'static str, error: &Error) -> Finding {
    let finding = Finding::host(Severity::Fatal, name, error.to_string());
    match error.hint() {
        Some(hint) => finding.hinted(hint),
        None => finding,
    }
}

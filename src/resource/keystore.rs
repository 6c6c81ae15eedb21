//! `keystore`: entries of a Java keystore, beside those of others, which stay as they are.

use std::rc::Rc;

use super::{Ask, Asking, Kind};
use crate::{
    desired::{Given, Rewrite, Rewriting, Rewritten, Target},
    error::{Error, Result},
    identity::{Certificate, Identity, Input},
    keystore::{Chance, Encryption, Fault, Format, Outdated, Passwords, Wanted, WantedKey},
    preflight::{Finding, Severity},
    profile::Fields,
    render::Expr,
    rotation::{Turn, label},
    source::password_in,
    state::{Bytes, Content, HostPath, Sensitivity},
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
    password_file: Expr,
    key_password_file: Option<Expr>,
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
            password_file: fields.need("password_file")?,
            key_password_file: fields.text("key_password_file")?,
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
        let password = |file: &Expr| at.path(file);
        let rewrite = Rewriting(Rc::new(Filled {
            path: path.clone(),
            key: self.alias.as_ref().map(|a| key(a, at)).transpose()?,
            trusted: given,
            turn: at.identity.turn.clone(),
            password: password(&self.password_file)?,
            key_password: self.key_password_file.as_ref().map(password).transpose()?,
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
    password: HostPath,
    key_password: Option<HostPath>,
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
        let passwords = [Some(&self.password), self.key_password.as_ref()];
        let passwords = passwords.into_iter().flatten();
        files.chain(passwords).cloned().collect()
    }

    fn rewrite(&self, before: Option<&Bytes>, given: &Given) -> Result<Rewritten, Finding> {
        let password = |path: &HostPath| {
            let bytes = file(path, given, "keystore-password")?;
            password_in(path.as_str(), bytes).map_err(|error| unfit("keystore-password", &error))
        };
        let passwords = Passwords {
            store: password(&self.password)?,
            key: self.key_password.as_ref().map(password).transpose()?,
        };
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
        Ok(Rewritten {
            bytes: settled.bytes,
            lines: Some(settled.lines),
        })
    }
}

impl Filled {
    /// Returns what goes once old trust does.
    fn outdated(&self) -> Outdated {
        if self.turn.keeps {
            return Outdated::default();
        }
        let labels = |(alias, _): &(Alias, _)| match alias {
            Alias::Labels(name) => Some(name.clone()),
            Alias::Is(_) => None,
        };
        Outdated {
            names: self.trusted.iter().filter_map(labels).collect(),
            leaves: self.turn.gone.clone(),
        }
    }

    fn finding(&self, fault: Fault) -> Finding {
        let message = format!("`{}` {}", self.path, fault.message);
        if fault.is_password {
            let own = self.key_password.as_ref();
            let files = [Some(&self.password), own].into_iter().flatten();
            let files: Vec<String> = files.map(HostPath::to_string).collect();
            let files = crate::error::backticked(&files);
            return Finding::host(Severity::Fatal, "keystore-password", message)
                .hinted(format!("the password is the first line of {files}"));
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
